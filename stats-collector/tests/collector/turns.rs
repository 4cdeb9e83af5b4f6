//! What carbon hears of what the agent says.

use std::collections::BTreeSet;
use std::process::{Command, Output};
use std::sync::Arc;

use crate::carbons::Carbon;
use crate::fakes::{About, Agent, Reply, Says};
use crate::program::Program;
use crate::replies::{CGROUPS, POSIX, body, containers, state_of};

/// What came of one turn.
pub(crate) struct Told {
    pub(crate) carbon: Carbon,
    pub(crate) output: Output,
}

/// One turn with an agent that says this, as `/containers` does.
pub(crate) fn once(list: Reply, options: &[&str]) -> Told {
    once_with(Agent::start([list]), options)
}

/// One turn with this agent.
pub(crate) fn once_with(agent: Agent, options: &[&str]) -> Told {
    let carbon = Carbon::start();
    let output = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
        .args([
            "--once",
            "--agent-api=v0",
            "--machine=false",
            "--host=agent1.example",
        ])
        .arg(format!("--agent=http://{}", agent.place()))
        .arg(format!("--graphite=tcp://{}", carbon.place()))
        .args(options)
        .output()
        .unwrap();
    Told { carbon, output }
}

impl Told {
    pub(crate) fn stderr(&self) -> String {
        String::from_utf8(self.output.stderr.clone()).unwrap()
    }

    /// Everything carbon heard about containers.
    pub(crate) fn container_lines(&self) -> Vec<String> {
        assert!(self.output.status.success(), "{}", self.stderr());
        self.carbon.container_lines()
    }
}

/// The program in its loop, with a short interval.
fn in_the_loop(agent: &Agent, carbon: &Carbon) -> Program {
    let options = ["--host=agent1.example", "--interval=1secs"];
    Program::start(agent, &carbon.place(), &options)
}

/// The lines without their time.
fn values(lines: &[String]) -> BTreeSet<&str> {
    lines
        .iter()
        .map(|line| line.rsplit_once(' ').unwrap().0)
        .collect()
}

fn lines_of(fixture: &str) -> Vec<&str> {
    fixture.lines().collect()
}

#[test]
fn a_real_agent_s_cgroups_sample_gives_exactly_these_lines() {
    let told = once(body(CGROUPS), &[]);
    let lines = told.container_lines();
    assert_eq!(
        lines,
        lines_of(include_str!("../fixtures/containers-cgroups.lines"))
    );
    let wanted = format!("shipped 2 containers (0 skipped), {} points", lines.len());
    assert!(told.stderr().contains(&wanted), "{}", told.stderr());
}

#[test]
fn a_real_agent_s_posix_sample_gives_exactly_these_lines() {
    let lines = once(body(POSIX), &[]).container_lines();
    assert_eq!(
        lines,
        lines_of(include_str!("../fixtures/containers-posix.lines"))
    );
}

/// An agent whose list is the first of these until the containers in it are known, and then one after the other.
fn agent_of(lists: &[&[(&str, &str, &str)]]) -> Agent {
    let everyone = lists.iter().copied().flatten();
    Agent::saying(Says {
        list: lists.iter().map(|list| containers(list)).collect(),
        state: vec![state_of(everyone.map(|(id, executor, _)| (*id, *executor)))],
        metrics: vec![body("{}")],
    })
}

