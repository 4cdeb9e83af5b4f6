//! Replies to scrape.

use std::sync::Arc;

use crate::fakes::Reply;

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

/// A large agent's reply: so many containers of the shape of the real cgroups sample, in apps of
/// four instances.
pub(crate) fn generated(count: usize) -> Reply {
    let sample: serde_json::Value = serde_json::from_str(CGROUPS).unwrap();
    let mut container = sample[0].clone();
    let entries: Vec<_> = (0..count)
        .map(|number| {
            let uuid = format!("2b817b9f-c2f1-4afb-a61b-{number:012}");
            container["executor_id"] = format!("group_app{:04}.{uuid}", number / 4).into();
            container["container_id"] = uuid.into();
            container.to_string()
        })
        .collect();
    body(&format!("[{}]", entries.join(",")))
}
