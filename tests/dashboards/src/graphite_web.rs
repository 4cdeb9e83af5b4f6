//! Dashboards of graphite-web's own, as its page saves them under `/dashboard/save/NAME`.

use serde_json::{Map, Value, json};

use crate::board::{Alarm, Board, Panel, Shape, Unit};
use crate::expression::Form;

/// A whole dashboard: the state that its page is in.
#[must_use]
pub fn dashboard(board: &Board) -> Value {
    let graphs: Vec<Value> = board.panels().map(graph).collect();
    json!({
        "name": board.name,
        "timeConfig": {
            "type": "relative", "relativeStartQuantity": "3", "relativeStartUnits": "hours",
            "relativeUntilQuantity": "", "relativeUntilUnits": "now", "startDate": "1970-01-01T00:00:00",
            "startTime": "9:00 AM", "endDate": "1970-01-01T00:00:00", "endTime": "5:00 PM",
        },
        "refreshConfig": { "enabled": true, "interval": 60000 },
        "graphSize": { "width": 480, "height": 280 },
        "defaultGraphParams": { "from": "-3hours", "until": "now", "width": "480", "height": "280" },
        "graphs": graphs,
    })
}

/// One graph: its targets as its name, its arguments of `/render`, and the address that it is drawn by.
fn graph(panel: &Panel) -> Value {
    let arguments = arguments(panel);
    let list = |value: &Value| match value {
        Value::Array(values) => values.iter().map(text).collect(),
        one => vec![text(one)],
    };
    let pairs = |arguments: &Map<String, Value>| {
        let pairs = arguments.iter().flat_map(|(name, value)| {
            let values: Vec<String> = list(value);
            values
                .into_iter()
                .map(move |one| format!("{name}={}", encoded(&one)))
        });
        pairs.collect::<Vec<_>>().join("&")
    };
    let targets: Map<String, Value> = arguments
        .iter()
        .filter(|(name, _)| *name == "target")
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    json!([
        pairs(&targets),
        arguments,
        format!("/render?{}", pairs(&arguments))
    ])
}

/// The arguments of `/render` for a panel: its targets and how they are drawn.
#[must_use]
pub fn arguments(panel: &Panel) -> Map<String, Value> {
    let mut targets: Vec<String> = panel
        .queries
        .iter()
        .map(|query| query.target(Form::Plain, &[]))
        .collect();
    if let Some(Alarm::Above { warn, bad } | Alarm::Below { warn, bad }) = panel.alarm {
        targets.push(format!("threshold({warn}, '', 'orange')"));
        targets.push(format!("threshold({bad}, '', 'red')"));
    }
    let mut arguments = Map::new();
    let mut say = |name: &str, value: Value| arguments.insert(name.to_owned(), value);
    say("target", json!(targets));
    say("title", json!(panel.title));
    say(
        "areaMode",
        json!(if panel.shape == Shape::Stacked {
            "stacked"
        } else {
            "none"
        }),
    );
    say("hideLegend", json!("false"));
    say("lineMode", json!("connected"));
    if !matches!(panel.alarm, Some(Alarm::Below { .. })) {
        say("yMin", json!("0"));
    }
    let (label, system) = match panel.unit {
        Unit::Cores => ("cores", "si"),
        Unit::Bytes => ("bytes", "binary"),
        Unit::BytesPerSecond => ("bytes/s", "binary"),
        Unit::Count => ("", "si"),
        Unit::PerSecond => ("1/s", "si"),
        Unit::Share => ("share, 1 is all", "si"),
        Unit::Seconds => ("s", "sec"),
        Unit::SecondsPerSecond => ("s/s", "si"),
    };
    say("vtitle", json!(label));
    say("yUnitSystem", json!(system));
    arguments
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

/// Percent-encoded for a query.
fn encoded(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    });
    encoded.collect()
}
