//! The program that tasks are started by is not theirs to change, also where they make it run inside.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use kernel_tests::guests::finish;
use kernel_tests::{Executor, Task, UNLIMITED, until};
use sandbox::Command;

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Opens the program of each process for writing that is one of ours, over and over, and says what came of it.
const WATCH: &str = "\
    echo '#!/proc/self/exe' > script; chmod 755 script; echo up; \
    while :; do for program in /proc/[0-9]*/exe; do \
        case $(readlink $program) in */probe-executor) \
            if (: >> $program) 2>/dev/null; then echo opened; else echo refused; fi;; \
        esac; \
    done; done";

#[test]
fn a_script_that_names_the_running_program_as_its_interpreter_gives_nobody_a_way_to_it() {
    let executor = Executor::start(INIT);
    let task = executor.launch(Executor::private_plan(WATCH), &UNLIMITED);
    task.lines(1);
    // What runs beside the task is where it finds the init's program, if anywhere (CVE-2019-5736).
    let mut rounds = 0;
    until("programs that the task saw", || {
        let mut guest = Task::guest("", Some(&task.cgroup));
        guest.command = Command::Exec {
            file: "./script".to_owned(),
            argv: Vec::new(),
        };
        // Inside it is not told what to do, and ends somehow.
        drop(task.enter_with(guest).map(finish));
        rounds += 1;
        let seen = task.stdout();
        assert!(!seen.contains("opened"), "{seen}");
        (rounds >= 20 && seen.contains("refused")).then_some(())
    });
    drop(task);
    executor.finish();
}
