//! How many tasks an executor takes a second, and who is at work meanwhile.

use std::time::Duration;

use mesos_proto::v1::TaskState::TaskFinished;

use crate::processes::Process;
use crate::samples::Samples;
use crate::sides::{Scene, Side};

const TASKS: u32 = 200;

/// Of each side, by turns.
const RUNS: usize = 5;

/// For one burst; processor time of each party.
#[derive(Default)]
struct Costs {
    time: Samples,
    mesos: Samples,
    executor: Samples,
    tasks: Samples,
}

pub(crate) fn measure() -> Vec<[String; 4]> {
    let scene = Scene::new();
    let mesos = Process(scene.mesos.pid());
    let executors = Side::ALL.map(|side| scene.start(side));
    let mut costs = Side::ALL.map(|_| Costs::default());
    for run in 0..RUNS {
        for ((side, executor), costs) in Side::ALL.into_iter().zip(executors).zip(&mut costs) {
            let tasks =
                (0..TASKS).map(|n| scene.task(side, &format!("{side:?}-{run}-{n}"), "exit 0"));
            let before = [mesos.cpu(), executor.cpu()];
            costs.time.add(scene.launch(tasks.collect(), TaskFinished));
            let after = [mesos.cpu(), executor.cpu()];
            costs.mesos.add(after[0].own - before[0].own);
            costs.executor.add(after[1].own - before[1].own);
            costs
                .tasks
                .add(after[1].ended_children - before[1].ended_children);
        }
    }
    let a_task = |samples: &Samples| format!("{:.1}", samples.quantile(0.5) / f64::from(TASKS));
    let rate = |costs: &Costs| {
        let seconds = Duration::from_secs_f64(costs.time.quantile(0.5) / 1000.0).as_secs_f64();
        format!("{:.0}", f64::from(TASKS) / seconds)
    };
    let row = |what: &str, of: &dyn Fn(&Costs) -> String| {
        let [ours, peer, nothing] = &costs;
        [what.to_owned(), of(ours), of(peer), of(nothing)]
    };
    vec![
        row(
            &format!(
                "{TASKS} tasks in one ACCEPT to a running executor: finished a second, median of {RUNS}"
            ),
            &rate,
        ),
        row(
            "the same: processor time a task, ms: master and agent",
            &|costs| a_task(&costs.mesos),
        ),
        row("the same: the executor", &|costs| a_task(&costs.executor)),
        row("the same: the task and what surrounds it", &|costs| {
            a_task(&costs.tasks)
        }),
    ]
}
