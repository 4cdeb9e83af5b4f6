//! The host's side: sandboxes, processes, probes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use executor_core::{
    Action, Answer, CommandEnd, Ended, Event, Fault, Instant, Moment, Probed, StartFailure,
    TaskEvent,
};
use mesos_proto::v1::TaskId;

use super::messages::{HOOK, limitation};
use super::{Due, World};

/// How long tasks have when the executor shuts down.
const SHUTDOWN: Duration = Duration::from_secs(4);

#[derive(Default)]
pub(super) struct Host {
    cancelled: BTreeSet<String>,
    /// Held, and ready to be released.
    prepared: BTreeSet<String>,
    released: BTreeSet<String>,
    /// Those of which a run was started that is not followed by another one.
    pub(super) started: BTreeSet<String>,
    pub(super) ever_started: BTreeSet<String>,
    /// Told to end.
    doomed: BTreeSet<String>,
    ended: BTreeSet<String>,
    pub(super) cleaned: BTreeSet<String>,
    /// Probes that were not answered.
    probes: BTreeSet<(String, usize)>,
    /// The hook of a task that was neither answered nor called off.
    hooks: BTreeMap<String, Moment>,
    /// Probes and hooks of a task whose answers are on their way, called off or not.
    unanswered: BTreeMap<String, usize>,
    /// When every task was told to end.
    shut_down_at: Option<Instant>,
    /// The runs that were cleaned up, by task, of those that may have another one.
    runs: BTreeMap<String, u32>,
    /// Put aside for another run.
    aside: BTreeSet<String>,
    /// The end of these was told to the core, and when.
    over: BTreeMap<String, Instant>,
    /// Told to end from outside: there is no further run.
    told_to_end: BTreeSet<String>,
    /// Until when these must be ended by force.
    force_by: BTreeMap<String, Instant>,
}

impl Host {
    /// Every process is gone with the executor.
    pub(super) fn die(&mut self) {
        self.ended.extend(self.started.iter().cloned());
        self.cleaned.extend(self.started.iter().cloned());
        self.prepared.clear();
        self.probes.clear();
        self.hooks.clear();
        self.unanswered.clear();
        self.aside.clear();
        self.over.clear();
        self.force_by.clear();
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
                self.host.force_by.remove(&task_id.value);
                self.host.doomed.insert(task_id.value.clone());
                let delay = self.below(1500);
                self.end(delay, &task_id.value, false);
            }
            Action::Ask { number, .. } => {
                let answer = Answer::Unknown("nobody looks".into());
                let delay = self.below(1000);
                self.after(delay, Due::Core(Event::Answered { number, answer }));
            }
            Action::Probe { task_id, check, .. } => self.probe(&task_id.value, check),
            // The answer may be anything, and the one that is on its way does.
            Action::CancelProbe { task_id, check } => {
                self.host.probes.remove(&(task_id.value, check));
            }
            Action::Hook {
                task_id,
                moment,
                timeout,
                ..
            } => self.hook(&task_id.value, moment, timeout),
            // The answer may be anything, and the one that is on its way does.
            Action::CancelHook { task_id, moment } => {
                if self.host.hooks.remove(&task_id.value) != Some(moment) {
                    let id = task_id.value;
                    self.faults
                        .push(format!("{moment} of {id} is called off and does not run"));
                }
            }
            Action::PutAside { task_id } => {
                let id = task_id.value;
                self.host.ended.insert(id.clone());
                self.host.cleaned.insert(id.clone());
                self.host.aside.insert(id.clone());
                let delay = self.below(300);
                self.task_event(delay, &id, TaskEvent::CleanedUp);
            }
            Action::Relaunch { task_id } => self.relaunch(task_id.value),
            Action::CleanUp { task_id } => {
                self.no_hook(&task_id.value);
                self.host.aside.remove(&task_id.value);
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
        self.host.ever_started.insert(id.to_owned());
        if self.happens(0.2) {
            // One that the task can do without, or asks nothing of.
            let moment = Moment::BeforeStart;
            let outcome = self.outcome_of_a_hook();
            self.task_event(0, id, TaskEvent::Hooked { moment, outcome });
        }
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
        let event = TaskEvent::Probed { check, outcome };
        self.answer(delay, id, event);
    }

    /// An answer reaches the core.
    pub(super) fn answered(&mut self, id: &str, event: &TaskEvent) {
        if let Some(count) = self.host.unanswered.get_mut(id) {
            *count -= 1;
        }
        match event {
            TaskEvent::Probed { check, .. } => {
                self.host.probes.remove(&(id.to_owned(), *check));
            }
            TaskEvent::Hooked { moment, .. } if self.host.hooks.get(id) == Some(moment) => {
                self.host.hooks.remove(id);
            }
            _ => {}
        }
    }

    /// Whether news of a run are heard: that it is cleaned up is the last of them.
    pub(super) fn is_heard(&mut self, run: u32, id: &str, event: &TaskEvent) -> bool {
        let now = self.host.runs.get(id).copied().unwrap_or_default();
        if run != now {
            return false;
        }
        match event {
            TaskEvent::CleanedUp if self.host.aside.contains(id) => {
                self.host.runs.insert(id.to_owned(), run + 1);
            }
            TaskEvent::Ended(_) => {
                self.host.over.entry(id.to_owned()).or_insert(self.now);
                self.host.force_by.remove(id);
            }
            _ => {}
        }
        true
    }

