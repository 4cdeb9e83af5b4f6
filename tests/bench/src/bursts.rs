//! How many tasks an executor takes a second, and who is at work meanwhile.

use mesos_proto::v1::TaskState::TaskFinished;
use test_support::Settings;

use crate::processes::Process;
use crate::samples::Samples;
use crate::sides::{Scene, Side};

/// How many in one ACCEPT, and how often with each side, by turns.
const BURSTS: [(u32, usize); 2] = [(100, 5), (1000, 3)];

/// For one burst; processor time of each party.
#[derive(Default)]
struct Costs {
    time: Samples,
    mesos: Samples,
    executor: Samples,
    tasks: Samples,
}

pub(crate) fn measure() -> Vec<[String; 4]> {
    let resources = "cpus:64;mem:65536;disk:65536;ports:[31000-32000]";
    let scene = Scene::with(Settings::posix().resources(resources));
    let executors = Side::ALL.map(|side| scene.start(side));
    let bursts = BURSTS.map(|(tasks, runs)| burst(&scene, executors, tasks, runs));
    bursts.into_iter().flatten().collect()
}

fn burst(scene: &Scene, executors: [Process; 3], tasks: u32, runs: usize) -> Vec<[String; 4]> {
    let mesos = Process(scene.mesos.pid());
    let mut costs = Side::ALL.map(|_| Costs::default());
    for run in 0..runs {
        for ((side, executor), costs) in Side::ALL.into_iter().zip(executors).zip(&mut costs) {
            let all = (0..tasks)
                .map(|n| scene.task(side, &format!("{side:?}-{tasks}-{run}-{n}"), "exit 0"));
            let before = [mesos.cpu(), executor.cpu()];
            costs.time.add(scene.launch(all.collect(), TaskFinished));
            let after = [mesos.cpu(), executor.cpu()];
            costs.mesos.add(after[0].own - before[0].own);
            costs.executor.add(after[1].own - before[1].own);
            costs
                .tasks
                .add(after[1].ended_children - before[1].ended_children);
        }
    }
    let a_task = |samples: &Samples| format!("{:.1}", samples.quantile(0.5) / f64::from(tasks));
    let rate = |costs: &Costs| {
        let seconds = costs.time.quantile(0.5) / 1000.0;
        format!("{:.0}", f64::from(tasks) / seconds)
    };
    let row = |what: &str, of: &dyn Fn(&Costs) -> String| {
        let [ours, peer, nothing] = &costs;
        [what.to_owned(), of(ours), of(peer), of(nothing)]
    };
    vec![
        row(
            &format!(
                "{tasks} tasks in one ACCEPT to a running executor: finished a second, median of {runs}"
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
