//! Messages of the framework, and the answers.

use std::collections::BTreeMap;

use dialect::Allowed;
use mesos_proto::v1::TaskId;
use mesos_proto::v1::executor::{Call, call};

use super::Core;
use crate::action::{Action, Signal};
use crate::messages::{self, MOST_TASKS, NoRequest, Request, Subject, TaskLine, Wish};
use crate::question::{Answer, Question};
use crate::task::Task;
use crate::time::Now;

/// So many questions are with the edge at most: what it looks at costs something.
const MOST_QUESTIONS: usize = 16;

/// Questions that the edge has not answered yet.
#[derive(Debug, Default)]
pub(super) struct Questions {
    last: u64,
    open: BTreeMap<u64, (Request, TaskId)>,
}

impl Core {
    pub(super) fn on_message(&mut self, now: Now, data: &[u8]) {
        let answer = match Request::parse(data) {
            Ok(request) => self.answer(&request),
            Err(NoRequest::Error { id, error }) => Some(messages::not_understood(id, &error)),
            Err(NoRequest::Reply) => {
                self.ignore("a message", None, "it is an answer, and nothing was asked");
                return;
            }
        };
        if let Some(answer) = answer {
            self.say(now, answer);
        }
    }

    /// The edge has found out what was asked for.
    pub(super) fn on_answer(&mut self, now: Now, number: u64, answer: Answer) {
        if let Some((request, task_id)) = self.questions.open.remove(&number) {
            self.say(now, request.told(&task_id.value, answer));
        }
    }

    fn say(&mut self, now: Now, answer: Vec<u8>) {
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

    /// None when the edge has to find it out first.
    fn answer(&mut self, request: &Request) -> Option<Vec<u8>> {
        match &request.wish {
            Wish::Ping => Some(request.pong(
                &self.config.executor_id.value,
                self.tasks.len(),
                self.ledger.waiting(),
            )),
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
                Some(request.tasks(lines, omitted))
            }
            Wish::Signal { task_id, signal } => Some(self.pass_on(request, task_id, *signal)),
            Wish::About { task_id, subject } => self.ask(request, task_id, *subject),
        }
    }

    fn pass_on(&mut self, request: &Request, task_id: &str, signal: Signal) -> Vec<u8> {
        if let Err(why) = self.allowing(task_id, "signal", |allowed| allowed.signal) {
            return request.refused(&why);
        }
        self.actions.push_back(Action::Signal {
            task_id: TaskId {
                value: task_id.to_owned(),
            },
            signal,
        });
        request.signalled(task_id, signal)
    }

    fn ask(&mut self, request: &Request, task_id: &str, subject: Subject) -> Option<Vec<u8>> {
        let task = match subject {
            Subject::Usage => self.allowing(task_id, "usage", |allowed| allowed.usage),
            Subject::Processes => self.allowing(task_id, "processes", |allowed| allowed.processes),
            Subject::Disk => self.allowing(task_id, "disk", |allowed| allowed.disk),
        };
        let task = match task {
            Ok(task) => task,
            Err(why) => return Some(request.refused(&why)),
        };
        let question = match subject {
            Subject::Usage => Question::Usage,
            Subject::Processes => Question::Processes {
                arguments: task.allowed.arguments,
            },
            Subject::Disk => Question::Disk,
        };
        let task_id = task.task_id.clone();
        if self.questions.open.len() >= MOST_QUESTIONS {
            return Some(request.refused("too many questions are open: ask again later"));
        }
        self.questions.last += 1;
        let number = self.questions.last;
        let asked = (request.clone(), task_id.clone());
        self.questions.open.insert(number, asked);
        self.actions.push_back(Action::Ask {
            number,
            task_id,
            question,
        });
        None
    }

    /// The task, when it runs and allows what `word` names.
    fn allowing(
        &self,
        task_id: &str,
        word: &str,
        allows: impl FnOnce(&Allowed) -> bool,
    ) -> Result<&Task, String> {
        match self.tasks.get(task_id) {
            None => Err("there is no such task".to_owned()),
            Some(task) if !allows(&task.allowed) => Err(format!(
                "the task does not allow '{word}': its data or label 'messages' would have to name it"
            )),
            Some(task) if !task.is_running() => {
                Err("the task does not run, or is about to end".to_owned())
            }
            Some(task) => Ok(task),
        }
    }
}
