//! What the real agent checks in an executor's calls, and what it relies on without checking. Held against every call of
//! every test.

use std::collections::{HashMap, HashSet};

use mesos_proto::v1::executor::{Call, call};
use mesos_proto::v1::task_status::Source;
use mesos_proto::v1::{TaskState, TaskStatus};

use super::events::{AGENT, EXECUTOR, FRAMEWORK};
use super::http::Request;

/// Every update that has been seen, to know it again.
#[derive(Default)]
pub(crate) struct Contract {
    updates: HashMap<Vec<u8>, TaskStatus>,
    /// Tasks whose terminal update has been seen.
    over: HashSet<String>,
    /// Connections that a SUBSCRIBE came on.
    streams: HashSet<usize>,
    /// The connection for calls since the last SUBSCRIBE.
    calls: Option<usize>,
}

type Checked = Result<(), String>;

impl Contract {
    /// Takes a call in, and says what is wrong with it.
    pub(crate) fn check(
        &mut self,
        address: &str,
        connection: usize,
        request: &Request,
        call: &Call,
    ) -> Checked {
        check_request(address, request)?;
        want(
            call.framework_id.value == FRAMEWORK,
            "another framework's id",
        )?;
        want(call.executor_id.value == EXECUTOR, "another executor's id")?;
        match (call.r#type(), &call.subscribe, &call.update) {
            (call::Type::Subscribe, Some(subscribe), None) => {
                self.streams.insert(connection);
                self.calls = None;
                let updates = subscribe.unacknowledged_updates.iter();
                updates
                    .map(|update| &update.status)
                    .try_for_each(|status| self.check_update(status))
            }
            (call::Type::Update, None, Some(update)) => {
                self.check_connection(connection)?;
                self.check_update(&update.status)
            }
            (call::Type::Heartbeat, None, None) => self.check_connection(connection),
            (call::Type::Message, None, None) => {
                self.check_connection(connection)?;
                want(call.message.is_some(), "a message without its body")
            }
            (kind, _, _) => Err(format!("{kind:?} with a body that does not go with it")),
        }
    }

    /// The agent takes calls in the order they come in, which only one connection keeps.
    fn check_connection(&mut self, connection: usize) -> Checked {
        want(
            !self.streams.is_empty(),
            "a call before the first SUBSCRIBE",
        )?;
        let stream = self.streams.contains(&connection);
        want(!stream, "a call on the connection of the stream")?;
        let calls = *self.calls.get_or_insert(connection);
        want(
            calls == connection,
            "calls of one subscription on two connections",
        )
    }

    /// Mesos: src/common/validation.cpp, and src/slave/slave.cpp for what becomes of an update afterwards.
    fn check_update(&mut self, status: &TaskStatus) -> Checked {
        let uuid = status.uuid.as_deref().unwrap_or_default().to_vec();
        want(uuid.len() == 16, "an update whose uuid has not 16 bytes")?;
        want(
            status.source() == Source::Executor,
            "an update of another source",
        )?;
        want(
            status.state() != TaskState::TaskStaging,
            "an update to TASK_STAGING",
        )?;
        let executor = status.executor_id.as_ref();
        want(
            executor.is_none_or(|id| id.value == EXECUTOR),
            "an update of another executor",
        )?;
        let agent = status.agent_id.as_ref();
        want(
            agent.is_none_or(|id| id.value == AGENT),
            "an update of another agent",
        )?;
        if let Some(known) = self.updates.get(&uuid) {
            return want(
                known == status,
                "an update that was changed before it was sent again",
            );
        }
        let task = &status.task_id.value;
        want(
            !self.over.contains(task),
            "an update after the terminal one",
        )?;
        self.updates.insert(uuid, status.clone());
        if status.state().is_terminal() {
            self.over.insert(task.clone());
        }
        Ok(())
    }
}

/// Mesos: src/slave/http.cpp, `Http::executor`.
fn check_request(address: &str, request: &Request) -> Checked {
    const PROTOBUF: Option<&str> = Some("application/x-protobuf");
    want(
        request.method == "POST",
        "405: only POST requests are allowed",
    )?;
    want(
        request.path == "/slave(1)/api/v1/executor",
        "404: no such path",
    )?;
    want(
        request.header("content-type") == PROTOBUF,
        "415: unsupported Content-Type",
    )?;
    want(
        request.header("accept") == PROTOBUF,
        "406: not acceptable, or JSON would be chosen",
    )?;
    want(
        request.header("host") == Some(address),
        "a Host that is not the agent",
    )
}

fn want(so: bool, otherwise: &str) -> Checked {
    if so { Ok(()) } else { Err(otherwise.into()) }
}
