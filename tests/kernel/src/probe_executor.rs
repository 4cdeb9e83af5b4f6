//! What an executor is to the kernel, in a process that a test can end at any moment. It starts
//! one task, says so, and lives on.
//!
//! - `probe-executor <script>`: as root, in cgroups and namespaces;
//! - `probe-executor shared <script>`: where every mount is shared, as systemd makes them;
//! - `probe-executor guest <script> <script>`: with another program beside the task;
//! - `probe-executor storm`: starts and ends tasks of every kind without end: on the host's files and in an image, with
//!   volumes, with networks of their own;
//! - `probe-executor bare <script>`: with what a user without rights can have; kills the task when
//!   its standard input is closed.
//! - `probe-executor plan <file>`: the plan in that file, which may be a pipe, with its own input and output, in cgroups
//!   where it is root; waits for the task's end.
//! - `probe-executor bare-all <script> <guest>`: everything else with what such a user can have.
#![forbid(unsafe_code)]

use std::fs;
use std::io::{Read, stderr, stdin, stdout};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use cgroup::{Cgroup, Host, Parent};
use kernel_tests::guests::finish;
use kernel_tests::{BUILT_INS, Executor, MARK, Task, UNLIMITED, nowhere, wait_readable};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;
use sandbox::{
    Command, Filesystem, InitProgram, Launcher, Network, Plan, PrivateFiles, Process, Propagation,
    Root, Source, Stdio, TaskSignal, Volume,
};

