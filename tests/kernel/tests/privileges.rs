//! What a task may do beyond what its user may, and which limits its processes have.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use kernel_tests::guests::{finish, nobody};
use kernel_tests::{Executor, Task, UNLIMITED};
use nix::sys::signal::Signal;
use sandbox::{
    Bound, Capabilities, Capability, CapabilitySet, Command, Exit, InitProgram, Plan, Privileges,
    Resource, Rlimit,
};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// What a process has, of its `status`.
const LOOK: &str = "grep -E '^(Cap|NoNewPrivs:|Seccomp:)' /proc/self/status";

fn set(names: &[&str]) -> CapabilitySet {
    let named = |name: &&str| Capability::named(name).unwrap();
    names.iter().map(named).collect()
}

fn with(privileges: Privileges, script: &str) -> Plan {
    Plan {
        privileges,
        ..Executor::plan(script)
    }
}

fn capabilities(bounding: &[&str], effective: &[&str], ambient: &[&str]) -> Privileges {
    Privileges {
        capabilities: Capabilities {
            bounding: set(bounding),
            effective: set(effective),
            ambient: set(ambient),
        },
        no_new_privileges: true,
        seccomp: None,
    }
}

fn run(executor: &Executor, plan: Plan) -> (Exit, String) {
    let mut task = executor.launch(plan, &UNLIMITED);
    let exit = task.wait();
    (exit, task.stdout())
}

fn of_status(status: &str, name: &str) -> u64 {
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    u64::from_str_radix(line.unwrap().trim(), 16).unwrap()
}

/// Permitted, effective, bounding, ambient.
fn sets(status: &str) -> [u64; 4] {
    ["CapPrm:", "CapEff:", "CapBnd:", "CapAmb:"].map(|name| of_status(status, name))
}

#[test]
fn a_task_of_root_has_the_short_list_and_nothing_beyond_it() {
    let executor = Executor::start(INIT);
    let (_, status) = run(&executor, with(Privileges::of_default(None), LOOK));
    let list = Capabilities::OF_ROOT.bounding.bits();
    assert_eq!(sets(&status), [list, list, list, 0], "{status}");
    assert_eq!(of_status(&status, "NoNewPrivs:"), 1);
    assert_eq!(of_status(&status, "Seccomp:"), 2);
    executor.finish();
}

#[test]
fn a_task_of_an_ordinary_user_has_none() {
    let executor = Executor::start(INIT);
    let plan = Plan {
        identity: Some(nobody()),
        ..with(Privileges::of_default(Some(&nobody())), LOOK)
    };
    let (_, status) = run(&executor, plan);
    assert_eq!(sets(&status), [0; 4], "{status}");
    assert_eq!(of_status(&status, "NoNewPrivs:"), 1);
    assert_eq!(of_status(&status, "Seccomp:"), 2);
    executor.finish();
}

#[test]
fn what_runs_beside_a_task_and_in_its_place_has_the_same_and_no_more() {
    let executor = Executor::start(INIT);
    let privileges = capabilities(&["CHOWN", "KILL"], &["CHOWN", "KILL"], &[]);
    for identity in [None, Some(nobody())] {
        let plan = Plan {
            identity: identity.clone(),
            ..with(privileges.clone(), &format!("{LOOK}; exec sleep 7007"))
        };
        let task = executor.launch(plan, &UNLIMITED);
        let lines = task.lines(7);
        let beside = finish(
            task.enter_with(Task::guest(LOOK, Some(&task.cgroup)))
                .unwrap(),
        );
        let beside: Vec<&str> = beside.output.lines().collect();
        assert_eq!(beside, lines, "{identity:?}");

        let built_in = Plan {
            command: Command::BuiltIn {
                name: "status".to_owned(),
                argument: String::new(),
            },
            identity,
            ..with(privileges.clone(), "")
        };
        let mut built_in = executor.launch(built_in, &UNLIMITED);
        built_in.wait();
        let answer = built_in.process.answer().unwrap();
        assert_eq!(sets(&answer), sets(&lines.join("\n")));
    }
    executor.finish();
}

