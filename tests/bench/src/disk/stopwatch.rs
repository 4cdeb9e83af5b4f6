//! Time by the clock and processor time of something that is run.

use std::time::{Duration, Instant};

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// What a run took.
#[derive(Clone, Copy, Debug)]
pub(super) struct Took {
    pub(super) wall: Duration,
    /// On all processors together, of this process and of those that it waited for.
    pub(super) cpu: Duration,
}

/// Runs it.
pub(super) fn time(run: impl FnOnce()) -> Took {
    let (begin, before) = (Instant::now(), cpu());
    run();
    Took {
        wall: begin.elapsed(),
        cpu: cpu().saturating_sub(before),
    }
}

fn cpu() -> Duration {
    let of = |who| {
        let usage = getrusage(who).expect("a kernel that counts");
        duration(usage.user_time()) + duration(usage.system_time())
    };
    of(UsageWho::RUSAGE_SELF) + of(UsageWho::RUSAGE_CHILDREN)
}

fn duration(time: TimeVal) -> Duration {
    let micros = time.tv_sec() * 1_000_000 + time.tv_usec();
    Duration::from_micros(micros.unsigned_abs())
}