fn main() {
    sandbox::init::dispatch(BUILT_INS);
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["bare", script] => bare(script),
        ["bare-all", script, guest] => bare_all(script, guest),
        ["plan", file] => of_plan(file),
        ["storm"] => storm(),
        ["shared", "storm"] => {
            share_mounts();
            storm();
        }
        ["guest", script, guest] => with_guest(script, guest),
        ["shared", script] => {
            share_mounts();
            with_everything(script);
        }
        [script] => with_everything(script),
        _ => panic!("usage: probe-executor [shared|bare|bare-all|guest] <script>..."),
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

/// As many tasks of it are there at once.
const STORM: usize = 12;

fn storm() -> ! {
    let executor = Executor::with(InitProgram::own());
    println!("{}", executor.container);
    let image = executor.sandbox.path().join("image");
    for name in [
        "proc",
        "sys",
        "dev",
        "tmp",
        "var/tmp",
        "usr",
        "lib",
        "lib64",
        "mnt/sandbox",
    ] {
        fs::create_dir_all(image.join(name)).expect("own directory");
    }
    let volume = |source: &str, target: &str| Volume {
        source: Source::Host(source.into()),
        target: target.into(),
        read_only: true,
        propagation: Propagation::Private,
    };
    let on_host = plan_of_sleeper(|files| files.volumes.push(volume("/etc", "volume")));
    // It has directories alone, and gets what the program needs as volumes.
    let in_image = plan_of_sleeper(|files| {
        files.root = Root::Directory {
            path: image.clone(),
            writable: false,
        };
        files.sandbox_inside = "/mnt/sandbox".into();
        files.volumes = vec![
            volume("/usr", "/usr"),
            volume("/usr/lib", "/lib"),
            volume("/usr/lib64", "/lib64"),
        ];
    });
    let own_network = |plan: &Plan| Plan {
        network: Network::Own,
        ..plan.clone()
    };
    let plans = [
        own_network(&on_host),
        own_network(&in_image),
        on_host,
        in_image,
    ];
    loop {
        let tasks = plans.iter().cycle().take(STORM);
        // At the end of a round they are ended all at once.
        let tasks: Vec<Task> = tasks
            .map(|plan| executor.launch(plan.clone(), &UNLIMITED))
            .collect();
        drop(tasks);
        println!("round");
    }
}

fn plan_of_sleeper(adjust: impl FnOnce(&mut PrivateFiles)) -> Plan {
    let mut plan = Executor::private_plan("");
    plan.command = Command::Exec {
        file: "/usr/bin/sleep".to_owned(),
        argv: vec!["sleep".to_owned(), "1000".to_owned()],
    };
    if let Filesystem::Private(files) = &mut plan.filesystem {
        adjust(files);
    }
    plan
}

fn of_plan(file: &str) {
    let plan = fs::read(file).expect("a plan");
    let mut plan: Plan = serde_json::from_slice(&plan).expect("a plan");
    let cgroups = geteuid().is_root().then(|| {
        let host = Host::detect(Path::new("/")).expect("cgroups");
        let parent = Parent::create(&host, &format!("kernel-test-plan-{}", std::process::id()));
        let parent = parent.expect("root's rights");
        let cgroup = Cgroup::create(&parent, "t", &UNLIMITED).expect("root's rights");
        (parent, cgroup)
    });
    if let Some((_, cgroup)) = &cgroups {
        plan.cgroup_procs = cgroup.procs_files();
    }
    let launcher = Launcher::start(InitProgram::own()).expect("a thread");
    let own = |descriptor: BorrowedFd<'_>| descriptor.try_clone_to_owned().expect("a descriptor");
    let stdio = Stdio {
        stdin: Some(own(stdin().as_fd())),
        stdout: own(stdout().as_fd()),
        stderr: own(stderr().as_fd()),
    };
    // Whoever reads is to hear of the start before the task speaks.
    let prepared = launcher.prepare(plan, stdio, &Arc::default());
    let prepared = prepared.unwrap_or_else(|error| panic!("{error}"));
    println!("started");
    let mut process = prepared.release().unwrap_or_else(|error| panic!("{error}"));
    let end = end_of(&mut process);
    for degraded in process.degraded() {
        println!("{degraded}");
    }
    println!("{end}");
    if let Some((parent, cgroup)) = cgroups {
        cgroup.remove().unwrap_or_else(|errors| panic!("{errors}"));
        parent.remove().unwrap_or_else(|errors| panic!("{errors}"));
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
    let launcher = Launcher::start(InitProgram::own()).expect("a thread");
    let mut process = launcher
        .launch(marked(script), nowhere(), &Arc::default())
        .unwrap_or_else(|error| panic!("{error}"));
    for degraded in process.degraded() {
        println!("{degraded}");
    }
    println!("started");
    let _ = std::io::stdin().read(&mut [0]);
    process.kill().expect("an init to kill");
    println!("{}", end_of(&mut process));
}

fn marked(script: &str) -> Plan {
    let mut plan = Executor::plan(script);
    let mark = std::env::var(MARK).expect("a mark");
    plan.environment.insert(MARK.to_owned(), mark);
    plan
}

fn end_of(process: &mut Process) -> String {
    wait_readable(process, "the end of the task");
    process.reap().expect("an end").describe()
}

fn bare_all(script: &str, guest: &str) {
    let launcher = Launcher::start(InitProgram::own()).expect("a thread");
    let prepare = || launcher.prepare(marked(script), nowhere(), &Arc::default());
    drop(prepare().expect("a held task"));
    let held = prepare().expect("a held task");
    let mut task = held.release().expect("a task");
    let door = task.door().expect("a descriptor");
    let enter = |script: &str| {
        let entered = door.enter(Task::guest(script, None), &AtomicBool::new(false));
        entered.unwrap_or_else(|error| panic!("{error}"))
    };

    let entered = enter(guest);
    println!("entered");
    let _ = std::io::stdin().read(&mut [0]);
    entered.kill().expect("nothing in the way");
    println!("{}", finish(entered).exit.describe());
    print!("{}", finish(enter("echo said")).output);

    let built_in = Plan {
        command: Command::BuiltIn {
            name: "look".to_owned(),
            argument: "answered".to_owned(),
        },
        ..marked("")
    };
    let built_in = launcher.launch(built_in, nowhere(), &Arc::default());
    let mut built_in = built_in.expect("a built-in function");
    println!("{}", end_of(&mut built_in));
    let answer = built_in.answer().expect("an answer");
    println!("{}", answer.lines().next().unwrap_or_default());

    task.signal(TaskSignal::User1).expect("an init to signal");
    println!("{}", end_of(&mut task));
}