#[test]
fn a_user_keeps_over_an_exec_what_is_ambient_and_nothing_else() {
    let executor = Executor::start(INIT);
    let asked = ["NET_BIND_SERVICE", "KILL"];
    let privileges = capabilities(&asked, &asked, &["NET_BIND_SERVICE"]);
    let plan = Plan {
        identity: Some(nobody()),
        ..with(privileges, &format!("sh -c \"{LOOK}\""))
    };
    let (_, status) = run(&executor, plan);
    let kept = set(&["NET_BIND_SERVICE"]).bits();
    assert_eq!(
        sets(&status),
        [kept, kept, set(&asked).bits(), kept],
        "{status}"
    );
    executor.finish();
}

#[test]
fn root_with_less_than_the_most_has_no_more_than_that_whatever_it_executes() {
    let executor = Executor::start(INIT);
    let privileges = capabilities(&["CHOWN", "KILL"], &["KILL"], &[]);
    let script = format!("sh -c \"{LOOK}\"; chown 1 . && echo has chowned");
    let (_, status) = run(&executor, with(privileges, &script));
    let kill = set(&["KILL"]).bits();
    assert_eq!(sets(&status)[1], kill, "{status}");
    assert!(!status.contains("has chowned"));
    executor.finish();
}

#[test]
fn a_program_that_would_give_rights_gives_none_unless_it_may() {
    let executor = Executor::start(INIT);
    let program = executor.sandbox.path().join("set-user-id");
    fs::copy("/usr/bin/id", &program).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o4755)).unwrap();
    let path = program.to_str().unwrap();
    for (no_new_privileges, expected) in [(true, "65534\n"), (false, "0\n")] {
        let privileges = Privileges {
            no_new_privileges,
            ..Privileges::UNCONFINED
        };
        let plan = Plan {
            identity: Some(nobody()),
            ..with(privileges, &format!("{path} -u"))
        };
        assert_eq!(run(&executor, plan), (Exit::Exited(0), expected.to_owned()));
    }
    executor.finish();
}

#[test]
fn the_default_list_of_calls_holds_where_programs_may_give_rights_too() {
    let executor = Executor::start(INIT);
    for identity in [None, Some(nobody())] {
        let privileges = Privileges {
            no_new_privileges: false,
            ..Privileges::of_default(identity.as_ref())
        };
        let expected = sets_of(&privileges);
        let plan = Plan {
            identity,
            ..with(privileges, LOOK)
        };
        let (_, status) = run(&executor, plan);
        assert_eq!(of_status(&status, "Seccomp:"), 2);
        assert_eq!(of_status(&status, "NoNewPrivs:"), 0);
        assert_eq!(sets(&status), expected);
    }
    executor.finish();
}

fn sets_of(privileges: &Privileges) -> [u64; 4] {
    let list = privileges.capabilities.effective.bits();
    [list, list, privileges.capabilities.bounding.bits(), 0]
}

