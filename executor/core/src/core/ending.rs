//! The executor's own end: why it comes, how long the tasks have, what is still waited for.

use std::time::Duration;

use super::Core;
use crate::action::{Action, Note, Outcome};
use crate::task::{Cause, Input};
use crate::time::{Instant, Now};

/// How far the executor's own life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    Serving,
    /// Every task has been told to end. At `give_up_at` the executor goes even if one has not, at `acknowledged_by`
    /// even if updates wait for the agent.
    ShuttingDown {
        give_up_at: Instant,
        acknowledged_by: Option<Instant>,
        why: &'static str,
    },
    Done,
}

/// Why the executor shuts down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shutdown {
    Asked,
    Stopped,
    NoCheckpoint,
    GaveUp,
    Disowned,
}

impl Shutdown {
    pub(super) fn why(self) -> &'static str {
        match self {
            Self::Asked => "the agent asked for it",
            Self::Stopped => "the executor was told to stop",
            Self::NoCheckpoint => {
                "the connection to the agent is lost, and the framework has no checkpointing"
            }
            Self::GaveUp => "the agent did not come back in time",
            Self::Disowned => "the agent does not know this executor any more",
        }
    }

    /// Whether an agent is left that could take updates.
    fn has_agent(self) -> bool {
        match self {
            Self::Asked | Self::Stopped => true,
            Self::NoCheckpoint | Self::GaveUp | Self::Disowned => false,
        }
    }
}

impl Core {
    /// Ends every task within the agent's grace, and then the executor.
    pub(super) fn shut_down(&mut self, now: Now, cause: Shutdown) {
        if !cause.has_agent() {
            self.link.close();
        }
        if self.phase != Phase::Serving {
            return;
        }
        self.actions
            .push_back(Action::Note(Note::ShuttingDown { why: cause.why() }));
        let grace = self.config.shutdown_grace_period;
        let budget = shutdown_budget(grace);
        // An agent that is done with the framework acknowledges nothing, and kills when the grace is over (Mesos:
        // src/slave/slave.cpp, `statusUpdate`): half of what the budget leaves is for acknowledgements, half for an
        // orderly exit.
        let acknowledgements = (budget + (grace - budget) / 2).max(SHORTEST_WAIT);
        self.phase = Phase::ShuttingDown {
            give_up_at: now.at.plus(budget).plus(self.config.clean_up_timeout),
            acknowledged_by: (cause == Shutdown::Asked).then(|| now.at.plus(acknowledgements)),
            why: cause.why(),
        };
        let ids: Vec<String> = self.tasks.keys().cloned().collect();
        for id in ids {
            let own = self
                .tasks
                .get(&id)
                .map_or(budget, |task| self.grace(task, None));
            let input = Input::Kill(own.min(budget), Cause::ShutDown(cause.why()));
            self.drive(now, &id, input);
        }
    }

    /// When the executor will exit if nothing happens before, and how. An instant in the past means now.
    pub(super) fn exit_deadline(&self) -> Option<(Instant, Outcome)> {
        let busy = self
            .tasks
            .values()
            .filter(|task| !task.awaits_ack())
            .count();
        let waiting = self.ledger.waiting();
        let acknowledged_by = |since: Instant| since.plus(self.config.acknowledgement_timeout);
        // An agent that is silent for long may be stopped, not gone; one that recovers its executors is worth waiting
        // for as long as one that is away.
        let patience = match self.config.checkpoint {
            true => self
                .config
                .acknowledgement_timeout
                .max(self.config.recovery_timeout),
            false => self.config.acknowledgement_timeout,
        };
        match self.phase {
            Phase::Done => None,
            Phase::Serving if self.link.subscribed().is_some() && busy == 0 && waiting > 0 => {
                let at = self.ledger.waiting_since()?.plus(patience);
                Some((at, Outcome::Unacknowledged(waiting)))
            }
            Phase::Serving => {
                let at = self.idle_since?.plus(self.config.idle_timeout);
                Some((at, Outcome::Complete))
            }
            Phase::ShuttingDown { give_up_at, .. } if busy > 0 => {
                Some((give_up_at, Outcome::Unreaped(busy)))
            }
            Phase::ShuttingDown { .. } if waiting == 0 => {
                Some((Instant::default(), Outcome::Complete))
            }
            Phase::ShuttingDown { .. } if self.link.is_closed() => {
                Some((Instant::default(), Outcome::Unacknowledged(waiting)))
            }
            Phase::ShuttingDown {
                acknowledged_by: limit,
                ..
            } => {
                let since = self.ledger.waiting_since()?;
                // Updates of tasks that took their time are made when the limit is near, or past.
                let limit = limit.map(|limit| limit.max(since.plus(SHORTEST_WAIT)));
                let at = acknowledged_by(since);
                let at = limit.map_or(at, |limit| at.min(limit));
                Some((at, Outcome::Unacknowledged(waiting)))
            }
        }
    }
}

/// A last update gets this long to reach the agent, however short the grace.
const SHORTEST_WAIT: Duration = Duration::from_millis(200);

/// How much of the agent's grace the tasks get. The rest is for reaping, the last updates and their acknowledgements:
/// a second, or half of a grace that is shorter than two.
fn shutdown_budget(grace: Duration) -> Duration {
    grace - (grace / 2).min(Duration::from_secs(1))
}
