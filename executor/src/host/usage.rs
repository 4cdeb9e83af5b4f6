//! What a task uses, put together from those who count it.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use cgroup::{Ceiling, Figures};
use executor_core::{DiskUse, Usage};
use mesos_proto::Bytes;

use super::launch::Belongings;

/// What a task has used so far. Blocks for a moment.
///
/// # Errors
///
/// Its cgroup cannot be read.
pub(super) fn of(belongings: &Belongings) -> Result<Usage, cgroup::Error> {
    let mut usage = match &belongings.cgroup {
        Some(cgroup) => counted(&cgroup.figures()?),
        None => Usage::default(),
    };
    let limits = &belongings.limits;
    if belongings.cgroup.is_some() && limits.memory.is_some() {
        usage.memory_shortages = Some(limits.pressure.times());
    }
    if let Some(logs) = belongings.kept.figures() {
        usage.log_bytes = Some(logs.stdout + logs.stderr);
        usage.log_dropped_lines = Some(logs.dropped);
    }
    Ok(usage)
}

fn counted(figures: &Figures) -> Usage {
    let Figures {
        cpu,
        memory,
        pids,
        io,
        pressure,
    } = figures;
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    let io = io.as_deref();
    Usage {
        cpu_seconds: seconds(cpu.usage),
        cpu_user_seconds: seconds(cpu.user),
        cpu_system_seconds: seconds(cpu.system),
        cpu_throttled_seconds: seconds(cpu.throttled),
        memory_bytes: memory.current,
        memory_anonymous_bytes: memory.anonymous,
        memory_peak_bytes: memory.peak,
        memory_limit_bytes: match memory.limit {
            Some(Ceiling::Bytes(bytes)) => Some(bytes),
            Some(Ceiling::Max) | None => None,
        },
        memory_shortages: None,
        processes: pids.current,
        process_limit: pids.limit,
        io_read_bytes: io.map(|disks| disks.iter().map(|disk| disk.read_bytes).sum()),
        io_written_bytes: io.map(|disks| disks.iter().map(|disk| disk.written_bytes).sum()),
        pressure_cpu_seconds: pressure.cpu.map(|stalls| stalls.some.as_secs_f64()),
        pressure_memory_seconds: pressure.memory.map(|stalls| stalls.some.as_secs_f64()),
        pressure_io_seconds: pressure.io.map(|stalls| stalls.some.as_secs_f64()),
        log_bytes: None,
        log_dropped_lines: None,
    }
}

/// What a task's directory was found to take when it was measured last.
#[derive(Debug, Default)]
pub(super) struct Measured(Mutex<Option<Measurement>>);

#[derive(Clone, Copy, Debug)]
struct Measurement {
    at: Instant,
    /// How long it took.
    cost: Duration,
    bytes: u64,
    is_complete: bool,
}

/// A measurement is good enough for who asks until it is older than this, and than this many times what it cost.
const FRESH: Duration = Duration::from_secs(5);
const TIMES_ITS_COST: u32 = 20;

impl Measured {
    pub(super) fn note(&self, at: Instant, cost: Duration, bytes: u64, is_complete: bool) {
        let measurement = Measurement {
            at,
            cost,
            bytes,
            is_complete,
        };
        *crate::logs::locked(&self.0) = Some(measurement);
    }

    /// The last one; none before the first.
    pub(super) fn last(&self, limit: Option<Bytes>) -> Option<DiskUse> {
        self.newer_than(Instant::now(), |_| true, limit)
    }

    /// The last one, when it is good enough for who asks.
    pub(super) fn fresh(&self, limit: Option<Bytes>) -> Option<DiskUse> {
        let is_fresh = |found: &Measurement| FRESH.max(found.cost * TIMES_ITS_COST);
        let now = Instant::now();
        let young = |found: &Measurement| now.duration_since(found.at) <= is_fresh(found);
        self.newer_than(now, young, limit)
    }

    fn newer_than(
        &self,
        now: Instant,
        is_wanted: impl FnOnce(&Measurement) -> bool,
        limit: Option<Bytes>,
    ) -> Option<DiskUse> {
        let found = (*crate::logs::locked(&self.0)).filter(is_wanted)?;
        Some(DiskUse {
            used_bytes: found.bytes,
            limit_bytes: limit.map(Bytes::as_u64),
            age_seconds: now.duration_since(found.at).as_secs_f64(),
            at_least: !found.is_complete,
        })
    }
}

#[cfg(test)]
mod tests {
    use cgroup::{CpuFigures, MemoryFigures, PressureFigures, Stalls};

    use super::*;

    #[test]
    fn what_a_host_does_not_count_is_not_there() {
        assert_eq!(counted(&Figures::default()), Usage::default());
    }

    #[test]
    fn what_it_counts_is_in_seconds_and_bytes_and_no_limit_is_none() {
        let second_and_a_half = Some(Duration::from_millis(1500));
        let figures = Figures {
            cpu: CpuFigures {
                usage: second_and_a_half,
                ..Default::default()
            },
            memory: MemoryFigures {
                current: Some(4096),
                limit: Some(Ceiling::Max),
                ..Default::default()
            },
            io: Some(Vec::new()),
            pressure: PressureFigures {
                memory: Some(Stalls {
                    some: Duration::from_secs(2),
                    full: Duration::from_secs(1),
                }),
                ..Default::default()
            },
            ..Default::default()
        };
        let wanted = Usage {
            cpu_seconds: Some(1.5),
            memory_bytes: Some(4096),
            io_read_bytes: Some(0),
            io_written_bytes: Some(0),
            pressure_memory_seconds: Some(2.0),
            ..Default::default()
        };
        assert_eq!(counted(&figures), wanted);
    }

    #[test]
    fn a_measurement_is_fresh_for_a_while_and_longer_when_it_was_dear() {
        let measured = Measured::default();
        let limit = Some(Bytes::new(1 << 20));
        assert_eq!(measured.last(limit), None);
        let now = Instant::now();
        let Some(before) = now.checked_sub(Duration::from_secs(8)) else {
            panic!("this host runs since a moment ago");
        };
        measured.note(before, Duration::ZERO, 512, true);
        assert_eq!(measured.fresh(limit), None);
        let last = measured.last(limit).unwrap();
        assert_eq!((last.used_bytes, last.limit_bytes), (512, Some(1 << 20)));
        assert!(last.age_seconds >= 8.0 && !last.at_least);
        measured.note(before, Duration::from_secs(1), 512, false);
        assert!(measured.fresh(limit).unwrap().at_least);
    }
}
