//! What tasks cost by their number: the time of a launch and of an end, and the memory that stays.

use std::sync::Mutex;
use std::thread;
use std::time::Instant;

use super::{Bench, Running};
use crate::processes::Process;
use crate::samples::Samples;

/// Tasks in one executor.
const NUMBERS: [usize; 3] = [1, 100, 1000];

/// Launches under way at once.
const AT_ONCE: usize = 8;

pub(super) fn measure(bench: &Bench) {
    println!(
        "| tasks in one executor, launched {AT_ONCE} at a time | a launch, ms, median / p90 | launches a second | ends a second | the executor grows by, KB of PSS a task | an init, KB of PSS |\n|---|---|---|---|---|---|"
    );
    for number in NUMBERS {
        let own = Process(std::process::id());
        let before = own.pss().unwrap_or_default();
        let begin = Instant::now();
        let (tasks, launches) = launch(bench, number);
        let launched = begin.elapsed().as_secs_f64();
        let inits: Vec<Process> = tasks
            .iter()
            .map(|task| Process(task.process.pid().cast_unsigned()))
            .collect();
        let of_inits: u64 = inits.iter().filter_map(|init| init.pss()).sum();
        let grown = own.pss().unwrap_or_default().saturating_sub(before);
        let begin = Instant::now();
        end(tasks);
        let ended = begin.elapsed().as_secs_f64();
        let each = number as f64;
        println!(
            "| {number} | {launches:.2} | {:.0} | {:.0} | {:.1} | {:.1} |",
            each / launched,
            each / ended,
            grown as f64 / each,
            of_inits as f64 / each,
        );
    }
    println!();
}

fn launch(bench: &Bench, number: usize) -> (Vec<Running>, Samples) {
    let names = Mutex::new((0..number).map(|task| format!("many-{number}-{task}")));
    let done = Mutex::new((Vec::with_capacity(number), Samples::default()));
    let next = || names.lock().expect("no thread panics").next();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(number) {
            scope.spawn(|| {
                while let Some(name) = next() {
                    let begin = Instant::now();
                    let task = bench.start(&name, "/bin/sleep 1000");
                    let took = begin.elapsed();
                    let mut done = done.lock().expect("no thread panics");
                    done.0.push(task);
                    done.1.add(took);
                }
            });
        }
    });
    done.into_inner().expect("no thread panics")
}

/// Kills all and waits until nothing of them is left.
fn end(tasks: Vec<Running>) {
    let tasks = Mutex::new(tasks);
    let next = || tasks.lock().expect("no thread panics").pop();
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(task) = next() {
                    task.process.kill().expect("an init to kill");
                    task.end();
                }
            });
        }
    });
}
