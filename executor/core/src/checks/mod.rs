//! The checks of one running task: when each looks, and what its findings mean (Mesos: docs/health-checks.md,
//! src/checks/health_checker.cpp, src/checks/checker.cpp).
//!
//! ```text
//!              delay               due()                probed()
//!   new() ----------> Waiting{at} -------> Probing ------------------+
//!                         ^                                          |
//!                         +------------- interval -------------------+
//!                                                   ready, stopped: Over
//! ```
//!
//! The task's machine makes it when the task runs, asks [`Checks::due`] at each deadline, gives every outcome to
//! [`Checks::probed`], and stops it as soon as the task is to end. A check has one look under way at the most, and its
//! next one is a deadline that counts from the end of the last: neither a slow look nor a lost agent can start a second
//! chain.
//!
//! With one health check the updates are Mesos's own: healthy at the first success and at each recovery, unhealthy at
//! each failure that counts. With several the task is healthy when none fails and each has succeeded once.

mod general;
mod probed;
#[cfg(test)]
mod tests;
pub(crate) mod text;

use std::time::Duration;

use dialect::{Check, Probe, Role};
use mesos_proto::v1::CheckStatusInfo;

use crate::event::Probed;
use crate::time::Instant;

/// The least time between two looks of a check, however short its interval: no task makes its executor spin.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(50);

/// The checks of one task.
#[derive(Debug)]
pub(crate) struct Checks {
    started: Instant,
    watched: Vec<Watched>,
    /// What the last update about it said, if there was one.
    healthy: Option<bool>,
    /// Of the first general check, the only one that looks.
    check_status: Option<CheckStatusInfo>,
}

#[derive(Debug)]
struct Watched {
    check: Check,
    next: Next,
    /// It has succeeded before.
    succeeded: bool,
    /// Failures that counted, since the last success.
    failures: u32,
    /// The last failure that counted for nothing, so that a repetition is not told again.
    told: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Looks at this time.
    Waiting(Instant),
    /// Looks now.
    Probing,
    /// Never looks again.
    Over,
}

/// A look to begin. Its outcome comes back to [`Checks::probed`] with `check`, once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Look {
    /// The check's index in what [`Checks::new`] was given.
    pub(crate) check: usize,
    pub(crate) probe: Box<Probe>,
    /// None is without limit.
    pub(crate) timeout: Option<Duration>,
}

/// What an outcome leads to. The order within one outcome is the order to carry them out in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum CheckEffect {
    /// Send TASK_RUNNING with this `healthy`, for REASON_TASK_HEALTH_CHECK_STATUS_UPDATED.
    Health {
        healthy: bool,
        /// Why not; none when it is healthy.
        message: Option<String>,
    },
    /// Send TASK_RUNNING with the new [`Checks::check_status`], for REASON_TASK_CHECK_STATUS_UPDATED. The message says
    /// what was found when that is trouble.
    Status { message: Option<String> },
    /// End the task: it is unhealthy.
    Unhealthy { message: String },
    /// A failure without consequence, for the log: within the grace period, or not ready yet.
    Spared { message: String },
}

impl Checks {
    /// The checks of a task that starts to run at `now`.
    pub(crate) fn new(checks: &[Check], now: Instant) -> Self {
        let general = checks.iter().position(|check| check.role == Role::General);
        let watched = |(index, check): (usize, &Check)| Watched {
            check: check.clone(),
            next: match check.role {
                // An update has room for the status of one.
                Role::General if general != Some(index) => Next::Over,
                Role::Health | Role::Readiness | Role::General => {
                    Next::Waiting(now.plus(check.delay))
                }
            },
            succeeded: false,
            failures: 0,
            told: None,
        };
        Self {
            started: now,
            watched: checks.iter().enumerate().map(watched).collect(),
            healthy: None,
            check_status: general.map(|index| general::unknown(&checks[index].probe)),
        }
    }

