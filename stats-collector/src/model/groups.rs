//! All instances of an app on this agent together.
//!
//! A sum or a largest value is over those instances alone that have the number in this turn, and how many those are is
//! told beside it: an instance that is new has no rate yet, and one whose isolator failed lacks what that measures. A
//! share of a group is the sum over the sum, not the mean of shares. Nothing here is added up over time, and times are
//! never added up.

use std::collections::HashMap;
use std::sync::Arc;

use graphite::Value;

use super::{Derived, Field, Nature, Put, Unit};
use crate::sample::{Resources, Statistics};

/// The groups of one turn.
#[derive(Debug, Default)]
pub(crate) struct Groups(HashMap<Arc<str>, Group>);

impl Groups {
    /// Takes in the sample of one instance, and what is worked out of it.
    pub(crate) fn add(&mut self, app: &Arc<str>, sample: &Statistics<'_>, derived: &Derived) {
        match self.0.get_mut(app) {
            Some(group) => group.add(sample, derived),
            None => {
                let mut group = Group::default();
                group.add(sample, derived);
                self.0.insert(Arc::clone(app), group);
            }
        }
    }

    /// All groups, in no order. None are left.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (Arc<str>, Group)> {
        self.0.drain()
    }
}

/// What the instances of one app come to.
#[derive(Debug, Default)]
pub(crate) struct Group {
    /// When the last of the samples was taken.
    at: f64,
    instances: u64,
    sums: [Tally; SUMMED.len()],
    largest: [Tally; RANKED.len()],
    ratios: [Ratio; RATIOS.len()],
}

/// One number of all instances that have it: the sum and the largest, in bits, since it is exact to 64 of them.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    instances: u32,
    sum: u64,
    max: u64,
}

#[derive(Clone, Copy, Debug, Default)]
struct Ratio {
    part: f64,
    whole: f64,
}

impl Group {
    fn add(&mut self, sample: &Statistics<'_>, derived: &Derived) {
        let of = Instance {
            resources: &sample.resources,
            derived,
        };
        self.instances += 1;
        self.at = self.at.max(sample.timestamp);
        for (Summed { of: number, .. }, tally) in SUMMED.iter().zip(&mut self.sums) {
            tally.add(number.of(&of));
        }
        for (Ranked { of: number, .. }, tally) in RANKED.iter().zip(&mut self.largest) {
            tally.add(number(&of).map(Value::Float));
        }
        for (Overall { part, whole, .. }, ratio) in RATIOS.iter().zip(&mut self.ratios) {
            if let Some((part, whole)) = part(&of).zip(whole(&of)) {
                ratio.part += part;
                ratio.whole += whole;
            }
        }
    }

    /// When the last of the samples was taken, in seconds since the epoch.
    pub(crate) fn at(&self) -> f64 {
        self.at
    }

    /// Puts all numbers of the group.
    pub(crate) fn put(&self, out: &mut impl Put) {
        out.put(&COUNT, None, self.instances.into());
        for (summed, tally) in SUMMED.iter().zip(&self.sums) {
            if let Some((sum, max)) = tally.values(summed.of) {
                out.put(&summed.sum, None, sum);
                out.put(&summed.max, None, max);
                out.put(&summed.count, None, tally.instances.into());
            }
        }
        for (ranked, tally) in RANKED.iter().zip(&self.largest) {
            if tally.instances > 0 {
                out.put(&ranked.max, None, f64::from_bits(tally.max).into());
                out.put(&ranked.count, None, tally.instances.into());
            }
        }
        for (overall, ratio) in RATIOS.iter().zip(&self.ratios) {
            let share = ratio.part / ratio.whole;
            if ratio.whole > 0.0 && share.is_finite() {
                out.put(&overall.field, None, share.into());
            }
        }
    }
}

impl Tally {
    fn add(&mut self, value: Option<Value>) {
        let is_first = self.instances == 0;
        match value {
            None => return,
            Some(Value::Integer(value)) => {
                self.sum = self.sum.saturating_add(value);
                self.max = self.max.max(value);
            }
            Some(Value::Signed(value)) => return self.add(Some(Value::Float(value as f64))),
            Some(Value::Float(value)) => {
                let sum = f64::from_bits(self.sum) + value;
                self.sum = sum.clamp(f64::MIN, f64::MAX).to_bits();
                let max = f64::from_bits(self.max);
                self.max = if is_first { value } else { max.max(value) }.to_bits();
            }
        }
        self.instances += 1;
    }

    fn values(&self, number: Number) -> Option<(Value, Value)> {
        if self.instances == 0 {
            return None;
        }
        Some(match number {
            Number::Whole(_) => (self.sum.into(), self.max.into()),
            Number::Real(_) => (
                f64::from_bits(self.sum).into(),
                f64::from_bits(self.max).into(),
            ),
        })
    }
}

/// What one instance has.
struct Instance<'a> {
    resources: &'a Resources,
    derived: &'a Derived,
}

