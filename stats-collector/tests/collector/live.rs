//! An agent whose numbers differ in every answer, and the comparison of what it said with what arrived.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::fakes::{Agent, LONG, Reply, Says};
use crate::replies::{body, state_of};

/// When the first answer's samples were taken; those of each further one ten seconds later.
const BEGIN: u64 = 1_795_000_000;
const STEP: u64 = 10;

/// Of a container, in a turn.
type Number = fn(u64, u64) -> String;

/// Numbers that tell one point from every other, as the agent and as carbon write them: as large as they come, fractions,
/// and zero, which is not the same as none.
const FIELDS: [(&str, Number); 7] = [
    ("processes", |_, turn| (turn + 1).to_string()),
    ("cpus_soft_limit", |container, turn| {
        ((container * 8 + turn) as f64 / 8.0).to_string()
    }),
    ("mem_rss_bytes", |container, turn| {
        (u64::MAX - container * 1_000_000 - turn).to_string()
    }),
    ("mem_total_bytes", |container, turn| {
        ((1 << 53) + 1 + container * 1_000_000 + turn).to_string()
    }),
    ("net_rx_bytes", |container, turn| {
        (container + turn * 1000).to_string()
    }),
    ("net_tx_bytes", |container, turn| {
        (container + turn * 7000).to_string()
    }),
    ("mem_low_pressure_counter", |_, _| "0".to_owned()),
];

/// Series and time, and the number.
pub(crate) type Points = BTreeMap<(String, u64), String>;

fn id(container: u64) -> String {
    format!("id-{container}")
}

fn app(container: u64) -> String {
    format!("app{container:04}")
}

fn list(containers: u64, turn: u64) -> String {
    let entries: Vec<String> = (0..containers)
        .map(|container| {
            let fields: Vec<String> = FIELDS
                .iter()
                .map(|(name, value)| format!(r#""{name}":{}"#, value(container, turn)))
                .collect();
            format!(
                r#"{{"container_id":"{}","executor_id":"{}","framework_id":"f","statistics":{{"timestamp":{}.25,{}}}}}"#,
                id(container),
                app(container),
                BEGIN + turn * STEP,
                fields.join(",")
            )
        })
        .collect();
    format!("[{}]", entries.join(","))
}

/// An agent of so many containers, each of an app of its own.
pub(crate) fn agent(containers: u64) -> Agent {
    let names: Vec<_> = (0..containers).map(|one| (id(one), app(one))).collect();
    let names = names.iter().map(|(id, app)| (id.as_str(), app.as_str()));
    Agent::saying(Says {
        list: vec![Reply::Made(Arc::new(move |turn| {
            list(containers, turn as u64)
        }))],
        state: vec![state_of(names)],
        metrics: vec![body("{}")],
    })
}

/// All that such an agent said in these turns. The collector's `--host` is `h`.
pub(crate) fn said(containers: u64, turns: std::ops::Range<usize>) -> Points {
    let mut points = Points::new();
    for turn in turns {
        let turn = turn as u64;
        for container in 0..containers {
            for (name, value) in FIELDS {
                let series = format!("mesos.h.containers.{}.0.{name}", app(container));
                points.insert((series, BEGIN + turn * STEP), value(container, turn));
            }
        }
    }
    points
}

/// Of what arrived: what an agent had said, as opposed to what is worked out. A point that came twice is the same one.
pub(crate) fn arrived(lines: &[String]) -> Points {
    let mut points = Points::new();
    for line in lines {
        let fields: Vec<&str> = line.split(' ').collect();
        let [series, value, time] = fields[..] else {
            panic!("{line:?}");
        };
        let field = series.rsplit('.').next().unwrap();
        let is_said = FIELDS.iter().any(|(name, _)| *name == field);
        if series.contains(".containers.") && is_said {
            let key = (series.to_owned(), time.parse().unwrap());
            let before = points.insert(key, value.to_owned());
            assert!(before.is_none_or(|before| before == value), "{line:?}");
        }
    }
    points
}

/// Whether all of these have arrived.
pub(crate) fn has_all(lines: &[String], wanted: &Points) -> bool {
    // Cheap first: a comparison of each round would take longer than what is waited for.
    lines.len() >= wanted.len() && {
        let arrived = arrived(lines);
        wanted.keys().all(|key| arrived.contains_key(key))
    }
}

/// The turn that a point is of.
pub(crate) fn turn_of(time: u64) -> u64 {
    (time - BEGIN) / STEP
}

/// Asks the page for Prometheus; none before there is one.
pub(crate) fn page(place: &str) -> Option<String> {
    let mut stream = TcpStream::connect(place).ok()?;
    stream.set_read_timeout(Some(LONG)).unwrap();
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {place}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    let mut text = String::new();
    stream.read_to_string(&mut text).ok()?;
    text.starts_with("HTTP/1.1 200").then_some(text)
}

/// What the collector says of itself on such a page.
pub(crate) fn own(page: &str, field: &str) -> Option<f64> {
    let name = format!("mesos_collector_{field}");
    let line = page.lines().find(|line| {
        line.strip_prefix(&name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']))
    })?;
    line.rsplit(' ').next()?.parse().ok()
}

/// Waits for a page that is as it should be.
pub(crate) fn wait_for_page(place: &str, is_so: impl Fn(&str) -> bool) -> String {
    let started = Instant::now();
    loop {
        if let Some(page) = page(place).filter(|page| is_so(page)) {
            return page;
        }
        assert!(started.elapsed() < LONG, "there is no such page");
        std::thread::sleep(Duration::from_millis(20));
    }
}
