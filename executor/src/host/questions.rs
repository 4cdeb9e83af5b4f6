//! What a framework wants to know of a task that runs: one answer to each question.

use std::sync::Arc;

use executor_core::{Answer, Event, Question};
use mesos_proto::v1::TaskId;
use tokio::task::spawn_blocking;

use super::launch::Belongings;
use super::{Host, processes, usage};
use crate::driver::Wake;

/// What there is of a task to be looked at.
struct Subject {
    belongings: Arc<Belongings>,
    /// The process id of its init.
    init: i32,
}

impl Host {
    /// Finds out something about a task; answered by one [`Event::Answered`].
    pub(crate) fn ask(&self, number: u64, task_id: &TaskId, question: Question) {
        let subject = self.tasks.get(&task_id.value).and_then(|running| {
            Some(Subject {
                belongings: Arc::clone(&running.belongings),
                init: running.process.as_ref()?.pid(),
            })
        });
        let wakes = self.wakes.clone();
        tokio::spawn(async move {
            let answer = match subject {
                Some(subject) => answer(subject, question).await,
                None => Answer::Unknown("the task has ended".to_owned()),
            };
            let event = Event::Answered { number, answer };
            // The driver may be gone.
            drop(wakes.send(Wake::Event(event)));
        });
    }
}

async fn answer(subject: Subject, question: Question) -> Answer {
    let Subject { belongings, init } = subject;
    let found = match question {
        Question::Disk => {
            return match belongings.disk.fresh().await {
                Some(disk) => Answer::Disk {
                    disk,
                    volumes: belongings.disk.volumes(),
                },
                None => Answer::Unknown("its directory could not be measured in time".to_owned()),
            };
        }
        Question::Usage => spawn_blocking(move || match usage::of(&belongings) {
            Ok(usage) => Answer::Usage(Box::new(usage)),
            Err(error) => Answer::Unknown(error.to_string()),
        }),
        Question::Processes { arguments } => spawn_blocking(move || {
            processes::of(&belongings, init, arguments)
                .unwrap_or_else(|error| Answer::Unknown(error.to_string()))
        }),
    };
    found
        .await
        .unwrap_or_else(|error| Answer::Unknown(error.to_string()))
}
