//! Messages of the framework, and the answers.

use mesos_proto::v1::TaskId;
use mesos_proto::v1::executor::{Call, call};

use super::Core;
use crate::action::{Action, Signal};
use crate::messages::{self, MOST_TASKS, NoRequest, Request, TaskLine, Wish};
use crate::time::Now;

impl Core {
    pub(super) fn on_message(&mut self, now: Now, data: &[u8]) {
        let answer = match Request::parse(data) {
            Ok(request) => self.answer(&request),
            Err(NoRequest::Error { id, error }) => messages::not_understood(id, &error),
            Err(NoRequest::Reply) => {
                self.ignore("a message", None, "it is an answer, and nothing was asked");
                return;
            }
        };
        // Without a subscription there is nobody to answer; messages may be lost.
        if let Some(attempt) = self.link.subscribed() {
            let call = Call {
                message: Some(call::Message {
                    data: answer.into(),
                }),
                ..self.call(call::Type::Message)
            };
            self.send(now, attempt, call, 0);
        }
    }

    fn answer(&mut self, request: &Request) -> Vec<u8> {
        match &request.wish {
            Wish::Ping => request.pong(
                &self.config.executor_id.value,
                self.tasks.len(),
                self.ledger.waiting(),
            ),
            Wish::Tasks => {
                let lines = self.tasks.iter().take(MOST_TASKS).map(|(id, task)| {
                    let (state, since) = task.reported();
                    TaskLine {
                        task_id: id,
                        state: state.as_str_name(),
                        since,
                        healthy: task.healthy(),
                    }
                });
                let omitted = self.tasks.len().saturating_sub(MOST_TASKS);
                request.tasks(lines, omitted)
            }
            Wish::Signal { task_id, signal } => self.pass_on(request, task_id, *signal),
        }
    }

    fn pass_on(&mut self, request: &Request, task_id: &str, signal: Signal) -> Vec<u8> {
        match self.tasks.get(task_id) {
            Some(task) if task.is_running() => {
                self.actions.push_back(Action::Signal {
                    task_id: TaskId {
                        value: task_id.to_owned(),
                    },
                    signal,
                });
                request.signalled(task_id, signal)
            }
            Some(_) => request.refused("the task does not run, or is about to end"),
            None => request.refused("there is no such task"),
        }
    }
}
