//! What an executor costs that has nothing to do.

use std::thread::sleep;
use std::time::Duration;

use mesos_proto::v1::TaskState::TaskRunning;

use crate::processes::{Process, descendants};
use crate::sides::{Scene, Side};

const TASKS: u32 = 200;

/// How long it is looked at.
const LOOK: Duration = Duration::from_secs(20);

/// Of one side.
struct Costs {
    alone: u64,
    with_tasks: u64,
    surroundings: u64,
    cpu: Duration,
}

pub(crate) fn measure() -> Vec<[String; 4]> {
    let [ours, peer] = Side::BOTH.map(cost);
    let row = |what: &str, of: &dyn Fn(&Costs) -> String| {
        [what.to_owned(), of(&ours), of(&peer), String::new()]
    };
    let megabytes = |kilobytes: u64| format!("{:.2}", kilobytes as f64 / 1024.0);
    // What is measured is small, and what else a host does with its pages may be more.
    let a_task = |costs: &Costs| costs.with_tasks.saturating_sub(costs.alone) / u64::from(TASKS);
    vec![
        row(
            "memory of an executor with one idle task, MB of PSS",
            &|costs| megabytes(costs.alone),
        ),
        row(
            &format!("what it grows by with each of {TASKS} more, MB"),
            &|costs| megabytes(a_task(costs)),
        ),
        row("processes around each task's own, MB of PSS", &|costs| {
            megabytes(costs.surroundings / u64::from(TASKS + 1))
        }),
        row(
            &format!(
                "processor time of executor and surroundings with {} idle tasks, ms a second",
                TASKS + 1
            ),
            &|costs| {
                format!(
                    "{:.1}",
                    costs.cpu.as_secs_f64() * 1000.0 / LOOK.as_secs_f64()
                )
            },
        ),
    ]
}

/// Each on a Mesos of its own: what they share in memory with the other does not count.
fn cost(side: Side) -> Costs {
    let scene = Scene::new();
    let executor = scene.start(side);
    let alone = executor.pss().expect("the executor runs");
    let tasks = (0..TASKS).map(|n| scene.task(side, &format!("{side:?}-{n}"), "exec sleep 100000"));
    scene.launch(tasks.collect(), TaskRunning);
    sleep(Duration::from_secs(2));
    let around: Vec<Process> = descendants(executor.0)
        .into_iter()
        .filter(|process| {
            process
                .command()
                .first()
                .is_some_and(|word| word != "sleep")
        })
        .collect();
    let all = || {
        around
            .iter()
            .chain([&executor])
            .map(|process| process.cpu().own)
            .sum::<Duration>()
    };
    let before = all();
    sleep(LOOK);
    Costs {
        alone,
        with_tasks: executor.pss().expect("the executor runs"),
        surroundings: around.iter().filter_map(|process| process.pss()).sum(),
        cpu: all() - before,
    }
}
