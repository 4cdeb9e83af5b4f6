//! A dashboard read as Grafana reads it: its variables are asked for, filled in, and its targets rendered.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde_json::Value;
use test_support::Graphite;

/// How long the first points of all series may take: executors publish what tasks use every ten seconds, and a rate needs two
/// of them; carbon tells of tags through graphite-web's database.
const PATIENCE: Duration = Duration::from_secs(90);

/// What a person has chosen for a variable.
#[derive(Clone, Debug)]
enum Chosen {
    /// All: what the dashboard has for that is filled in as it is.
    All(String),
    /// These.
    Values(Vec<String>),
}

/// A target as Graphite is asked for it, and where it stands.
struct Target {
    place: String,
    text: String,
}

/// Asks until every target of these dashboards has a value and a name in the legend. Of each variable that asks Graphite all
/// is chosen, or each value by itself.
///
/// # Panics
/// When there are some that still have none when the time is over; they are named.
pub(crate) fn await_all(graphite: &Graphite, dashboards: &[(String, Value)], is_all: bool) {
    let deadline = Instant::now() + PATIENCE;
    let mut unread: Vec<_> = dashboards.iter().collect();
    let mut empty: Vec<Target> = Vec::new();
    while !(unread.is_empty() && empty.is_empty()) {
        let mut faults = Vec::new();
        unread.retain(|(name, dashboard)| {
            match targets(graphite, name, dashboard, is_all) {
                Ok(targets) => empty.extend(targets),
                Err(why) => faults.push(format!("{name}: {why}")),
            }
            faults.last().is_some_and(|fault| fault.starts_with(name))
        });
        empty.retain(|target| {
            let fault = look(graphite, &target.text).err();
            let is_kept = fault.is_some();
            faults.extend(fault.map(|why| format!("{}: {why}: {}", target.place, target.text)));
            is_kept
        });
        let is_over = Instant::now() > deadline;
        assert!(
            !is_over || faults.is_empty(),
            "{}:\n{}",
            faults.len(),
            faults.join("\n")
        );
        std::thread::sleep(Duration::from_millis(500));
    }
}

/// Every target of every panel, with the variables filled in.
fn targets(
    graphite: &Graphite,
    name: &str,
    dashboard: &Value,
    is_all: bool,
) -> Result<Vec<Target>, String> {
    let chosen = choose(graphite, dashboard, is_all)?;
    let mut all = Vec::new();
    for panel in dashboard["panels"].as_array().into_iter().flatten() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            all.push(Target {
                place: format!("{name}: {}", panel["title"]),
                text: filled_in(target["target"].as_str().unwrap_or_default(), &chosen),
            });
        }
    }
    Ok(all)
}

/// What is wrong with what Graphite makes of a target.
pub(crate) fn look(graphite: &Graphite, target: &str) -> Result<(), String> {
    let series = graphite.render_json(target, "-5min");
    let series = series.map_err(|error| error.to_string())?;
    let series = series.as_array().ok_or("no list")?;
    let value = |point: &Value| point[0].as_f64();
    let has_values = |one: &&Value| {
        let points = one["datapoints"].as_array().into_iter().flatten();
        points.filter_map(value).next().is_some()
    };
    if series.is_empty() {
        return Err("no series".to_owned());
    }
    if !series.iter().any(|one| has_values(&one)) {
        return Err(format!("{} series without a value", series.len()));
    }
    for one in series.iter().filter(has_values) {
        // A name that is left as it was has the function or the path in it.
        let name = one["target"].as_str().unwrap_or_default();
        if name.is_empty() || name.contains(['(', ';', '*', '$']) {
            return Err(format!("the legend says '{name}'"));
        }
    }
    Ok(())
}

/// Asks for the values of all variables, in their order, since later ones ask about what earlier ones have.
fn choose(
    graphite: &Graphite,
    dashboard: &Value,
    is_all: bool,
) -> Result<BTreeMap<String, Chosen>, String> {
    let mut chosen = BTreeMap::new();
    let variables = dashboard["templating"]["list"].as_array();
    for variable in variables.into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let text = |key: &str| variable[key].as_str().unwrap_or_default().to_owned();
        let what = match variable["type"].as_str() {
            Some("query") => {
                let query = filled_in(&text("query"), &chosen);
                let values = values(graphite, &query)?;
                if values.is_empty() {
                    return Err(format!("${name} has no values: {query}"));
                }
                if is_all {
                    Chosen::All(text("allValue"))
                } else {
                    Chosen::Values(values)
                }
            }
            Some("datasource") => continue,
            _ => {
                let value = variable["current"]["value"].as_str().unwrap_or_default();
                Chosen::Values(vec![value.to_owned()])
            }
        };
        chosen.insert(name.to_owned(), what);
    }
    Ok(chosen)
}

/// Grafana: public/app/plugins/datasource/graphite/datasource.ts, metricFindQuery.
fn values(graphite: &Graphite, query: &str) -> Result<Vec<String>, String> {
    let said = |error: test_support::HttpError| error.to_string();
    let arguments = query
        .strip_prefix("tag_values(")
        .and_then(|rest| rest.strip_suffix(')'));
    if let Some(arguments) = arguments {
        let mut arguments = arguments.split(',').map(str::trim);
        let tag = arguments.next().unwrap_or_default();
        let expressions: Vec<&str> = arguments.collect();
        return graphite.tag_values(tag, &expressions).map_err(said);
    }
    let nodes = graphite.find(query).map_err(said)?;
    let nodes = nodes.as_array().into_iter().flatten();
    let mut values: Vec<String> = nodes
        .filter_map(|node| node["text"].as_str().map(str::to_owned))
        .collect();
    values.sort_unstable();
    values.dedup();
    Ok(values)
}

/// Grafana: public/app/features/templating, `$name` as a glob and `${name:regex}` as a pattern.
fn filled_in(text: &str, chosen: &BTreeMap<String, Chosen>) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let (name, format, behind) = match after.strip_prefix('{') {
            Some(inner) => {
                let (inner, behind) = inner.split_once('}').expect("a brace that is closed");
                let (name, format) = inner.split_once(':').unwrap_or((inner, "glob"));
                (name, format, behind)
            }
            None => {
                let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
                let end = after.find(|c| !is_part(c)).unwrap_or(after.len());
                (&after[..end], "glob", &after[end..])
            }
        };
        match chosen.get(name) {
            Some(Chosen::All(value)) => out.push_str(value),
            Some(Chosen::Values(values)) => out.push_str(&written(values, format)),
            None => {
                out.push('$');
                out.push_str(name);
            }
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn written(values: &[String], format: &str) -> String {
    match (values, format) {
        ([one], "glob") => one.clone(),
        (many, "glob") => format!("{{{}}}", many.join(",")),
        (values, _) => {
            let escaped = values.iter().map(|value| value.replace('.', "\\."));
            let escaped: Vec<String> = escaped.collect();
            match escaped.as_slice() {
                [one] => one.clone(),
                many => format!("({})", many.join("|")),
            }
        }
    }
}
