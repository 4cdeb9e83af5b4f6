//! What is in `packaging/dashboards` is whole, consistent, and what this crate writes.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use dashboards::files;
use serde_json::Value;

/// Of each dashboard for Grafana its path below the directory and what is in it.
fn grafana() -> impl Iterator<Item = (String, Value)> {
    let all = files::all().into_iter();
    all.filter(|(name, _)| name.starts_with("grafana/"))
}

/// Its panels that show something.
fn panels(dashboard: &Value) -> impl Iterator<Item = &Value> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    panels.filter(|panel| panel["type"] != "row")
}

#[test]
fn what_is_checked_in_is_what_is_written_here() {
    let mut wanted = BTreeSet::new();
    for (name, content) in files::all() {
        let path = files::directory().join(&name);
        let text = fs::read_to_string(&path).unwrap_or_default();
        let found: Option<Value> = serde_json::from_str(&text).ok();
        assert_eq!(found, Some(content), "{name}: run `make dashboards`");
        wanted.insert(path);
    }
    let directories = ["grafana/path", "grafana/tags", "graphite-web"];
    for directory in directories.map(|name| files::directory().join(name)) {
        for file in fs::read_dir(directory).unwrap() {
            let path = file.unwrap().path();
            assert!(wanted.contains(&path), "{} is nobody's", path.display());
        }
    }
}

#[test]
fn a_dashboard_has_all_that_grafana_asks_for() {
    // Grafana: packages/grafana-schema, Dashboard and Panel.
    let of_dashboards = [
        "uid",
        "title",
        "description",
        "tags",
        "schemaVersion",
        "version",
        "editable",
        "time",
        "timezone",
        "refresh",
        "annotations",
        "templating",
        "links",
        "panels",
        "graphTooltip",
    ];
    let of_panels = [
        "id",
        "type",
        "title",
        "description",
        "gridPos",
        "datasource",
        "targets",
        "fieldConfig",
        "options",
        "links",
    ];
    let of_variables = ["name", "label", "type", "query", "hide", "skipUrlSync"];
    let kinds = ["timeseries", "stat", "bargauge"];
    let mut uids = BTreeSet::new();
    for (name, dashboard) in grafana() {
        let has = |of: &Value, keys: &[&str]| {
            for key in keys {
                assert!(!of[key].is_null(), "{name}: {} has no {key}", of["title"]);
            }
        };
        has(&dashboard, &of_dashboards);
        let uid = dashboard["uid"].as_str().unwrap().to_owned();
        assert!(uid.len() <= 40, "{uid} is longer than Grafana takes");
        assert!(uids.insert(uid), "{name}: its uid is another's");
        for variable in dashboard["templating"]["list"].as_array().unwrap() {
            has(variable, &of_variables);
        }
        for panel in panels(&dashboard) {
            has(panel, &of_panels);
            assert!(kinds.contains(&panel["type"].as_str().unwrap()), "{panel}");
            let defaults = &panel["fieldConfig"]["defaults"];
            has(defaults, &["unit", "thresholds", "color"]);
            let steps = defaults["thresholds"]["steps"].as_array().unwrap();
            let values: Vec<f64> = steps
                .iter()
                .filter_map(|step| step["value"].as_f64())
                .collect();
            assert!(
                steps[0]["value"].is_null(),
                "{name}: the first step has no bound"
            );
            assert!(values.is_sorted(), "{name}: steps rise: {values:?}");
        }
    }
}

#[test]
fn panels_have_ids_of_their_own_and_lie_beside_each_other() {
    for (name, dashboard) in grafana() {
        let mut ids = BTreeSet::new();
        let mut taken = BTreeMap::new();
        for panel in dashboard["panels"].as_array().unwrap() {
            let id = panel["id"].as_u64().unwrap();
            assert!(id > 0 && ids.insert(id), "{name}: {id} is there twice");
            let at = |side: &str| panel["gridPos"][side].as_u64().unwrap();
            assert!(
                at("w") > 0 && at("h") > 0 && at("x") + at("w") <= 24,
                "{name}: {id}"
            );
            for x in at("x")..at("x") + at("w") {
                for y in at("y")..at("y") + at("h") {
                    let below = taken.insert((x, y), id);
                    assert_eq!(below, None, "{name}: {id} covers another");
                }
            }
        }
    }
}