    /// When [`Checks::due`] has something to say.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let waiting = self
            .watched
            .iter()
            .filter_map(|watched| match watched.next {
                Next::Waiting(at) => Some(at),
                Next::Probing | Next::Over => None,
            });
        waiting.min()
    }

    /// The looks to begin at `now`. They count as begun.
    pub(crate) fn due(&mut self, now: Instant) -> Vec<Look> {
        let mut looks = Vec::new();
        for (check, watched) in self.watched.iter_mut().enumerate() {
            match watched.next {
                Next::Waiting(at) if now >= at => {
                    watched.next = Next::Probing;
                    looks.push(Look {
                        check,
                        probe: Box::new(watched.check.probe.clone()),
                        timeout: watched.check.timeout,
                    });
                }
                Next::Waiting(_) | Next::Probing | Next::Over => {}
            }
        }
        looks
    }

    /// Takes the outcome of a look in. One that was not asked for, or comes after [`Checks::stop`], changes nothing.
    pub(crate) fn probed(
        &mut self,
        now: Instant,
        check: usize,
        outcome: &Probed,
    ) -> Vec<CheckEffect> {
        let Some(watched) = self.watched.get_mut(check) else {
            return vec![];
        };
        if watched.next != Next::Probing {
            return vec![];
        }
        let interval = watched.check.interval.max(SHORTEST_INTERVAL);
        watched.next = Next::Waiting(now.plus(interval));
        let verdict = outcome.verdict(&watched.check);
        match watched.check.role {
            Role::Health => self.health(now, check, verdict),
            Role::Readiness => self.readiness(check, verdict),
            Role::General => self.general(check, outcome, verdict),
        }
    }

    /// No look begins after this. The checks that one is under way for are returned: nobody waits for it any more.
    pub(crate) fn stop(&mut self) -> Vec<usize> {
        let mut under_way = Vec::new();
        for (check, watched) in self.watched.iter_mut().enumerate() {
            if std::mem::replace(&mut watched.next, Next::Over) == Next::Probing {
                under_way.push(check);
            }
        }
        under_way
    }

    /// What the last update said of the task's health, for every later one; none when nothing was found yet.
    pub(crate) fn healthy(&self) -> Option<bool> {
        self.healthy
    }

    /// What every update of the task has to carry, from the first one on; none without a general check.
    pub(crate) fn check_status(&self) -> Option<CheckStatusInfo> {
        self.check_status
    }

    fn health(
        &mut self,
        now: Instant,
        check: usize,
        verdict: Result<(), String>,
    ) -> Vec<CheckEffect> {
        let started = self.started;
        let watched = &mut self.watched[check];
        let Err(cause) = verdict else {
            watched.succeeded = true;
            watched.failures = 0;
            watched.told = None;
            return self.perhaps_healthy();
        };
        let grace = watched.check.grace_period;
        if !watched.succeeded && !grace.is_zero() && now.since(started) <= grace {
            return watched.spared(&cause, " (within the grace period)");
        }
        watched.failures = watched.failures.saturating_add(1);
        let message = watched.says(&cause);
        let mut effects = vec![CheckEffect::Health {
            healthy: false,
            message: Some(message),
        }];
        let failures = watched.failures;
        if watched
            .check
            .consecutive_failures
            .is_some_and(|limit| failures >= limit)
        {
            let times = if failures == 1 { "time" } else { "times" };
            let name = watched.name();
            effects.push(CheckEffect::Unhealthy {
                message: format!("{name} failed {failures} {times} in a row: {cause}"),
            });
        }
        self.healthy = Some(false);
        effects
    }

    fn readiness(&mut self, check: usize, verdict: Result<(), String>) -> Vec<CheckEffect> {
        let watched = &mut self.watched[check];
        match verdict {
            Ok(()) => {
                watched.succeeded = true;
                watched.next = Next::Over;
                self.perhaps_healthy()
            }
            Err(cause) => watched.spared(&cause, " (not ready yet)"),
        }
    }

    fn general(
        &mut self,
        check: usize,
        outcome: &Probed,
        verdict: Result<(), String>,
    ) -> Vec<CheckEffect> {
        let watched = &self.watched[check];
        let status = Some(general::found(&watched.check.probe, outcome));
        if self.check_status == status {
            return vec![];
        }
        self.check_status = status;
        let message = verdict.err().map(|cause| watched.says(&cause));
        vec![CheckEffect::Status { message }]
    }

    /// The update of a task that none of its checks has anything against any more.
    fn perhaps_healthy(&mut self) -> Vec<CheckEffect> {
        let mut watched = self.watched.iter();
        let all = watched.all(|watched| match watched.check.role {
            Role::Health => watched.succeeded && watched.failures == 0,
            Role::Readiness => watched.succeeded,
            Role::General => true,
        });
        if !all || self.healthy == Some(true) {
            return vec![];
        }
        self.healthy = Some(true);
        vec![CheckEffect::Health {
            healthy: true,
            message: None,
        }]
    }
}

impl Watched {
    /// A failure that changes nothing is told once, and again when its cause is another.
    fn spared(&mut self, cause: &str, why: &str) -> Vec<CheckEffect> {
        if self.told.as_deref() == Some(cause) {
            return vec![];
        }
        self.told = Some(cause.to_owned());
        let message = self.says(cause) + why;
        vec![CheckEffect::Spared { message }]
    }

    fn says(&self, cause: &str) -> String {
        format!("{}: {cause}", self.name())
    }

    /// `health check 'web'`, but `health check 2` where that is the name.
    fn name(&self) -> String {
        let kind = match self.check.role {
            Role::Health => "health check",
            Role::Readiness => "readiness check",
            Role::General => "check",
        };
        let name = text::head(&self.check.name, text::PATH_LIMIT);
        if name.is_empty() {
            kind.to_owned()
        } else if name.starts_with(kind) {
            name.to_owned()
        } else {
            format!("{kind} '{name}'")
        }
    }
}
