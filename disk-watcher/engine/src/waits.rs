//! Whether a thread spends its time waiting for the disk: then more of them than there are processors are worth it,
//! since a disk serves several readers sooner than one. With all that is read in memory they only get in each other's way.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A moment in the life of the calling thread.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    at: Instant,
    /// Time so far on a processor, and in the queue for one.
    busy: Duration,
}

impl Moment {
    /// `None` where the kernel does not tell.
    pub(crate) fn now() -> Option<Self> {
        let cpu = Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).ok()?;
        Some(Self {
            at: Instant::now(),
            busy: cpu + queued()?,
        })
    }

    /// Whether this same thread has waited for an eighth of the time since then at least.
    pub(crate) fn has_waited_since(self) -> bool {
        Self::now().is_some_and(|now| {
            let all = now.at - self.at;
            let waited = all.saturating_sub(now.busy.saturating_sub(self.busy));
            waited * 8 >= all
        })
    }
}

/// Linux: Documentation/scheduler/sched-stats.rst, /proc/PID/schedstat: nanoseconds on a processor, nanoseconds in the
/// queue, and more. The first is behind by up to a tick, the second is not.
fn queued() -> Option<Duration> {
    let text = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanoseconds = text.split(' ').nth(1)?.parse().ok()?;
    Some(Duration::from_nanos(nanoseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sleep_is_waiting_and_work_is_not_however_busy_the_machine_is() {
        let begin = Moment::now().unwrap();
        std::thread::sleep(Duration::from_millis(50));
        assert!(begin.has_waited_since());
        let begin = Moment::now().unwrap();
        let work = || Duration::try_from(clock_gettime(ClockId::ThreadCPUTime)).unwrap();
        let end = work() + Duration::from_millis(50);
        while work() < end {}
        assert!(!begin.has_waited_since());
    }
}
