//! What a framework wants to know of a task that runs: one answer to each question.

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Instant;

use disk_engine::{Completeness, Options};
use executor_core::{Answer, Event, Question};
use mesos_proto::v1::TaskId;
use tokio::sync::Semaphore;
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
        let (walks, wakes) = (Arc::clone(&self.walks), self.wakes.clone());
        tokio::spawn(async move {
            let answer = match subject {
                Some(subject) => answer(subject, question, &walks).await,
                None => Answer::Unknown("the task has ended".to_owned()),
            };
            let event = Event::Answered { number, answer };
            // The driver may be gone.
            drop(wakes.send(Wake::Event(event)));
        });
    }
}

async fn answer(subject: Subject, question: Question, walks: &Semaphore) -> Answer {
    let Subject { belongings, init } = subject;
    // Held while walking.
    let _turn = match question {
        Question::Disk => {
            if let Some(disk) = belongings.measured.fresh(belongings.limits.disk) {
                return Answer::Disk(disk);
            }
            // It is closed never.
            walks.acquire().await.ok()
        }
        Question::Usage | Question::Processes { .. } => None,
    };
    let found = spawn_blocking(move || match question {
        Question::Usage => match usage::of(&belongings) {
            Ok(usage) => Answer::Usage(Box::new(usage)),
            Err(error) => Answer::Unknown(error.to_string()),
        },
        Question::Processes { arguments } => processes::of(&belongings, init, arguments)
            .unwrap_or_else(|error| Answer::Unknown(error.to_string())),
        Question::Disk => measure(&belongings),
    });
    found
        .await
        .unwrap_or_else(|error| Answer::Unknown(error.to_string()))
}

/// Walks the task's directory. Blocks.
fn measure(belongings: &Belongings) -> Answer {
    let (measured, limit) = (&belongings.measured, belongings.limits.disk);
    // Somebody else may have measured while this one waited for its turn.
    if let Some(disk) = measured.fresh(limit) {
        return Answer::Disk(disk);
    }
    let begin = Instant::now();
    match disk_engine::measure(belongings.directory.as_fd(), &Options::default()) {
        Ok(found) => {
            let is_complete = matches!(found.completeness, Completeness::Complete);
            let now = Instant::now();
            measured.note(now, now - begin, found.bytes, is_complete);
        }
        Err(error) => return Answer::Unknown(error.to_string()),
    }
    match measured.last(limit) {
        Some(disk) => Answer::Disk(disk),
        None => Answer::Unknown("nothing was measured".to_owned()),
    }
}
