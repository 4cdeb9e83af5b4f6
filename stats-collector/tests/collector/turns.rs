//! What carbon hears of what the agent says.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use clap::Parser;
use graphite::{Destination, Sink, SinkConfig};
use stats_collector::collector::{Collector, ScrapeError, Shipped, Stage};
use stats_collector::settings::Args;

use crate::fakes::{Agent, Carbon, LONG, Reply};
use crate::replies::{CGROUPS, POSIX, body, containers};

/// One collector between the two.
struct Rig {
    agent: Agent,
    carbon: Carbon,
    collector: Collector,
    sink: Sink,
}

/// Call it within a runtime.
fn rig(replies: impl IntoIterator<Item = Reply>, options: &[&str]) -> Rig {
    let agent = Agent::start(replies);
    let carbon = Carbon::start();
    let places = [
        "mesos-stats-collector".to_owned(),
        format!("--agent=http://{}", agent.place()),
        format!("--graphite=tcp://{}", carbon.place()),
        "--host=agent1.example".to_owned(),
    ];
    let options = options.iter().map(|&option| option.to_owned());
    let settings = Args::parse_from(places.into_iter().chain(options))
        .check()
        .unwrap();
    let sink = Sink::start(SinkConfig {
        destination: Destination::plaintext(settings.carbon.clone()),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: settings.queue_bytes,
        spool: None,
    });
    let collector = Collector::new(&settings);
    Rig {
        agent,
        carbon,
        collector,
        sink,
    }
}

impl Rig {
    async fn turn(&mut self) -> Result<Shipped, ScrapeError> {
        self.collector.turn(&self.sink).await
    }

