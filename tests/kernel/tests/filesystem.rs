//! What a task with a file system of its own sees, and what it can write to.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use kernel_tests::{Executor, UNLIMITED, private_with, wait_readable};
use sandbox::identity::Identity;
use sandbox::{Command, Exit, Plan, Shm};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// Writes the mount points that can be written to.
const WRITABLE: &str = "while read -r id parent device root point options rest; do \
    case $options in rw*) echo $point;; esac; done < /proc/self/mountinfo";

fn nobody() -> Option<Identity> {
    Some(Identity {
        uid: 65534,
        gid: 65534,
        groups: vec![65534],
        home: None,
    })
}

#[test]
fn nothing_of_the_host_can_be_written_to_but_the_tasks_directory() {
    let executor = Executor::start(INIT);
    let script = "echo mine > file && cat file; \
        for place in / /etc /usr /root /var /opt /sys /dev /proc/sys /proc/sys/kernel /sys/fs/cgroup; do \
        { echo x > $place/probe; } 2> /dev/null && echo $place; done; true";
    assert_eq!(executor.output_of(Executor::private_plan(script)), "mine\n");
    executor.finish();
}

#[test]
fn no_other_mount_is_writable() {
    let executor = Executor::start(INIT);
    let output = executor.output_of(Executor::private_plan(&format!("{WRITABLE}; pwd")));
    let mut points: Vec<&str> = output.lines().collect();
    let directory = points.pop().unwrap();
    points.sort_unstable();
    let mut expected = vec![
        "/dev/pts", "/dev/shm", "/proc", "/tmp", "/var/tmp", directory,
    ];
    expected.sort_unstable();
    assert_eq!(points, expected);
    executor.finish();
}

#[test]
fn what_is_temporary_lies_in_the_tasks_directory_and_counts_there() {
    let executor = Executor::start(INIT);
    let script =
        "for place in /tmp /var/tmp /dev/shm; do echo $place > $place/it; done; ls -A /tmp";
    for identity in [None, nobody()] {
        let uid = identity.as_ref().map_or(0, |identity| identity.uid);
        let plan = Plan {
            identity,
            ..Executor::private_plan(script)
        };
        // A task of another user is to get there, when what is above it is not hidden.
        let mut task = executor.launch(plan, &UNLIMITED);
        assert_eq!(task.wait(), Exit::Exited(0));
        let private = task.directory.path.join(".private");
        for (name, path) in [
            ("tmp", "/tmp"),
            ("var-tmp", "/var/tmp"),
            ("shm", "/dev/shm"),
        ] {
            let it = private.join(name).join("it");
            assert_eq!(fs::read_to_string(&it).unwrap(), format!("{path}\n"));
            let metadata = fs::metadata(private.join(name)).unwrap();
            assert_eq!(metadata.permissions().mode() & 0o7777, 0o1777);
            assert_eq!(metadata.uid(), uid);
        }
        assert_eq!(
            fs::metadata(&private).unwrap().permissions().mode() & 0o777,
            0o700
        );
        assert!(
            task.stdout().lines().any(|name| name == "it"),
            "{}",
            task.stdout()
        );
        drop(task);
    }
    assert!(!PathBuf::from("/tmp/it").exists() && !PathBuf::from("/dev/shm/it").exists());
    executor.finish();
}

#[test]
fn shared_memory_of_a_size_is_memory() {
    let executor = Executor::start(INIT);
    let script = "head -c 1048576 /dev/zero > /dev/shm/it && ! head -c 1 /dev/zero >> /dev/shm/it && \
        stat -f -c %T /dev/shm && ls .private";
    let plan = private_with(script, |files| files.shm = Shm::Memory { bytes: 1 << 20 });
    assert_eq!(executor.output_of(plan), "tmpfs\ntmp\nvar-tmp\n");
    executor.finish();
}

#[test]
fn a_directory_that_its_user_may_not_write_to_leaves_it_memory() {
    let executor = Executor::start(INIT);
    let foreign = executor.sandbox.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::set_permissions(&foreign, PermissionsExt::from_mode(0o755)).unwrap();
    let plan = Plan {
        identity: nobody(),
        ..private_with("echo x > /tmp/it && stat -f -c %T /tmp", |files| {
            files.sandbox.clone_from(&foreign);
            files.sandbox_inside.clone_from(&foreign);
        })
    };
    let mut task = executor.launch(plan, &UNLIMITED);
    assert_eq!(task.wait(), Exit::Exited(0));
    assert_eq!(task.stdout(), "tmpfs\n");
    let told: Vec<_> = task
        .process
        .degraded()
        .iter()
        .map(ToString::to_string)
        .collect();
    let expected = "no directory for /tmp in the task's own: Permission denied (os error 13)";
    assert_eq!(told, [expected]);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 0);
    drop(task);
    executor.finish();
}