/// How to find a number.
#[derive(Clone, Copy, Debug)]
enum Number {
    Whole(fn(&Instance<'_>) -> Option<u64>),
    Real(fn(&Instance<'_>) -> Option<f64>),
}

impl Number {
    fn of(self, instance: &Instance<'_>) -> Option<Value> {
        match self {
            Number::Whole(of) => of(instance).map(Value::Integer),
            Number::Real(of) => of(instance).map(Value::Float),
        }
    }
}

/// A number that is added up.
struct Summed {
    sum: Field,
    max: Field,
    count: Field,
    of: Number,
}

/// A number of which the largest says something, and the sum nothing.
struct Ranked {
    max: Field,
    count: Field,
    of: fn(&Instance<'_>) -> Option<f64>,
}

/// A share of the group as a whole.
struct Overall {
    field: Field,
    part: fn(&Instance<'_>) -> Option<f64>,
    whole: fn(&Instance<'_>) -> Option<f64>,
}

const fn gauge(name: &'static str, unit: Unit, help: &'static str) -> Field {
    Field {
        name,
        along: None,
        nature: Nature::Gauge,
        unit,
        help,
    }
}

static COUNT: Field = gauge(
    "count",
    Unit::Count,
    "Instances of the app with a sample in this turn.",
);

macro_rules! summed {
    ($name:literal, $unit:ident, $of:expr) => {
        Summed {
            sum: gauge(
                concat!($name, ".sum"),
                Unit::$unit,
                concat!("The sum of ", $name, " over the instances that have it."),
            ),
            max: gauge(
                concat!($name, ".max"),
                Unit::$unit,
                concat!("The largest ", $name, " of an instance."),
            ),
            count: gauge(
                concat!($name, ".count"),
                Unit::Count,
                concat!("How many instances have ", $name, "."),
            ),
            of: $of,
        }
    };
}

macro_rules! ranked {
    ($name:literal, $of:expr) => {
        Ranked {
            max: gauge(
                concat!($name, ".max"),
                Unit::Share,
                concat!("The largest ", $name, " of an instance."),
            ),
            count: gauge(
                concat!($name, ".count"),
                Unit::Count,
                concat!("How many instances have ", $name, "."),
            ),
            of: $of,
        }
    };
}

macro_rules! overall {
    ($name:literal, $part:literal / $whole:literal, $of:expr, $by:expr) => {
        Overall {
            field: gauge(
                concat!($name, ".overall"),
                Unit::Share,
                concat!(
                    "The sum of ",
                    $part,
                    " / the sum of ",
                    $whole,
                    ", over the instances that have both."
                ),
            ),
            part: $of,
            whole: $by,
        }
    };
}

static SUMMED: [Summed; 12] = [
    summed!("cpus_used", Cores, Number::Real(|of| of.derived.cpus_used)),
    summed!(
        "cpus_limit",
        Cores,
        Number::Real(|of| of.resources.cpus_limit)
    ),
    summed!(
        "cpus_soft_limit",
        Cores,
        Number::Real(|of| of.resources.cpus_soft_limit)
    ),
    summed!(
        "cpus_throttled_seconds_per_second",
        Share,
        Number::Real(|of| of.derived.cpus_throttled_seconds_per_second)
    ),
    summed!(
        "mem_rss_bytes",
        Bytes,
        Number::Whole(|of| of.resources.mem_rss_bytes)
    ),
    summed!(
        "mem_limit_bytes",
        Bytes,
        Number::Whole(|of| of.resources.mem_limit_bytes)
    ),
    summed!(
        "disk_used_bytes",
        Bytes,
        Number::Whole(|of| of.resources.disk_used_bytes)
    ),
    summed!(
        "disk_limit_bytes",
        Bytes,
        Number::Whole(|of| of.resources.disk_limit_bytes)
    ),
    summed!(
        "net_rx_bytes_per_second",
        BytesPerSecond,
        Number::Real(|of| of.derived.net_rx_bytes_per_second)
    ),
    summed!(
        "net_tx_bytes_per_second",
        BytesPerSecond,
        Number::Real(|of| of.derived.net_tx_bytes_per_second)
    ),
    summed!(
        "blkio_read_bytes_per_second",
        BytesPerSecond,
        Number::Real(|of| of.derived.blkio_read_bytes_per_second)
    ),
    summed!(
        "blkio_write_bytes_per_second",
        BytesPerSecond,
        Number::Real(|of| of.derived.blkio_write_bytes_per_second)
    ),
];

static RANKED: [Ranked; 4] = [
    ranked!("cpus_used_share_of_limit", |of| of
        .derived
        .cpus_used_share_of_limit),
    ranked!("cpus_throttled_share", |of| of.derived.cpus_throttled_share),
    ranked!("mem_used_share", |of| of.derived.mem_used_share),
    ranked!("disk_used_share", |of| of.derived.disk_used_share),
];

static RATIOS: [Overall; 3] = [
    overall!(
        "cpus_used_share_of_limit",
        "cpus_used" / "cpus_limit",
        |of| of.derived.cpus_used,
        |of| of.resources.cpus_limit
    ),
    overall!(
        "mem_used_share",
        "mem_rss_bytes" / "mem_limit_bytes",
        |of| of.resources.mem_rss_bytes.map(|bytes| bytes as f64),
        |of| of.resources.mem_limit_bytes.map(|bytes| bytes as f64)
    ),
    overall!(
        "disk_used_share",
        "disk_used_bytes" / "disk_limit_bytes",
        |of| of.resources.disk_used_bytes.map(|bytes| bytes as f64),
        |of| of.resources.disk_limit_bytes.map(|bytes| bytes as f64)
    ),
];

/// Every field of a group.
pub(super) fn fields() -> impl Iterator<Item = &'static Field> {
    let summed = SUMMED.iter().flat_map(|of| [&of.sum, &of.max, &of.count]);
    let ranked = RANKED.iter().flat_map(|of| [&of.max, &of.count]);
    let overall = RATIOS.iter().map(|of| &of.field);
    std::iter::once(&COUNT)
        .chain(summed)
        .chain(ranked)
        .chain(overall)
}

#[cfg(test)]
mod tests;
