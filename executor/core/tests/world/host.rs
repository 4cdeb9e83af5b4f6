//! The host's side: sandboxes, processes, probes.

use std::collections::BTreeSet;

use executor_core::{Action, CommandEnd, Ended, Event, Fault, Probed, StartFailure, TaskEvent};
use mesos_proto::v1::TaskId;

use super::messages::limitation;
use super::{Due, World};

#[derive(Default)]
pub(super) struct Host {
    cancelled: BTreeSet<String>,
    /// Held, and ready to be released.
    prepared: BTreeSet<String>,
    released: BTreeSet<String>,
    pub(super) started: BTreeSet<String>,
    /// Told to end.
    doomed: BTreeSet<String>,
    ended: BTreeSet<String>,
    pub(super) cleaned: BTreeSet<String>,
    /// Probes that were not answered.
    probes: BTreeSet<(String, usize)>,
}

impl Host {
    /// Every process is gone with the executor.
    pub(super) fn die(&mut self) {
        self.ended.extend(self.started.iter().cloned());
        self.cleaned.extend(self.started.iter().cloned());
        self.prepared.clear();
        self.probes.clear();
    }
}

impl World {
    pub(super) fn on_host(&mut self, action: Action) {
        match action {
            Action::Launch { task, held, .. } => {
                let id = task.task_id.value.clone();
                if self.asked_to_shut_down {
                    self.launches_after_shutdown += 1;
                }
                let delay = self.below(500);
                let due = if held {
                    Due::Prepare(id)
                } else {
                    Due::Start(id)
                };
                self.after(delay, due);
            }
            Action::Release { task_id } => {
                let id = task_id.value;
                if !self.host.prepared.remove(&id) {
                    self.faults.push(format!("{id} is released and not held"));
                }
                self.host.released.insert(id.clone());
                let delay = self.below(100);
                self.after(delay, Due::Start(id));
            }
            Action::CancelLaunch { task_id } => {
                if self.host.prepared.remove(&task_id.value) {
                    let delay = self.below(300);
                    self.fail_to_start(delay, &task_id.value);
                }
                self.host.cancelled.insert(task_id.value);
            }
            Action::Signal { task_id, .. } => {
                self.host.doomed.insert(task_id.value.clone());
                if self.happens(0.5) {
                    let delay = self.below(4000);
                    self.end(delay, &task_id.value, false);
                }
            }
            Action::KillTree { task_id } => {
                self.host.doomed.insert(task_id.value.clone());
                let delay = self.below(1500);
                self.end(delay, &task_id.value, false);
            }
            Action::Probe { task_id, check, .. } => self.probe(&task_id.value, check),
            // The answer may be anything, and the one that is on its way does.
            Action::CancelProbe { task_id, check } => {
                self.host.probes.remove(&(task_id.value, check));
            }
            Action::CleanUp { task_id } => {
                self.host.ended.insert(task_id.value.clone());
                self.host.cleaned.insert(task_id.value.clone());
                // One in twenty takes longer than anybody waits for.
                let delay = if self.happens(0.05) {
                    20_000
                } else {
                    self.below(300)
                };
                self.task_event(delay, &task_id.value, TaskEvent::CleanedUp);
            }
            other => unreachable!("{other:?} is nothing for the host"),
        }
    }

    /// The sandbox of a held task is made.
    pub(super) fn prepare(&mut self, id: &str) {
        if self.host.cancelled.contains(id) || self.happens(0.1) {
            self.fail_to_start(0, id);
        } else {
            self.host.prepared.insert(id.to_owned());
            self.task_event(0, id, TaskEvent::Prepared);
        }
    }

    /// A launch that was asked for some time ago is through.
    pub(super) fn start(&mut self, id: &str) {
        // A cancellation may come too late.
        let cancelled = self.host.cancelled.contains(id) && self.happens(0.5);
        if cancelled || self.happens(0.1) {
            self.fail_to_start(0, id);
            return;
        }
        let mates = self
            .groups
            .iter()
            .find(|group| group.iter().any(|one| one == id));
        let missing = mates.into_iter().flatten();
        for mate in missing.filter(|mate| !self.host.released.contains(*mate)) {
            self.faults.push(format!("{id} starts without {mate}"));
        }
        self.host.started.insert(id.to_owned());
        // News of the start may be overtaken: by a broken limit, by the end.
        let news = self.below(100);
        self.task_event(news, id, TaskEvent::Started);
        if self.happens(0.2) {
            let limit = self.below(3000);
            self.task_event(limit, id, TaskEvent::Limited(limitation()));
        }
        // One in five runs on until it is killed.
        if self.happens(0.8) {
            let life = self.below(6000);
            self.end(life, id, true);
        }
    }

    fn fail_to_start(&mut self, delay: u64, id: &str) {
        let fault = [Fault::Framework, Fault::Task, Fault::Host][self.below(3) as usize];
        let message = "no".to_owned();
        let failure = StartFailure { fault, message };
        self.task_event(delay, id, TaskEvent::StartFailed(failure));
    }

    fn probe(&mut self, id: &str, check: usize) {
        if !self.host.started.contains(id)
            || self.host.doomed.contains(id)
            || self.host.cleaned.contains(id)
        {
            self.faults.push(format!("{id} is probed and does not run"));
        }
        if !self.host.probes.insert((id.to_owned(), check)) {
            self.faults
                .push(format!("check {check} of {id} looks twice at once"));
        }
        let outcome = match self.below(4) {
            0 => Probed::TimedOut {
                output: String::new(),
            },
            1 => Probed::Error {
                message: "no".to_owned(),
            },
            connected => Probed::Tcp {
                connected: connected == 2,
                detail: String::new(),
            },
        };
        let delay = self.below(400);
        self.task_event(delay, id, TaskEvent::Probed { check, outcome });
    }

    /// A probe's answer has reached the core.
    pub(super) fn answered(&mut self, id: &str, check: usize) {
        self.host.probes.remove(&(id.to_owned(), check));
    }

    fn end(&mut self, delay: u64, id: &str, by_itself: bool) {
        if self.host.ended.contains(id) {
            return;
        }
        let success = by_itself && self.happens(0.5);
        let limitation = (!success && self.happens(0.2)).then(limitation);
        let status = i32::from(!success);
        let ended = Ended {
            exit: CommandEnd::Exited(status),
            description: format!("exited with status {status}"),
            limitation,
            refused: None,
            stderr_tail: Some("an end\n".to_owned()),
        };
        self.task_event(delay, id, TaskEvent::Ended(ended));
    }

    fn task_event(&mut self, delay: u64, id: &str, event: TaskEvent) {
        let task_id = TaskId {
            value: id.to_owned(),
        };
        self.after(delay, Due::Core(Event::Task { task_id, event }));
    }
}