#[test]
fn in_the_loop_a_point_s_time_is_the_sample_s_aligned_to_the_interval() {
    let list = [("a", "web", r#"{"timestamp":1795253796.99,"processes":1}"#)];
    let (agent, carbon) = (agent_of(&[&list]), Carbon::start());
    let options = ["--host=h", "--machine=false", "--interval=10secs"];
    let program = Program::start(&agent, &carbon.place(), &options);
    let line = carbon.wait_for(|line| line.contains(".processes "));
    assert_eq!(line, "mesos.h.containers.web.0.processes 1 1795253790");
    drop(program);
}

#[test]
fn two_scrapes_give_rates_and_a_container_gone_or_counting_anew_gives_none() {
    let cpu = |at: u32, user: u32, periods: u32, throttled: u32| {
        format!(
            r#"{{"timestamp":{at},"cpus_user_time_secs":{user},"cpus_system_time_secs":0,
                 "cpus_nr_periods":{periods},"cpus_nr_throttled":{throttled}}}"#
        )
    };
    let agent = agent_of(&[
        &[
            ("a", "steady", &cpu(1000, 10, 100, 10)),
            ("b", "replaced", &cpu(1000, 10, 100, 10)),
            ("c", "reset", &cpu(1000, 10, 100, 10)),
        ],
        &[
            ("a", "steady", &cpu(1010, 25, 150, 20)),
            ("b2", "replaced", &cpu(1010, 25, 150, 20)),
            ("c", "reset", &cpu(1010, 1, 50, 5)),
        ],
        &[("d", "last", r#"{"timestamp":1020,"processes":1}"#)],
    ]);
    let carbon = Carbon::start();
    let program = in_the_loop(&agent, &carbon);
    carbon.wait_for(|line| line.contains(".last.0.processes "));
    drop(program);
    let lines = carbon.container_lines();
    let mut rates = values(&lines);
    rates.retain(|line| line.contains("cpus_used") || line.contains("share"));
    let base = "mesos.agent1_example.containers.steady.0";
    let expected = [
        format!("{base}.cpus_used 1.5"),
        format!("{base}.cpus_throttled_share 0.2"),
    ];
    assert_eq!(rates, expected.iter().map(String::as_str).collect());
}

#[test]
fn hostile_names_stay_plain_bounded_and_apart() {
    let sample = r#"{"timestamp":1000,"threads":1}"#;
    let long = "y".repeat(20_000);
    let names = [
        "../../x",
        "a b",
        "a\\nb",
        "a.b",
        "a;b=c",
        "日本",
        "",
        "17",
        "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002",
        &long,
    ];
    let ids: Vec<_> = (0..names.len()).map(|n| format!("id{n}")).collect();
    let entries: Vec<_> = ids
        .iter()
        .zip(names)
        .map(|(id, name)| (id.as_str(), name, sample))
        .collect();
    let told = once(containers(&entries), &[]);
    let lines = told.container_lines();
    assert_eq!(values(&lines).len(), 10, "{lines:?}");
    for line in &lines {
        let fields: Vec<_> = line.split(' ').collect();
        assert_eq!(fields.len(), 3, "{line}");
        for component in fields[0].split('.') {
            assert!((1..=200).contains(&component.len()), "{line}");
            let is_plain = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
            assert!(component.bytes().all(is_plain), "{line}");
        }
    }
}

#[test]
fn a_container_without_sense_is_skipped_and_the_others_are_shipped() {
    let sane = r#"{"timestamp":1000,"threads":1}"#;
    let reply = containers(&[
        ("a", "sane", sane),
        ("b", "empty", "null"),
        ("c", "timeless", r#"{"threads":1}"#),
        (
            "d",
            "typed",
            r#"{"timestamp":1000,"threads":"many","processes":2}"#,
        ),
        ("e", "early", r#"{"timestamp":-1,"threads":1}"#),
        ("a", "twice", sane),
        ("", "nameless", sane),
    ]);
    let told = once(reply, &[]);
    let wanted = "shipped 2 containers (5 skipped), 2 points";
    assert!(told.stderr().contains(wanted), "{}", told.stderr());
    let lines = told.container_lines();
    assert_eq!(
        lines,
        [
            "mesos.agent1_example.containers.sane.0.threads 1 1000",
            // One field that is odd spoils no other.
            "mesos.agent1_example.containers.typed.0.processes 2 1000",
        ]
    );
}

#[test]
fn a_bad_reply_is_named_and_counted_by_its_kind_and_makes_no_point() {
    let cut_json = Arc::from(&CGROUPS[..CGROUPS.len() / 2]);
    let whole: Arc<str> = Arc::from(CGROUPS);
    let cases: [(&str, &str, Reply); 8] = [
        ("makes no sense: EOF", "json", Reply::Body(cut_json)),
        ("makes no sense: invalid type: map", "json", body("{}")),
        ("the agent's answer is empty", "empty", body(" ")),
        ("too soon", "cut_short", Reply::CutShort(whole)),
        (
            "500 Internal Server Error to GET /containers: \"disk on fire\"",
            "status",
            Reply::Status(500, "disk on fire"),
        ),
        ("401 Unauthorized", "unauthorized", Reply::Status(401, "")),
        (
            "waiting for the answer took too long",
            "timeout",
            Reply::Hang,
        ),
        ("larger than 67108864 bytes", "too_large", Reply::Endless),
    ];
    for (text, kind, reply) in cases {
        let timeout = match reply {
            Reply::Hang => "--timeout=300ms",
            _ => "--timeout=1mins",
        };
        // A single turn has no interval that the timeout has to fit into.
        let told = once(reply, &[timeout, "--interval=1mins"]);
        assert_eq!(told.output.status.code(), Some(1));
        let stderr = told.stderr();
        assert!(stderr.contains(text), "{text}: {stderr}");
        let lines = told.carbon.lines();
        let has = |part: &str| lines.iter().any(|line| line.contains(part));
        assert!(has(".collector.scrape_errors 1 "), "{lines:?}");
        assert!(has(&format!(".collector.errors.{kind} 1 ")), "{lines:?}");
        assert!(!has(".collector.containers "), "{lines:?}");
        assert!(told.carbon.container_lines().is_empty(), "{lines:?}");
    }
}

#[test]
fn an_agent_that_is_not_there_is_named() {
    let gone = Agent::start([body("[]")]).place();
    let carbon = Carbon::start();
    let output = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
        .args(["--once", &format!("--agent=http://{gone}")])
        .arg(format!("--graphite=tcp://{}", carbon.place()))
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(
        stderr.contains(&gone) && stderr.contains("refused"),
        "{stderr}"
    );
}

#[test]
fn scrapes_share_one_connection_and_ask_for_no_compression() {
    let (agent, carbon) = (Agent::start([body(CGROUPS)]), Carbon::start());
    let program = in_the_loop(&agent, &carbon);
    carbon.wait_for(|_| agent.requests().len() >= 3);
    drop(program);
    assert_eq!(agent.connections(), 1);
    let request = agent.requests()[0].to_lowercase();
    assert!(
        request.starts_with("get /slave(1)/containers http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("host: {}\r\n", agent.place())),
        "{request}"
    );
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[test]
fn an_agent_that_closes_the_kept_connection_costs_no_sample() {
    let whole: Arc<str> = Arc::from(CGROUPS);
    let agent = Agent::start([Reply::BodyThenClose(whole)]);
    let carbon = Carbon::start();
    let program = in_the_loop(&agent, &carbon);
    carbon.wait_for(|_| agent.requests().len() >= 4);
    drop(program);
    let is_error = |line: &String| line.contains(".errors.");
    assert!(!carbon.lines().iter().any(is_error), "{:?}", carbon.lines());
    assert!(agent.connections() >= 4);
}

#[test]
fn each_endpoint_that_limits_its_rate_is_asked_once_a_turn() {
    let (agent, carbon) = (Agent::start([body(CGROUPS)]), Carbon::start());
    let program = in_the_loop(&agent, &carbon);
    carbon.wait_for(|_| agent.requests().len() >= 4);
    drop(program);
    let asked = |about| agent.requests_about(about).len();
    assert!(asked(About::Metrics).abs_diff(asked(About::List)) <= 1);
    // Nobody new has come.
    assert_eq!(asked(About::State), 1);
}

#[test]
fn an_instance_has_its_slot_again_when_the_program_was_restarted() {
    let sample = r#"{"timestamp":1795253796,"processes":1}"#;
    let (first, second) = (("a", "web", sample), ("b", "web", sample));
    let state_dir = tempfile::tempdir().unwrap();
    let option = format!("--state-dir={}", state_dir.path().display());
    let lines_of = |list: &[(&str, &str, &str)]| {
        let (agent, carbon) = (agent_of(&[list]), Carbon::start());
        let program = Program::start(&agent, &carbon.place(), &[&option]);
        carbon.wait_for(|line| line.contains(".processes "));
        let (status, log) = program.terminate();
        assert!(status.success(), "{log}");
        carbon.container_lines()
    };
    assert_eq!(lines_of(&[first, second]).len(), 2);
    // The first one has gone meanwhile.
    let lines = lines_of(&[second]);
    assert!(lines[0].contains(".web.1.processes "), "{lines:?}");
}
