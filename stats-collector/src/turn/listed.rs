//! The containers of one list, and whose they are.

use std::collections::HashMap;
use std::sync::Arc;

use crate::model::{Kind, Origin};
use crate::names::Identity;
use crate::sample::Container;
use crate::scrape::State;

/// One list of containers.
#[derive(Debug)]
pub(crate) struct Listed<'a> {
    pub(crate) containers: Vec<Container<'a>>,
    /// The places of those that lie in no other, by their ids; empty if none does.
    outermost: HashMap<String, usize>,
}

impl<'a> Listed<'a> {
    /// Of these.
    pub(crate) fn new(containers: Vec<Container<'a>>) -> Self {
        let mut outermost = HashMap::new();
        if containers.iter().any(|one| !one.parents.is_empty()) {
            let all = containers.iter().enumerate();
            let free = all.filter(|(_, one)| one.parents.is_empty());
            outermost.extend(free.map(|(place, one)| (one.container_id.to_string(), place)));
        }
        Self {
            containers,
            outermost,
        }
    }

    /// What is known of this container, by the list and by the agent's state, if there is one.
    pub(crate) fn origin(&self, container: &Container<'a>, state: Option<&State>) -> Origin {
        let id = &container.container_id;
        let around = container.parents.last();
        let place = around.and_then(|id| self.outermost.get(&**id));
        let outermost = place.map_or(container, |place| &self.containers[*place]);
        let told = state.and_then(|state| match container.parents.as_slice() {
            [] => state.origin(id).cloned(),
            parents => state.nested_origin(id, parents),
        });
        let told = told.unwrap_or_default();
        Origin {
            framework_id: told.framework_id.or_else(|| some(&outermost.framework_id)),
            executor_id: told.executor_id.or_else(|| some(&outermost.executor_id)),
            source: told.source.or_else(|| some(&outermost.source)),
            container_id: some(id),
            parent_container_id: container.parents.first().and_then(|id| some(id)),
            ..told
        }
    }
}

/// A container that is to be told of.
#[derive(Debug)]
pub(crate) struct Sighting<'l, 's> {
    pub(crate) container: &'l Container<'l>,
    pub(crate) listed: &'l Listed<'l>,
    pub(crate) state: Option<&'s State>,
    /// Of one whom the last state did not name: what was known of it then, which is not forgotten while no new one is
    /// asked for.
    pub(crate) nameless: Option<Origin>,
}

impl Identity for Sighting<'_, '_> {
    fn id(&self) -> &str {
        &self.container.container_id
    }

    fn origin(&self) -> Origin {
        let nameless = self.nameless.clone();
        nameless.unwrap_or_else(|| self.listed.origin(self.container, self.state))
    }

    fn is_complete(&self) -> bool {
        self.nameless.is_none()
    }
}

/// Which kind of container it is.
pub(crate) fn kind_of(container: &Container<'_>) -> Kind {
    if !container.parents.is_empty() {
        Kind::Nested
    } else if container.framework_id.is_empty() && container.executor_id.is_empty() {
        Kind::Standalone
    } else {
        Kind::Container
    }
}

fn some(text: &str) -> Option<Arc<str>> {
    (!text.is_empty()).then(|| text.into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample;

    const POD: &str = "de940b80-3c45-4775-89b4-e2f2760e26a0";

    fn container<'a>(id: &'a str, parents: &[&'a str]) -> Container<'a> {
        let mut container = Container::default();
        container.container_id = id.into();
        container.parents = parents.iter().map(|&id| id.into()).collect();
        container
    }

    fn pod() -> Container<'static> {
        let mut pod = container(POD, &[]);
        pod.framework_id = "f".into();
        pod.executor_id = "pod".into();
        pod.source = "s".into();
        pod
    }

    #[test]
    fn who_lies_in_others_belongs_to_whom_the_outermost_belongs_to() {
        let listed = Listed::new(vec![
            container("session", &["web", POD]),
            container("web", &[POD]),
            pod(),
        ]);
        let origin = listed.origin(&listed.containers[0], None);
        let wanted = Origin {
            framework_id: Some("f".into()),
            executor_id: Some("pod".into()),
            source: Some("s".into()),
            container_id: Some("session".into()),
            parent_container_id: Some("web".into()),
            ..Origin::default()
        };
        assert_eq!(origin, wanted);
    }

    #[test]
    fn who_lies_in_one_that_is_not_listed_is_told_by_its_ids_alone() {
        let listed = Listed::new(vec![container("web", &["gone"])]);
        let origin = listed.origin(&listed.containers[0], None);
        assert_eq!(origin.executor_id, None);
        assert_eq!(origin.parent_container_id.as_deref(), Some("gone"));
    }

    #[test]
    fn what_the_state_says_goes_before_what_the_list_says() {
        let state = crate::scrape::sample_state();
        let web = "03f05ac6-5cc8-4214-9bef-83a5c0b2a2cf";
        let listed = Listed::new(vec![container(web, &[POD]), pod()]);
        let origin = listed.origin(&listed.containers[0], Some(&state));
        assert_eq!(origin.executor_id.as_deref(), Some("dex-0"));
        assert_eq!(origin.task_id.as_deref(), Some("web-0"));
        assert_eq!(origin.framework.as_deref(), Some("hold"));
        // The state leaves it empty.
        assert_eq!(origin.source.as_deref(), Some("s"));
    }

    #[test]
    fn a_container_s_kind_is_told_by_where_it_lies_and_who_launched_it() {
        let reply = br#"{"get_containers":{"containers":[
            {"container_id":{"value":"a"},"executor_id":{"value":"e"},"framework_id":{"value":"f"}},
            {"container_id":{"value":"b","parent":{"value":"a"}}},
            {"container_id":{"value":"c"}}]}}"#;
        let containers = sample::containers_v1(reply).unwrap();
        let kinds: Vec<Kind> = containers.iter().map(kind_of).collect();
        assert_eq!(kinds, [Kind::Container, Kind::Nested, Kind::Standalone]);
    }
}
