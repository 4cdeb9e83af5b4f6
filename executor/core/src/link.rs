//! Whether the agent listens.
//!
//! ```text
//!              +------------------------------------------+
//!              v           refused, broken, too slow      |
//!   begin -> Disconnected --retry_at--> Subscribing --SUBSCRIBED--> Subscribed
//!              |                          |                           |
//!              +--------- give up --------+----- no recovery, --------+--> Closed
//!                                                final refusal
//! ```
//!
//! Happy path: Disconnected, Subscribing, Subscribed. One recovery timer runs from the first moment without a
//! subscription; failed attempts do not restart it and SUBSCRIBED alone cancels it: an agent that accepts connections
//! and never subscribes anybody is not waited for beyond it. Only [`crate::Core`] drives this machine.

use std::time::Duration;

use crate::time::Instant;

/// The state, and what outlives states: the attempt's number and the recovery timer.
#[derive(Debug)]
pub(crate) struct Link {
    state: State,
    attempts: u64,
    ever_subscribed: bool,
    give_up_at: Option<Instant>,
}

#[derive(Debug)]
enum State {
    Disconnected { retry_at: Instant },
    Subscribing { attempt: u64, until: Instant },
    Subscribed { attempt: u64 },
    Closed,
}

/// What a deadline asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// Nothing yet.
    Nothing,
    /// Send SUBSCRIBE as this attempt.
    Subscribe(u64),
    /// The attempt took too long.
    TooSlow,
    /// The recovery timer expired.
    GiveUp,
}

impl Link {
    /// A link that wants to subscribe at once and has until `give_up_at` to succeed.
    pub(crate) fn begin(now: Instant, give_up_at: Instant) -> Self {
        Self {
            state: State::Disconnected { retry_at: now },
            attempts: 0,
            ever_subscribed: false,
            give_up_at: Some(give_up_at),
        }
    }

    /// The open connection, subscribed or about to be.
    pub(crate) fn attempt(&self) -> Option<u64> {
        match self.state {
            State::Subscribing { attempt, .. } | State::Subscribed { attempt } => Some(attempt),
            State::Disconnected { .. } | State::Closed => None,
        }
    }

    /// The connection on which calls can be sent.
    pub(crate) fn subscribed(&self) -> Option<u64> {
        match self.state {
            State::Subscribed { attempt } => Some(attempt),
            State::Subscribing { .. } | State::Disconnected { .. } | State::Closed => None,
        }
    }

    pub(crate) fn ever_subscribed(&self) -> bool {
        self.ever_subscribed
    }

    pub(crate) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// SUBSCRIBED came on the open connection.
    pub(crate) fn subscribe_succeeded(&mut self) {
        if let Some(attempt) = self.attempt() {
            self.state = State::Subscribed { attempt };
            self.ever_subscribed = true;
            self.give_up_at = None;
        }
    }

    /// The open connection is gone, or did not come about: try again at `retry_at`, until `give_up_at` if no earlier
    /// loss has set that already.
    pub(crate) fn lost(&mut self, retry_at: Instant, give_up_at: Instant) {
        match self.state {
            State::Subscribing { .. } | State::Subscribed { .. } => {
                self.state = State::Disconnected { retry_at };
                self.give_up_at.get_or_insert(give_up_at);
            }
            State::Disconnected { .. } | State::Closed => {}
        }
    }

    /// No further attempt.
    pub(crate) fn close(&mut self) {
        self.state = State::Closed;
        self.give_up_at = None;
    }

    /// When [`Link::due`] will next have something to say.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        let own = match self.state {
            State::Disconnected { retry_at } => Some(retry_at),
            State::Subscribing { until, .. } => Some(until),
            State::Subscribed { .. } | State::Closed => None,
        };
        own.into_iter().chain(self.give_up_at).min()
    }

    /// What is due at `now`. A new attempt has `patience` to reach SUBSCRIBED.
    pub(crate) fn due(&mut self, now: Instant, patience: Duration) -> Due {
        if self.give_up_at.is_some_and(|at| now >= at) {
            return Due::GiveUp;
        }
        match self.state {
            State::Disconnected { retry_at } if now >= retry_at => {
                self.attempts += 1;
                self.state = State::Subscribing {
                    attempt: self.attempts,
                    until: now.plus(patience),
                };
                Due::Subscribe(self.attempts)
            }
            State::Subscribing { until, .. } if now >= until => Due::TooSlow,
            State::Disconnected { .. }
            | State::Subscribing { .. }
            | State::Subscribed { .. }
            | State::Closed => Due::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(5);

    fn at(seconds: u64) -> Instant {
        Instant(Duration::from_secs(seconds))
    }

    #[test]
    fn failed_attempts_do_not_restart_the_recovery_timer() {
        let mut link = Link::begin(at(0), at(60));
        assert_eq!(link.due(at(0), PATIENCE), Due::Subscribe(1));
        link.subscribe_succeeded();
        link.lost(at(101), at(1000));
        assert_eq!(link.due(at(101), PATIENCE), Due::Subscribe(2));
        link.lost(at(102), at(1001));
        assert_eq!(link.due(at(999), PATIENCE), Due::Subscribe(3));
        assert_eq!(link.due(at(1000), PATIENCE), Due::GiveUp);
    }

    #[test]
    fn subscribed_alone_cancels_the_recovery_timer() {
        let mut link = Link::begin(at(0), at(60));
        assert_eq!(link.due(at(0), PATIENCE), Due::Subscribe(1));
        assert_eq!(link.next_deadline(), Some(at(5)));
        link.subscribe_succeeded();
        assert_eq!(link.next_deadline(), None);
        assert_eq!(link.due(at(10_000), PATIENCE), Due::Nothing);
    }

    #[test]
    fn an_attempt_that_never_reaches_subscribed_is_too_slow() {
        let mut link = Link::begin(at(0), at(60));
        assert_eq!(link.due(at(0), PATIENCE), Due::Subscribe(1));
        assert_eq!(link.due(at(4), PATIENCE), Due::Nothing);
        assert_eq!(link.due(at(5), PATIENCE), Due::TooSlow);
    }

    #[test]
    fn a_closed_link_wants_nothing_and_stays_closed() {
        let mut link = Link::begin(at(0), at(60));
        link.close();
        link.lost(at(1), at(2));
        link.subscribe_succeeded();
        assert_eq!(link.due(at(100), PATIENCE), Due::Nothing);
        assert_eq!(link.next_deadline(), None);
        assert!(link.is_closed() && link.subscribed().is_none());
    }
}
