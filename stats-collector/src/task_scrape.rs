//! The tasks' part of a turn: what executors publish of them.

use std::path::PathBuf;

use task_figures::{Run, Task};
use tokio::task::spawn_blocking;

use crate::model::{Kind, Memory, Origin, Put};
use crate::names::{Entry, Identity, Registry};
use crate::output::Outlet;
use crate::sample::Container;
use crate::tasks;

/// One task, of one executor's report.
#[derive(Debug)]
pub(crate) struct Told {
    id: String,
    task: Task,
    run: Run,
    at: f64,
}

impl Identity for Told {
    fn id(&self) -> &str {
        &self.id
    }

    fn origin(&self) -> Origin {
        Origin {
            framework_id: Some(self.run.framework_id.clone()),
            task_id: Some(self.task.task_id.clone()),
            container_id: Some(self.run.container_id.clone()),
            ..Origin::default()
        }
    }
}

/// Every task that an executor in one of these containers publishes, at this time.
///
/// # Errors
/// The agent's work directory cannot be read.
pub(crate) async fn ask(
    work_dir: PathBuf,
    containers: &[Container<'_>],
    now_secs: f64,
) -> Result<Vec<Told>, String> {
    let runs: Vec<Run> = containers.iter().map(run_of).collect();
    let read = spawn_blocking(move || tasks::reports(&work_dir, runs, now_secs)).await;
    let reports = read.map_err(|error| error.to_string())?;
    let reports = reports.map_err(|error| error.to_string())?;
    let mut all = Vec::new();
    for report in reports {
        for task in report.tasks {
            all.push(Told {
                id: format!("{}/{}", report.run.container_id, task.task_id),
                task,
                run: report.run.clone(),
                at: report.time,
            });
        }
    }
    Ok(all)
}

/// Puts the points of all of these.
pub(crate) fn tell(all: &[Told], registry: &mut Registry<Memory>, outlet: &mut Outlet) {
    let at = all.iter().map(|told| told.at).fold(0.0, f64::max);
    registry.take_in(Kind::Task, all.iter(), at as u64);
    for told in all {
        let Some(Entry { subject, head, .. }) = registry.call(Kind::Task, &told.id) else {
            continue;
        };
        if let Some(mut writer) = outlet.begin(subject, head, told.at) {
            for (name, value) in tasks::values(&told.task) {
                writer.put_unknown(name, value);
            }
        }
    }
}

fn run_of(container: &Container<'_>) -> Run {
    Run {
        framework_id: container.framework_id.clone().into_owned(),
        executor_id: container.executor_id.clone().into_owned(),
        container_id: container.container_id.clone().into_owned(),
    }
}
