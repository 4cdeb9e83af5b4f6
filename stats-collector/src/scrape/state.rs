//! Whom containers belong to, from the agent's `/state` (Mesos: docs/endpoints/slave/state.md; src/slave/http.cpp,
//! `FrameworkWriter`, `ExecutorWriter`).
//!
//! It is as large as the statistics themselves, so it is read when somebody is new, and given up when they have their
//! names. Every field may be absent; executors and tasks that have ended are passed over.

use std::borrow::Cow;
use std::collections::HashMap;

use serde::Deserialize;
use serde::de::Error as _;

use crate::model::Origin;

/// More objects and lists than the state of 10,000 tasks has, some thirty a task. One of three bytes takes a hundred in our
/// memory, so it bounds what a nonsensical reply can make us hold.
const OBJECTS_MAX: usize = 2_000_000;

/// All that an agent runs, by the ids of containers.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Of executors' own containers and of those of their tasks.
    origins: HashMap<String, Origin>,
    /// How many executors there are.
    pub(crate) executors: usize,
}

impl State {
    /// Where this container comes from, if the agent says so.
    pub(crate) fn origin(&self, container_id: &str) -> Option<&Origin> {
        self.origins.get(container_id)
    }

    /// Where a container in others comes from: its own task, or else the executor that it serves. The nearest of the
    /// others stands first.
    pub(crate) fn nested_origin(
        &self,
        container_id: &str,
        parents: &[Cow<'_, str>],
    ) -> Option<Origin> {
        if let Some(own) = self.origin(container_id) {
            return Some(own.clone());
        }
        let around = parents.iter().find_map(|parent| self.origin(parent))?;
        Some(Origin {
            // The tasks are those of the container around it.
            task_id: None,
            task_name: None,
            ..around.clone()
        })
    }
}

/// Reads a whole answer. Of labels only those of these keys are kept: who launches tasks may give an executor thousands, and
/// each of its tasks has them all.
///
/// # Errors
/// What `serde_json` says, with line and column.
pub(crate) fn parse(answer: &[u8], wanted: &[String]) -> serde_json::Result<State> {
    let begins = answer.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if begins.count() > OBJECTS_MAX {
        let error = format_args!("more than {OBJECTS_MAX} objects and lists");
        return Err(serde_json::Error::custom(error));
    }
    let raw: RawState<'_> = serde_json::from_slice(answer)?;
    let mut origins = HashMap::new();
    let executors = raw.frameworks.iter().map(|one| one.executors.len()).sum();
    for framework in &raw.frameworks {
        for executor in &framework.executors {
            let shared = Origin {
                framework: some(&framework.name),
                framework_id: some(&framework.id),
                role: some(&executor.role),
                executor_id: some(&executor.id),
                source: some(&executor.source),
                ..Origin::default()
            };
            let mut own = Origin {
                container_id: some(&executor.container),
                labels: labels(&executor.labels, &[], wanted),
                ..shared.clone()
            };
            for task in &executor.tasks {
                let told = Origin {
                    role: some(&task.role).or_else(|| shared.role.clone()),
                    task_id: some(&task.id),
                    task_name: some(&task.name),
                    labels: labels(&executor.labels, &task.labels, wanted),
                    ..shared.clone()
                };
                if executor.tasks.len() == 1 {
                    own = Origin {
                        container_id: own.container_id,
                        ..told.clone()
                    };
                }
                let Some(id) = task.container() else {
                    continue;
                };
                if id.parent.is_some() {
                    let told = Origin {
                        container_id: some(&id.value),
                        parent_container_id: some(&executor.container),
                        ..told
                    };
                    origins.insert(id.value.as_ref().to_owned(), told);
                }
            }
            origins.insert(executor.container.as_ref().to_owned(), own);
        }
    }
    Ok(State { origins, executors })
}

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// A task's label goes before its executor's of the same key.
fn labels(
    of_executor: &[RawLabel<'_>],
    of_task: &[RawLabel<'_>],
    wanted: &[String],
) -> Vec<(String, String)> {
    let value_of = |wanted: &String| {
        let mut all = of_task.iter().rev().chain(of_executor.iter().rev());
        let found = all.find(|label| label.key == *wanted)?;
        Some((wanted.clone(), found.value.as_ref().to_owned()))
    };
    wanted.iter().filter_map(value_of).collect()
}

#[derive(Deserialize)]
struct RawState<'a> {
    #[serde(borrow, default)]
    frameworks: Vec<RawFramework<'a>>,
}

#[derive(Deserialize)]
struct RawFramework<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    executors: Vec<RawExecutor<'a>>,
}

#[derive(Deserialize)]
struct RawExecutor<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    container: Cow<'a, str>,
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Vec<RawLabel<'a>>,
    #[serde(borrow, default)]
    tasks: Vec<RawTask<'a>>,
}

#[derive(Deserialize)]
struct RawTask<'a> {
    #[serde(borrow, default)]
    id: Cow<'a, str>,
    #[serde(borrow, default)]
    name: Cow<'a, str>,
    #[serde(borrow, default)]
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    labels: Vec<RawLabel<'a>>,
    #[serde(borrow, default)]
    statuses: Vec<RawStatus<'a>>,
}

impl<'a> RawTask<'a> {
    /// The one that its last status names: a task that was restarted may have had others.
    fn container(&self) -> Option<&RawContainerId<'a>> {
        let mut statuses = self.statuses.iter().rev();
        statuses.find_map(|status| status.container_status.as_ref()?.container_id.as_ref())
    }
}

