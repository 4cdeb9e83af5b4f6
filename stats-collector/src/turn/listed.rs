//! The containers of one list, and whose they are.

use std::collections::HashMap;

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

fn some(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}
