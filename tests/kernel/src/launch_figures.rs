//! What the launch and the end of `exit 0` cost in a full sandbox: percentiles, and launches a second.
//! Nothing is asserted. As root: `cargo run --release -p kernel-tests --bin launch-figures`.
#![forbid(unsafe_code)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use cgroup::{Cgroup, Host, Limits, Parent};
use kernel_tests::{BUILT_INS, Executor, nowhere, wait_readable};
use sandbox::{InitProgram, Launcher, Plan};

const ROUNDS: u32 = 400;

fn limits() -> Limits {
    Limits {
        memory: Some(64 << 20),
        pids: Some(8192),
        ..Limits::of_cpus(0.1)
    }
}

fn main() {
    sandbox::init::dispatch(BUILT_INS);
    let host = Host::detect(Path::new("/")).expect("cgroups");
    let parent = Parent::create(&host, &format!("figures-{}", std::process::id()));
    let parent = parent.expect("root");
    let launcher = Launcher::start(InitProgram::own()).expect("a thread");
    let plan = Executor::plan("exit 0");

    let mut steps: BTreeMap<&str, Vec<Duration>> = BTreeMap::new();
    for number in 0..ROUNDS {
        for (step, took) in one(&parent, &launcher, plan.clone(), number) {
            steps.entry(step).or_default().push(took);
        }
    }
    for (step, mut took) in steps {
        took.sort_unstable();
        let at = |percent: usize| took[(took.len() - 1) * percent / 100];
        println!(
            "{step:<16} 10% {:>9.1?}  median {:>9.1?}  90% {:>9.1?}",
            at(10),
            at(50),
            at(90)
        );
    }
    for threads in [1, 2, 4, 8] {
        let next = AtomicU32::new(ROUNDS * threads);
        let begin = Instant::now();
        let last = next.load(Ordering::Relaxed) + ROUNDS * 2;
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        if number >= last {
                            return;
                        }
                        one(&parent, &launcher, plan.clone(), number);
                    }
                });
            }
        });
        let a_second = f64::from(ROUNDS * 2) / begin.elapsed().as_secs_f64();
        println!("{threads} at once: {a_second:.0} launches and ends a second");
    }
    drop(launcher);
    parent.remove().expect("nothing left");
}

fn one(
    parent: &Parent,
    launcher: &Launcher,
    mut plan: Plan,
    number: u32,
) -> [(&'static str, Duration); 5] {
    let begin = Instant::now();
    let cgroup = Cgroup::create(parent, &format!("task-{number}"), &limits()).expect("a cgroup");
    plan.cgroup_procs = cgroup.procs_files();
    let made = Instant::now();
    let launched = launcher.launch(plan, nowhere(), &Arc::default());
    let mut process = launched.unwrap_or_else(|error| panic!("{error}"));
    let launched = Instant::now();
    wait_readable(&process, "its end");
    let ended = Instant::now();
    process.reap().expect("its end");
    let reaped = Instant::now();
    cgroup.discard().expect("an empty cgroup");
    let removed = Instant::now();
    [
        ("1 make cgroup", made - begin),
        ("2 launch", launched - made),
        ("3 run", ended - launched),
        ("4 reap", reaped - ended),
        ("5 remove cgroup", removed - reaped),
    ]
}