#[test]
fn targets_use_the_variables_that_there_are_and_the_data_source_that_is_chosen() {
    for (name, dashboard) in grafana() {
        let variables = dashboard["templating"]["list"].as_array().unwrap();
        let names: Vec<&str> = variables
            .iter()
            .map(|one| one["name"].as_str().unwrap())
            .collect();
        let known = |text: &str| {
            for used in text.split('$').skip(1) {
                let used = used.trim_start_matches('{');
                let end = used.find(|c: char| !c.is_ascii_alphanumeric() && c != '_');
                let used = &used[..end.unwrap_or(used.len())];
                // What stands for the end of a text in a pattern is followed by no name.
                assert!(
                    used.is_empty() || names.contains(&used),
                    "{name}: ${used} in {text}"
                );
            }
        };
        for variable in variables {
            known(variable["query"].as_str().unwrap());
        }
        for panel in panels(&dashboard) {
            let title = panel["title"].as_str().unwrap();
            let mut letters = BTreeSet::new();
            let targets = panel["targets"].as_array().unwrap();
            assert!(!targets.is_empty(), "{name}: '{title}' shows nothing");
            for target in targets {
                assert!(
                    letters.insert(target["refId"].as_str().unwrap()),
                    "{name}: '{title}'"
                );
                assert_eq!(
                    target["datasource"]["uid"], "${datasource}",
                    "{name}: '{title}'"
                );
                known(target["target"].as_str().unwrap());
            }
            assert_eq!(
                panel["datasource"]["uid"], "${datasource}",
                "{name}: '{title}'"
            );
        }
    }
}

#[test]
fn every_panel_says_what_its_numbers_mean_and_every_link_leads_somewhere() {
    let uids: BTreeSet<String> = grafana()
        .map(|(_, dashboard)| dashboard["uid"].as_str().unwrap().to_owned())
        .collect();
    for (name, dashboard) in grafana() {
        for panel in panels(&dashboard) {
            let says = panel["description"].as_str().unwrap();
            assert!(
                says.ends_with('.') && says.len() > 15,
                "{name}: {}",
                panel["title"]
            );
            for link in panel["links"].as_array().unwrap() {
                let url = link["url"].as_str().unwrap();
                let uid = Path::new(url.split('?').next().unwrap())
                    .file_name()
                    .unwrap();
                let uid = uid.to_str().unwrap();
                assert!(uids.contains(uid), "{name}: {url} leads nowhere");
                assert_ne!(
                    dashboard["uid"], uid,
                    "{name}: {} links to itself",
                    panel["title"]
                );
            }
        }
    }
}

#[test]
fn both_forms_show_the_same_panels() {
    let of = |form: &str| -> BTreeMap<String, Vec<Value>> {
        let all = grafana().filter(|(name, _)| name.contains(form));
        all.map(|(name, dashboard)| {
            let titles = panels(&dashboard)
                .map(|panel| panel["title"].clone())
                .collect();
            (name.replace(form, ""), titles)
        })
        .collect()
    };
    let (path, tags) = (of("/path/"), of("/tags/"));
    assert!(!path.is_empty());
    assert_eq!(path, tags);
}

#[test]
fn a_dashboard_of_graphite_webs_own_has_what_its_page_reads() {
    let all = files::all().into_iter();
    for (name, state) in all.filter(|(name, _)| name.starts_with("graphite-web/")) {
        // graphite-web: webapp/content/js/dashboard.js, applyState.
        for key in [
            "name",
            "timeConfig",
            "refreshConfig",
            "graphSize",
            "defaultGraphParams",
            "graphs",
        ] {
            assert!(!state[key].is_null(), "{name}: no {key}");
        }
        let mut targets = BTreeSet::new();
        for graph in state["graphs"].as_array().unwrap() {
            let [of, arguments, url] = graph.as_array().unwrap().as_slice() else {
                panic!("{name}: {graph} is not three things");
            };
            // Its page knows graphs by their targets.
            assert!(
                targets.insert(of.as_str().unwrap().to_owned()),
                "{name}: {of} is there twice"
            );
            assert!(
                !arguments["target"].as_array().unwrap().is_empty(),
                "{name}: {graph}"
            );
            assert!(
                !arguments["target"].to_string().contains("$top"),
                "{name}: {graph}"
            );
            assert!(
                url.as_str().unwrap().starts_with("/render?"),
                "{name}: {url}"
            );
        }
    }
}

/// The agent's own metrics are up to the agent; those are looked for beside a real one.
#[test]
fn every_field_is_in_the_manuals_list_of_metrics() {
    let manual = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/doc/metrics.md"
    );
    let manual = fs::read_to_string(manual).unwrap();
    let mut known: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for section in manual.split("\n## ").skip(1) {
        let mut lines = section.lines();
        let kinds = lines.find(|line| line.starts_with("Below ")).unwrap();
        let kinds = kinds
            .split(". ")
            .next()
            .unwrap()
            .split('`')
            .skip(1)
            .step_by(2);
        let rows = lines.filter_map(|line| line.strip_prefix("| `"));
        let fields: Vec<&str> = rows.filter_map(|row| row.split('`').next()).collect();
        for kind in kinds {
            known.entry(kind).or_default().extend(&fields);
        }
    }
    for board in dashboards::boards::all() {
        let queries = board.panels().flat_map(|panel| &panel.queries);
        for series in queries.flat_map(dashboards::expression::Query::series) {
            let fields = known.get(series.kind);
            let is_known = fields.is_some_and(|fields| fields.contains(series.name()));
            assert!(
                is_known || series.kind == "agent",
                "{}: {series:?}",
                board.name
            );
        }
    }
}
