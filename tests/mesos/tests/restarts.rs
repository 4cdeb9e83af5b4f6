//! Master and agent are killed and started again, fifty times in all, in the middle of launches, of kills and of bursts:
//! every task ends once, nothing is lost, nothing runs twice, and nothing stays on the host.
//!
//! When master and agent die together some things are Mesos's to lose, and are told apart from ours here: a launch that
//! the agent had not written down is unknown to everybody afterwards; one that it had, and could not hand over, is
//! TASK_DROPPED; one whose executor it was still starting is TASK_FAILED by the agent; a kill that was under way is not
//! repeated, so the scheduler repeats it.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState;
use mesos_proto::v1::TaskState::{
    TaskDropped, TaskFinished, TaskKilled, TaskKilling, TaskRunning, TaskUnknown,
};
use mesos_proto::v1::task_status::Reason;
use mesos_tests::{SOON, Scene};
use test_support::{ExecutorBuilder, TaskBuilder, Update, binaries, executor};

/// Where the moments of the restarts come from. A failing run says which it was.
const SEED: u64 = 20_261_121;

/// xorshift64: the same moments in each run.
struct Moments(u64);

impl Moments {
    fn new(of: u64) -> Self {
        println!("seed {SEED}, stream {of}");
        Self(SEED.wrapping_mul(of | 1))
    }

    /// A time below this many milliseconds.
    fn below(&mut self, milliseconds: u64) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        Duration::from_micros(self.0 % (milliseconds * 1000))
    }
}

/// Tasks that note each of their runs in a file of their own.
struct Runs(PathBuf);

impl Runs {
    fn of(scene: &Scene) -> Self {
        let directory = scene.mesos.work_dir().join("noted-runs");
        fs::create_dir_all(&directory).unwrap();
        Self(directory)
    }

    fn noting(
        &self,
        scene: &Scene,
        task: &str,
        executor: &ExecutorBuilder,
        then: &str,
    ) -> TaskBuilder {
        let command = format!("echo run >> shared/{task}; {then}");
        scene.task_sharing(task, executor, &command, &self.0)
    }

    fn await_one(&self, task: &str) {
        let deadline = Instant::now() + SOON;
        while self.count(task) == 0 {
            assert!(Instant::now() < deadline, "{task} never ran");
            sleep(Duration::from_millis(5));
        }
    }

    fn count(&self, task: &str) -> usize {
        fs::read_to_string(self.0.join(task)).map_or(0, |noted| noted.lines().count())
    }
}

/// What became of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It reached this state.
    Told(TaskState),
    /// The agent had it written down and could not hand it over.
    Dropped,
    /// The agent never had it.
    Unknown,
    /// The agent died while it was starting the executor, which never came to be.
    WithoutExecutor,
}

/// Waits for the ends of tasks, asking for them as a scheduler does whose master was away, and wants each to have ended
/// once. `again` is called once a second with those that have not.
fn ends_of(scene: &Scene, tasks: &[String], again: impl Fn(&str)) -> Vec<End> {
    let deadline = Instant::now() + 2 * SOON;
    let mut looks = 0;
    loop {
        let open: Vec<&str> = tasks
            .iter()
            .map(String::as_str)
            .filter(|task| !scene.scheduler.updates_of(task).iter().any(is_end))
            .collect();
        let Some(first) = open.first() else {
            return tasks.iter().map(|task| end_of(scene, task)).collect();
        };
        assert!(
            Instant::now() < deadline,
            "never ended: {open:?}{}",
            timeline(scene, first)
        );
        if looks % 10 == 0 {
            open.iter().for_each(|task| again(task));
            scene.scheduler.reconcile(&open).unwrap();
        }
        looks += 1;
        sleep(Duration::from_millis(100));
    }
}

fn is_end(update: &Update) -> bool {
    update.state == TaskUnknown
        || (update.state.is_terminal() && update.reason != Some(Reason::Reconciliation))
}

fn end_of(scene: &Scene, task: &str) -> End {
    let updates = scene.scheduler.updates_of(task);
    // The agent repeats what was not acknowledged, with the same uuid. The master forgets a task that has ended.
    let ends: BTreeMap<_, _> = updates
        .iter()
        .filter(|update| is_end(update) && update.state != TaskUnknown)
        .map(|update| (update.uuid.clone(), update))
        .collect();
    assert!(
        ends.len() <= 1,
        "{task} ended twice:{}",
        timeline(scene, task)
    );
    match ends.into_values().next() {
        None => End::Unknown,
        Some(update) => match (update.state, update.reason) {
            (TaskDropped, _) => End::Dropped,
            (_, Some(Reason::ExecutorTerminated)) => End::WithoutExecutor,
            (state, _) => End::Told(state),
        },
    }
}

fn timeline(scene: &Scene, task: &str) -> String {
    let updates = scene.scheduler.updates_of(task);
    updates
        .iter()
        .map(|update| format!("\n  {update}"))
        .collect()
}

/// A task that reached the executor ran once and finished; another did not run.
fn assert_ran_as_told(scene: &Scene, runs: &Runs, task: &str, end: End) {
    let expected = match end {
        End::Told(TaskFinished) => 1,
        End::Dropped | End::Unknown | End::WithoutExecutor => 0,
        End::Told(_) => panic!("{task} ended otherwise:{}", timeline(scene, task)),
    };
    assert_eq!(
        runs.count(task),
        expected,
        "runs of {task}:{}",
        timeline(scene, task)
    );
}

