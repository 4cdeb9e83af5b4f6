//! Who has a container: the agent's two lists, v0 and v1, as one.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::{Statistics, StatisticsError};

/// More containers than any agent runs. It bounds what a nonsensical reply can make us hold.
const CONTAINERS_MAX: usize = 20_000;

/// One container. A text that the reply does not have is empty.
#[derive(Debug, Default)]
pub(crate) struct Container<'a> {
    /// Unique on the agent, a UUID or chosen by who launched it.
    pub(crate) container_id: Cow<'a, str>,
    /// The containers that it lies in, the nearest first.
    pub(crate) parents: Vec<Cow<'a, str>>,
    /// The task's id where Mesos's command executor runs it. Empty for nested and standalone containers.
    pub(crate) executor_id: Cow<'a, str>,
    /// Empty for nested and standalone containers.
    pub(crate) framework_id: Cow<'a, str>,
    /// A free text of the framework's. Not in v1.
    pub(crate) source: Cow<'a, str>,
    /// Absent if the containerizer could not tell. Left as text, so that of thousands only one at a time is held
    /// decoded, and one that is odd does not spoil the others.
    statistics: Option<&'a RawValue>,
}

impl<'a> Container<'a> {
    /// Decodes the statistics; `None` if there are none.
    ///
    /// # Errors
    /// [`StatisticsError`].
    pub(crate) fn statistics(&self) -> Option<Result<Statistics<'a>, StatisticsError>> {
        self.statistics.map(|text| Statistics::parse(text.get()))
    }
}

/// Reads a whole reply to `GET /slave(1)/containers` (Mesos: src/slave/http.cpp, `Http::__containers`). Nothing is kept
/// of a reply that is cut short.
///
/// # Errors
/// What `serde_json` says, with line and column.
pub(crate) fn containers(reply: &[u8]) -> serde_json::Result<Vec<Container<'_>>> {
    let Bounded(entries, _) = serde_json::from_slice::<Bounded<'_, Entry<'_>>>(reply)?;
    Ok(entries)
}

/// Reads a whole reply to the v1 call `GET_CONTAINERS` (Mesos: include/mesos/v1/agent/agent.proto,
/// `Response.GetContainers`), which alone tells of nested and standalone containers.
///
/// # Errors
/// What `serde_json` says, with line and column.
pub(crate) fn containers_v1(reply: &[u8]) -> serde_json::Result<Vec<Container<'_>>> {
    let Reply {
        get_containers,
        kind,
    } = serde_json::from_slice(reply)?;
    match get_containers {
        Some(listed) => Ok(listed.containers.0),
        // An agent without a container answers with the type alone.
        None if kind == "GET_CONTAINERS" => Ok(Vec::new()),
        None => Err(serde_json::Error::missing_field("get_containers")),
    }
}

/// An entry of the v0 list.
#[derive(Deserialize)]
struct Entry<'a> {
    #[serde(borrow, default)]
    container_id: Cow<'a, str>,
    #[serde(borrow, default)]
    executor_id: Cow<'a, str>,
    #[serde(borrow, default)]
    framework_id: Cow<'a, str>,
    #[serde(borrow, default)]
    source: Cow<'a, str>,
    #[serde(borrow, default)]
    status: Option<Status<'a>>,
    #[serde(borrow, default)]
    statistics: Option<&'a RawValue>,
}

impl<'a> From<Entry<'a>> for Container<'a> {
    fn from(entry: Entry<'a>) -> Self {
        let status = entry.status.unwrap_or_default();
        Self {
            container_id: entry.container_id,
            parents: status.container_id.unwrap_or_default().parents(),
            executor_id: entry.executor_id,
            framework_id: entry.framework_id,
            source: entry.source,
            statistics: entry.statistics,
        }
    }
}

#[derive(Deserialize)]
struct Reply<'a> {
    #[serde(borrow)]
    get_containers: Option<GetContainers<'a>>,
    #[serde(borrow, default, rename = "type")]
    kind: Cow<'a, str>,
}

#[derive(Deserialize)]
struct GetContainers<'a> {
    /// A list without elements is left out.
    #[serde(borrow, default)]
    containers: Bounded<'a, EntryV1<'a>>,
}

/// An entry of the v1 list.
#[derive(Deserialize)]
struct EntryV1<'a> {
    #[serde(borrow, default)]
    container_id: ContainerId<'a>,
    #[serde(borrow, default)]
    executor_id: Id<'a>,
    #[serde(borrow, default)]
    framework_id: Id<'a>,
    #[serde(borrow, default)]
    container_status: Option<Status<'a>>,
    #[serde(borrow, default)]
    resource_statistics: Option<&'a RawValue>,
}

impl<'a> From<EntryV1<'a>> for Container<'a> {
    fn from(entry: EntryV1<'a>) -> Self {
        let status = entry.container_status.unwrap_or_default();
        let mut id = entry.container_id;
        let container_id = std::mem::take(&mut id.value);
        // An agent may tell in which it lies in either place, or in both.
        let mut parents = id.parents();
        if parents.is_empty() {
            parents = status.container_id.unwrap_or_default().parents();
        }
        Self {
            container_id,
            parents,
            executor_id: entry.executor_id.value,
            framework_id: entry.framework_id.value,
            source: Cow::default(),
            statistics: entry.resource_statistics,
        }
    }
}

/// Mesos: include/mesos/mesos.proto, `ContainerStatus`.
#[derive(Default, Deserialize)]
struct Status<'a> {
    #[serde(borrow, default)]
    container_id: Option<ContainerId<'a>>,
}

/// Mesos: include/mesos/mesos.proto, `ContainerID`.
#[derive(Default, Deserialize)]
struct ContainerId<'a> {
    #[serde(borrow, default)]
    value: Cow<'a, str>,
    #[serde(borrow, default)]
    parent: Option<Box<ContainerId<'a>>>,
}

impl<'a> ContainerId<'a> {
    /// The ids of those that it lies in, the nearest first.
    fn parents(self) -> Vec<Cow<'a, str>> {
        let mut parents = Vec::new();
        let mut next = self.parent;
        while let Some(id) = next {
            parents.push(id.value);
            next = id.parent;
        }
        parents
    }
}

#[derive(Default, Deserialize)]
struct Id<'a> {
    #[serde(borrow, default)]
    value: Cow<'a, str>,
}

/// A list of so many entries at the most, each of which becomes a container at once.
struct Bounded<'a, E>(Vec<Container<'a>>, PhantomData<E>);

impl<E> Default for Bounded<'_, E> {
    fn default() -> Self {
        Self(Vec::new(), PhantomData)
    }
}

impl<'de: 'a, 'a, E: Deserialize<'de> + Into<Container<'a>>> Deserialize<'de> for Bounded<'a, E> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(Self::default())
    }
}

impl<'de: 'a, 'a, E: Deserialize<'de> + Into<Container<'a>>> Visitor<'de> for Bounded<'a, E> {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of containers")
    }

    fn visit_seq<A: SeqAccess<'de>>(mut self, mut seq: A) -> Result<Self, A::Error> {
        while let Some(entry) = seq.next_element::<E>()? {
            if self.0.len() == CONTAINERS_MAX {
                return Err(A::Error::custom(format_args!(
                    "more than {CONTAINERS_MAX} containers"
                )));
            }
            self.0.push(entry.into());
        }
        Ok(self)
    }
}

#[cfg(test)]
mod tests;
