//! Dashboards as Grafana imports them, with a Graphite data source.

use serde_json::{Value, json};

use crate::board::{Alarm, Board, Panel, Shape, Unit, Variable};
use crate::expression::{Form, Query};

/// The version of Grafana's format that these are written in; newer Grafanas bring them up to their own.
const SCHEMA_VERSION: u32 = 39;
/// Columns of a Grafana dashboard.
const COLUMNS: u32 = 24;

/// What tells the dashboards of one form from those of the other.
fn tag(form: Form) -> &'static str {
    match form {
        Form::Tags => "tags",
        Form::Path | Form::Plain => "path",
    }
}

/// The identity of a dashboard, the same at each import: a new version takes the old one's place.
fn uid(name: &str, form: Form) -> String {
    format!("{name}-{}", tag(form))
}

/// A whole dashboard.
#[must_use]
pub fn dashboard(board: &Board, form: Form) -> Value {
    let kind = tag(form);
    let siblings = json!({
        "title": "Mesos agents", "type": "dashboards", "tags": ["mesos-agent-toolkit", kind], "asDropdown": true,
        "includeVars": true, "keepTime": true, "targetBlank": false, "icon": "external link", "tooltip": "", "url": "",
    });
    json!({
        "uid": uid(board.name, form),
        "title": format!("{} ({kind})", board.title),
        "description": board.about,
        "tags": ["mesos", "mesos-agent-toolkit", kind],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": true,
        "graphTooltip": 1,
        "fiscalYearStartMonth": 0,
        "liveNow": false,
        "weekStart": "",
        "refresh": "30s",
        "time": { "from": "now-3h", "to": "now" },
        "timepicker": {},
        "timezone": "",
        "annotations": { "list": [] },
        "links": [siblings],
        "templating": { "list": variables(board, form) },
        "panels": panels(board, form),
    })
}

/// The data source is chosen on the dashboard, so that it can be imported anywhere.
fn source() -> Value {
    json!({ "type": "graphite", "uid": "${datasource}" })
}

fn variables(board: &Board, form: Form) -> Vec<Value> {
    let mut list = vec![
        json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": "graphite", "regex": "",
            "options": [], "hide": 0, "multi": false, "includeAll": false, "refresh": 1,
            "skipUrlSync": false,
        }),
        json!({
            "name": "prefix", "label": "Prefix", "type": "textbox", "query": "mesos", "hide": 0, "skipUrlSync": false,
            "description": "The collector's setting of the same name",
            "current": { "text": "mesos", "value": "mesos" },
            "options": [{ "text": "mesos", "value": "mesos", "selected": true }],
        }),
    ];
    list.extend(board.variables.iter().map(|one| variable(*one, form)));
    list
}

fn variable(variable: Variable, form: Form) -> Value {
    let (label, path, tags) = match variable {
        Variable::Host => (
            "Agent",
            "$prefix.*",
            "tag_values(host, name=$prefix.collector.scrape_seconds)",
        ),
        Variable::App => (
            "App",
            "$prefix.$host.containers.*",
            "tag_values(app, name=$prefix.containers.mem_limit_bytes, host=~^${host:regex}$)",
        ),
        Variable::Slot => (
            "Instance",
            "$prefix.$host.containers.$app.*",
            "tag_values(slot, name=$prefix.containers.mem_limit_bytes, host=~^${host:regex}$, app=~^${app:regex}$)",
        ),
        Variable::Task => (
            "Task",
            "$prefix.$host.tasks.*",
            "tag_values(app, name=$prefix.tasks.restarts, host=~^${host:regex}$)",
        ),
        Variable::Top => return most_shown(),
    };
    let (query, all) = match form {
        Form::Tags => (tags, ".*"),
        Form::Path | Form::Plain => (path, "*"),
    };
    json!({
        "name": variable.name(), "label": label, "type": "query", "datasource": source(), "query": query, "regex": "", "sort": 1, "refresh": 2, "multi": true, "includeAll": true, "allValue": all,
        "hide": 0, "skipUrlSync": false, "options": [],
        "current": { "text": ["All"], "value": ["$__all"], "selected": true },
    })
}

fn most_shown() -> Value {
    let choices = ["5", "10", "20", "50"];
    let options: Vec<Value> = choices
        .iter()
        .map(|choice| json!({ "text": choice, "value": choice, "selected": *choice == "10" }))
        .collect();
    json!({
        "name": Variable::Top.name(), "label": "At most", "type": "custom", "query": choices.join(","),
        "options": options, "current": { "text": "10", "value": "10", "selected": true }, "multi": false,
        "includeAll": false, "hide": 0, "skipUrlSync": false,
    })
}

fn panels(board: &Board, form: Form) -> Vec<Value> {
    let (mut all, mut id, mut top) = (Vec::new(), 0, 0);
    for section in &board.sections {
        id += 1;
        all.push(json!({
            "id": id, "type": "row", "title": section.title, "collapsed": false, "panels": [],
            "gridPos": { "x": 0, "y": top, "w": COLUMNS, "h": 1 },
        }));
        top += 1;
        let (mut left, mut tallest) = (0, 0);
        for one in &section.panels {
            let height = if one.shape == Shape::Number { 4 } else { 8 };
            if left + one.width > COLUMNS {
                top += tallest;
                (left, tallest) = (0, 0);
            }
            id += 1;
            let mut value = panel(board, one, form);
            value["id"] = json!(id);
            value["gridPos"] = json!({ "x": left, "y": top, "w": one.width, "h": height });
            all.push(value);
            left += one.width;
            tallest = tallest.max(height);
        }
        top += tallest;
    }
    all
}

