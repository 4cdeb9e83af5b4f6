//! Hosts with mounts of all kinds, and what becomes of them.

// The lint knows test functions, but not what they share.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::fd::AsRawFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use cgroup::{Host, sweep};
use kernel_tests::{
    Executor, Probe, UNLIMITED, cgroups_named, private_with, processes_executing, until,
    with_own_mounts,
};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sandbox::{Exit, Plan};

const INIT: &str = env!("CARGO_BIN_EXE_probe-executor");

/// A directory of the host's that private directories do not lie over, unmounted at its end.
struct Mountain(tempfile::TempDir);

impl Mountain {
    fn new() -> Mountain {
        let directory = tempfile::tempdir_in("/var").unwrap();
        fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
        lay(directory.path(), "");
        Mountain(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Mountain {
    fn drop(&mut self) {
        // In a namespace of the test's own: it goes with that in any case.
        let _ = umount2(self.path(), MntFlags::MNT_DETACH);
    }
}

fn lay(place: &Path, options: &str) {
    let none = MsFlags::empty();
    mount(Some("tmpfs"), place, Some("tmpfs"), none, Some(options)).unwrap();
}

fn mounts() -> String {
    // This thread's, not those of the whole program.
    fs::read_to_string("/proc/thread-self/mountinfo").unwrap()
}

#[test]
fn each_of_two_hundred_mounts_is_read_only_inside() {
    with_own_mounts(false, || {
        let executor = Executor::start(INIT);
        let host = Mountain::new();
        for number in 0..200 {
            let place = host.path().join(number.to_string());
            fs::create_dir(&place).unwrap();
            lay(&place, "size=4k");
        }
        let script = format!(
            "cd {} && ls | wc -l && for place in *; do {{ echo x > $place/it; }} 2> /dev/null && echo $place; done; true",
            host.path().display()
        );
        assert_eq!(executor.output_of(Executor::private_plan(&script)), "200\n");
        drop(host);
        executor.finish();
    });
}

#[test]
fn the_host_hears_nothing_of_what_is_mounted_inside_and_the_task_nothing_of_the_host() {
    with_own_mounts(true, || {
        let executor = Executor::start(INIT);
        let host = Mountain::new();
        let place = host.path().join("later");
        fs::create_dir(&place).unwrap();
        let before = mounts();
        let script = format!(
            "echo ready; until test -e go; do sleep 0.01; done; ls {}",
            place.display()
        );
        let mut task = executor.launch(Executor::private_plan(&script), &UNLIMITED);
        task.lines(1);
        assert_eq!(mounts(), before);
        lay(&place, "");
        fs::write(place.join("it"), "").unwrap();
        fs::write(task.directory.path.join("go"), "").unwrap();
        assert_eq!(task.wait(), Exit::Exited(0));
        assert_eq!(task.stdout(), "ready\n");
        drop(task);
        umount2(&place, MntFlags::MNT_DETACH).unwrap();
        assert_eq!(mounts(), before);
        drop(host);
        executor.finish();
    });
}

/// As one of a server that is gone.
#[test]
fn a_mount_whose_server_never_answers_holds_no_launch_up() {
    with_own_mounts(false, || {
        let executor = Executor::start(INIT);
        let host = Mountain::new();
        let place = host.path().join("silent");
        fs::create_dir(&place).unwrap();
        let server = fs::File::options()
            .read(true)
            .write(true)
            .open("/dev/fuse")
            .unwrap();
        let options = format!(
            "fd={},rootmode=40000,user_id=0,group_id=0",
            server.as_raw_fd()
        );
        let none = MsFlags::empty();
        mount(Some("silent"), &place, Some("fuse"), none, Some(&*options)).unwrap();
        let plan = private_with("echo started", |files| {
            files.hidden.push(host.path().join("nothing"));
        });
        assert_eq!(executor.output_of(plan), "started\n");
        drop((server, host));
        executor.finish();
    });
}

/// Making directories with a user's rights has the kernel forget that an init is to die with its executor.
#[test]
fn an_init_that_cannot_run_dies_with_its_executor_all_the_same() {
    let place = tempfile::tempdir_in("/var").unwrap();
    fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let nobody = kernel_tests::guests::nobody();
    chown(place.path(), Some(nobody.uid), Some(nobody.gid)).unwrap();
    let plan = private_with("sleep 1000", |files| {
        files.sandbox = place.path().to_owned();
        files.sandbox_inside = place.path().to_owned();
    });
    let plan = Plan {
        identity: Some(nobody),
        working_directory: place.path().to_owned(),
        ..plan
    };
    let file = place.path().join("plan");
    fs::write(&file, serde_json::to_vec(&plan).unwrap()).unwrap();
    let mut probe = Probe::start(INIT, &["plan", file.to_str().unwrap()], |_| {});
    assert_eq!(probe.line(), "started");
    let program = probe.directory().join("probe");
    let init = until("its init", || {
        let mut all = processes_executing(&program).into_iter();
        all.find(|pid| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let ids = status.lines().find(|line| line.starts_with("NSpid:"));
            ids.is_some_and(|ids| ids.split_whitespace().collect::<Vec<_>>()[2..] == ["1"])
        })
    });
    kill(Pid::from_raw(init), Signal::SIGSTOP).unwrap();
    let container = format!("kernel-test-plan-{}", probe.pid());
    probe.kill();
    until("the end of its init", || {
        let is_there = Path::new(&format!("/proc/{init}")).exists();
        (!is_there).then_some(())
    });
    until("the sweep", || {
        sweep(&Host::detect(Path::new("/")).unwrap()).unwrap();
        cgroups_named(&container).is_empty().then_some(())
    });
}

/// As an agent's work directory that is bound from a larger disk, or mounted twice.
#[test]
fn what_is_hidden_is_so_at_every_place_where_it_is_mounted() {
    with_own_mounts(false, || {
        let executor = Executor::start(INIT);
        let host = Mountain::new();
        let at = |name: &str| host.path().join(name);
        for name in ["disk/agent/sandboxes", "work", "again", "alias"] {
            fs::create_dir_all(at(name)).unwrap();
        }
        fs::write(at("disk/agent/sandboxes/secret"), "").unwrap();
        fs::write(at("disk/open"), "").unwrap();
        fs::write(at("disk/key"), "").unwrap();
        let none = None::<&str>;
        for (from, to) in [
            ("disk/agent", "work"),
            ("disk/agent", "again"),
            ("disk", "alias"),
        ] {
            mount(Some(&at(from)), &at(to), none, MsFlags::MS_BIND, none).unwrap();
        }
        let script = format!(
            "cd {} && find . -name secret -o -name open; find . -name key -size +0",
            host.path().display()
        );
        fs::write(at("disk/key"), "key").unwrap();
        let plan = private_with(&script, |files| {
            files.hidden.extend([at("work"), at("disk/key")]);
        });
        let mut found: Vec<String> = executor.output_of(plan).lines().map(String::from).collect();
        found.sort();
        assert_eq!(found, ["./alias/open", "./disk/open"]);
        drop(host);
        executor.finish();
    });
}
