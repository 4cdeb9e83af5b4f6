//! The containers that an agent lists: `GET /containers`, and `GET_CONTAINERS` of the v1 API.

use serde::Deserialize;

use super::state::{ContainerId, RawContainerStatus};

/// A container that the agent lists.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Container {
    /// From the outermost on; never empty.
    ids: Vec<String>,
    /// The ids of framework and executor. Nested containers have none of their own.
    pub(super) executor: Option<(String, String)>,
    /// Its first process, in the agent's pid namespace; not told by every containerizer.
    pub(crate) pid: Option<u32>,
}

impl Container {
    /// Whether it is that executor's. A nested container is whose the outermost one is, which is not told here.
    pub(crate) fn is_of(&self, framework_id: &str, executor_id: &str) -> bool {
        let is_nested = !self.ids().1.is_empty();
        let executor = self.executor.as_ref();
        executor.map_or(is_nested, |(framework, executor)| {
            framework == framework_id && executor == executor_id
        })
    }

    /// The id of the outermost container, and those below it.
    pub(super) fn ids(&self) -> (&str, &[String]) {
        match self.ids.split_first() {
            Some((first, rest)) => (first, rest),
            None => ("", &[]),
        }
    }
}

/// Where one container is told of (Mesos: docs/endpoints/slave/containers.md). The id is that of a directory.
pub(super) fn path(container_id: &str) -> String {
    use std::fmt::Write;
    let mut path = "/slave(1)/containers?container_id=".to_owned();
    for byte in container_id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') {
            path.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(path, "%{byte:02X}");
        }
    }
    path
}

/// Reads the answer of `GET /containers`: an array. Agents that know no filter list all.
pub(super) fn parse_one(
    body: &[u8],
    container_id: &str,
) -> Result<Option<Container>, serde_json::Error> {
    let listed: Vec<Listed> = serde_json::from_slice(body)?;
    let found = listed
        .into_iter()
        .find(|listed| listed.container_id == container_id);
    Ok(found.map(|listed| Container {
        ids: vec![listed.container_id],
        executor: Some((listed.framework_id, listed.executor_id)),
        pid: listed.status.and_then(|status| status.executor_pid),
    }))
}

/// Reads the answer to `GET_CONTAINERS`.
pub(super) fn parse(body: &[u8]) -> Result<Vec<Container>, serde_json::Error> {
    let reply: Reply = serde_json::from_slice(body)?;
    let containers = reply.get_containers.containers.into_iter().map(|raw| {
        let status = raw.container_status;
        let pid = status.as_ref().and_then(|status| status.executor_pid);
        // Beside a nested container's own id its parents stand in its status alone.
        let in_status = status.and_then(|status| status.container_id);
        Container {
            ids: in_status.unwrap_or(raw.container_id).chain(),
            executor: raw
                .framework_id
                .zip(raw.executor_id)
                .map(|(framework, executor)| (framework.value, executor.value)),
            pid,
        }
    });
    Ok(containers.collect())
}

#[derive(Deserialize)]
struct Listed {
    container_id: String,
    #[serde(default)]
    framework_id: String,
    #[serde(default)]
    executor_id: String,
    status: Option<RawContainerStatus>,
}

#[derive(Deserialize)]
struct Reply {
    /// An agent without a container has none.
    #[serde(default)]
    get_containers: GetContainers,
}

#[derive(Default, Deserialize)]
struct GetContainers {
    #[serde(default)]
    containers: Vec<RawContainer>,
}

#[derive(Deserialize)]
struct RawContainer {
    container_id: ContainerId,
    framework_id: Option<Value>,
    executor_id: Option<Value>,
    container_status: Option<RawContainerStatus>,
}

#[derive(Deserialize)]
struct Value {
    value: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_real_agents_containers_are_read_with_those_nested_in_them() {
        let containers = parse(include_bytes!("samples/containers.json")).unwrap();
        assert_eq!(containers.len(), 4);
        let group = "19ed4511-aca3-4784-a3b8-69b2e2cbd9d7";
        let nested: Vec<_> = containers.iter().filter(|c| c.ids().0 == group).collect();
        assert_eq!(nested.len(), 3);
        assert_eq!(nested[0].pid, Some(23298));
        assert_eq!(nested[0].executor.as_ref().unwrap().1, "dex-0");
        assert_eq!(nested[1].ids().1, ["cd6adc89-35e3-40de-bf0e-94289a34b8dd"]);
        assert_eq!(nested[1].executor, None);
    }

    #[test]
    fn an_agent_without_a_container_answers_with_the_type_alone() {
        assert_eq!(parse(br#"{"type": "GET_CONTAINERS"}"#).unwrap(), []);
    }

    #[test]
    fn only_the_container_that_was_asked_for_is_found() {
        let body = br#"[{"container_id": "a", "executor_id": "E", "framework_id": "F",
            "status": {"container_id": {"value": "a"}, "executor_pid": 7}}, {"container_id": "b"}]"#;
        assert_eq!(parse_one(body, "a").unwrap().unwrap().pid, Some(7));
        assert_eq!(parse_one(body, "b").unwrap().unwrap().pid, None);
        assert_eq!(parse_one(body, "c").unwrap(), None);
        assert!(parse_one(b"{}", "a").is_err());
    }

    #[test]
    fn an_id_cannot_leave_its_place_in_a_request() {
        assert_eq!(
            path("a-1 b&c=\u{e9}"),
            "/slave(1)/containers?container_id=a-1%20b%26c%3D%C3%A9"
        );
    }
}
