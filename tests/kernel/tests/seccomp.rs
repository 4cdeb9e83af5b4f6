//! Which system calls a task may make, as the kernel sees it.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;

use kernel_tests::guests::nobody;
use kernel_tests::{Executor, UNLIMITED};
use nix::sys::signal::Signal;
use sandbox::seccomp::{Circumstances, Profile};
use sandbox::{Capabilities, CapabilitySet, Exit, Plan, Privileges};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Makes each of the calls `name number argument...` of its arguments, and prints their errors by name.
const CALL: &str = r#"
import ctypes, errno, sys
libc = ctypes.CDLL(None, use_errno=True)
for line in sys.argv[1:]:
    name, *numbers = line.split()
    ctypes.set_errno(0)
    result = libc.syscall(*(ctypes.c_long(int(number, 0)) for number in numbers))
    error = ctypes.get_errno()
    print(name, "done" if result != -1 else errno.errorcode[error], flush=True)
"#;

/// All with arguments that would do nothing, or fail, if they were let through.
const CALLS: [(&str, &str, &str); 26] = [
    ("mount", "165 0 0 0 0 0", "EPERM"),
    ("umount2", "166 0 0", "EPERM"),
    ("pivot_root", "155 0 0", "EPERM"),
    ("open_tree", "428 -100 0 0", "EPERM"),
    ("fsopen", "430 0 0", "EPERM"),
    ("unshare-user", "272 0x10000000", "EPERM"),
    ("unshare-mount", "272 0x20000", "EPERM"),
    ("clone-user", "56 0x10000011 0 0 0 0", "EPERM"),
    ("clone3", "435 0 0", "ENOSYS"),
    ("setns", "308 -1 0", "EPERM"),
    ("set-project", "16 0 0x401c5820 0", "EPERM"),
    ("set-project-high-bits", "16 0 0x7000401c5820 0", "EPERM"),
    ("set-flags", "16 0 0x40086602 0", "EPERM"),
    ("file_setattr", "469 -1 0 0 0 0", "EPERM"),
    ("quotactl", "179 0 0 0 0", "EPERM"),
    ("type-ahead", "16 0 0x5412 0", "EPERM"),
    ("keyctl", "250 0 -3 0 0 0", "EPERM"),
    ("add_key", "248 0 0 0 0 0", "EPERM"),
    ("bpf", "321 0 0 0", "EPERM"),
    ("perf_event_open", "298 0 0 0 0 0", "EPERM"),
    ("userfaultfd", "323 0", "EPERM"),
    ("io_uring_setup", "425 0 0", "ENOSYS"),
    ("ptrace", "101 16 1 0 0", "EPERM"),
    ("open_by_handle_at", "304 -1 0 0", "EPERM"),
    ("vsock", "41 40 1 0", "EAFNOSUPPORT"),
    ("tomorrow", "600 0 0", "ENOSYS"),
];

fn make(privileges: Privileges, calls: &[(&str, &str, &str)]) -> Plan {
    let mut argv = vec!["python3".to_owned(), "-c".to_owned(), CALL.to_owned()];
    argv.extend(
        calls
            .iter()
            .map(|(name, numbers, _)| format!("{name} {numbers}")),
    );
    Plan {
        command: sandbox::Command::Exec {
            file: "/usr/bin/python3".to_owned(),
            argv,
        },
        privileges,
        ..Executor::plan("")
    }
}

fn run(executor: &Executor, plan: Plan) -> (Exit, String) {
    let mut task = executor.launch(plan, &UNLIMITED);
    let exit = task.wait();
    let stderr = fs::read_to_string(task.directory.path.join("stderr")).unwrap();
    assert_eq!(stderr, "");
    (exit, task.stdout())
}

#[test]
fn what_is_on_the_default_list_is_refused_to_root_and_to_anybody() {
    let executor = Executor::start(INIT);
    let expected: String = CALLS
        .iter()
        .map(|(name, _, error)| format!("{name} {error}\n"))
        .collect();
    for identity in [None, Some(nobody())] {
        let privileges = Privileges::of_default(identity.as_ref());
        let plan = Plan {
            identity,
            ..make(privileges, &CALLS)
        };
        assert_eq!(run(&executor, plan), (Exit::Exited(0), expected.clone()));
    }
    executor.finish();
}

#[test]
fn without_a_list_the_kernel_answers_for_itself() {
    let executor = Executor::start(INIT);
    // Three that anybody may make and that would otherwise be refused.
    let calls = [
        ("unshare-files", "272 0x400", "done"),
        ("keyctl", "250 0 -3 0 0 0", "done"),
        ("clone3", "435 0 0", "EINVAL"),
        ("ptrace", "101 16 4194303 0 0", "ESRCH"),
    ];
    let expected = "unshare-files done\nkeyctl done\nclone3 EINVAL\nptrace ESRCH\n";
    let plan = make(Privileges::UNCONFINED, &calls);
    assert_eq!(run(&executor, plan), (Exit::Exited(0), expected.to_owned()));
    executor.finish();
}