    /// Every task is told to end.
    pub(super) fn all_must_end(&mut self) {
        self.host.shut_down_at.get_or_insert(self.now);
        for id in self.unreaped() {
            self.must_end(&id, SHUTDOWN.as_secs());
        }
    }

    /// A task is told to end from outside: there is no further run, and it is ended by force in this time.
    pub(super) fn must_end(&mut self, id: &str, seconds: u64) {
        if !self.delivered.contains(id) {
            return;
        }
        self.host.told_to_end.insert(id.to_owned());
        let runs = self.host.started.contains(id) && !self.host.over.contains_key(id);
        if runs && !self.host.cleaned.contains(id) {
            // The news that it runs may not have arrived.
            let by = Duration::from_secs(seconds) + Duration::from_millis(101);
            let by = self.now.plus(by);
            let until = self.host.force_by.entry(id.to_owned()).or_insert(by);
            *until = by.min(*until);
        }
    }

    pub(super) fn look_for_late_ends(&mut self) {
        let now = self.now;
        let late = self.host.force_by.iter().filter(|(_, by)| now > **by);
        let late: Vec<String> = late.map(|(id, _)| id.clone()).collect();
        for id in late {
            self.host.force_by.remove(&id);
            self.faults
                .push(format!("{id} is not ended by force when its grace is over"));
        }
    }

    fn hook(&mut self, id: &str, moment: Moment, timeout: Duration) {
        let is_over = self.host.over.contains_key(id);
        let is_there = self.host.started.contains(id) && !self.host.cleaned.contains(id);
        if !is_there || is_over != (moment == Moment::AfterStop) {
            self.faults
                .push(format!("{moment} of {id} is run at another moment"));
        }
        if timeout > HOOK {
            self.faults
                .push(format!("{moment} of {id} may take {timeout:?}"));
        }
        let shut_down_at = self.host.shut_down_at;
        if shut_down_at.is_some_and(|at| self.now.plus(timeout) > at.plus(SHUTDOWN)) {
            self.faults
                .push(format!("{moment} of {id} outlasts a shutdown"));
        }
        if let Some(other) = self.host.hooks.insert(id.to_owned(), moment) {
            self.faults
                .push(format!("{moment} of {id} is run beside {other}"));
        }
        let wanted = self.below(1000);
        let most = timeout.as_millis() as u64;
        let (delay, outcome) = match wanted {
            // One in a hundred is not ended in time.
            wanted if wanted > 990 => (5000, self.outcome_of_a_hook()),
            wanted if wanted > most => (
                most,
                Probed::TimedOut {
                    output: String::new(),
                },
            ),
            wanted => (wanted, self.outcome_of_a_hook()),
        };
        let event = TaskEvent::Hooked { moment, outcome };
        self.answer(delay, id, event);
    }

    fn outcome_of_a_hook(&mut self) -> Probed {
        let status = CommandEnd::Exited(i32::from(self.happens(0.3)));
        let output = String::new();
        Probed::Command { status, output }
    }

    fn no_hook(&mut self, id: &str) {
        if let Some(moment) = self.host.hooks.get(id) {
            self.faults
                .push(format!("{moment} of {id} runs while that is cleaned up"));
        }
    }

    /// The task is started once more.
    fn relaunch(&mut self, id: String) {
        if self.asked_to_shut_down {
            self.launches_after_shutdown += 1;
        }
        if !self.host.aside.remove(&id) {
            self.faults
                .push(format!("{id} is started again and was not put aside"));
        }
        if self.host.told_to_end.contains(&id) {
            self.faults
                .push(format!("{id} is started again after it was told to end"));
        }
        if self
            .host
            .unanswered
            .get(&id)
            .is_some_and(|count| *count > 0)
        {
            self.faults.push(format!(
                "{id} is started again while its last run is looked at"
            ));
        }
        self.no_hook(&id);
        let host = &mut self.host;
        for set in [
            &mut host.cancelled,
            &mut host.started,
            &mut host.doomed,
            &mut host.ended,
            &mut host.cleaned,
        ] {
            set.remove(&id);
        }
        host.over.remove(&id);
        let delay = self.below(500);
        self.after(delay, Due::Start(id));
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

    /// The one answer to something that was begun.
    fn answer(&mut self, delay: u64, id: &str, event: TaskEvent) {
        let unanswered = self.host.unanswered.entry(id.to_owned());
        *unanswered.or_default() += 1;
        let task_id = TaskId {
            value: id.to_owned(),
        };
        self.after(delay, Due::Core(Event::Task { task_id, event }));
    }

    fn task_event(&mut self, delay: u64, id: &str, event: TaskEvent) {
        let run = self.host.runs.get(id).copied().unwrap_or_default();
        self.after(delay, Due::OfRun(run, id.to_owned(), event));
    }
}
