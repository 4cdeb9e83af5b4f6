//! The tasks' part of a turn: what executors publish of them, as points.

use std::path::PathBuf;
use std::time::SystemTime;

use graphite::{Batch, MetricPath, PointTime, Roster};
use task_figures::Run;
use tokio::task::spawn_blocking;
use tracing::warn;

use crate::model::{Field, Memory, Nature, Put, Unit};
use crate::sample::Container;
use crate::series::Points;
use crate::tasks;

static CPUS_USED: Field = Field {
    name: "cpus_used",
    along: None,
    nature: Nature::Gauge,
    unit: Unit::Cores,
    help: "Processors in use on average: the difference of cpu_seconds over the time between.",
};

/// What is remembered of tasks from one turn to the next.
#[derive(Debug)]
pub(crate) struct TaskScrape {
    /// `<prefix>.<host>.tasks`
    base: MetricPath,
    roster: Roster<Memory>,
    /// None when tasks are not wanted.
    work_dir: Option<PathBuf>,
}

impl TaskScrape {
    pub(crate) fn new(base: MetricPath, work_dir: Option<PathBuf>) -> Self {
        Self {
            base,
            roster: Roster::default(),
            work_dir,
        }
    }

    /// Adds the points of every task that an executor in one of these containers publishes.
    pub(crate) async fn add(
        &mut self,
        batch: &mut Batch,
        containers: &[Container<'_>],
        time: PointTime,
    ) {
        let Some(work_dir) = self.work_dir.clone() else {
            return;
        };
        let runs: Vec<Run> = containers.iter().map(run_of).collect();
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let read = spawn_blocking(move || tasks::reports(&work_dir, runs, now.as_secs_f64()));
        let reports = match read.await {
            Ok(Ok(reports)) => reports,
            Ok(Err(error)) => return warn!("no figures of tasks: {error}"),
            Err(error) => return warn!("no figures of tasks: {error}"),
        };
        let mut all = Vec::new();
        for report in &reports {
            for task in &report.tasks {
                let id = format!("{}/{}", report.container_id, task.task_id);
                all.push((id, task, report.time));
            }
        }
        let names = all.iter();
        self.roster
            .take_in(names.map(|(id, task, _)| (id.as_str(), task.task_id.as_str())));
        for (id, task, at) in &all {
            let (Some(member), Some(timestamp)) = (self.roster.call(id), time.of(*at)) else {
                continue;
            };
            let mut since = member.memory.since(*at);
            let seconds = task.usage.cpu_seconds;
            let used = seconds.and_then(|secs| since.per_second(&CPUS_USED, None, secs));
            let mark = self.base.mark();
            self.base.push(&member.app).push(&member.slot.to_string());
            let mut points = Points {
                batch,
                base: &mut self.base,
                timestamp,
            };
            for (name, value) in tasks::values(task) {
                points.add([name].into_iter(), value);
            }
            if let Some(used) = used {
                points.put(&CPUS_USED, None, used.into());
            }
            self.base.rewind(mark);
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