#[test]
fn a_call_of_the_32_bit_kind_ends_the_process() {
    let executor = Executor::start(INIT);
    // mov eax, 20 (getpid); int 0x80; ret
    let script = r#"
import ctypes, mmap
code = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
code.write(b"\xb8\x14\x00\x00\x00\xcd\x80\xc3")
ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(code)))()
print("lives")
"#;
    let plan = Plan {
        command: sandbox::Command::Exec {
            file: "/usr/bin/python3".to_owned(),
            argv: ["python3", "-c", script].map(str::to_owned).to_vec(),
        },
        privileges: Privileges::of_default(None),
        ..Executor::plan("")
    };
    let (exit, output) = run(&executor, plan);
    let killed = |signal: Signal| Exit::Signaled {
        signal: signal as i32,
        core_dumped: false,
    };
    // A kernel without such calls does not get as far as the filter.
    assert!(
        [killed(Signal::SIGSYS), killed(Signal::SIGSEGV)].contains(&exit),
        "{exit:?}"
    );
    assert_eq!(output, "");
    executor.finish();
}

#[test]
fn programs_fork_make_threads_talk_and_work_under_the_default_list() {
    let executor = Executor::start(INIT);
    let script = r#"
import multiprocessing, os, socket, subprocess, tempfile, threading
done = []
thread = threading.Thread(target=lambda: done.append("thread")); thread.start(); thread.join()
done.append(subprocess.run(["sh", "-c", "(echo child) | cat"], capture_output=True, text=True).stdout.strip())
with multiprocessing.Pool(2) as pool: done.append(sum(pool.map(abs, [-1, -2])))
server = socket.create_server(("127.0.0.1", 0)); client = socket.create_connection(server.getsockname())
client.sendall(b"word"); done.append(server.accept()[0].recv(4))
with tempfile.NamedTemporaryFile() as file: os.chmod(file.name, 0o600); os.fsync(file.fileno()); done.append("file")
print(done)
"#;
    for identity in [None, Some(nobody())] {
        let plan = Plan {
            command: sandbox::Command::Exec {
                file: "/usr/bin/python3".to_owned(),
                argv: ["python3", "-c", script].map(str::to_owned).to_vec(),
            },
            privileges: Privileges::of_default(identity.as_ref()),
            identity,
            ..Executor::plan("")
        };
        let expected = "['thread', 'child', 3, b'word', 'file']\n".to_owned();
        assert_eq!(run(&executor, plan), (Exit::Exited(0), expected));
    }
    executor.finish();
}

fn with_profile(text: &str, calls: &[(&str, &str, &str)]) -> Plan {
    let around = Circumstances {
        capabilities: CapabilitySet::NONE,
        kernel: (4, 18),
    };
    let profile = Profile::parse(text.as_bytes(), around).unwrap();
    let privileges = Privileges {
        capabilities: Capabilities::OF_ROOT,
        no_new_privileges: true,
        seccomp: Some(profile),
    };
    make(privileges, calls)
}

#[test]
fn a_profile_counts_in_the_place_of_the_default_list() {
    let executor = Executor::start(INIT);
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["getpriority"], "action": "SCMP_ACT_ERRNO", "errnoRet": 18,
         "args": [{"index": 1, "value": 7, "op": "SCMP_CMP_GT"}]},
        {"names": ["ustat"], "action": "SCMP_ACT_KILL_PROCESS"}]}"#;
    let calls = [
        ("low", "140 0 0", ""),
        ("seven", "140 2 7", ""),
        ("eight", "140 2 8", ""),
        ("keyctl", "250 0 -3 0 0 0", ""),
        ("ustat", "136 0 0", ""),
    ];
    let (exit, output) = run(&executor, with_profile(text, &calls));
    // No user has the id 7: the kernel was asked. On the default list keyctl would be refused.
    assert_eq!(output, "low done\nseven ESRCH\neight EXDEV\nkeyctl done\n");
    let expected = Exit::Signaled {
        signal: Signal::SIGSYS as i32,
        core_dumped: false,
    };
    assert_eq!(exit, expected);
    executor.finish();
}

#[test]
fn a_profile_that_does_not_allow_the_program_to_be_executed_is_told_as_a_failed_launch() {
    let executor = Executor::start(INIT);
    let text = r#"{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [
        {"names": ["execve"], "action": "SCMP_ACT_ERRNO", "errnoRet": 13}]}"#;
    let error = executor
        .try_launch(with_profile(text, &[]), &UNLIMITED)
        .unwrap_err();
    let expected = "exec '/usr/bin/python3': Permission denied (os error 13)";
    assert_eq!(error.to_string(), expected);
    executor.finish();
}
