use std::fs;
use std::io::Read;
use std::os::fd::RawFd;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::deeds;
use crate::outcome::Outcome;
use crate::report::Report;
use crate::rows::{Row, every_row};
use crate::seen::Seen;
use crate::world::World;

/// How long an attempt may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// The program that is put into a sandbox:
///
/// - `try <World as JSON>`: tries every row, each in a process of its own, and prints a [`Report`] as JSON;
/// - `row <World> <name>`: tries one, and prints its [`Outcome`];
/// - `descriptors`: prints the numbers of the descriptors that it was left with beyond the first three;
/// - `do <deed> <argument>`: what comes to no end by itself ([`deeds`]).
///
/// # Panics
/// When it is used otherwise.
pub fn run() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["try", world] => println!("{}", try_all(world)),
        ["row", world, name] => println!("{}", try_one(world, name)),
        ["descriptors"] => beyond_the_first_three()
            .iter()
            .for_each(|number| println!("{number}")),
        ["do", deed, argument] => return deeds::run(deed, argument),
        _ => panic!("usage: try <world> | row <world> <name> | descriptors | do <deed> <argument>"),
    }
    ExitCode::SUCCESS
}

fn try_all(world: &str) -> String {
    let mut world: World = serde_json::from_str(world).expect("a world");
    if world.sandbox.as_os_str().is_empty() {
        world.sandbox = std::env::current_dir().expect("a directory");
    }
    world.writable.push(world.sandbox.clone());
    let world = serde_json::to_string(&world).expect("plain data");
    // Asked before anything is tried: a breach may take /proc away.
    let program = std::env::current_exe().expect("/proc");
    let try_row = |row: &Row| {
        (
            row.name.to_owned(),
            in_own_process(&program, &world, row.name),
        )
    };
    let seen = Seen::here();
    let report = Report {
        seen,
        outcomes: every_row().map(try_row).collect(),
    };
    serde_json::to_string(&report).expect("plain data")
}

fn try_one(world: &str, name: &str) -> String {
    let world: World = serde_json::from_str(world).expect("a world");
    let row = every_row().find(|row| row.name == name).expect("a row");
    let outcome = Outcome::of((row.attempt)(&world));
    serde_json::to_string(&outcome).expect("plain data")
}

/// So that what it changes of itself, or dies of, is its own.
fn in_own_process(program: &Path, world: &str, name: &str) -> Outcome {
    let mut command = Command::new(program);
    command.args(["row", world, name]);
    // The input stays: it may be a terminal.
    let child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    child.map_or_else(|error| Outcome::Broken(error.to_string()), outcome_of)
}

fn outcome_of(mut child: Child) -> Outcome {
    let started = Instant::now();
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if started.elapsed() < PATIENCE => sleep(Duration::from_millis(1)),
            Ok(None) => {
                // It may have ended just now, and is waited for in either case.
                let _ = child.kill();
                let _ = child.wait();
                return Outcome::Hung;
            }
            Err(error) => return Outcome::Broken(error.to_string()),
        }
    };
    if let Some(signal) = status.signal() {
        return Outcome::Killed(signal);
    }
    let mut said = String::new();
    let mut complaint = String::new();
    // What cannot be read is no outcome, which is said then.
    let _ = child
        .stdout
        .take()
        .map(|mut stdout| stdout.read_to_string(&mut said));
    let _ = child
        .stderr
        .take()
        .map(|mut stderr| stderr.read_to_string(&mut complaint));
    serde_json::from_str(&said).unwrap_or(Outcome::Broken(complaint))
}

fn beyond_the_first_three() -> Vec<RawFd> {
    let listed = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    let numbers = listed.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    // That of the directory itself is gone when it is looked at.
    let is_there = |number: &RawFd| fs::read_link(format!("/proc/self/fd/{number}")).is_ok();
    let numbers: Vec<RawFd> = numbers.collect();
    numbers
        .into_iter()
        .filter(|number| *number > 2 && is_there(number))
        .collect()
}