/// An executor that lacks a capability, and may raise no limit.
fn curbed(executor: &Executor) -> InitProgram {
    let program = executor.sandbox.path().join("curbed");
    let script = format!(
        "#!/bin/sh\nexec prlimit --nofile=512:512 \
         setpriv --bounding-set=-net_raw,-sys_resource {INIT} \"$@\"\n"
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    InitProgram::at(program)
}

#[test]
fn what_the_executor_lacks_it_cannot_give_and_who_demands_it_is_not_started() {
    let host = Executor::start(INIT);
    let executor = Executor::with(curbed(&host));
    let asked = ["NET_RAW", "KILL"];
    let (_, status) = run(&executor, with(capabilities(&asked, &asked, &[]), LOOK));
    assert_eq!(sets(&status)[1], set(&["KILL"]).bits(), "{status}");

    let plan = Plan {
        identity: Some(nobody()),
        ..with(capabilities(&asked, &asked, &["NET_RAW"]), "true")
    };
    let error = executor.try_launch(plan, &UNLIMITED).unwrap_err();
    let expected = "set capabilities 'CAP_NET_RAW': Operation not permitted (os error 1)";
    assert_eq!(error.to_string(), expected);

    let mut plan = Executor::plan("true");
    plan.rlimits = vec![rlimit(Resource::OpenFiles, 1024)];
    let error = executor.try_launch(plan, &UNLIMITED).unwrap_err();
    let expected = "limit 'RLIMIT_NOFILE': Operation not permitted (os error 1)";
    assert_eq!(error.to_string(), expected);
    executor.finish();
    host.finish();
}

fn rlimit(resource: Resource, value: u64) -> Rlimit {
    Rlimit {
        resource,
        soft: Bound::At(value),
        hard: Bound::At(value),
    }
}

#[test]
fn limits_of_processes_are_those_of_the_plan_for_the_task_and_its_guests() {
    let executor = Executor::start(INIT);
    let mut plan = Executor::plan("cat /proc/self/limits; exec sleep 7007");
    plan.identity = Some(nobody());
    plan.rlimits = vec![
        rlimit(Resource::FileSize, 1 << 20),
        rlimit(Resource::Stack, 1 << 22),
        rlimit(Resource::Processes, 50),
        rlimit(Resource::PendingSignals, 7),
        Rlimit {
            resource: Resource::Cpu,
            soft: Bound::At(100),
            hard: Bound::Unlimited,
        },
        Rlimit {
            resource: Resource::OpenFiles,
            soft: Bound::Unlimited,
            hard: Bound::At(77),
        },
    ];
    let task = executor.launch(plan, &UNLIMITED);
    let lines = task.lines(17);
    for (name, soft, hard) in [
        ("Max file size", "1048576", "1048576"),
        ("Max stack size", "4194304", "4194304"),
        ("Max processes", "50", "50"),
        ("Max pending signals", "7", "7"),
        ("Max cpu time", "100", "unlimited"),
        // A soft one is never above the hard one.
        ("Max open files", "77", "77"),
        ("Max core file size", "1", "1"),
    ] {
        let line = lines
            .iter()
            .find_map(|line| line.strip_prefix(name))
            .unwrap();
        let values: Vec<&str> = line.split_whitespace().take(2).collect();
        assert_eq!(values, [soft, hard], "{name}");
    }
    assert_eq!(
        task.run_beside("cat /proc/self/limits")
            .output
            .lines()
            .collect::<Vec<_>>(),
        lines
    );
    drop(task);
    executor.finish();
}

#[test]
fn a_crash_leaves_no_core_dump_unless_one_is_asked_for() {
    let executor = Executor::start(INIT);
    let place = executor.sandbox.path().join("place");
    fs::create_dir(&place).unwrap();
    let crash = |rlimits: Vec<Rlimit>| {
        let mut plan = Executor::plan("grep 'Max core' /proc/self/limits; kill -SEGV $$");
        plan.working_directory = place.clone();
        plan.rlimits = rlimits;
        run(&executor, plan)
    };
    let (exit, _) = crash(vec![]);
    let without = Exit::Signaled {
        signal: Signal::SIGSEGV as i32,
        core_dumped: false,
    };
    assert_eq!(exit, without);
    assert_eq!(fs::read_dir(&place).unwrap().count(), 0);
    // Where it goes then is the host's to say.
    let unlimited = Rlimit {
        resource: Resource::Core,
        soft: Bound::Unlimited,
        hard: Bound::Unlimited,
    };
    let (_, limits) = crash(vec![unlimited]);
    let expected =
        "Max core file size        unlimited            unlimited            bytes     \n";
    assert_eq!(limits, expected);
    executor.finish();
}

#[test]
fn the_umask_is_the_plan_s() {
    let executor = Executor::start(INIT);
    for umask in [0o022, 0o077, 0] {
        let mut plan = Executor::plan("umask");
        plan.umask = umask;
        let expected = format!("{umask:04o}\n");
        assert_eq!(run(&executor, plan), (Exit::Exited(0), expected));
    }
    executor.finish();
}

#[test]
fn a_task_goes_before_its_executor_when_the_host_is_out_of_memory_and_never_after_it() {
    let executor = Executor::start(INIT);
    let own: i32 = fs::read_to_string("/proc/self/oom_score_adj")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    for (wanted, expected) in [(own + 300, own + 300), (own, own), (own - 100, own)] {
        for identity in [None, Some(nobody())] {
            let mut plan = Executor::plan("cat /proc/self/oom_score_adj");
            plan.oom_score_adjustment = wanted;
            plan.identity = identity;
            assert_eq!(run(&executor, plan).1, format!("{expected}\n"));
        }
    }
    let mut plan = Executor::plan("cat /proc/$PPID/oom_score_adj");
    plan.oom_score_adjustment = own + 300;
    assert_eq!(
        run(&executor, plan).1,
        format!("{own}\n"),
        "who reports stays"
    );
    executor.finish();
}
