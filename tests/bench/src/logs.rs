//! What it costs that the executor holds and rotates the output of tasks.

use std::time::Duration;

use mesos_proto::v1::TaskState::{TaskFinished, TaskRunning};

use crate::processes::Process;
use crate::samples::Samples;
use crate::sides::{Scene, Side};

const RUNS: usize = 5;

/// In lines of 80 bytes.
const COMMAND: &str = "yes 'a line of a log, as long as many are, with a time and a number and a word or two' \
                       | head -c 268435456";

pub(crate) fn measure() -> Vec<[String; 4]> {
    let scene = Scene::new();
    let [ours, pymesos] = Side::BOTH.map(|side| (side, scene.start(side)));
    let held = Written::of(&scene, ours, "held", COMMAND);
    let data = serde_json::json!({
        "version": 1, "command": { "value": COMMAND }, "logs": { "rotate": false },
    });
    let direct = Written::of(&scene, ours, "direct", &data.to_string());
    let peer = Written::of(&scene, pymesos, "peer", COMMAND);
    let row = |what: &str, ours: String, peer: String| [what.to_owned(), ours, peer, String::new()];
    vec![
        row(
            &format!(
                "a task that writes 256 MB to its log: RUNNING to FINISHED, ms, median / p90 of {RUNS}"
            ),
            held.time.to_string(),
            peer.time.to_string(),
        ),
        row(
            "the same with `\"rotate\": false`",
            direct.time.to_string(),
            String::new(),
        ),
        row(
            "processor time of the executor for one of them, ms",
            format!("{:.0}", held.cpu.as_secs_f64() * 1000.0),
            format!("{:.0}", peer.cpu.as_secs_f64() * 1000.0),
        ),
    ]
}

struct Written {
    time: Samples,
    /// Of the executor, for each task.
    cpu: Duration,
}

impl Written {
    fn of(scene: &Scene, (side, executor): (Side, Process), name: &str, data: &str) -> Self {
        let before = executor.cpu().own;
        let mut time = Samples::default();
        for run in 0..RUNS {
            let id = format!("{name}-{run}");
            let task = scene.task(side, &id, data).disk(2000.0);
            scene.launch(vec![task], TaskFinished);
            let began = scene.moment(&id, TaskRunning);
            time.add(scene.moment(&id, TaskFinished).saturating_sub(began));
        }
        let cpu = (executor.cpu().own - before) / RUNS as u32;
        Self { time, cpu }
    }
}
