//! What a task uses, put together from those who count it.

use std::time::Duration;

use cgroup::{Ceiling, Figures};
use executor_core::Usage;

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
}
