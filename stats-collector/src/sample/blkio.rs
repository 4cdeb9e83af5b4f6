//! What block devices did for a container (Mesos: include/mesos/mesos.proto, `CgroupInfo.Blkio`).

mod fields;

use std::collections::HashSet;

use graphite::Value;
use serde::de::MapAccess;

use super::message::{Message, Pending};
use crate::model::{FromValue, Put};

pub(crate) use fields::tables;
use fields::{List, METRICS, OPERATIONS};

/// The kernel's lists of counters. Which of them move depends on kernel and scheduler: CFQ's are those of the scheduler
/// that Linux 5.0 did away with, the throttling ones are always there.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Blkio {
    /// CFQ's of the container's own cgroup.
    pub(crate) cfq: Vec<Device>,
    /// CFQ's with those of all cgroups below.
    pub(crate) cfq_recursive: Vec<Device>,
    /// Those of the layer that throttles.
    pub(crate) throttling: Vec<Device>,
}

/// The counters of one device in one list.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Device {
    /// Major and minor number; none for the sum of all devices.
    pub(crate) number: Option<(u64, u64)>,
    /// 512-byte sectors.
    pub(crate) sectors: Option<u64>,
    /// Milliseconds that it was the container's.
    pub(crate) time: Option<u64>,
    metrics: [Operations; METRICS.len()],
}

/// A counter by operation.
#[derive(Clone, Debug, Default, PartialEq)]
struct Operations([Option<u64>; OPERATIONS.len()]);

/// What is counted by operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Metric {
    /// Operations.
    Serviced,
    /// Their bytes.
    ServiceBytes,
}

/// By which operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Reads.
    Read,
    /// Writes.
    Write,
}

impl Device {
    /// How many operations or bytes.
    pub(crate) fn count(&self, metric: Metric, operation: Operation) -> Option<u64> {
        let metric = match metric {
            Metric::Serviced => 0,
            Metric::ServiceBytes => 1,
        };
        let operation = match operation {
            Operation::Read => 2,
            Operation::Write => 3,
        };
        self.metrics[metric].0[operation]
    }

    fn put(&self, list: List, out: &mut impl Put) {
        let number = self.number.map(|(major, minor)| format!("{major}:{minor}"));
        let along = Some(number.as_deref().unwrap_or("total"));
        let table = list.table();
        let counted = self.metrics.iter().flat_map(|metric| metric.0);
        let values = counted.chain([self.sectors, self.time]);
        for (field, value) in table.iter().zip(values) {
            if let Some(value) = value {
                out.put(field, along, value.into());
            }
        }
    }
}

impl Blkio {
    /// Puts all numbers that are there.
    pub(crate) fn put(&self, out: &mut impl Put) {
        let lists = [
            (List::Cfq, &self.cfq),
            (List::CfqRecursive, &self.cfq_recursive),
            (List::Throttling, &self.throttling),
        ];
        for (list, devices) in lists {
            for device in devices {
                device.put(list, out);
            }
        }
    }
}

impl<'de> Message<'de> for Blkio {
    const PATH: &'static str = "blkio_statistics";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "cfq" => self.cfq = devices(value)?,
            "cfq_recursive" => self.cfq_recursive = devices(value)?,
            "throttling" => self.throttling = devices(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// A list of devices; one that is there a second time is left out.
fn devices<'de, A: MapAccess<'de>>(
    value: &mut Pending<'_, 'de, A>,
) -> Result<Vec<Device>, A::Error> {
    let mut seen = HashSet::new();
    let mut devices: Vec<Device> = value.list()?;
    devices.retain(|device| {
        let is_new = seen.insert(device.number);
        if !is_new {
            value.is_odd();
        }
        is_new
    });
    Ok(devices)
}

impl<'de> Message<'de> for Device {
    const PATH: &'static str = "blkio_statistics.device";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "device" => {
                let number: Option<Number> = value.message()?;
                self.number = number.and_then(|number| number.major.zip(number.minor));
            }
            "sectors" => self.sectors = integer(value)?,
            "time" => self.time = integer(value)?,
            _ => {
                let Some(metric) = METRICS.iter().position(|name| *name == key) else {
                    return Ok(false);
                };
                for Count { operation, count } in value.list()? {
                    let place = OPERATIONS.iter().position(|name| *name == operation);
                    match (place, count) {
                        (Some(place), Some(count)) => self.metrics[metric].0[place] = Some(count),
                        _ => value.is_odd(),
                    }
                }
            }
        }
        Ok(true)
    }
}

/// Mesos: include/mesos/mesos.proto, `Device.Number`.
#[derive(Default)]
struct Number {
    major: Option<u64>,
    minor: Option<u64>,
}

impl<'de> Message<'de> for Number {
    const PATH: &'static str = "blkio_statistics.device.device";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "major_number" => self.major = integer(value)?,
            "minor_number" => self.minor = integer(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// Mesos: include/mesos/mesos.proto, `CgroupInfo.Blkio.Value`.
#[derive(Default)]
struct Count {
    operation: String,
    count: Option<u64>,
}

impl<'de> Message<'de> for Count {
    const PATH: &'static str = "blkio_statistics.device.value";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        match key {
            "op" => self.operation = value.text()?.unwrap_or_default().into_owned(),
            "value" => self.count = integer(value)?,
            _ => return Ok(false),
        }
        Ok(true)
    }
}

fn integer<'de, A: MapAccess<'de>>(
    value: &mut Pending<'_, 'de, A>,
) -> Result<Option<u64>, A::Error> {
    let number: Option<Value> = value.number()?;
    let integer = number.and_then(u64::from_value);
    if number.is_some() && integer.is_none() {
        value.is_odd();
    }
    Ok(integer)
}
