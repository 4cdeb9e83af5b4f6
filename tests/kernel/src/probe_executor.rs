//! What an executor is to the kernel, in a process that a test can end at any moment. It starts
//! one task, says so, and lives on.
//!
//! - `probe-executor <script>`: as root, in cgroups and namespaces;
//! - `probe-executor shared <script>`: where every mount is shared, as systemd makes them;
//! - `probe-executor guest <script> <script>`: with another program beside the task;
//! - `probe-executor bare <script>`: with what a user without rights can have; kills the task when
//!   its standard input is closed.
#![forbid(unsafe_code)]

use std::io::Read;
use std::sync::Arc;

use kernel_tests::{BUILT_INS, Executor, MARK, nowhere, wait_readable};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use sandbox::{InitProgram, Launcher};

fn main() {
    sandbox::init::dispatch(BUILT_INS);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", script] => bare(script),
        ["shared", script] => {
            share_mounts();
            with_everything(script);
        }
        ["guest", script, guest] => with_guest(script, guest),
        [script] => with_everything(script),
        _ => panic!("usage: probe-executor [shared|bare|guest] <script>..."),
    }
}

fn with_everything(script: &str) {
    let executor = Executor::with(InitProgram::own());
    let task = executor.shell(script);
    println!("{} {}", executor.container, task.process.pid());
    loop {
        std::thread::park();
    }
}

fn with_guest(script: &str, guest: &str) {
    let executor = Executor::with(InitProgram::own());
    let task = executor.shell(script);
    let _guest = task.enter(guest).expect("a guest");
    println!("{}", executor.container);
    loop {
        std::thread::park();
    }
}

/// In a mount namespace of its own, so that nobody else's mounts become so.
fn share_mounts() {
    unshare(CloneFlags::CLONE_NEWNS).expect("a mount namespace");
    let no = None::<&str>;
    // First away from the host's, should those be shared already.
    for kind in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
        mount(no, "/", no, MsFlags::MS_REC | kind, no).expect("mounts to change");
    }
}

fn bare(script: &str) {
    let mut plan = Executor::plan(script);
    plan.environment
        .insert(MARK.to_owned(), std::env::var(MARK).expect("a mark"));
    let launcher = Launcher::start(InitProgram::own()).expect("a thread");
    let mut process = launcher
        .launch(plan, nowhere(), &Arc::default())
        .unwrap_or_else(|error| panic!("{error}"));
    for degraded in process.degraded() {
        println!("{degraded}");
    }
    println!("started");
    let _ = std::io::stdin().read(&mut [0]);
    process.kill().expect("an init to kill");
    wait_readable(&process, "the end of the task");
    println!("{}", process.reap().expect("an end").describe());
}
