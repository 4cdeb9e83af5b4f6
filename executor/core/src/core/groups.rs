//! Tasks that were launched together (LAUNCH_GROUP): all of them start or none does, and one that ends otherwise than
//! well takes the others along (Mesos: src/launcher/default_executor.cpp, `waited`).
//!
//! ```text
//!   every member's sandbox is being made --Prepared of the last--> all are released
//!        \------------ any member failed, was killed, cannot be -----\--> the others are killed
//! ```

use std::collections::{BTreeMap, BTreeSet};

use mesos_proto::TaskInfo;
use mesos_proto::v1::{TaskId, TaskState};

use super::Core;
use crate::action::Action;
use crate::status::Report;
use crate::task::{Cause, Effect, Input, Over, Task};
use crate::time::Now;

/// The groups that have members here.
#[derive(Debug, Default)]
pub(super) struct Groups {
    launched: u64,
    groups: BTreeMap<u64, Group>,
}

#[derive(Debug, Default)]
struct Group {
    members: BTreeSet<String>,
    /// Those that are not prepared yet.
    waiting: BTreeSet<String>,
    /// A member has failed, and the others have been told to end.
    ending: bool,
}

impl Groups {
    fn add<'a>(&mut self, members: impl Iterator<Item = &'a TaskInfo>) -> u64 {
        let members: BTreeSet<String> = members.map(|info| info.task_id.value.clone()).collect();
        self.launched += 1;
        let group = Group {
            waiting: members.clone(),
            members,
            ending: false,
        };
        self.groups.insert(self.launched, group);
        self.launched
    }

    /// A member is prepared. Returns all members when it was the last.
    fn prepared(&mut self, number: u64, id: &str) -> BTreeSet<String> {
        match self.groups.get_mut(&number) {
            Some(group) => {
                let was_waiting = group.waiting.remove(id);
                let all = was_waiting && group.waiting.is_empty();
                if all {
                    group.members.clone()
                } else {
                    BTreeSet::new()
                }
            }
            None => BTreeSet::new(),
        }
    }

    /// A member is not to be started after all: the others wait until they are told to end as well.
    fn cancelled(&mut self, number: u64, id: &str) {
        if let Some(group) = self.groups.get_mut(&number) {
            group.waiting.insert(id.to_owned());
        }
    }

    /// A member has ended otherwise than well. Returns the others the first time.
    fn failed(&mut self, number: u64, id: &str) -> BTreeSet<String> {
        match self.groups.get_mut(&number) {
            Some(group) if !group.ending => {
                group.ending = true;
                let others = group.members.iter().filter(|member| *member != id);
                others.cloned().collect()
            }
            Some(_) | None => BTreeSet::new(),
        }
    }

    /// A member is over and acknowledged.
    pub(super) fn leave(&mut self, number: u64, id: &str) {
        if let Some(group) = self.groups.get_mut(&number) {
            group.members.remove(id);
            if group.members.is_empty() {
                self.groups.remove(&number);
            }
        }
    }
}

impl Core {
    pub(super) fn launch_group(&mut self, now: Now, infos: Vec<TaskInfo>) {
        let mut seen = BTreeSet::new();
        let mut infos: Vec<TaskInfo> = infos
            .into_iter()
            .filter(|info| seen.insert(info.task_id.value.clone()) && self.is_new(&info.task_id))
            .collect();
        if infos.len() < 2 {
            // Nobody to wait for.
            if let Some(info) = infos.pop() {
                self.launch(now, info);
            }
            return;
        }
        let mut requests = Vec::new();
        let mut refused: BTreeMap<String, Over> = BTreeMap::new();
        for info in &infos {
            let is_first = self.take_on(info);
            match self.admit(info, is_first) {
                Ok(request) => requests.push(request),
                Err(over) => {
                    refused.insert(info.task_id.value.clone(), *over);
                }
            }
        }
        if !refused.is_empty() {
            self.refuse_group(now, infos, refused);
            return;
        }
        let group = self.groups.add(infos.iter());
        for (info, request) in infos.into_iter().zip(requests) {
            let task_id = info.task_id.clone();
            let task = Task::launching(&info, &request, Some(group));
            self.tasks.insert(task_id.value.clone(), task);
            self.update(now, &task_id, Report::of(TaskState::TaskStarting));
            self.actions.push_back(Action::Launch {
                task: Box::new(info),
                request: Box::new(request),
                held: true,
            });
        }
    }

    /// None of these is started: some cannot be, the others are not without them.
    fn refuse_group(
        &mut self,
        now: Now,
        infos: Vec<TaskInfo>,
        mut refused: BTreeMap<String, Over>,
    ) {
        let mut first = None;
        let mut overs = Vec::new();
        for info in &infos {
            let task = Task::never_started(info);
            let over = refused.remove(&info.task_id.value);
            if let (Some(over), None) = (&over, &first) {
                first = Some(Cause::Member {
                    task: info.task_id.value.clone(),
                    state: Report::terminal(over.clone(), &task).state,
                });
            }
            self.tasks.insert(info.task_id.value.clone(), task);
            overs.push(over);
        }
        for (info, over) in infos.iter().zip(overs) {
            let stopped = || Over::Stopped(first.clone().unwrap_or(Cause::Killed));
            let over = over.unwrap_or_else(stopped);
            self.carry_out(now, &info.task_id, Effect::Over(over));
        }
    }

    /// A member's sandbox is made.
    pub(super) fn prepared(&mut self, now: Now, task_id: &TaskId) {
        let Some(group) = self.group_of(task_id) else {
            return;
        };
        for member in self.groups.prepared(group, &task_id.value) {
            self.drive(now, &member, Input::Release);
        }
    }

    /// A task's launch is to be cancelled.
    pub(super) fn cancelled_in_group(&mut self, task_id: &TaskId) {
        if let Some(group) = self.group_of(task_id) {
            self.groups.cancelled(group, &task_id.value);
        }
    }

    /// A task has come to this end; one that did not end well takes its group along.
    pub(super) fn ended_in_group(&mut self, now: Now, task_id: &TaskId, state: TaskState) {
        let Some(group) = self.group_of(task_id) else {
            return;
        };
        if state == TaskState::TaskFinished {
            return;
        }
        for member in self.groups.failed(group, &task_id.value) {
            let Some(task) = self.tasks.get(&member) else {
                continue;
            };
            let grace = self.grace(task, None);
            let cause = Cause::Member {
                task: task_id.value.clone(),
                state,
            };
            self.drive(now, &member, Input::Kill(grace, cause));
        }
    }

    fn group_of(&self, task_id: &TaskId) -> Option<u64> {
        self.tasks.get(&task_id.value)?.group
    }
}
