//! The program as a person or a service manager runs it.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::carbons::Carbon;
use crate::fakes::{Agent, Reply, nowhere};
use crate::replies::{CGROUPS, body};

fn command() -> Command {
    Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
}

fn once(agent: &str, carbon: &str, more: &[&str]) -> Output {
    command()
        .args(["--once", "--agent", &format!("http://{agent}")])
        .args(["--graphite", &format!("tcp://{carbon}"), "--agent-api=v0"])
        .arg("--machine=false")
        .args(more)
        .output()
        .unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The program in its loop; killed when dropped.
pub(crate) struct Program(Child);

impl Program {
    pub(crate) fn start(agent: &Agent, carbon: &str, more: &[&str]) -> Self {
        let child = command()
            .args(["--agent", &format!("http://{}", agent.place())])
            .args(["--graphite", &format!("tcp://{carbon}"), "--agent-api=v0"])
            .args(more)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self(child)
    }

    pub(crate) fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends SIGTERM; returns how it ended and what it logged.
    pub(crate) fn terminate(self) -> (ExitStatus, String) {
        self.end_by(Signal::SIGTERM)
    }

    /// Ends it in the middle of whatever it does; returns what it logged.
    pub(crate) fn kill(self) -> String {
        self.end_by(Signal::SIGKILL).1
    }

    /// Sends it a signal that it outlives.
    pub(crate) fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    fn end_by(mut self, signal: Signal) -> (ExitStatus, String) {
        let pid = Pid::from_raw(self.0.id().try_into().unwrap());
        kill(pid, signal).unwrap();
        let status = self.0.wait().unwrap();
        let mut log = String::new();
        self.0
            .stderr
            .take()
            .unwrap()
            .read_to_string(&mut log)
            .unwrap();
        (status, log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn once_ships_one_sample_says_so_and_exits_with_0() {
    let (agent, carbon) = (Agent::start([body(CGROUPS)]), Carbon::start());
    let output = once(&agent.place(), &carbon.place(), &["--host", "node.1"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(
        told.contains("shipped 2 containers (0 skipped), 58 points"),
        "{told}"
    );
    assert_eq!(carbon.container_lines().len(), 58);
    assert_eq!(agent.requests().len(), 1);
    let path = "mesos.node_1.containers.idle.0.mem_rss_bytes 7716864 1795253796";
    assert!(carbon.lines().iter().any(|line| line == path));
    // Those of apps come on top.
    let groups = carbon.lines();
    let groups = groups.iter().filter(|line| line.contains(".apps.")).count();
    let wanted = format!("mesos.node_1.collector.points {} ", 58 + groups);
    assert!(carbon.lines().iter().any(|line| line.starts_with(&wanted)));
}

#[test]
fn once_without_a_carbon_exits_with_1_and_says_where_it_looked() {
    let (agent, carbon) = (Agent::start([body(CGROUPS)]), nowhere());
    let output = once(&agent.place(), &carbon, &["--timeout=200ms"]);
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains(&carbon) && told.contains("refused"), "{told}");
    assert!(!told.contains("shipped"), "{told}");
}

#[test]
fn once_without_a_sample_exits_with_1_and_ships_nothing() {
    for (reply, text) in [
        (Reply::Status(500, "no"), "500"),
        (body("[]"), "lists no container"),
        (body(r#"[{"container_id":"a"}]"#), "none with statistics"),
        (body("[{"), "makes no sense"),
    ] {
        let (agent, carbon) = (Agent::start([reply]), Carbon::start());
        let output = once(&agent.place(), &carbon.place(), &[]);
        let told = stderr(&output);
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.contains(text), "{told}");
        assert!(carbon.container_lines().is_empty());
    }
}

#[test]
fn wrong_options_are_all_told_and_exit_with_2() {
    let output = command()
        .args(["--agent=https://agent:5051", "--interval=ten", "--prefix="])
        .output()
        .unwrap();
    let told = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{told}");
    for wrong in [
        "agent.ca_file is missing: want ",
        "graphite.address is missing: want where carbon listens",
        "--interval: interval = \"ten\": want ",
        "--prefix: names.prefix = \"\": want ",
    ] {
        assert_eq!(told.matches(wrong).count(), 1, "{wrong}: {told}");
    }
}

#[test]
fn help_and_version_answer_on_stdout() {
    for (option, text) in [
        ("--help", "<prefix>.<host>.containers"),
        ("--version", "0.1.0"),
    ] {
        let output = command().arg(option).output().unwrap();
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success());
        assert!(told.contains(text), "{told}");
    }
}

#[test]
fn the_loop_delivers_what_it_has_and_exits_with_0_when_asked_to_stop() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let (agent, carbon) = (Agent::start([body(CGROUPS)]), Carbon::start());
        let program = Program::start(&agent, &carbon.place(), &["--interval=1secs"]);
        let second = |line: &str| line.contains(".collector.") && agent.requests().len() > 2;
        carbon.wait_for(second);
        let (status, log) = program.end_by(signal);
        assert_eq!(status.code(), Some(0), "{log}");
        assert!(log.contains("connected to tcp://127.0.0.1"), "{log}");
        assert!(log.contains("asked to stop"), "{log}");
        let scrapes = carbon.container_lines().len() / 48;
        assert_eq!(scrapes, agent.requests().len(), "{log}");
        assert_eq!(agent.connections(), 1);
    }
}

#[test]
fn the_loop_outlives_a_carbon_that_is_away_and_then_ships_what_waited() {
    let (agent, place) = (Agent::start([body(CGROUPS)]), nowhere());
    let program = Program::start(&agent, &place, &["--interval=1secs"]);
    while agent.requests().len() < 3 {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let carbon = Carbon::start_at(&place);
    let is_last = |line: &str| line.contains(".collector.points_waiting 0 ");
    carbon.wait_for(is_last);
    let (status, log) = program.terminate();
    assert!(status.success(), "{log}");
    assert!(log.contains("out of reach"), "{log}");
    assert_eq!(carbon.container_lines().len() / 48, agent.requests().len());
}

#[test]
fn the_loop_can_be_stopped_while_carbon_is_away_and_the_agent_hangs() {
    let agent = Agent::start([Reply::Hang]);
    let program = Program::start(&agent, &nowhere(), &["--timeout=200ms"]);
    while agent.requests().is_empty() {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    let (status, log) = program.terminate();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("out of reach"), "{log}");
}

#[test]
fn trouble_is_logged_when_it_begins_and_when_it_is_over_not_at_each_scrape() {
    let trouble = || Reply::Status(503, "recovering");
    let agent = Agent::start([trouble(), trouble(), trouble(), body(CGROUPS)]);
    let carbon = Carbon::start();
    let program = Program::start(&agent, &carbon.place(), &["--interval=1secs"]);
    carbon.wait_for(|line| line.contains(".mem_rss_bytes "));
    // Logged only after the points were pushed.
    carbon.wait_for(|_| agent.requests().len() > 4);
    let (_, log) = program.terminate();
    assert_eq!(log.matches("is not ready yet").count(), 1, "{log}");
    assert_eq!(
        log.matches("containers again, after 3 turns without")
            .count(),
        1,
        "{log}"
    );
    carbon.wait_for(|line| line.contains(".collector.scrape_errors 3 "));
}

fn check(arguments: &[&str]) -> (Option<i32>, String) {
    let output = command()
        .args(["check-config", "--agent-api=v0"])
        .args(arguments)
        .output()
        .unwrap();
    let told = [output.stdout, output.stderr].concat();
    (output.status.code(), String::from_utf8(told).unwrap())
}

#[test]
fn a_check_tells_what_holds_and_who_can_be_reached_and_sends_nothing() {
    let (agent, carbon) = (Agent::start([body(CGROUPS)]), Carbon::start());
    let address = format!("http://{}", agent.place());
    let there = format!("tcp://{}", carbon.place());
    let (code, told) = check(&["--agent", &address, "--graphite", &there]);
    assert_eq!(code, Some(0), "{told}");
    assert!(
        told.contains(&format!("agent.address = \"{address}\"  # --agent\n")),
        "{told}"
    );
    assert!(agent.requests().is_empty());

    let away = format!("{there},tcp://{}", nowhere());
    let (code, told) = check(&["--connect", "--agent", &address, "--graphite", &away]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains(&format!(
            "# agent {address}: {address} lists 2 containers\n"
        )),
        "{told}"
    );
    assert!(
        told.contains(&format!("# carbon {there}: connected to ")),
        "{told}"
    );
    assert!(
        told.contains("FAILED: ") && told.contains("refused"),
        "{told}"
    );
    assert!(carbon.lines().is_empty());

    let (code, told) = check(&["--connect", "--agent", &address, "--graphite", &there]);
    assert_eq!(code, Some(0), "{told}");
    let denied = Agent::start([Reply::Status(403, "")]);
    let address = format!("http://{}", denied.place());
    let (code, told) = check(&["--connect", "--agent", &address, "--graphite", &there]);
    assert_eq!(code, Some(1), "{told}");
    assert!(
        told.contains(&format!("# agent {address}: FAILED: ")),
        "{told}"
    );
    assert_eq!(check(&["--interval=1ms"]).0, Some(2));
}
