//! Whom containers belong to, from the agent's `/state` (Mesos: docs/endpoints/slave/state.md; src/slave/http.cpp,
//! `FrameworkWriter`, `ExecutorWriter`).
//!
//! It is as large as the statistics themselves, so it is read when somebody is new, and given up when they have their
//! names. Every field may be absent; executors and tasks that have ended are passed over.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::Deserialize;
use serde::de::Error as _;
use serde_json::value::RawValue;

use crate::model::Origin;

/// More objects and lists than the state of 10,000 tasks has, some thirty a task. One of three bytes takes a hundred in our
/// memory, so it bounds what a nonsensical reply can make us hold.
const OBJECTS_MAX: usize = 2_000_000;

/// What an agent runs, by the ids of containers.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Of executors' own containers and of those of their tasks, as far as they were wanted.
    origins: HashMap<Arc<str>, Box<Origin>>,
    /// How many executors there are, wanted or not.
    pub(crate) executors: usize,
}

impl State {
    /// Where this container comes from, if the agent says so.
    pub(crate) fn origin(&self, container_id: &str) -> Option<&Origin> {
        self.origins.get(container_id).map(|origin| &**origin)
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

    /// Takes in an executor of a framework of which this much is known.
    fn take_in(
        &mut self,
        framework: &Origin,
        executor: &RawExecutor<'_>,
        wanted_labels: &[String],
        is_wanted: impl Fn(&str) -> bool,
    ) {
        let executor_id = some(&executor.id, []);
        let shared = Origin {
            role: some(&executor.role, [&framework.role]),
            source: some(&executor.source, [&executor_id]),
            executor_id,
            ..framework.clone()
        };
        let of_task = |task: &RawTask<'_>| Origin {
            role: some(&task.role, [&shared.role, &framework.role]).or_else(|| shared.role.clone()),
            task_id: some(&task.id, [&shared.executor_id]),
            task_name: some(&task.name, [&shared.executor_id]),
            labels: labels(&executor.labels, &task.labels, wanted_labels),
            ..shared.clone()
        };
        for task in &executor.tasks {
            let Some(id) = task.container() else {
                continue;
            };
            if id.parent.is_some() && is_wanted(&id.value) {
                let told = Origin {
                    parent_container_id: some(&executor.container, []),
                    ..of_task(task)
                };
                self.insert(&id.value, told);
            }
        }
        if is_wanted(&executor.container) {
            let own = match executor.tasks.as_slice() {
                [only] => of_task(only),
                _ => Origin {
                    labels: labels(&executor.labels, &[], wanted_labels),
                    ..shared
                },
            };
            self.insert(&executor.container, own);
        }
    }

    fn insert(&mut self, container_id: &str, mut origin: Origin) {
        let id: Arc<str> = container_id.into();
        origin.container_id = (!id.is_empty()).then(|| Arc::clone(&id));
        self.origins.insert(id, Box::new(origin));
    }
}

/// Reads a whole answer. Of thousands of executors one at a time is held decoded. Kept are these containers, or all, and of
/// labels only those of these keys: who launches tasks may give an executor thousands, and each of its tasks has them all.
///
/// # Errors
/// What `serde_json` says, with line and column, which are those within an executor if it is one that makes no sense.
pub(crate) fn parse(
    answer: &[u8],
    wanted_labels: &[String],
    wanted: Option<&HashSet<&str>>,
) -> serde_json::Result<State> {
    let begins = answer.iter().filter(|byte| matches!(byte, b'{' | b'['));
    if begins.count() > OBJECTS_MAX {
        let error = format_args!("more than {OBJECTS_MAX} objects and lists");
        return Err(serde_json::Error::custom(error));
    }
    let raw: RawState<'_> = serde_json::from_slice(answer)?;
    let mut state = State {
        executors: raw.frameworks.iter().map(|one| one.executors.len()).sum(),
        ..State::default()
    };
    for framework in &raw.frameworks {
        let known = Origin {
            framework: some(&framework.name, []),
            framework_id: some(&framework.id, []),
            role: some(&framework.role, []),
            ..Origin::default()
        };
        for executor in &framework.executors {
            let executor: RawExecutor<'_> = serde_json::from_str(executor.get())?;
            state.take_in(&known, &executor, wanted_labels, |id| {
                wanted.is_none_or(|wanted| wanted.contains(id))
            });
        }
    }
    Ok(state)
}

/// A text, unless it is empty. If it is one of those that are known, it shares their memory: frameworks say most of what
/// they say of a task several times.
fn some<const N: usize>(text: &str, known: [&Option<Arc<str>>; N]) -> Option<Arc<str>> {
    if text.is_empty() {
        return None;
    }
    let mut known = known.into_iter().flatten();
    let same = known.find(|known| &***known == text);
    Some(same.map_or_else(|| text.into(), Arc::clone))
}