#[test]
fn there_are_few_devices_and_no_more_can_be_made_or_used() {
    let executor = Executor::start(INIT);
    let script = "ls /dev; echo x > /dev/null && head -c 1 /dev/urandom > it && test -c /dev/tty && \
        { ! echo x > /dev/full; } && test \"$(readlink /dev/ptmx)\" = pts/ptmx && test -c /dev/pts/ptmx && \
        echo out >> /dev/stdout && ! mknod /dev/kmem c 1 2 && \
        for place in . /tmp /dev/shm; do mknod $place/zero c 1 5; ! cat $place/zero || exit 1; done";
    let output = executor.output_of(Executor::private_plan(script));
    let names: Vec<&str> = output.lines().collect();
    let expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero out";
    assert_eq!(names.join(" "), expected);
    executor.finish();
}

#[test]
fn proc_shows_its_own_processes_and_nothing_of_the_host_that_is_masked() {
    let executor = Executor::start(INIT);
    let script = "test $PPID = 1 && test -r /proc/1/stat && test ! -e /proc/$1 && \
        echo 500 > /proc/self/oom_score_adj && \
        for file in kcore keys timer_list kmsg sched_debug latency_stats; do \
            test ! -e /proc/$file || test -z \"$(head -c 1 /proc/$file)\" || echo $file; done; \
        for directory in acpi scsi asound; do \
            test ! -e /proc/$directory || test -z \"$(ls -A /proc/$directory)\" || echo $directory; done; \
        for file in sys/kernel/hostname sys/vm/drop_caches sysrq-trigger irq/default_smp_affinity; do \
            if { echo h > /proc/$file; } 2> /dev/null; then echo $file; fi; done";
    let script = format!("set -- {}; {script}", std::process::id());
    assert_eq!(executor.output_of(Executor::private_plan(&script)), "");
    executor.finish();
}

#[test]
fn of_cgroups_it_sees_its_own_and_cannot_change_them() {
    let executor = Executor::start(INIT);
    let mut other = executor.shell("sleep 1000");
    // What is there of each hierarchy is what this host has for the task, and nothing below it.
    let script = "cd /sys/fs/cgroup && find . -mindepth 2 -type d; find . -name cgroup.procs | while read file; do \
        grep -q . $file && echo seen; { echo 0 > $file; } 2> /dev/null && echo $file; done; true";
    let output = executor.output_of(Executor::private_plan(script));
    let lines: Vec<&str> = output.lines().collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| *line == "seen"),
        "{output}"
    );
    other.process.kill().unwrap();
    other.wait();
    drop(other);
    executor.finish();
}

