//! The runs of one task: whether it is started again when one has ended, when, and what is told of it.

use std::time::Duration;

use dialect::{Restart, RestartPolicy};

use super::over::Cause;
use crate::time::Instant;

/// How a run has ended, as far as the next one depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Success,
    Failure,
    /// A limit was broken.
    Limit,
    /// From outside, or for good: nothing starts it again.
    Final,
}

impl End {
    /// The end that a task is made to come to for this.
    pub(super) fn of(cause: &Cause) -> Self {
        match cause {
            Cause::Killed | Cause::ShutDown(_) | Cause::TooLong(_) | Cause::Member { .. } => {
                Self::Final
            }
            Cause::Limited(_) => Self::Limit,
            Cause::Unhealthy(_) | Cause::Hook(_) => Self::Failure,
        }
    }
}

/// The runs so far.
#[derive(Debug)]
pub(crate) struct Runs {
    policy: Restart,
    /// How often it was started again.
    restarts: u32,
    /// How often since a run of some length.
    row: u32,
    began: Option<Instant>,
    /// Whatever the policy says, there is no further one.
    over: bool,
}

impl Runs {
    pub(super) fn of(policy: Restart) -> Self {
        Self {
            policy,
            restarts: 0,
            row: 0,
            began: None,
            over: false,
        }
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.began = Some(now);
    }

    /// A run is over. After a long one the row is a new one.
    pub(super) fn end(&mut self, now: Instant) {
        let began = self.began.take();
        if began.is_some_and(|began| now.since(began) >= self.policy.reset_after) {
            self.row = 0;
        }
    }

    /// There is to be no further run.
    pub(super) fn forbid(&mut self) {
        self.over = true;
    }

    /// Whether a run that ends like this is followed by another one.
    pub(super) fn go_on_after(&self, end: End) -> bool {
        let failed = match end {
            End::Success => false,
            End::Failure => true,
            End::Limit if self.policy.on_limit => true,
            End::Limit | End::Final => return false,
        };
        let wanted = match self.policy.policy {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure => failed,
            RestartPolicy::Always => true,
        };
        wanted && !self.over && self.policy.most.is_none_or(|most| self.row < most)
    }

    /// How long to wait for the next one.
    pub(super) fn wait(&self) -> Duration {
        let wait = self.policy.backoff.saturating_mul(1 << self.row.min(31));
        wait.min(self.policy.longest_backoff)
    }

    /// It is started again.
    pub(super) fn again(&mut self) {
        self.row = self.row.saturating_add(1);
        self.restarts = self.restarts.saturating_add(1);
    }

    /// How often it was started again.
    pub(crate) fn restarts(&self) -> u32 {
        self.restarts
    }

    /// What the status of a new run says, when the last one ended like this.
    pub(super) fn tell(&self, how: &str) -> String {
        match self.policy.most {
            Some(most) => format!("restarted ({} of {most}): {how}", self.row),
            None => format!("restarted ({}): {how}", self.restarts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(policy: RestartPolicy) -> Restart {
        Restart {
            policy,
            most: Some(3),
            ..Restart::default()
        }
    }

    fn after(policy: Restart) -> [bool; 4] {
        let runs = Runs::of(policy);
        [End::Success, End::Failure, End::Limit, End::Final].map(|end| runs.go_on_after(end))
    }

    #[test]
    fn each_policy_goes_on_after_its_ends() {
        assert_eq!(after(policy(RestartPolicy::Never)), [false; 4]);
        let on_failure = policy(RestartPolicy::OnFailure);
        assert_eq!(after(on_failure.clone()), [false, true, false, false]);
        assert_eq!(
            after(policy(RestartPolicy::Always)),
            [true, true, false, false]
        );
        let on_limit = Restart {
            on_limit: true,
            ..on_failure
        };
        assert_eq!(after(on_limit), [false, true, true, false]);
    }

    #[test]
    fn the_wait_doubles_up_to_its_bound_and_the_row_ends() {
        let mut runs = Runs::of(Restart {
            longest_backoff: Duration::from_secs(3),
            ..policy(RestartPolicy::Always)
        });
        let mut waits = Vec::new();
        for _ in 0..3 {
            waits.push(runs.wait().as_secs());
            runs.again();
        }
        assert_eq!(waits, [1, 2, 3]);
        assert!(!runs.go_on_after(End::Failure));
        assert_eq!(runs.tell("x"), "restarted (3 of 3): x");
    }

    #[test]
    fn a_long_run_begins_a_new_row() {
        let mut runs = Runs::of(policy(RestartPolicy::Always));
        let begin = Instant::default();
        for _ in 0..3 {
            runs.again();
        }
        runs.begin(begin);
        runs.end(begin.plus(Duration::from_secs(599)));
        assert!(!runs.go_on_after(End::Success));
        runs.begin(begin);
        runs.end(begin.plus(Duration::from_secs(600)));
        assert!(runs.go_on_after(End::Success));
        assert_eq!(runs.wait(), Duration::from_secs(1));
        assert_eq!(runs.restarts(), 3);
    }

    #[test]
    fn no_row_is_too_long_to_count() {
        let mut runs = Runs::of(Restart {
            most: None,
            ..policy(RestartPolicy::Always)
        });
        for _ in 0..100 {
            assert!(runs.wait() <= Duration::from_secs(60));
            runs.again();
        }
        assert_eq!(runs.tell("x"), "restarted (100): x");
    }

    #[test]
    fn what_was_told_to_end_has_no_further_run() {
        let mut runs = Runs::of(policy(RestartPolicy::Always));
        runs.forbid();
        assert!(!runs.go_on_after(End::Failure));
    }
}
