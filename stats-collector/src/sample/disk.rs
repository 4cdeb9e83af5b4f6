//! What is used of disks (Mesos: include/mesos/mesos.proto, `DiskStatistics`).

use std::borrow::Cow;

use serde::de::MapAccess;

use super::message::{Message, Pending};
use crate::model::{Along, numbers};

/// The sandbox is called `sandbox`, and a volume by its id.
pub(crate) const VOLUME: Along = Along {
    tag: "volume",
    behind: 1,
};

numbers! {
    /// The size of the sandbox or of a volume.
    struct Usage, named "disk_statistics." along Some(VOLUME);

    limit_bytes: u64, Gauge Bytes, "The size of the sandbox or volume.";
    used_bytes: u64, Gauge Bytes, "What is used of it.";
}

/// The sandbox, or one volume.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Volume<'a> {
    /// The disk it lies on, unless that is the agent's work directory.
    pub(crate) source: Option<Source<'a>>,
    /// Which persistent volume it is. The sandbox has neither this nor `source`.
    pub(crate) persistence: Option<Persistence<'a>>,
    /// Its size.
    pub(crate) usage: Usage,
}

/// Mesos: include/mesos/mesos.proto, `Resource.DiskInfo.Source`. All but the type is of no interest here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Source<'a> {
    /// `PATH`, `MOUNT`, `BLOCK` or `RAW`. Empty if the reply does not say.
    pub(crate) kind: Cow<'a, str>,
}

/// Mesos: include/mesos/mesos.proto, `Resource.DiskInfo.Persistence`. Whose it is is of no interest here.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Persistence<'a> {
    /// Unique in a role on the agent; chosen by the framework. Empty if the reply does not say.
    pub(crate) id: Cow<'a, str>,
}

impl<'de> Message<'de> for Volume<'de> {
    const PATH: &'static str = "disk_statistics";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "source" => self.source = value.message()?,
            "persistence" => self.persistence = value.message()?,
            _ => return value.one_of(&mut self.usage, key),
        }
        Ok(true)
    }
}

impl<'de> Message<'de> for Source<'de> {
    const PATH: &'static str = "disk_statistics.source";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "type" => self.kind = value.text()?.unwrap_or_default(),
            "path" | "mount" | "id" | "profile" | "vendor" | "metadata" => value.ignored()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

impl<'de> Message<'de> for Persistence<'de> {
    const PATH: &'static str = "disk_statistics.persistence";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "id" => self.id = value.text()?.unwrap_or_default(),
            "principal" => value.ignored()?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}