/// A task's label goes before its executor's of the same key.
fn labels(
    of_executor: &[RawLabel<'_>],
    of_task: &[RawLabel<'_>],
    wanted: &[String],
) -> Vec<(Arc<str>, Arc<str>)> {
    let value_of = |wanted: &String| {
        let mut all = of_task.iter().rev().chain(of_executor.iter().rev());
        let found = all.find(|label| label.key == *wanted)?;
        Some((wanted.as_str().into(), found.value.as_ref().into()))
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
    role: Cow<'a, str>,
    #[serde(borrow, default)]
    executors: Vec<&'a RawValue>,
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

    fn parsed(text: &[u8]) -> State {
        parse(text, &["k".to_owned()], None).unwrap()
    }

    #[test]
    fn of_containers_and_labels_only_those_are_kept_that_are_wanted() {
        let text = br#"{"frameworks": [{"id": "f", "executors": [
            {"id": "e", "container": "c", "labels": [{"key": "a", "value": "1"}, {"key": "b", "value": "1"}]},
            {"id": "g", "container": "d", "tasks": [{"id": "t", "statuses": [{"container_status":
                {"container_id": {"value": "n", "parent": {"value": "d"}}}}]}]}]}]}"#;
        let keys = ["b".to_owned()];
        for (id, labels) in [("c", vec![("b".into(), "1".into())]), ("n", vec![])] {
            let state = parse(text, &keys, Some(&HashSet::from([id]))).unwrap();
            assert_eq!(state.origin(id).unwrap().labels, labels);
            assert_eq!((state.origins.len(), state.executors), (1, 2));
        }
    }

    #[test]
    fn a_text_that_is_told_several_times_is_held_once() {
        let text = br#"{"frameworks": [{"id": "f", "role": "r", "executors": [
            {"id": "e", "source": "e", "container": "c", "tasks": [{"id": "e", "name": "e", "role": "r"}]}]}]}"#;
        let state = parsed(text);
        let origin = state.origin("c").unwrap();
        let id = origin.executor_id.as_ref().unwrap();
        for same in [&origin.source, &origin.task_id, &origin.task_name] {
            assert!(Arc::ptr_eq(id, same.as_ref().unwrap()));
        }
    }

    #[test]
    fn a_command_task_s_container_is_its_task_s() {
        let state = parsed(REAL);
        let origin = state
            .origin("2b817b9f-c2f1-4afb-a61b-590354704501")
            .unwrap();
        let wanted = Origin {
            framework: Some("hold".into()),
            framework_id: Some("d24d9dec-6dd8-4e77-932c-d57545dd0f73-0002".into()),
            role: Some("*".into()),
            executor_id: Some("idle-0".into()),
            source: Some("idle-0".into()),
            task_id: Some("idle-0".into()),
            task_name: Some("idle-0".into()),
            container_id: Some("2b817b9f-c2f1-4afb-a61b-590354704501".into()),
            labels: vec![("k".into(), "v".into())],
            ..Origin::default()
        };
        assert_eq!(*origin, wanted);
    }

    #[test]
    fn a_pod_s_containers_are_its_tasks_and_its_own_is_no_task_s() {
        let state = parsed(REAL);
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
        let state = parsed(REAL);
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
        let state = parse(text, &wanted, None).unwrap();
        let labels = &state.origin("c").unwrap().labels;
        let labels: Vec<_> = labels.iter().map(|(k, v)| (&**k, &**v)).collect();
        assert_eq!(labels, [("c", ""), ("b", "2"), ("a", "1")]);
        let unwanted = parse(text, &["a".to_owned()], None).unwrap();
        assert_eq!(unwanted.origin("c").unwrap().labels.len(), 1);
    }

    #[test]
    fn an_answer_of_more_objects_than_there_can_be_tasks_for_is_refused_before_it_is_held() {
        let executors = "{},".repeat(OBJECTS_MAX);
        let text = format!(r#"{{"frameworks": [{{"executors": [{executors}{{}}]}}]}}"#);
        let error = parse(text.as_bytes(), &[], None).unwrap_err().to_string();
        assert_eq!(error, "more than 2000000 objects and lists");
    }

    #[test]
    fn an_executor_of_several_tasks_is_none_s() {
        let text = br#"{"frameworks": [{"id": "f", "executors": [{"id": "e", "container": "c", "role": "r",
            "tasks": [{"id": "t", "name": "x"}, {"id": "u", "name": "y"}]}]}]}"#;
        let state = parsed(text);
        let origin = state.origin("c").unwrap();
        assert_eq!((&origin.task_id, &origin.task_name), (&None, &None));
        assert_eq!(origin.role.as_deref(), Some("r"));
    }

    #[test]
    fn what_is_not_a_state_is_refused_and_an_empty_one_is_empty() {
        for text in ["", "7", "{", r#"{"frameworks": 1}"#] {
            assert!(parse(text.as_bytes(), &[], None).is_err(), "{text:?}");
        }
        let state = parse(b"{}", &[], None).unwrap();
        assert!(state.origin("c").is_none());
        assert_eq!(state.executors, 0);
        assert_eq!(parse(REAL, &[], None).unwrap().executors, 2);
    }
}
