//! How long a command task takes, each with an executor of its own, as most frameworks launch them.

use mesos_proto::v1::TaskState::{TaskFinished, TaskRunning};
use test_support::{Settings, binaries, task};

use crate::samples::Samples;
use crate::sides::Scene;

const RUNS: usize = 30;

/// The real command executor is no part of what is set up here, so that its figures cannot come from the same run.
const MESOS_RUNNING: &str = "Mesos 1.11.0's own, elsewhere: 67.6 / 77.4";
const MESOS_FINISHED: &str = "Mesos 1.11.0's own, elsewhere: 161.3 / 170.3";

pub(crate) fn measure() -> Vec<[String; 4]> {
    let settings = Settings::posix().command_executor(&binaries::sandbox_executor());
    let scene = Scene::with(settings);
    let (mut running, mut finished) = (Samples::default(), Samples::default());
    for run in 0..RUNS {
        let id = format!("command-{run}");
        let task = task(&id).command("exit 0").cpus(0.1).mem(32.0).disk(10.0);
        finished.add(scene.launch(vec![task], TaskFinished));
        let moment = scene.moment(&id, TaskRunning);
        running.add(moment.saturating_sub(scene.scheduler.accepted()));
    }
    let row = |what: &str, ours: Samples, mesos: &str| {
        [
            what.to_owned(),
            ours.to_string(),
            mesos.to_owned(),
            String::new(),
        ]
    };
    vec![
        row(
            &format!(
                "`exit 0` as a command task, in the command executor's place: ACCEPT to RUNNING, ms, median / p90 of {RUNS}"
            ),
            running,
            MESOS_RUNNING,
        ),
        row("the same: ACCEPT to FINISHED, ms", finished, MESOS_FINISHED),
    ]
}
