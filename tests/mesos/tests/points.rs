//! What arrives in Graphite, point by point beside what the agent said.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use mesos_tests::{SOON, Scene};
use serde_json::Value;
use test_support::{Exchange, FrameworkOptions, Graphite, Packager, Recorder, Settings, binaries};

/// Seconds from point to point, for the collector and for carbon.
const STEP: u64 = 2;
/// Turns that are looked at.
const TURNS: usize = 5;

/// By the time of a point its value.
type Course = BTreeMap<u64, f64>;

/// Ended when it is dropped.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn every_number_that_the_agent_says_is_in_both_graphites_as_it_said_it() {
    let graphites = [Packager::Debian, Packager::Pypi].map(|one| Graphite::keeping(one, STEP));
    let scene = Scene::with(Settings::linux(), FrameworkOptions::default());
    let busy = "while :; do for n in $(seq 2000); do :; done; echo x >>file; sleep 0.1; done";
    for (app, mem) in [("busy", 48.0), ("idle", 64.0)] {
        let executor = scene.executor(app).mem(mem);
        let command = if app == "busy" { busy } else { "sleep 1000" };
        scene.run(scene.task(app, &executor, command).disk(10.0));
    }
    let recorder = Recorder::before(&scene.mesos.authority());
    let carbons = graphites
        .each_ref()
        .map(|one| format!("tcp://{}", one.carbon()));
    let mut collector = Command::new(binaries::stats_collector());
    collector
        .args(["--agent", &recorder.url(), "--host", "agent-1"])
        .args(["--graphite", &carbons.join(",")])
        .args(["--interval", &format!("{STEP}secs"), "--log", "warn"]);
    let _daemon = Daemon(collector.spawn().unwrap());
    let deadline = Instant::now() + SOON;
    while samples(&recorder.exchanges()).values().map(Vec::len).min() < Some(TURNS) {
        assert!(Instant::now() < deadline, "the agent was asked too seldom");
        std::thread::sleep(Duration::from_millis(100));
    }
    let samples = samples(&recorder.exchanges());
    assert_eq!(samples.keys().collect::<Vec<_>>(), ["busy", "idle"]);
    for graphite in &graphites {
        for (app, samples) in &samples {
            is_as_said(graphite, app, samples);
        }
        // What the agent said of itself has no time of its own: each point is one of the values.
        for (name, values) in metrics(&recorder.exchanges()) {
            let series = format!("mesos.agent-1.agent.{}", name.replace('/', "."));
            let found = course(graphite, &series, TURNS - 1, u64::MAX);
            assert!(
                found.len() >= TURNS - 1,
                "{series}: {found:?} of {values:?}"
            );
            // The newest may have come since.
            let all = metrics(&recorder.exchanges())
                .remove(&name)
                .unwrap_or_default();
            let are_said = found.values().all(|value| all.contains(value));
            assert!(are_said, "{series}: {found:?}, {all:?}");
        }
    }
}

/// Every field of a container at every step, and nothing besides; and what is worked out of two samples.
fn is_as_said(graphite: &Graphite, app: &str, samples: &[Value]) {
    let said = courses(samples);
    // The collector goes on meanwhile.
    let last = samples.last().map_or(0, aligned);
    assert!(said.len() > 20, "{app}: {said:?}");
    for (field, wanted) in &said {
        let series = format!("mesos.agent-1.containers.{app}.0.{field}");
        assert_eq!(
            &course(graphite, &series, wanted.len(), last),
            wanted,
            "{series}"
        );
    }
    let wanted = cpus_used(samples);
    let series = format!("mesos.agent-1.containers.{app}.0.cpus_used");
    let found = course(graphite, &series, wanted.len(), last);
    // The time between two samples is known to the microsecond.
    let is_near = |(at, value): (&u64, &f64)| {
        found
            .get(at)
            .is_some_and(|one| (one - value).abs() <= value * 1e-5)
    };
    assert!(
        wanted.iter().all(is_near) && found.len() == wanted.len(),
        "{found:?}: {wanted:?}"
    );
}

/// The statistics of each executor's container, in the order that the agent told them.
fn samples(exchanges: &[Exchange]) -> BTreeMap<String, Vec<Value>> {
    let mut all: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for exchange in exchanges {
        let Ok(answer) = serde_json::from_slice::<Value>(&exchange.answered) else {
            continue;
        };
        let containers = answer["get_containers"]["containers"].as_array();
        for container in containers.into_iter().flatten() {
            let executor = container["executor_id"]["value"].as_str().unwrap();
            let statistics = container["resource_statistics"].clone();
            all.entry(executor.to_owned()).or_default().push(statistics);
        }
    }
    all
}

/// By the names of fields what was said of each, at the beginning of the step that the sample's own time lies in.
fn courses(samples: &[Value]) -> BTreeMap<String, Course> {
    let mut all: BTreeMap<String, Course> = BTreeMap::new();
    for sample in samples {
        let at = aligned(sample);
        for (field, value) in sample.as_object().unwrap() {
            if let Some(value) = value.as_f64().filter(|_| field != "timestamp") {
                all.entry(field.clone()).or_default().insert(at, value);
            }
        }
    }
    all
}

/// Processors in use between each two samples.
fn cpus_used(samples: &[Value]) -> Course {
    let time = |sample: &Value| {
        let part = |name: &str| sample[name].as_f64().unwrap();
        (
            part("cpus_user_time_secs"),
            part("cpus_system_time_secs"),
            part("timestamp"),
        )
    };
    let pairs = samples.windows(2).map(|pair| {
        let (before, now) = (time(&pair[0]), time(&pair[1]));
        let used = ((now.0 - before.0) + (now.1 - before.1)) / (now.2 - before.2);
        (aligned(&pair[1]), used)
    });
    pairs.collect()
}

fn aligned(sample: &Value) -> u64 {
    let at = sample["timestamp"].as_f64().unwrap() as u64;
    at - at % STEP
}

/// Every value of each of the agent's own metrics.
fn metrics(exchanges: &[Exchange]) -> BTreeMap<String, Vec<f64>> {
    let mut all: BTreeMap<String, Vec<f64>> = BTreeMap::new();
    for exchange in exchanges
        .iter()
        .filter(|one| one.request.contains("/metrics/snapshot"))
    {
        let answer: BTreeMap<String, f64> = serde_json::from_slice(&exchange.answered).unwrap();
        // Master and agent are one process here.
        let own = answer
            .into_iter()
            .filter(|(name, _)| name.starts_with("slave/"));
        for (name, value) in own {
            all.entry(name).or_default().push(value);
        }
    }
    assert!(all.len() > 30, "{all:?}");
    all
}

/// What Graphite has of a series until this time, as soon as it has so many points: carbon writes a moment after it has read.
fn course(graphite: &Graphite, series: &str, points: usize, until: u64) -> Course {
    let deadline = Instant::now() + SOON;
    loop {
        let rows = graphite.render_json(series, "-5min").unwrap();
        let all = rows[0]["datapoints"].as_array().into_iter().flatten();
        let found: Course = all
            .filter_map(|point| Some((point[1].as_u64()?, point[0].as_f64()?)))
            .filter(|(at, _)| *at <= until)
            .collect();
        if found.len() >= points || Instant::now() > deadline {
            return found;
        }
        std::thread::sleep(Duration::from_millis(200));
    }
}
