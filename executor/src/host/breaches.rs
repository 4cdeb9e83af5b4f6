//! What becomes of a breach that the disk watcher tells of.
//!
//! Nothing is ended on hearsay: the executor looks for itself. What it cannot see is what a container takes as a whole,
//! which root alone is believed about. Then the task is ended that grows fastest or, where none grows, the largest: it is
//! the one whose end is most likely to help.

use std::fmt;
use std::sync::Arc;

use executor_core::{LimitKind, Limitation};
use mesos_proto::Bytes;
use mesos_proto::v1::TaskId;
use task_figures::breach::{Answer, DiskBreach};

use super::disk::TaskDisk;
use super::launch::Belongings;
use super::roll::Roll;

/// Who tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Speaker {
    /// Whose limit counts, and not the executor's own alone.
    Root,
    /// The executor's own user.
    Own,
}

impl fmt::Display for Speaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Root => "root",
            Self::Own => "the executor's own user",
        })
    }
}

/// A task that grows by less than this, in bytes a second, is not ended for growing.
const GROWTH: f64 = (64 << 10) as f64;

impl Roll {
    /// Ends the task whose fault a breach is, if it is one. Blocks, for as long as a walk of the task's directory.
    pub(crate) fn disk_breach(&self, breach: DiskBreach, speaker: Speaker) -> Answer {
        let mut tasks = self.entries();
        let is_named = breach.task_id.is_some() || breach.directory.is_some();
        tasks.retain(|(task_id, belongings)| {
            let has_id = breach
                .task_id
                .as_ref()
                .is_none_or(|id| *id == task_id.value);
            let wanted = breach.directory.as_ref();
            let has_directory = wanted.is_none_or(|name| belongings.name.as_ref() == Some(name));
            let volume = breach.volume.as_deref();
            has_id && has_directory && (is_named || belongings.disk.has(volume))
        });
        match &*tasks {
            [] => Answer::UnknownTask,
            [(task_id, belongings)] if is_named || breach.volume.is_some() => {
                one(&belongings.disk, task_id, &breach, speaker)
            }
            _ if speaker != Speaker::Root => Answer::Refused {
                why: "only root is believed about a container as a whole".to_owned(),
            },
            tasks => whole(tasks, &breach),
        }
    }
}

/// Of a task by its name, or of a volume that it alone has.
fn one(disk: &TaskDisk, task_id: &TaskId, breach: &DiskBreach, speaker: Speaker) -> Answer {
    let volume = breach.volume.as_deref();
    let used = match disk.measure(volume) {
        Ok(used) => used,
        Err(error) => {
            return Answer::Refused {
                why: error.to_string(),
            };
        }
    };
    let own = disk.limit(volume);
    let limit = match speaker {
        Speaker::Root => Some(breach.limit_bytes),
        Speaker::Own => own,
    };
    let Some(limit) = limit.filter(|limit| used > *limit) else {
        let own = own.map_or("no limit".to_owned(), |own| Bytes::new(own).to_string());
        return Answer::Refused {
            why: format!("it uses {} of {own}", Bytes::new(used)),
        };
    };
    let message = match speaker {
        Speaker::Root => tamed(&breach.message),
        Speaker::Own => {
            let (used, limit) = (Bytes::new(used), Bytes::new(limit));
            format!("Disk usage ({used}) exceeds quota ({limit})")
        }
    };
    end(disk, task_id, volume, message)
}

/// Of all of them together.
fn whole(tasks: &[(TaskId, Arc<Belongings>)], breach: &DiskBreach) -> Answer {
    let volume = breach.volume.as_deref();
    let suspects: Vec<Suspect> = tasks
        .iter()
        .map(|(_, belongings)| Suspect::of(&belongings.disk))
        .collect();
    let Some((index, why)) = culprit(&suspects) else {
        return Answer::UnknownTask;
    };
    let (task_id, belongings) = &tasks[index];
    let message = format!(
        "{}\nIt is {why} of {} tasks",
        tamed(&breach.message),
        tasks.len()
    );
    end(&belongings.disk, task_id, volume, message)
}

fn end(disk: &TaskDisk, task_id: &TaskId, volume: Option<&str>, message: String) -> Answer {
    let limitation = Limitation {
        kind: LimitKind::Disk,
        message,
        resources: disk.resources(volume),
    };
    match disk.tell(limitation) {
        true => Answer::Accepted {
            task_id: task_id.value.clone(),
        },
        false => Answer::Refused {
            why: "it does not run at the moment".to_owned(),
        },
    }
}

/// A task, as far as it matters which one is to be ended.
#[derive(Clone, Copy, Debug)]
struct Suspect {
    used: u64,
    growth: f64,
}

impl Suspect {
    fn of(disk: &TaskDisk) -> Self {
        let last = disk.last();
        let growth = last.and_then(|last| last.growth_bytes_per_second);
        // One that cannot be measured is the last to be suspected.
        let used = || disk.measure(None).unwrap_or_default();
        Self {
            used: last.map_or_else(used, |last| {
                last.used_bytes + last.deleted_bytes.unwrap_or(0)
            }),
            growth: growth.unwrap_or_default(),
        }
    }
}

/// Whom to end, and what is said of it.
fn culprit(suspects: &[Suspect]) -> Option<(usize, &'static str)> {
    let suspects = || suspects.iter().enumerate();
    let fastest = suspects().max_by(|(_, one), (_, other)| one.growth.total_cmp(&other.growth));
    if let Some((index, _)) = fastest.filter(|(_, suspect)| suspect.growth >= GROWTH) {
        return Some((index, "the fastest growing"));
    }
    let largest = suspects().max_by_key(|(_, suspect)| suspect.used);
    largest.map(|(index, _)| (index, "the largest"))
}

/// Without what moves a terminal's cursor, but for the ends of lines.
fn tamed(text: &str) -> String {
    let tame = |letter: char| match letter.is_control() && letter != '\n' {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    text.chars().map(tame).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn culprit_of(suspects: &[(u64, f64)]) -> Option<(usize, &'static str)> {
        let suspects = suspects.iter();
        let suspects: Vec<Suspect> = suspects
            .map(|(used, growth)| Suspect {
                used: *used,
                growth: *growth,
            })
            .collect();
        culprit(&suspects)
    }

    #[test]
    fn the_fastest_growing_is_to_blame_and_where_none_grows_the_largest() {
        let (slow, fast) = (1000.0, 1e6);
        assert_eq!(
            culprit_of(&[(9 << 30, slow), (1, fast), (2, fast / 2.0)]),
            Some((1, "the fastest growing"))
        );
        assert_eq!(
            culprit_of(&[(1, slow), (3, 0.0), (2, -fast)]),
            Some((1, "the largest"))
        );
        assert_eq!(culprit_of(&[]), None);
    }

    #[test]
    fn a_message_keeps_its_lines_and_nothing_that_moves_a_cursor() {
        assert_eq!(tamed("a\nb\u{1b}[2J\r"), "a\nb\u{fffd}[2J\u{fffd}");
    }
}
