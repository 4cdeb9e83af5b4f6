//! The connection to the agent: what is heard of it, what goes over it, and when it is given up.

use std::time::Duration;

use bytes::Bytes;
use mesos_proto::v1::executor::{Call, call};
use rand_chacha::rand_core::RngCore;

use super::Core;
use super::ending::Shutdown;
use crate::action::{Action, Note};
use crate::event::{LinkEvent, Refusal};
use crate::time::{Instant, Now};

impl Core {
    pub(super) fn on_link(&mut self, now: Now, attempt: u64, event: LinkEvent) {
        match event {
            LinkEvent::Refused(refusal) if refusal.is_final() => {
                self.note_lost(describe("SUBSCRIBE", &refusal));
                self.shut_down(now, Shutdown::Disowned);
            }
            LinkEvent::Refused(refusal) => self.lost(now, describe("SUBSCRIBE", &refusal)),
            LinkEvent::Broken { why } => self.lost(now, why),
            LinkEvent::CallRefused { uuid, refusal } => {
                self.on_call_refused(now, attempt, uuid, &refusal);
            }
        }
    }

    fn on_call_refused(&mut self, now: Now, attempt: u64, uuid: Option<Bytes>, refusal: &Refusal) {
        let why = describe("a call", refusal);
        if refusal.is_final() {
            self.actions.push_back(Action::Disconnect { attempt });
            self.note_lost(why);
            self.shut_down(now, Shutdown::Disowned);
        } else if refusal.status == Some(400) {
            // It fails the agent's validation and always will; in a SUBSCRIBE it would take every other update down
            // with it (Mesos: src/common/validation.cpp).
            if let Some(status) = uuid.and_then(|uuid| self.ledger.discard(&uuid)) {
                self.actions
                    .push_back(Action::Note(Note::UpdateRefused { why }));
                self.let_go(now, status);
            }
        } else {
            // The agent is recovering, or has forgotten the subscription: a new one carries everything again.
            self.lost(now, why);
        }
    }

    /// The open connection is of no use any more.
    pub(super) fn lost(&mut self, now: Now, why: String) {
        if let Some(attempt) = self.link.attempt() {
            self.actions.push_back(Action::Disconnect { attempt });
        }
        self.note_lost(why);
        let retry_at = now.at.plus(self.retry_delay());
        let give_up_at = now.at.plus(self.config.recovery_timeout);
        self.link.lost(retry_at, give_up_at);
        if !self.config.checkpoint && self.link.ever_subscribed() {
            self.shut_down(now, Shutdown::NoCheckpoint);
        }
    }

    fn note_lost(&mut self, why: String) {
        self.actions
            .push_back(Action::Note(Note::Disconnected { why }));
    }

    /// Nothing was heard on a stream for so long that the agent's own heartbeats cannot have come: a new SUBSCRIBE is a
    /// question, and takes the stream's place if the agent is there after all.
    fn doubt(&mut self, now: Now, attempt: u64) {
        self.actions.push_back(Action::Disconnect { attempt });
        self.note_lost("the agent's heartbeats do not come".to_owned());
        let give_up_at = now.at.plus(self.config.recovery_timeout);
        self.link.lost(now.at, give_up_at);
    }

    /// When [`Core::keep_alive`] has something to do.
    pub(super) fn keep_alive_deadline(&self) -> Option<Instant> {
        self.link.subscribed()?;
        let heartbeat = self.spoke_at.plus(self.config.heartbeat_interval);
        Some(heartbeat.min(self.heard_at.plus(self.config.stream_patience)))
    }

    /// Asks for a sign of life on a connection for calls that has been idle, and minds an idle stream.
    pub(super) fn keep_alive(&mut self, now: Now) {
        let Some(attempt) = self.link.subscribed() else {
            return;
        };
        if now.at >= self.heard_at.plus(self.config.stream_patience) {
            self.doubt(now, attempt);
        } else if now.at >= self.spoke_at.plus(self.config.heartbeat_interval) {
            let call = self.call(call::Type::Heartbeat);
            self.send(now, attempt, call, 0);
        }
    }

    /// Sends what the open connection has not carried yet.
    pub(super) fn flush(&mut self, now: Now) {
        let Some(attempt) = self.link.subscribed() else {
            return;
        };
        for (update, after) in self.ledger.unsent(attempt) {
            self.send_update(now, attempt, update, after);
        }
    }

    pub(super) fn send_update(&mut self, now: Now, attempt: u64, update: call::Update, after: u64) {
        let call = Call {
            update: Some(update),
            ..self.call(call::Type::Update)
        };
        self.send(now, attempt, call, after);
    }

    pub(super) fn send(&mut self, now: Now, attempt: u64, call: Call, after: u64) {
        self.spoke_at = now.at;
        self.actions.push_back(Action::Send {
            attempt,
            call: Box::new(call),
            after,
        });
    }

    pub(super) fn call(&self, kind: call::Type) -> Call {
        Call {
            executor_id: self.config.executor_id.clone(),
            framework_id: self.config.framework_id.clone(),
            r#type: Some(kind.into()),
            ..Default::default()
        }
    }

    /// A random wait of up to a quarter of the longest allowed one, so that a first failure after the agent's recovery
    /// leaves room for more attempts inside the agent's window.
    fn retry_delay(&mut self) -> Duration {
        let quarter = self.config.subscription_backoff_max / 4;
        let share = f64::from(self.random.next_u32()) / f64::from(u32::MAX);
        quarter
            .mul_f64(share)
            .max(SHORTEST_RETRY.min(self.config.subscription_backoff_max))
    }
}

/// No agent is asked more often than this.
const SHORTEST_RETRY: Duration = Duration::from_millis(50);

fn describe(what: &str, refusal: &Refusal) -> String {
    match refusal.status {
        Some(status) => format!("{what} was answered with {status}: {}", refusal.message),
        None => format!("{what} was not answered: {}", refusal.message),
    }
}