/// What the executor has not got when it subscribes again the agent drops, and nothing else (P-11, P-14).
#[test]
fn a_task_that_is_launched_while_the_agent_dies_ends_once() {
    let mut scene = Scene::new();
    let mut moments = Moments::new(1);
    let runs = Runs::of(&scene);
    let shared = scene.executor("shared");
    scene.run(scene.task("stays", &shared, "sleep 1000"));
    let mut told = 0;
    for round in 0..17 {
        // By turns into the executor that runs, and into one that is yet to be started and subscribed.
        let (executor, within) = if round % 2 == 0 {
            (shared.clone(), 12)
        } else {
            let program = binaries::sandbox_executor();
            let new = executor(&format!("e{round}")).command(program.to_str().unwrap());
            let leaves = "MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT";
            (new.variable(leaves, "200ms"), 250)
        };
        let task = format!("t{round}");
        let info = runs.noting(&scene, &task, &executor, "sleep 0.1");
        scene.scheduler.launch([info]).unwrap();
        sleep(moments.below(within));
        scene.mesos.restart();
        let end = ends_of(&scene, std::slice::from_ref(&task), |_| ())[0];
        assert_ran_as_told(&scene, &runs, &task, end);
        told += usize::from(end == End::Told(TaskFinished));
    }
    println!("{told} of 17 tasks had reached their executor");
    assert!(told > 0, "no restart let a task through");
    assert_eq!(
        scene.scheduler.states_of("stays").last(),
        Some(&TaskRunning)
    );
}

/// An event that is sent while a stream dies is lost, a kill among them (P-16).
#[test]
fn a_task_that_is_killed_while_the_agent_dies_is_killed_once() {
    let mut scene = Scene::new();
    let mut moments = Moments::new(2);
    let runs = Runs::of(&scene);
    let executor = scene.executor("e");
    scene.run(scene.task("stays", &executor, "sleep 1000"));
    let mut lost = 0;
    for round in 0..17 {
        let tasks: Vec<String> = (0..4).map(|n| format!("t{round}-{n}")).collect();
        let infos = tasks.iter().enumerate().map(|(n, task)| {
            // Half of them take their time to end.
            let then = [
                "exec sleep 1000",
                "trap 'sleep 0.2; exit 0' TERM; sleep 1000 & wait",
            ][n % 2];
            runs.noting(&scene, task, &executor, then)
        });
        scene.scheduler.launch(infos.collect::<Vec<_>>()).unwrap();
        for task in &tasks {
            scene.scheduler.wait_for(task, TaskRunning, SOON).unwrap();
            runs.await_one(task);
        }
        for task in &tasks {
            scene.scheduler.kill(task, None).unwrap();
        }
        sleep(moments.below(10));
        scene.mesos.restart();
        let again = |task: &str| scene.scheduler.kill(task, None).unwrap();
        let states = |task: &String| scene.scheduler.states_of(task);
        lost += tasks
            .iter()
            .filter(|task| !states(task).contains(&TaskKilling))
            .count();
        for (task, end) in tasks.iter().zip(ends_of(&scene, &tasks, again)) {
            assert_eq!(
                end,
                End::Told(TaskKilled),
                "{task}:{}",
                timeline(&scene, task)
            );
            assert_eq!(runs.count(task), 1, "runs of {task}");
        }
    }
    println!("{lost} of 68 kills were not heard of when the agent was back");
    assert_eq!(
        scene.scheduler.states_of("stays").last(),
        Some(&TaskRunning)
    );
}

/// Updates are sent again in order with their uuids, so that the agent tells repetitions from ends (P-14, P-21).
#[test]
fn every_task_of_a_burst_ends_once_whenever_the_agent_dies_in_it() {
    let mut scene = Scene::new();
    let mut moments = Moments::new(3);
    let runs = Runs::of(&scene);
    let executor = scene.executor("e");
    scene.run(scene.task("stays", &executor, "sleep 1000"));
    for burst in 0..8 {
        let tasks: Vec<String> = (0..200).map(|n| format!("t{burst}-{n}")).collect();
        let infos = tasks.iter().map(|task| {
            runs.noting(&scene, task, &executor, "sleep 0.1")
                .cpus(0.01)
                .mem(8.0)
        });
        scene.scheduler.launch(infos.collect::<Vec<_>>()).unwrap();
        for _ in 0..2 {
            sleep(moments.below(700));
            scene.mesos.restart();
        }
        let ends = ends_of(&scene, &tasks, |_| ());
        for (task, end) in tasks.iter().zip(&ends) {
            assert_ran_as_told(&scene, &runs, task, *end);
        }
        let count = |wanted: End| ends.iter().filter(|end| **end == wanted).count();
        println!(
            "burst {burst}: {} finished, {} dropped by the agent, {} never reached it",
            count(End::Told(TaskFinished)),
            count(End::Dropped),
            count(End::Unknown)
        );
    }
    assert_eq!(
        scene.scheduler.states_of("stays").last(),
        Some(&TaskRunning)
    );
}