#[test]
fn what_is_hidden_is_empty_and_what_is_shown_below_is_there() {
    let executor = Executor::start(INIT);
    let host = tempfile::tempdir_in("/var").unwrap();
    fs::set_permissions(host.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let path = |name: &str| host.path().join(name);
    fs::create_dir_all(path("work/slaves/other")).unwrap();
    fs::create_dir_all(path("work/shown")).unwrap();
    fs::write(path("work/shown/file"), "shown\n").unwrap();
    fs::write(path("credential"), "secret").unwrap();
    let _socket = UnixListener::bind(path("work/agent.sock")).unwrap();
    fs::write(path("plain"), "plain\n").unwrap();
    let directory = path("work/tasks/mine");
    fs::create_dir_all(&directory).unwrap();

    let script = format!(
        "cd {} && ls work work/tasks && cat credential work/shown/file plain && pwd -P > work/tasks/mine/it && \
         for file in work/new work/tasks/new credential work/shown/file; do {{ echo x > $file; }} 2> /dev/null && \
         echo $file; done; true",
        host.path().display()
    );
    let plan = private_with(&script, |files| {
        files.sandbox.clone_from(&directory);
        files.sandbox_inside.clone_from(&directory);
        files
            .hidden
            .extend([path("work"), path("credential"), path("missing")]);
        files
            .visible
            .extend([path("work/shown"), path("work/missing")]);
    });
    let output = executor.output_of(plan);
    let work = "work:\nshown\ntasks\n\nwork/tasks:\nmine\n";
    assert_eq!(output, format!("{work}shown\nplain\n"));
    assert!(directory.join("it").is_file());
    // No place was made on the host.
    assert_eq!(fs::read_dir(path("work")).unwrap().count(), 4);
    executor.finish();
}

#[test]
fn the_services_of_the_host_are_out_of_reach() {
    let executor = Executor::start(INIT);
    let socket = tempfile::tempdir_in("/run").unwrap();
    let _socket = UnixListener::bind(socket.path().join("it")).unwrap();
    let script = format!(
        "test ! -e {} && find /run /var/run/ -type s && cat /etc/resolv.conf > /dev/null",
        socket.path().display()
    );
    assert_eq!(executor.output_of(Executor::private_plan(&script)), "");
    executor.finish();
}

#[test]
fn what_is_hidden_inside_the_tasks_directory_is_hidden_there() {
    let executor = Executor::start(INIT);
    let directory = executor.sandbox.path().join("both");
    fs::create_dir_all(directory.join("journal")).unwrap();
    fs::write(directory.join("journal/1"), "secret").unwrap();
    let plan = private_with(
        "ls journal && { echo x > journal/1; } 2> /dev/null || ls",
        |files| {
            files.sandbox.clone_from(&directory);
            files.sandbox_inside.clone_from(&directory);
            files.hidden.push(directory.join("journal"));
        },
    );
    assert_eq!(executor.output_of(plan), "journal\n");
    executor.finish();
}

#[test]
fn what_lies_around_the_tasks_directory_can_be_hidden_up_to_it() {
    let executor = Executor::start(INIT);
    let above = tempfile::tempdir_in("/var").unwrap();
    let directory = above.path().join("mine");
    for name in ["mine", "other"] {
        fs::create_dir(above.path().join(name)).unwrap();
    }
    let plan = private_with("echo x > it && ls . ..", |files| {
        files.sandbox.clone_from(&directory);
        files.sandbox_inside.clone_from(&directory);
        files
            .hidden
            .extend([directory.clone(), above.path().to_owned()]);
    });
    assert_eq!(executor.output_of(plan), ".:\nit\n\n..:\nmine\n");
    executor.finish();
}

#[test]
fn who_shares_the_hosts_processes_sees_them_and_can_change_nothing_of_the_host() {
    let executor = Executor::start(INIT);
    let script = format!(
        "test -e /proc/{} && echo 500 > /proc/self/oom_score_adj && test -z \"$(head -c 1 /proc/kcore)\" && \
         {{ ! echo x > /proc/sys/kernel/hostname; }} 2> /dev/null",
        std::process::id()
    );
    let mut plan = Executor::private_plan(&script);
    plan.namespaces.pid = false;
    assert_eq!(executor.output_of(plan), "");
    executor.finish();
}

#[test]
fn guests_and_built_in_functions_have_the_same_files() {
    let executor = Executor::start(INIT);
    let script =
        "echo of the task > /tmp/it; echo of the task > /dev/shm/it; echo ready; sleep 1000";
    let plan = private_with(script, |files| files.shm = Shm::Memory { bytes: 1 << 20 });
    let mut task = executor.launch(plan, &UNLIMITED);
    task.lines(1);
    let guest = task
        .enter("cat /tmp/it /dev/shm/it; pwd; { echo x > /etc/probe; } 2> /dev/null || echo refused; ls /sys/fs/cgroup | head -n 1")
        .unwrap();
    wait_readable(&guest, "its end");
    let said = guest.reap().unwrap().output;
    let directory = task.directory.path.display().to_string();
    let expected = format!("of the task\nof the task\n{directory}\nrefused\n");
    assert!(said.starts_with(&expected), "{said}");
    task.process.kill().unwrap();
    task.wait();
    drop(task);

    for (path, is_made) in [("inside", true), ("/etc/outside", false)] {
        let built_in = Plan {
            command: Command::BuiltIn {
                name: "create".to_owned(),
                argument: path.to_owned(),
            },
            ..Executor::private_plan("")
        };
        let mut task = executor.launch(built_in, &UNLIMITED);
        assert_eq!(task.wait(), Exit::Exited(0));
        assert_eq!(task.process.answer().unwrap().starts_with("Ok"), is_made);
        drop(task);
    }
    executor.finish();
}

#[test]
fn it_runs_where_the_framework_wants_it_also_below_a_directory_for_temporary_files() {
    let executor = Executor::start(INIT);
    let place = tempfile::tempdir_in("/tmp").unwrap();
    let directory = place.path().join("a/b");
    fs::create_dir_all(&directory).unwrap();
    chown(&directory, Some(65534), Some(65534)).unwrap();
    for above in [place.path(), &place.path().join("a")] {
        fs::set_permissions(above, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let plan = Plan {
        identity: nobody(),
        ..private_with("pwd && echo x > it && ls", |files| {
            files.sandbox.clone_from(&directory);
            files.sandbox_inside.clone_from(&directory);
        })
    };
    assert_eq!(
        executor.output_of(plan),
        format!("{}\nit\n", directory.display())
    );
    assert!(directory.join("it").is_file());
    executor.finish();
}
