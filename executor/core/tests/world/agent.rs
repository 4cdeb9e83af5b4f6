//! The agent's side: SUBSCRIBE, updates, acknowledgements.

use executor_core::{Event, LinkEvent, Refusal};
use mesos_proto::v1::TaskStatus;
use mesos_proto::v1::executor::{self, call, event};

use super::messages::{acknowledged, agent, problem, subscribed, typed};
use super::{Due, World};

impl World {
    pub(super) fn send(&mut self, attempt: u64, call: executor::Call) {
        let kind = call::Type::try_from(call.r#type.unwrap_or_default());
        match kind.expect("a call has a type that exists") {
            call::Type::Update => {}
            call::Type::Heartbeat => {
                self.heartbeats += 1;
                return;
            }
            call::Type::Message => {
                self.replies += 1;
                return;
            }
            call::Type::Subscribe | call::Type::Unknown => panic!("{call:?} is not sent so"),
        }
        let status = call.update.expect("an UPDATE has its body").status;
        self.note_produced(&status);
        if self.connection != Some(attempt) {
            return;
        }
        if self.happens(self.chance.refuse / 20.0) {
            // The agent is recovering: it takes no call before a new SUBSCRIBE.
            self.connection = None;
            let refusal = Refusal {
                status: Some(503),
                message: "not now".to_owned(),
            };
            let event = LinkEvent::CallRefused {
                uuid: status.uuid,
                refusal,
            };
            self.after(1, Due::Core(Event::Link { attempt, event }));
        } else {
            self.receive(attempt, status);
        }
    }

    pub(super) fn subscribe(&mut self, attempt: u64, call: executor::Call) {
        let subscribe = call.subscribe.expect("a SUBSCRIBE carries its lists");
        for update in &subscribe.unacknowledged_updates {
            self.note_produced(&update.status);
        }
        let delay = self.below(100);
        if self.happens(self.chance.refuse / 5.0) {
            // Never answered.
            return;
        }
        if !self.alive || self.happens(self.chance.refuse) {
            let status = [None, Some(503), Some(404)][self.below(3) as usize];
            let message = "not now".to_owned();
            let event = LinkEvent::Refused(Refusal { status, message });
            self.after(delay, Due::Core(Event::Link { attempt, event }));
            return;
        }
        self.connection = Some(attempt);
        if self.asked_to_shut_down {
            // Mesos: src/slave/slave.cpp, `Slave::subscribe`: a terminating executor gets SHUTDOWN, not SUBSCRIBED.
            self.after(
                delay,
                Due::Core(agent(attempt, typed(event::Type::Shutdown))),
            );
            return;
        }
        // The agent takes the updates in only after it has looked for tasks that are still staging (Mesos:
        // src/slave/slave.cpp, `Slave::subscribe`).
        for id in &self.delivered {
            let staging = !self
                .received
                .iter()
                .any(|status| status.task_id.value == *id);
            let known = subscribe
                .unacknowledged_tasks
                .iter()
                .any(|t| t.task_id.value == *id);
            if staging && !known {
                self.dropped_by_the_agent.push(id.clone());
            }
        }
        for update in subscribe.unacknowledged_updates {
            self.receive(attempt, update.status);
        }
        self.after(delay, Due::Core(agent(attempt, subscribed())));
    }

    /// The agent takes an update and acknowledges it, unless the connection breaks before.
    fn receive(&mut self, attempt: u64, status: TaskStatus) {
        if let Some(problem) = problem(&status) {
            self.faults.push(format!("{problem}: {status:?}"));
        }
        let event = acknowledged(&status);
        self.received.push(status);
        for _ in 0..1 + self.below(2) {
            let delay = 100 + self.below(50);
            self.after(delay, Due::Core(agent(attempt, event.clone())));
        }
    }

    fn note_produced(&mut self, status: &TaskStatus) {
        let uuid = status.uuid.clone().expect("every update has a uuid");
        if !self.produced.contains(&uuid) {
            self.produced.push(uuid);
        }
    }
}