#[derive(Deserialize)]
struct RawStatus<'a> {
    #[serde(borrow)]
    container_status: Option<RawContainerStatus<'a>>,
}

#[derive(Deserialize)]
struct RawContainerStatus<'a> {
    #[serde(borrow)]
    container_id: Option<RawContainerId<'a>>,
}

#[derive(Deserialize)]
struct RawContainerId<'a> {
    #[serde(borrow)]
    value: Cow<'a, str>,
    #[serde(borrow)]
    parent: Option<Box<RawContainerId<'a>>>,
}

/// A label without a value has an empty one.
#[derive(Deserialize)]
struct RawLabel<'a> {
    #[serde(borrow, default)]
    key: Cow<'a, str>,
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a real Mesos 1.11.0.
    const REAL: &[u8] = include_bytes!("samples/state.json");

    #[test]
    fn a_command_task_s_container_is_its_task_s() {
        let state = parse(REAL, &["k".to_owned()]).unwrap();
        let origin = state
            .origin("2b817b9f-c2f1-4afb-a61b-590354704501")
            .unwrap();
        let wanted = Origin {
            framework: Some("hold".to_owned()),
            framework_id: Some("d24d9dec-6dd8-4e77-932c-d57545dd0f73-0002".to_owned()),
            role: Some("*".to_owned()),
            executor_id: Some("idle-0".to_owned()),
            source: Some("idle-0".to_owned()),
            task_id: Some("idle-0".to_owned()),
            task_name: Some("idle-0".to_owned()),
            container_id: Some("2b817b9f-c2f1-4afb-a61b-590354704501".to_owned()),
            labels: vec![("k".to_owned(), "v".to_owned())],
            ..Origin::default()
        };
        assert_eq!(*origin, wanted);
    }

    #[test]
    fn a_pod_s_containers_are_its_tasks_and_its_own_is_no_task_s() {
        let state = parse(REAL, &[]).unwrap();
        let pod = "de940b80-3c45-4775-89b4-e2f2760e26a0";
        assert_eq!(state.origin(pod).unwrap().task_id, None);
        let web = "03f05ac6-5cc8-4214-9bef-83a5c0b2a2cf";
        let origin = state.nested_origin(web, &[pod.into()]).unwrap();
        assert_eq!(origin.task_id.as_deref(), Some("web-0"));
        assert_eq!(origin.executor_id.as_deref(), Some("dex-0"));
        assert_eq!(origin.parent_container_id.as_deref(), Some(pod));
    }

    #[test]
    fn a_container_that_no_task_has_is_its_executor_s() {
        let state = parse(REAL, &[]).unwrap();
        let pod = "de940b80-3c45-4775-89b4-e2f2760e26a0";
        let web = "03f05ac6-5cc8-4214-9bef-83a5c0b2a2cf";
        let debug = state
            .nested_origin("debug", &[web.into(), pod.into()])
            .unwrap();
        assert_eq!(debug.framework.as_deref(), Some("hold"));
        assert_eq!((debug.task_id, debug.task_name), (None, None));
        assert_eq!(state.nested_origin("alone", &[]), None);
    }

    #[test]
    fn a_task_s_label_goes_before_its_executor_s() {
        let text = br#"{"frameworks": [{"id": "f", "executors": [{"id": "e", "container": "c",
            "labels": [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}],
            "tasks": [{"id": "t", "labels": [{"key": "b", "value": "2"}, {"key": "c"}]}]}]}]}"#;
        let wanted = ["c", "b", "none", "a"].map(str::to_owned);
        let state = parse(text, &wanted).unwrap();
        let labels = &state.origin("c").unwrap().labels;
        let labels: Vec<_> = labels
            .iter()
            .map(|(k, v)| (k.as_str(), v.as_str()))
            .collect();
        assert_eq!(labels, [("c", ""), ("b", "2"), ("a", "1")]);
        let unwanted = parse(text, &["a".to_owned()]).unwrap();
        assert_eq!(unwanted.origin("c").unwrap().labels.len(), 1);
    }

    #[test]
    fn an_answer_of_more_objects_than_there_can_be_tasks_for_is_refused_before_it_is_held() {
        let executors = "{},".repeat(OBJECTS_MAX);
        let text = format!(r#"{{"frameworks": [{{"executors": [{executors}{{}}]}}]}}"#);
        let error = parse(text.as_bytes(), &[]).unwrap_err().to_string();
        assert_eq!(error, "more than 2000000 objects and lists");
    }

    #[test]
    fn an_executor_of_several_tasks_is_none_s() {
        let text = br#"{"frameworks": [{"id": "f", "executors": [{"id": "e", "container": "c", "role": "r",
            "tasks": [{"id": "t", "name": "x"}, {"id": "u", "name": "y"}]}]}]}"#;
        let state = parse(text, &[]).unwrap();
        let origin = state.origin("c").unwrap();
        assert_eq!((&origin.task_id, &origin.task_name), (&None, &None));
        assert_eq!(origin.role.as_deref(), Some("r"));
    }

    #[test]
    fn what_is_not_a_state_is_refused_and_an_empty_one_is_empty() {
        for text in ["", "7", "{", r#"{"frameworks": 1}"#] {
            assert!(parse(text.as_bytes(), &[]).is_err(), "{text:?}");
        }
        let state = parse(b"{}", &[]).unwrap();
        assert!(state.origin("c").is_none());
        assert_eq!(state.executors, 0);
        assert_eq!(parse(REAL, &[]).unwrap().executors, 2);
    }
}
