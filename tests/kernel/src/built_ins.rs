//! Functions that run in a task's place, for the tests.

use std::fs;
use std::io::Write;
use std::process::{Command, exit};
use std::thread;
use std::time::Duration;

use nix::unistd::{getgid, getgroups, getuid};
use sandbox::{Answer, BuiltIn};

use crate::MARK;

/// All of them.
pub const BUILT_INS: &[(&str, BuiltIn)] = &[
    ("look", look),
    ("print", print),
    ("long", |_| answer("x".repeat(1 << 20))),
    ("hang", |_| {
        loop {
            thread::sleep(Duration::from_secs(1000));
        }
    }),
    ("exit", |_| exit(4)),
    ("status", |_| {
        answer(fs::read_to_string("/proc/self/status").unwrap_or_default())
    }),
    ("panic", |_| panic!("as it was told")),
    ("child", child),
    ("create", |path| {
        answer(format!("{:?}", fs::File::create(path)))
    }),
];

fn answer(text: String) -> Answer {
    Answer { status: 0, text }
}

/// Who and where it is, and what it has.
fn look(argument: &str) -> Answer {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let of_status = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or("?").trim().to_owned()
    };
    let groups = getgroups().unwrap_or_default();
    let groups: Vec<String> = groups.iter().map(ToString::to_string).collect();
    let descriptors = fs::read_dir("/proc/self/fd")
        .into_iter()
        .flatten()
        .flatten();
    // That of the directory itself is gone when it is looked at.
    let descriptors: Vec<String> = descriptors
        .filter_map(|entry| fs::read_link(entry.path()).ok())
        .map(|link| link.to_string_lossy().into_owned())
        .collect();
    let descriptors = descriptors.join(" ");
    let directory = std::env::current_dir().unwrap_or_default();
    let cgroups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    answer(format!(
        "{argument}\n{}\n{}\n{}\n{}\n{}\n{}\n{}\n{descriptors}\n{}\n{cgroups}",
        std::process::id(),
        getuid(),
        getgid(),
        groups.join(" "),
        directory.display(),
        of_status("Threads:"),
        of_status("SigBlk:"),
        std::env::vars_os().count(),
    ))
}

fn print(argument: &str) -> Answer {
    let mut stdout = std::io::stdout();
    let printed = stdout
        .write_all(argument.as_bytes())
        .and_then(|()| stdout.flush());
    let _ = std::io::stderr().write_all(b"to stderr");
    Answer {
        status: i32::from(printed.is_err()) + 3,
        text: String::new(),
    }
}

/// Leaves a child in the background, to be found by `mark`.
fn child(mark: &str) -> Answer {
    let child = Command::new("sleep").arg("1000").env(MARK, mark).spawn();
    answer(child.map_or_else(|error| error.to_string(), |_| "started".to_owned()))
}
