//! Replies to scrape.

use std::sync::Arc;

use crate::fakes::{Reply, Says};

pub(crate) const CGROUPS: &str = include_str!("../fixtures/containers-cgroups.json");
pub(crate) const POSIX: &str = include_str!("../fixtures/containers-posix.json");

pub(crate) fn body(text: &str) -> Reply {
    Reply::Body(Arc::from(text))
}

/// A reply of one container per `(container id, executor id, statistics)`.
pub(crate) fn containers(entries: &[(&str, &str, &str)]) -> Reply {
    let entries: Vec<_> = entries
        .iter()
        .map(|(id, executor, statistics)| {
            format!(
                r#"{{"container_id":"{id}","executor_id":"{executor}","executor_name":"x",
                     "framework_id":"f","source":"","statistics":{statistics}}}"#
            )
        })
        .collect();
    body(&format!("[{}]", entries.join(",")))
}

/// A state that names these executors, each in a container of its own: `(container id, executor id)`.
pub(crate) fn state_of<'a>(entries: impl IntoIterator<Item = (&'a str, &'a str)>) -> Reply {
    let executors: Vec<_> = entries
        .into_iter()
        .map(|(id, executor)| {
            format!(
                r#"{{"id":"{executor}","container":"{id}","tasks":[{{"id":"{executor}","name":"{executor}"}}]}}"#
            )
        })
        .collect();
    let executors = executors.join(",");
    body(&format!(
        r#"{{"frameworks":[{{"id":"f","name":"shop","executors":[{executors}]}}]}}"#
    ))
}

/// A large agent's reply: so many containers of the shape of the real cgroups sample, in apps of
/// four instances.
pub(crate) fn generated(count: usize) -> Says {
    let sample: serde_json::Value = serde_json::from_str(CGROUPS).unwrap();
    let mut container = sample[0].clone();
    let names: Vec<_> = (0..count)
        .map(|number| {
            let uuid = format!("2b817b9f-c2f1-4afb-a61b-{number:012}");
            let executor = format!("group_app{:04}.{uuid}", number / 4);
            (uuid, executor)
        })
        .collect();
    let entries: Vec<_> = names
        .iter()
        .map(|(id, executor)| {
            container["executor_id"] = executor.as_str().into();
            container["container_id"] = id.as_str().into();
            container.to_string()
        })
        .collect();
    let pairs = names.iter();
    Says {
        list: vec![body(&format!("[{}]", entries.join(",")))],
        state: vec![state_of(
            pairs.map(|(id, executor)| (id.as_str(), executor.as_str())),
        )],
        metrics: vec![body("{}")],
    }
}
