//! What to do next about a breach that is to be ended. Pure: time and every outcome are arguments.
//!
//! ```text
//!   breach ──grace──► Looking ──still over──► Acting(how) ──done──► Watching ──gone, within or not listed──► over
//!      no grace ──────────────────────────────────▲                    │ still over: the next way
//!                                                 └── Waiting ◄─────────┴─ no way is left, or not now: backoff
//! ```
//!
//! What has too much but does not grow since its executor saw to it, or since a task ended that has left it, waits too.
//!
//! A case is dropped by the loop as soon as its directory is within its limits, gone, or its container is not listed.

use std::time::{Duration, Instant};

use crate::config::Method;
use crate::events::How;
use crate::inventory::Key;

/// How long a container may take to end, or an executor to end its task, until the next way is tried.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until all ways are tried again: doubled each time, from this on.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(60);
/// From look to look at what has settled.
const SETTLED: Duration = Duration::from_secs(2);
/// While a new look at the directory is awaited.
const LOOK_POLL: Duration = Duration::from_millis(50);

/// What came of trying.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Whoever had to was told, or killed: its end is to be seen.
    Done,
    /// Not in this way.
    Failed { why: String },
    /// There is no such way for this container.
    NoWay,
    /// In no way now: it is not certain that the container is the one that was measured.
    NotNow { why: String },
}

/// What to do now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing before the deadline.
    Wait,
    /// Have the directory looked at.
    Look,
    /// Try this.
    Act(How),
}

/// What is known of the directory since it was to be looked at again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reading {
    /// Nothing new.
    Stale,
    /// It still has more than it may.
    Over,
    /// It has not.
    Within,
    /// It has, for a reason that is seen to, and does not grow: to end anything would help nobody.
    Settled,
}

/// One breach that is to be ended.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    ways: Vec<How>,
    /// The way that comes next.
    next: usize,
    /// Rounds through all ways that came to nothing.
    rounds: u32,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// For the grace or a backoff to be over.
    Waiting {
        until: Instant,
    },
    /// For a look that began after `since`.
    Looking {
        since: Instant,
        poll: Instant,
    },
    Acting,
    /// For the end of what was told or killed.
    Watching {
        until: Instant,
    },
}

/// The ways to end what breaks a limit, the mildest first.
///
/// One task among others is ended by its executor alone: to end the container would end its neighbours, and that has a
/// limit of its own. A volume that several containers have mounted is nobody's to be ended for.
pub(crate) fn ways(key: &Key, holders: usize, allowed: &[Method]) -> Vec<How> {
    let known: &[(Method, How)] = match key {
        Key::Container(_) => &[
            (Method::Executor, How::Executor),
            (Method::Agent, How::Agent),
            (Method::Processes, How::Processes),
        ],
        Key::Nested(..) => &[
            (Method::Agent, How::Agent),
            (Method::Processes, How::Processes),
        ],
        Key::Task(..) => &[(Method::Executor, How::Executor)],
        Key::Volume { .. } if holders == 1 => &[
            (Method::Executor, How::Executor),
            (Method::Agent, How::Agent),
            (Method::Processes, How::Processes),
        ],
        Key::Volume { .. } => &[],
    };
    let known = known.iter().filter(|(method, _)| allowed.contains(method));
    known.map(|(_, how)| *how).collect()
}

impl Case {
    /// A breach that was confirmed at `now`; `None` if there is no way to end it.
    pub(crate) fn open(now: Instant, grace: Duration, ways: Vec<How>) -> Option<Self> {
        (!ways.is_empty()).then_some(Self {
            ways,
            next: 0,
            rounds: 0,
            state: State::Waiting { until: now + grace },
        })
    }

    /// When to ask again; `None` while an outcome is awaited.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Waiting { until } | State::Watching { until } => Some(until),
            State::Looking { poll, .. } => Some(poll),
            State::Acting => None,
        }
    }

    /// Since when a look has to have begun to count; `None`: no look is awaited.
    pub(crate) fn looks_since(&self) -> Option<Instant> {
        match self.state {
            State::Looking { since, .. } => Some(since),
            State::Waiting { .. } | State::Acting | State::Watching { .. } => None,
        }
    }

    /// The breach was confirmed this very moment, as its event says: there is no need to look again.
    pub(crate) fn confirmed(&mut self, now: Instant) -> Step {
        match self.state {
            State::Waiting { until } if until <= now => self.act(),
            State::Waiting { .. }
            | State::Looking { .. }
            | State::Acting
            | State::Watching { .. } => Step::Wait,
        }
    }

    /// What to do at `now`.
    pub(crate) fn step(&mut self, now: Instant, reading: Reading) -> Step {
        match self.state {
            State::Waiting { until } if until <= now => self.look(now),
            State::Watching { until } if until <= now => {
                self.next += 1;
                if self.next < self.ways.len() {
                    self.look(now)
                } else {
                    self.back_off(now)
                }
            }
            State::Looking { since, .. } => match reading {
                Reading::Over => self.act(),
                Reading::Settled => self.settle(now),
                // Who tells of a recovery ends the case; until then it is looked at again.
                Reading::Stale | Reading::Within => {
                    let poll = now + LOOK_POLL;
                    self.state = State::Looking { since, poll };
                    Step::Wait
                }
            },
            State::Waiting { .. } | State::Watching { .. } | State::Acting => Step::Wait,
        }
    }

    /// Takes what came of a [`Step::Act`].
    pub(crate) fn outcome(&mut self, now: Instant, outcome: &Outcome) -> Step {
        if self.state != State::Acting {
            return Step::Wait;
        }
        match outcome {
            Outcome::Done => {
                self.state = State::Watching {
                    until: now + PATIENCE,
                };
                Step::Wait
            }
            Outcome::Failed { .. } | Outcome::NoWay => {
                self.next += 1;
                if self.next < self.ways.len() {
                    self.look(now)
                } else {
                    self.back_off(now)
                }
            }
            Outcome::NotNow { .. } => self.back_off(now),
        }
    }

    /// Nothing is to be done as long as it does not grow; a look now and then tells.
    pub(crate) fn settle(&mut self, now: Instant) -> Step {
        self.state = State::Waiting {
            until: now + SETTLED,
        };
        Step::Wait
    }

    fn look(&mut self, now: Instant) -> Step {
        self.state = State::Looking {
            since: now,
            poll: now + LOOK_POLL,
        };
        Step::Look
    }

    fn act(&mut self) -> Step {
        self.state = State::Acting;
        Step::Act(self.ways[self.next])
    }

    fn back_off(&mut self, now: Instant) -> Step {
        let wait = FIRST_BACKOFF.saturating_mul(1 << self.rounds.min(10));
        self.next = 0;
        self.rounds += 1;
        self.state = State::Waiting {
            until: now + wait.min(LONGEST_BACKOFF),
        };
        Step::Wait
    }
}

#[cfg(test)]
mod tests;
