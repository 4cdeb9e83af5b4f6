//! Executors: what each publishes of its tasks, in its sandbox.

mod fields;

use std::path::PathBuf;
use std::time::Duration;

use task_figures::{DiskUse, Run, Task, WorkDir};

use super::LookError;
use super::look::Looker;
use crate::model::{Field, Kind, Memory, Origin, Put, put_figures, put_growth};
use crate::names::{Entry, Identity, Registry};
use crate::output::Outlet;
use crate::sample::Container;

/// More tasks of one executor than are worth series. Whoever may write into a sandbox says how many there are: without an end,
/// one container would take all the series that there may be.
const MOST_TASKS: usize = 1_000;

/// More volumes of a task than are worth series.
const MOST_VOLUMES: usize = 64;

/// Looks into executors' sandboxes.
#[derive(Debug)]
pub(crate) struct Tasks {
    work_dir: PathBuf,
    looker: Looker,
}

/// One task, of one executor's report.
#[derive(Debug)]
pub(crate) struct Told {
    /// The run's container and the task.
    pub(crate) id: String,
    pub(crate) task: Task,
    /// In whose sandbox it was found.
    pub(crate) run: Run,
    /// When it was looked at, in seconds since the epoch.
    pub(crate) at: f64,
}

impl Tasks {
    /// Those in the agent's work directory.
    pub(crate) fn new(work_dir: PathBuf, patience: Duration) -> Self {
        Self {
            work_dir,
            looker: Looker::new("what executors publish", patience),
        }
    }

    /// Every task that one of these runs of executors publishes, at this time.
    ///
    /// # Errors
    /// The work directory itself cannot be read, or not in time. A sandbox that cannot be is as one without a report.
    pub(crate) async fn ask(
        &mut self,
        runs: Vec<Run>,
        now_secs: f64,
    ) -> Result<Vec<Told>, LookError> {
        let work_dir = self.work_dir.clone();
        let look = move || {
            let work_dir = WorkDir::open(&work_dir)?;
            let told = runs
                .into_iter()
                .flat_map(|run| told(&work_dir, run, now_secs));
            Ok(told.collect())
        };
        self.looker.look(look).await
    }
}

/// The place says whose report it is, and never the report itself.
fn told(work_dir: &WorkDir, run: Run, now_secs: f64) -> Vec<Told> {
    let report = work_dir.report(&run);
    let Some(report) = report.filter(|report| report.is_fresh(now_secs)) else {
        return Vec::new();
    };
    let tasks = report.tasks.into_iter().take(MOST_TASKS);
    let tasks = tasks.map(|task| Told {
        id: format!("{}/{}", run.container_id, task.task_id),
        task,
        run: run.clone(),
        at: report.time,
    });
    tasks.collect()
}

/// The run of an executor that has this container to itself; none of a nested container and of one without an executor.
pub(crate) fn run_of(container: &Container<'_>) -> Option<Run> {
    (!container.executor_id.is_empty()).then(|| Run {
        framework_id: container.framework_id.clone().into_owned(),
        executor_id: container.executor_id.clone().into_owned(),
        container_id: container.container_id.clone().into_owned(),
    })
}

impl Identity for Told {
    fn id(&self) -> &str {
        &self.id
    }

    fn origin(&self) -> Origin {
        Origin {
            framework_id: Some(self.run.framework_id.as_str().into()),
            executor_id: Some(self.run.executor_id.as_str().into()),
            task_id: Some(self.task.task_id.as_str().into()),
            container_id: Some(self.run.container_id.as_str().into()),
            ..Origin::default()
        }
    }
}

/// Puts the numbers of all of these, who were looked for at this time. When a report says that it was made is no measure of
/// how long slots rest: there may be no report.
pub(crate) async fn tell(
    all: &[Told],
    now_secs: f64,
    registry: &mut Registry<Memory>,
    outlet: &mut Outlet,
) {
    registry.take_in(Kind::Task, all.iter(), now_secs as u64);
    for told in all {
        let Some(entry) = registry.call(Kind::Task, &told.id) else {
            continue;
        };
        let Entry {
            subject,
            head,
            memory,
        } = entry;
        if let Some(mut writer) = outlet.begin(subject, head, told.at) {
            put(&told.task, told.at, memory, &mut writer);
        }
        outlet.caught_up().await;
    }
}

fn put(task: &Task, at: f64, memory: &mut Memory, put: &mut impl Put) {
    let mut since = memory.since(at);
    put_figures(fields::TASK, task, None, put);
    put_growth(fields::TASK_RATES, task, None, &mut since, put);
    if let Some(disk) = &task.disk {
        put_figures(fields::DISK, disk, None, put);
    }
    let mut told: Vec<&str> = Vec::new();
    for volume in task.volumes.iter().take(MOST_VOLUMES) {
        // A report is the framework's user's: he may name one volume twice.
        if !told.contains(&volume.id.as_str()) {
            told.push(&volume.id);
            put_figures(fields::VOLUME, &volume.disk, Some(&volume.id), put);
        }
    }
}

/// All that there can be, for the reference.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    fields::all()
}

#[cfg(test)]
mod tests;
