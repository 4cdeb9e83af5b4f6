//! What comes to no end by itself: exhausting, filling, staying.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::thread::sleep;
use std::time::Duration;

const PORTION: usize = 1 << 20;

/// Does the deed of this name.
pub(crate) fn run(deed: &str, argument: &str) -> ExitCode {
    match deed {
        "fill" => fill(argument),
        "take-memory" => take_memory(),
        "fork" => fork(argument),
        "stay" => stay(argument),
        "leave" => leave(argument, false),
        "leave-and-wait" => leave(argument, true),
        _ => panic!("no deed {deed}"),
    }
}

fn forever() -> ! {
    loop {
        sleep(Duration::from_secs(1000));
    }
}

/// Writes to a new file in a directory without end.
fn fill(directory: &str) -> ExitCode {
    let path = Path::new(directory).join("filler");
    let mut file = match File::create(&path) {
        Ok(file) => file,
        Err(error) => {
            println!("{error}");
            return ExitCode::from(3);
        }
    };
    let portion = vec![1; PORTION];
    while file.write_all(&portion).is_ok() {
        // Else a slow look at the usage would cost the host more than the quota.
        sleep(Duration::from_millis(20));
    }
    // It is full, or over a limit: whoever watches is to see it.
    forever()
}

fn take_memory() -> ExitCode {
    let mut taken = Vec::new();
    loop {
        taken.push(vec![1_u8; PORTION]);
        std::hint::black_box(&taken);
    }
}

/// Starts itself, twice at a time, over and over, whatever it is told, until it is ended. `argument` is only in its
/// command line.
fn fork(argument: &str) -> ExitCode {
    crate::sys::ignore_signals();
    loop {
        for _ in 0..2 {
            let mut child = Command::new("/proc/self/exe");
            child.args(["do", "fork", argument]);
            match child.spawn() {
                // Not to be waited for: its parent is to have more of them.
                Ok(child) => drop(child),
                Err(_) => sleep(Duration::from_millis(1)),
            }
        }
    }
}

/// Leaves children behind that left the session and, as root, the user, and ends unless it `waits`. `path` is a file
/// that each of them adds a line to when it is there.
fn leave(path: &str, waits: bool) -> ExitCode {
    // The other user could not make it where root's are.
    let made = File::create(path)
        .and_then(|file| file.set_permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666)));
    if let Err(error) = made {
        println!("{error}");
        return ExitCode::from(3);
    }
    for user in [0, 65533] {
        let mut child = Command::new("/proc/self/exe");
        child.args(["do", "stay", path]);
        if nix::unistd::getuid().is_root() {
            child.uid(user);
        }
        if let Err(error) = child.spawn() {
            println!("{error}");
            return ExitCode::from(3);
        }
    }
    if waits {
        forever();
    }
    ExitCode::SUCCESS
}

/// Ignores every signal that can be ignored, in a session of its own, says that it is there, and stays.
fn stay(path: &str) -> ExitCode {
    // As the task's first process it leads one.
    let _ = nix::unistd::setsid();
    crate::sys::ignore_signals();
    let file = OpenOptions::new().append(true).create(true).open(path);
    if let Err(error) = file.and_then(|mut file| file.write_all(b"here\n")) {
        println!("{error}");
        return ExitCode::from(3);
    }
    forever()
}
