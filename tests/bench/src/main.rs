//! What the executor costs, beside a peer without a sandbox on the same real Mesos in the same run, and what a sandbox
//! costs beside others that make one, and what it costs to watch disks. Prints tables in Markdown and asserts nothing:
//! figures are for people. With an argument, `mesos`, `sandbox`, `disk` or `collector`, one of them; with a second, such as
//! `disk walks`, one table of it.
//!
//! What cannot be measured panics with the reason, as a fixture does.
#![forbid(unsafe_code)]

mod bursts;
mod collector;
mod commands;
mod disk;
mod idle;
mod launches;
mod logs;
mod processes;
mod samples;
mod sandbox;
mod sides;

use std::fs;

use sides::Side;

fn main() {
    // Its sandboxes' inits are of this program.
    ::sandbox::init::dispatch(&[]);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [floor, agent, carbon] = &arguments[..]
        && floor == "floor"
    {
        collector::run_floor(agent, carbon);
    }
    let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or_default().to_owned();
    println!("{}; load {load} at the start.\n", machine());
    let table = arguments.get(1).map(String::as_str);
    let is_wanted = |part: &str| arguments.first().is_none_or(|only| only == part);
    if is_wanted("sandbox") {
        sandbox::measure();
    }
    if is_wanted("disk") {
        disk::measure(table);
    }
    if is_wanted("collector") {
        collector::measure(table);
    }
    if is_wanted("mesos") {
        under_mesos();
    }
}

fn under_mesos() {
    let [ours, peer, nothing] = Side::ALL;
    println!("| | {ours} | {peer}, no sandbox | {nothing} |\n|---|---|---|---|");
    let parts: [fn() -> Vec<[String; 4]>; 5] = [
        launches::measure,
        commands::measure,
        bursts::measure,
        logs::measure,
        idle::measure,
    ];
    for part in parts {
        for [what, ours, peer, nothing] in part() {
            println!("| {what} | {ours} | {peer} | {nothing} |");
        }
    }
}

/// Processor, cores and kernel.
fn machine() -> String {
    let processors = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let models: Vec<&str> = processors
        .lines()
        .filter_map(|line| line.strip_prefix("model name"))
        .map(|rest| rest.trim_start_matches([' ', '\t', ':']))
        .collect();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    format!(
        "{} cores of {}, Linux {}",
        models.len(),
        models.first().unwrap_or(&"an unnamed processor"),
        kernel.trim()
    )
}
