//! Agents whose frameworks call things what nobody should, and whose text is none: each line that carbon hears is one
//! that it takes, and says whom it is of.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::fakes::{Agent, Reply, Says};
use crate::replies::body;
use crate::turns::once_with;

/// What carbon makes of a line (carbon: `lib/carbon/protocols.py`, `MetricLineReceiver`, and `lib/carbon/util.py`,
/// `TaggedSeries.parse`); what it would refuse, misread or be unable to store is an error.
fn taken(line: &str) -> Result<(String, BTreeMap<String, String>), String> {
    let is_printable = line.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if line.len() > 16_384 || !is_printable {
        return Err("it would close the connection".to_owned());
    }
    let fields: Vec<&str> = line.split(' ').collect();
    let [series, value, time] = fields[..] else {
        return Err(format!("{} fields", fields.len()));
    };
    if !value.parse().is_ok_and(f64::is_finite) || time.parse::<u32>().is_err() {
        return Err(format!("{value} at {time}"));
    }
    let mut parts = series.split(';');
    let path = parts.next().unwrap_or_default();
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    for component in path.split('.') {
        let is_long = component.is_empty() || component.len() > 250;
        if is_long || !component.bytes().all(is_plain) {
            return Err(format!("component {component:?}"));
        }
    }
    let mut tags = BTreeMap::new();
    for part in parts {
        let (tag, value) = part.split_once('=').ok_or("a tag without a value")?;
        let is_in_order = tags
            .last_key_value()
            .is_none_or(|(last, _): (&String, _)| last.as_str() < tag);
        if tag.is_empty() || tag.contains(['!', '^']) || !is_in_order {
            return Err(format!("tag {tag:?}"));
        }
        if value.is_empty() || value.starts_with('~') || value.len() > 250 {
            return Err(format!("value {value:?} of {tag}"));
        }
        tags.insert(tag.to_owned(), value.to_owned());
    }
    Ok((path.to_owned(), tags))
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "../../x",
        "a b",
        "a\nmesos.h.forged 1 2\n",
        "a.b",
        "a..b",
        "a;b=c",
        "~a",
        "日本",
        "ЖЖ",
        "",
        "17",
        ".",
        "..",
        "a\tb",
        "a\u{0}b",
        "a\r",
        "$(reboot)",
        "`id`",
        "%s%n",
        "a=b!c^d",
        "none",
        "null",
        "\u{1b}[2J",
        "a/b",
        "a\\b",
        "\u{202e}evil",
        "-",
        "_",
        "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002",
        "\"",
        "{}",
        "*",
        "a,b",
    ]
    .map(str::to_owned)
    .into();
    names.extend(["y".repeat(300), "y".repeat(301), "é".repeat(20_000)]);
    names
}

/// Each name as that of framework, executor, task, role and label of a container of its own.
fn agent() -> Agent {
    let (mut list, mut frameworks) = (Vec::new(), Vec::new());
    for (number, name) in names().iter().enumerate() {
        let id = format!("id{number}");
        let sample = json!({"timestamp": 1000, "processes": number + 1});
        list.push(
            json!({"container_id": id, "executor_id": name, "framework_id": id, "source": name,
                         "executor_name": name, "statistics": sample}),
        );
        let label = json!([{"key": "team", "value": name}, {"key": name, "value": name}]);
        let task = json!({"id": name, "name": name, "role": name, "labels": label});
        let executor =
            json!({"id": name, "source": name, "container": id, "role": name, "tasks": [task]});
        frameworks.push(json!({"id": id, "name": name, "executors": [executor]}));
    }
    Agent::saying(Says {
        list: vec![body(&Value::from(list).to_string())],
        state: vec![body(&json!({"frameworks": frameworks}).to_string())],
        metrics: vec![body(
            r#"{"slave/a b\nc;d=e 1 2":1.0,"":2.0,"slave/..//x":3.0}"#,
        )],
    })
}

#[test]
fn whatever_things_are_called_carbon_takes_each_line_and_everybody_has_a_series_of_their_own() {
    let count = names().len();
    let every_tag = "--names-tags=host,app,slot,framework,task_id,container_id,role,team";
    let forms: [&[&str]; 3] = [
        &[],
        &["--names-form=tags"],
        &["--names-form=tags", "--names-labels=team", every_tag],
    ];
    for options in forms {
        let told = once_with(agent(), options);
        assert!(told.output.status.success(), "{}", told.stderr());
        let mut series = BTreeSet::new();
        for line in told.carbon.lines() {
            if let Err(why) = taken(&line) {
                panic!("{why}: {line:?}");
            }
            assert!(!line.contains("forged 1"), "{line:?}");
            if line.contains("containers") && line.contains(".processes") {
                series.insert(line.split(' ').next().unwrap().to_owned());
            }
        }
        assert_eq!(series.len(), count, "{series:?}");
    }
}

/// An id may be any bytes but control characters and slashes (Mesos: src/common/validation.cpp), and the agent writes
/// them as they are.
#[test]
fn bytes_that_are_no_text_cost_nobody_their_points() {
    let with = |text: &str| -> Arc<[u8]> {
        let bytes = text.bytes();
        bytes
            .map(|byte| if byte == b'#' { 0xff } else { byte })
            .collect()
    };
    let agent = Agent::saying(Says {
        list: vec![Reply::Bytes(with(
            r##"[{"container_id":"a","executor_id":"we#b","framework_id":"f","statistics":{"timestamp":1000,"processes":1}},
                {"container_id":"b","executor_id":"fine","framework_id":"f","statistics":{"timestamp":1000,"processes":2}}]"##,
        ))],
        state: vec![Reply::Bytes(with(
            r##"{"frameworks":[{"id":"f","name":"#","executors":[
                {"id":"we#b","container":"a","tasks":[{"id":"we#b","name":"#"}]},
                {"id":"fine","container":"b","tasks":[{"id":"fine","name":"fine"}]}]}]}"##,
        ))],
        metrics: vec![body("{}")],
    });
    let told = once_with(agent, &[]);
    let lines = told.container_lines();
    assert_eq!(lines.len(), 2, "{lines:?}");
    assert!(
        lines.contains(&"mesos.agent1_example.containers.fine.0.processes 2 1000".to_owned()),
        "{lines:?}"
    );
    for line in told.carbon.lines() {
        taken(&line).unwrap();
    }
}
