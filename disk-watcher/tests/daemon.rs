//! `mesos-disk-watcher run` as a service of a host, without an agent.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(60);

/// A host with a work directory and what stands for systemd.
struct Host {
    dir: TempDir,
    systemd: UnixDatagram,
}

/// A daemon, killed when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Host {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let sandbox = "work/slaves/A/frameworks/F/executors/E/runs/C";
        fs::create_dir_all(dir.path().join(sandbox)).unwrap();
        fs::write(dir.path().join(sandbox).join("file"), [1; 100_000]).unwrap();
        let systemd = UnixDatagram::bind(dir.path().join("systemd")).unwrap();
        systemd.set_read_timeout(Some(SOON)).unwrap();
        Self { dir, systemd }
    }

    fn command(&self, config: &str) -> Command {
        let path = self.dir.path().join("watcher.toml");
        let text = format!("work_dir = '{}'\n{config}", self.path("work").display());
        fs::write(&path, text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-disk-watcher"));
        command.args(["run", "--config"]).arg(path);
        command.env("NOTIFY_SOCKET", self.path("systemd"));
        command.env("WATCHDOG_USEC", "1000000");
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.dir.path().join(name)
    }

    fn start(&self, config: &str) -> Daemon {
        Daemon(self.command(config).spawn().unwrap())
    }

    fn output(&self, config: &str, args: &[&str]) -> Output {
        let mut command = self.command(config);
        command.args(args).stderr(Stdio::piped()).output().unwrap()
    }

    /// Reads what systemd is told until it is told this.
    fn await_told(&self, wanted: &str) {
        let deadline = Instant::now() + SOON;
        let mut all = Vec::new();
        while Instant::now() < deadline {
            let mut buffer = [0; 4096];
            let read = self.systemd.recv(&mut buffer).unwrap();
            let told = String::from_utf8_lossy(&buffer[..read]).into_owned();
            if told.lines().any(|line| line.starts_with(wanted)) {
                return;
            }
            all.push(told);
        }
        panic!("systemd was never told {wanted}: {all:?}");
    }
}

fn signal(daemon: &Daemon, signal: &str) {
    let pid = daemon.0.id().to_string();
    let sent = Command::new("kill").args([signal, &pid]).status();
    assert!(sent.unwrap().success());
}

fn await_text(path: &Path, wanted: &str) {
    let deadline = Instant::now() + SOON;
    loop {
        let text = fs::read_to_string(path).unwrap_or_default();
        if text.contains(wanted) {
            return;
        }
        assert!(Instant::now() < deadline, "no {wanted} in {text}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn systemd_is_told_of_readiness_life_a_reload_and_the_end() {
    let host = Host::new();
    let events = host.path("events");
    let config = format!(
        "engine.tracking = false\noutput.events = '{}'",
        events.display()
    );
    let mut daemon = host.start(&config);
    host.await_told("READY=1");
    host.await_told("WATCHDOG=1");
    host.await_told("WATCHDOG=1");
    signal(&daemon, "-HUP");
    host.await_told("RELOADING=1");
    host.await_told("READY=1");
    await_text(&events, "\"the configuration was read again\"");
    signal(&daemon, "-TERM");
    host.await_told("STOPPING=1");
    assert!(daemon.0.wait().unwrap().success());
    await_text(&events, "\"stopped\"");
}

#[test]
fn a_loop_that_is_stopped_gives_no_more_signs_of_life() {
    let host = Host::new();
    let daemon = host.start("engine.tracking = false");
    host.await_told("WATCHDOG=1");
    signal(&daemon, "-STOP");
    let quiet = Some(Duration::from_secs(3));
    host.systemd.set_read_timeout(quiet).unwrap();
    // What was sent before is still there to be read, and then nothing.
    let mut buffer = [0; 4096];
    let is_quiet = (0..100).any(|_| host.systemd.recv(&mut buffer).is_err());
    assert!(is_quiet);
    signal(&daemon, "-CONT");
    host.systemd.set_read_timeout(Some(SOON)).unwrap();
    host.await_told("WATCHDOG=1");
}

#[test]
fn a_second_daemon_of_one_work_directory_is_refused_until_the_first_has_gone() {
    let host = Host::new();
    let first = host.start("engine.tracking = false");
    host.await_told("READY=1");
    let second = host.output("engine.tracking = false", &[]);
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert!(told.contains("is watched already"), "{told}");
    // Killed: nothing is left that would keep the next one out.
    drop(first);
    let _third = host.start("engine.tracking = false");
    host.await_told("READY=1");
}

#[test]
fn a_wrong_configuration_is_told_whole_and_a_check_starts_nothing() {
    let host = Host::new();
    let wrong = host.output(
        "intervall = '1secs'\nlog = 'loud'",
        &["--limit-grace", "soon"],
    );
    assert_eq!(wrong.status.code(), Some(2));
    let told = String::from_utf8(wrong.stderr).unwrap();
    for want in [
        "watcher.toml:2: unknown key \"intervall\"; did you mean \"interval\"?",
        "watcher.toml:3: log = \"loud\": want",
        "--limit-grace: limit.grace = \"soon\": want",
    ] {
        assert!(told.contains(want), "{want} is not in {told}");
    }
    let right = host.output("log = 'debug'", &["--check"]);
    assert_eq!(right.status.code(), Some(0));
    assert!(right.stdout.is_empty() && right.stderr.is_empty());
}

#[test]
fn an_ordinary_user_is_told_at_the_start_what_cannot_be_done() {
    let host = Host::new();
    // Root of nothing but itself: as nobody, who may enter the directory.
    let shown = host.path("work");
    for path in [host.dir.path().to_owned(), shown] {
        let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        fs::set_permissions(path, open).unwrap();
    }
    let program = host.path("program");
    fs::copy(env!("CARGO_BIN_EXE_mesos-disk-watcher"), &program).unwrap();
    host.command("agent.address = 'http://127.0.0.1:1'");
    let log = fs::File::create(host.path("log")).unwrap();
    let mut command = Command::new("setpriv");
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.arg(&program).args(["run", "--config"]);
    command.arg(host.path("watcher.toml")).stderr(log);
    let daemon = Daemon(command.spawn().unwrap());
    for want in [
        "without CAP_DAC_READ_SEARCH: ",
        "without CAP_SYS_ADMIN: ",
        "without CAP_SYS_PTRACE: ",
        "without CAP_KILL: ",
        "watching ",
    ] {
        await_text(&host.path("log"), want);
    }
    drop(daemon);
}
