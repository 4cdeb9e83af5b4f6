//! How long one task takes in an executor that runs.

use mesos_proto::v1::TaskState::{TaskFinished, TaskRunning};

use crate::samples::Samples;
use crate::sides::{Scene, Side};

/// Of each side, by turns.
const RUNS: usize = 100;

/// The first runs of each side fill caches and are left out.
const WARM_UP: usize = 5;

/// From sending the ACCEPT to hearing of the state.
#[derive(Default)]
struct Times {
    running: Samples,
    finished: Samples,
}

pub(crate) fn measure() -> Vec<[String; 4]> {
    let scene = Scene::new();
    let mut times = [Times::default(), Times::default()];
    for side in Side::BOTH {
        scene.start(side);
    }
    for run in 0..WARM_UP + RUNS {
        for (side, times) in Side::BOTH.into_iter().zip(&mut times) {
            let id = format!("{side:?}-{run}");
            let task = scene.task(side, &id, "exit 0");
            let finished = scene.launch(vec![task], TaskFinished);
            if run >= WARM_UP {
                let running = scene.moment(&id, TaskRunning);
                times
                    .running
                    .add(running.saturating_sub(scene.scheduler.accepted()));
                times.finished.add(finished);
            }
        }
    }
    let [ours, peer] = times;
    vec![
        [
            format!(
                "`exit 0` in a running executor: ACCEPT to RUNNING, ms, median / p90 of {RUNS}"
            ),
            ours.running.to_string(),
            peer.running.to_string(),
            String::new(),
        ],
        [
            "the same: ACCEPT to FINISHED, ms".to_owned(),
            ours.finished.to_string(),
            peer.finished.to_string(),
            String::new(),
        ],
    ]
}