fn panel(board: &Board, panel: &Panel, form: Form) -> Value {
    let (kind, options, custom) = drawn(panel);
    let (least, most) = match panel.unit {
        // Beyond its limit is where a share is worth looking at.
        Unit::Share => (Some(0.0), None),
        _ if matches!(panel.alarm, Some(Alarm::Below { .. })) => (None, None),
        _ => (Some(0.0), None::<f64>),
    };
    let mut defaults = json!({
        "unit": unit(panel.unit), "mappings": [], "custom": custom,
        "color": { "mode": if shows_alarm(panel) { "thresholds" } else { "palette-classic" } },
        "thresholds": { "mode": "absolute", "steps": steps(panel.alarm) },
    });
    for (name, bound) in [("min", least), ("max", most)] {
        if let Some(bound) = bound {
            defaults[name] = json!(bound);
        }
    }
    let overrides: Vec<Value> = panel.queries.iter().filter_map(dashed).collect();
    let targets: Vec<Value> = panel
        .queries
        .iter()
        .zip('A'..='Z')
        .map(|(query, letter)| {
            let target = query.target(form, board.variables);
            json!({ "refId": letter, "datasource": source(), "target": target, "textEditor": true })
        })
        .collect();
    let links: Vec<Value> = panel.more.iter().map(|name| link(name, form)).collect();
    json!({
        "type": kind, "title": panel.title, "description": panel.says, "datasource": source(), "links": links,
        "transparent": false, "maxDataPoints": 500, "targets": targets, "options": options,
        "fieldConfig": { "defaults": defaults, "overrides": overrides },
    })
}

/// Numbers and bars are coloured by what they mean, lines by which they are.
fn shows_alarm(panel: &Panel) -> bool {
    matches!(panel.shape, Shape::Number | Shape::Bars)
}

fn drawn(panel: &Panel) -> (&'static str, Value, Value) {
    let last = json!({ "calcs": ["lastNotNull"], "fields": "", "values": false });
    match panel.shape {
        Shape::Lines | Shape::Stacked => {
            let is_stacked = panel.shape == Shape::Stacked;
            let options = json!({
                "legend": { "displayMode": "table", "placement": "bottom", "showLegend": true,
                            "calcs": ["lastNotNull", "max"] },
                "tooltip": { "mode": "multi", "sort": "desc" },
            });
            let custom = json!({
                "drawStyle": "line", "lineInterpolation": "linear", "lineWidth": 1, "showPoints": "never",
                "fillOpacity": if is_stacked { 30 } else { 5 }, "spanNulls": false,
                "stacking": { "mode": if is_stacked { "normal" } else { "none" }, "group": "A" },
                "thresholdsStyle": { "mode": if panel.alarm.is_some() { "dashed" } else { "off" } },
            });
            ("timeseries", options, custom)
        }
        Shape::Number => {
            let options = json!({
                "reduceOptions": last, "orientation": "auto", "textMode": "value", "colorMode": "value",
                "graphMode": "area", "justifyMode": "auto", "wideLayout": true, "showPercentChange": false,
                "percentChangeColorMode": "standard",
            });
            ("stat", options, json!({}))
        }
        Shape::Bars => {
            let options = json!({
                "reduceOptions": last, "orientation": "horizontal", "displayMode": "gradient", "showUnfilled": true,
                "minVizWidth": 0, "minVizHeight": 10, "maxVizHeight": 300,
                "legend": { "displayMode": "list", "placement": "bottom", "showLegend": false, "calcs": [] }, "valueMode": "color", "namePlacement": "auto", "sizing": "auto",
            });
            ("bargauge", options, json!({}))
        }
    }
}

fn steps(alarm: Option<Alarm>) -> Value {
    match alarm {
        None => json!([{ "color": "blue", "value": null }]),
        Some(Alarm::Above { warn, bad }) => json!([
            { "color": "green", "value": null }, { "color": "orange", "value": warn }, { "color": "red", "value": bad },
        ]),
        Some(Alarm::Below { warn, bad }) => json!([
            { "color": "red", "value": null }, { "color": "orange", "value": bad }, { "color": "green", "value": warn },
        ]),
    }
}

fn dashed(query: &Query) -> Option<Value> {
    query.is_dashed().then(|| {
        json!({
            "matcher": { "id": "byRegexp", "options": format!("/ {}$/", query.ending()) },
            "properties": [
                { "id": "custom.lineStyle", "value": { "fill": "dash", "dash": [6, 6] } },
                { "id": "custom.fillOpacity", "value": 0 },
                { "id": "custom.stacking", "value": { "mode": "none", "group": "A" } },
            ],
        })
    })
}

fn link(name: &str, form: Form) -> Value {
    // What is chosen goes along; what the other dashboard has no variable for it passes over.
    let url = format!(
        "/d/{}?${{__all_variables}}&${{__url_time_range}}",
        uid(name, form)
    );
    json!({
        "title": "More on this", "type": "link", "url": url, "targetBlank": false, "asDropdown": false,
        "includeVars": false, "keepTime": false, "icon": "", "tags": [], "tooltip": "",
    })
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Cores | Unit::Count => "short",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "binBps",
        Unit::PerSecond => "cps",
        Unit::Share | Unit::SecondsPerSecond => "percentunit",
        Unit::Seconds => "s",
    }
}
