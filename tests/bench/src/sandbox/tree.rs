//! How long it takes to end a task of a thousand processes, from the kill until nothing of it is left.

use std::fs;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Bench;
use super::peers::Peers;
use crate::samples::Samples;

const PROCESSES: usize = 1000;

const RUNS: usize = 10;

pub(super) fn measure(bench: &Bench) {
    println!(
        "| end of a tree of {PROCESSES} processes | ms, median / p90 of {RUNS} | times ours |\n|---|---|---|"
    );
    let mut ours = Samples::default();
    let mut by_cgroup = Samples::default();
    for run in 0..RUNS {
        for (kind, times) in [&mut ours, &mut by_cgroup].into_iter().enumerate() {
            let task = bench.start(&format!("tree-{kind}-{run}"), &forest("up"));
            await_file(&task.directory.as_ref().expect("its own").join("up"));
            let begin = Instant::now();
            if kind == 0 {
                task.process.kill().expect("an init to kill");
            } else {
                let cgroup = task.cgroup.as_ref().expect("its own");
                cgroup.kill().expect("processes to kill");
            }
            task.end();
            times.add(begin.elapsed());
        }
    }
    let unit = ours.quantile(0.5);
    let row = |what: &str, times: &Samples| {
        println!(
            "| {what} | {times:.1} | {:.1} |",
            times.quantile(0.5) / unit
        );
    };
    row("ours, by its init", &ours);
    row("ours, by its cgroup", &by_cgroup);
    let mut peers = Peers::start();
    let up = peers.bundle().path().join("sandbox/up");
    peers.bundle().write(&["/bin/sh", "-c", &forest("/tmp/up")]);
    let mut crun = Samples::default();
    for _ in 0..RUNS {
        peers.run("crun run --detach bench");
        await_file(&up);
        crun.add(peers.run("crun delete --force bench"));
        fs::remove_file(&up).expect("own file");
    }
    row("`crun delete --force`", &crun);
    println!();
}

/// A shell with so many children, which makes a file once they are there.
fn forest(up: &str) -> String {
    let children = PROCESSES - 1;
    format!("i=0; while [ $i -lt {children} ]; do sleep 1000 & i=$((i+1)); done; : > {up}; wait")
}

fn await_file(path: &Path) {
    let begin = Instant::now();
    while !path.exists() {
        assert!(
            begin.elapsed() < Duration::from_secs(60),
            "{} never came",
            path.display()
        );
        sleep(Duration::from_millis(5));
    }
}