    /// Everything carbon heard about containers.
    async fn container_lines(self) -> Vec<String> {
        self.sink.finish(LONG).await.unwrap();
        self.carbon.container_lines()
    }
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

#[tokio::test]
async fn a_real_agent_s_cgroups_sample_gives_exactly_these_lines() {
    let mut rig = rig([body(CGROUPS)], &["--once"]);
    let shipped = rig.turn().await.unwrap();
    let lines = rig.container_lines().await;
    assert_eq!(
        lines,
        lines_of(include_str!("../fixtures/containers-cgroups.lines"))
    );
    assert_eq!((shipped.listed, shipped.containers), (2, 2));
    assert_eq!(shipped.points, lines.len() as u64);
}

#[tokio::test]
async fn a_real_agent_s_posix_sample_gives_exactly_these_lines() {
    let mut rig = rig([body(POSIX)], &["--once"]);
    rig.turn().await.unwrap();
    let lines = rig.container_lines().await;
    assert_eq!(
        lines,
        lines_of(include_str!("../fixtures/containers-posix.lines"))
    );
}

#[tokio::test]
async fn in_the_loop_a_point_s_time_is_the_sample_s_aligned_to_the_interval() {
    let reply = containers(&[("a", "web", r#"{"timestamp":1795253796.99,"processes":1}"#)]);
    let mut rig = rig([reply], &["--interval=10secs"]);
    rig.turn().await.unwrap();
    let lines = rig.container_lines().await;
    let expected = "mesos.agent1_example.containers.web.0.processes 1 1795253790";
    assert_eq!(lines, [expected]);
}

#[tokio::test]
async fn two_scrapes_give_rates_and_a_container_gone_or_counting_anew_gives_none() {
    let cpu = |at: u32, user: u32, periods: u32, throttled: u32| {
        format!(
            r#"{{"timestamp":{at},"cpus_user_time_secs":{user},"cpus_system_time_secs":0,
                 "cpus_nr_periods":{periods},"cpus_nr_throttled":{throttled}}}"#
        )
    };
    let first = containers(&[
        ("a", "steady", &cpu(1000, 10, 100, 10)),
        ("b", "replaced", &cpu(1000, 10, 100, 10)),
        ("c", "reset", &cpu(1000, 10, 100, 10)),
    ]);
    let second = containers(&[
        ("a", "steady", &cpu(1010, 25, 150, 20)),
        ("b2", "replaced", &cpu(1010, 25, 150, 20)),
        ("c", "reset", &cpu(1010, 1, 50, 5)),
    ]);
    let mut rig = rig([first, second], &["--once"]);
    rig.turn().await.unwrap();
    rig.turn().await.unwrap();
    let lines = rig.container_lines().await;
    let mut rates = values(&lines);
    rates.retain(|line| line.contains("cpus_used") || line.contains("share"));
    let base = "mesos.agent1_example.containers.steady.0";
    let expected = [
        format!("{base}.cpus_used 1.5"),
        format!("{base}.cpus_throttled_share 0.2"),
    ];
    assert_eq!(rates, expected.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn hostile_names_stay_plain_bounded_and_apart() {
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
    let mut rig = rig([containers(&entries)], &["--once"]);
    assert_eq!(rig.turn().await.unwrap().containers, 10);
    let lines = rig.container_lines().await;
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

#[tokio::test]
async fn a_container_without_sense_is_skipped_and_the_others_are_shipped() {
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
    let mut rig = rig([reply], &["--once"]);
    let shipped = rig.turn().await.unwrap();
    assert_eq!(
        (shipped.listed, shipped.containers, shipped.points),
        (7, 2, 2)
    );
    let lines = rig.container_lines().await;
    assert_eq!(
        lines,
        [
            "mesos.agent1_example.containers.sane.0.threads 1 1000",
            // One field that is odd spoils no other.
            "mesos.agent1_example.containers.typed.0.processes 2 1000",
        ]
    );
}

#[tokio::test]
async fn a_bad_reply_is_named_and_makes_no_point() {
    let cut_json = Arc::from(&CGROUPS[..CGROUPS.len() / 2]);
    let whole: Arc<str> = Arc::from(CGROUPS);
    type Check = fn(&ScrapeError) -> bool;
    let cases: [(&str, Reply, Check); 6] = [
        ("reply is not a list", Reply::Body(cut_json), |e| {
            matches!(e, ScrapeError::Json { .. })
        }),
        ("invalid type: map", body("{}"), |e| {
            matches!(e, ScrapeError::Json { .. })
        }),
        ("message", Reply::CutShort(whole), |e| {
            matches!(e, ScrapeError::Http { .. })
        }),
        (
            "500 Internal Server Error: \"disk on fire\"",
            Reply::Status(500, "disk on fire"),
            |e| matches!(e, ScrapeError::Status { .. }),
        ),
        (
            "waiting for the reply took longer than 300ms",
            Reply::Hang,
            |e| {
                matches!(
                    e,
                    ScrapeError::Timeout {
                        stage: Stage::Waiting,
                        ..
                    }
                )
            },
        ),
        ("larger than 67108864 bytes", Reply::Endless, |e| {
            matches!(e, ScrapeError::TooLarge { .. })
        }),
    ];
    for (text, reply, is_right) in cases {
        let is_hang = matches!(reply, Reply::Hang);
        let timeout = if is_hang {
            "--timeout=300ms"
        } else {
            "--timeout=1mins"
        };
        let mut rig = rig([reply], &["--once", timeout]);
        let error = rig.turn().await.unwrap_err();
        assert!(is_right(&error), "{error:?}");
        assert!(error.to_string().contains(text), "{error}");
        assert!(error.to_string().contains(&rig.agent.place()), "{error}");
        rig.collector.push_failure(&rig.sink);
        rig.sink.finish(LONG).await.unwrap();
        let lines = rig.carbon.lines();
        assert!(
            lines.iter().any(|line| line.contains(".scrape_errors 1 ")),
            "{lines:?}"
        );
        for absent in [".containers.", ".collector.containers ", ".scrape_seconds "] {
            assert!(!lines.iter().any(|line| line.contains(absent)), "{lines:?}");
        }
    }
}

#[tokio::test]
async fn an_agent_that_is_not_there_is_named() {
    let mut rig = rig([body("[]")], &["--once"]);
    let place = rig.agent.place();
    drop(std::mem::replace(
        &mut rig.agent,
        Agent::start([body("[]")]),
    ));
    let error = rig.turn().await.unwrap_err();
    assert!(matches!(error, ScrapeError::Connect { .. }), "{error:?}");
    assert!(error.to_string().contains(&place), "{error}");
}

#[tokio::test]
async fn scrapes_share_one_connection_and_ask_for_no_compression() {
    let mut rig = rig([body(CGROUPS)], &["--once"]);
    for _ in 0..5 {
        rig.turn().await.unwrap();
    }
    assert_eq!(rig.agent.connections(), 1);
    let requests = rig.agent.requests();
    assert_eq!(requests.len(), 5);
    let request = requests[0].to_lowercase();
    assert!(
        request.starts_with("get /slave(1)/containers http/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains(&format!("host: {}\r\n", rig.agent.place())),
        "{request}"
    );
    assert!(!request.contains("accept-encoding"), "{request}");
}

#[tokio::test]
async fn an_agent_that_closes_the_kept_connection_costs_no_sample() {
    let whole: Arc<str> = Arc::from(CGROUPS);
    let mut rig = rig([Reply::BodyThenClose(whole)], &["--once"]);
    for round in 1..=5 {
        assert_eq!(rig.turn().await.unwrap().containers, 2);
        assert_eq!(rig.agent.connections(), round);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn a_scrape_after_a_failed_one_starts_on_a_connection_of_its_own() {
    let mut rig = rig([Reply::Status(503, "later"), body(CGROUPS)], &["--once"]);
    rig.turn().await.unwrap_err();
    assert_eq!(rig.turn().await.unwrap().containers, 2);
    assert_eq!(rig.agent.connections(), 2);
}
