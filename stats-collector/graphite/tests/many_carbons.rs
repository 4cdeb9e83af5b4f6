//! Several carbons at once, each a listener on loopback; and Debian's carbon-c-relay in front of the same ones.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use graphite::{
    Address, Batch, Delivery, Destination, Fleet, FleetConfig, Hash, MetricPath, Replication, Route,
};
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);

/// Takes every line of every connection, until it is dropped.
struct Carbon {
    address: Address,
    lines: Arc<Mutex<BTreeSet<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Carbon {
    async fn start(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let lines = Arc::new(Mutex::new(BTreeSet::new()));
        let all = Arc::clone(&lines);
        let task = tokio::spawn(async move {
            loop {
                let stream = listener.accept().await.unwrap().0;
                let all = Arc::clone(&all);
                tokio::spawn(async move {
                    let mut received = BufReader::new(stream).lines();
                    while let Ok(Some(line)) = received.next_line().await {
                        all.lock().unwrap().insert(line);
                    }
                });
            }
        });
        let host = host.to_owned();
        let address = Address { host, port };
        Self {
            address,
            lines,
            task,
        }
    }

    fn lines(&self) -> BTreeSet<String> {
        self.lines.lock().unwrap().clone()
    }

    fn count(&self) -> usize {
        self.lines.lock().unwrap().len()
    }
}

impl Drop for Carbon {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn config(destinations: Vec<Destination>, route: Route) -> FleetConfig {
    FleetConfig {
        destinations,
        route,
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: None,
    }
}

fn ring(hash: Hash, factor: usize) -> Route {
    let factor = NonZeroUsize::new(factor).unwrap();
    let diverse = false;
    Route::Ring {
        hash,
        replication: Replication { factor, diverse },
    }
}

fn batches(names: impl Iterator<Item = String>, value: u64) -> Vec<Batch> {
    let mut batches = vec![Batch::default()];
    for name in names {
        if batches.last().unwrap().is_full() {
            batches.push(Batch::default());
        }
        let path = MetricPath::parse(&name).unwrap();
        batches.last_mut().unwrap().add(&path, value, 1000);
    }
    batches
}

async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let waiting = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(LONG, waiting).await.is_ok(), "{what}");
}

#[tokio::test]
async fn one_that_does_not_read_and_one_that_is_away_hold_no_other_up() {
    let there = Carbon::start("127.0.0.1").await;
    let stuck = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let away = {
        let gone = TcpListener::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().port()
    };
    let at = |port| {
        Destination::plaintext(Address {
            host: "127.0.0.1".to_owned(),
            port,
        })
    };
    let destinations = vec![
        at(stuck.local_addr().unwrap().port()),
        at(away),
        Destination::plaintext(there.address.clone()),
    ];
    let fleet = Fleet::start(config(destinations, Route::All)).unwrap();
    let _never_read = stuck.accept().await.unwrap();
    // More than the kernel's two buffers take.
    let points = 400_000;
    for batch in batches(
        (0..points).map(|number| format!("some.series.of.{number}")),
        1,
    ) {
        fleet.push(batch);
        // Else there would be nothing to wait for.
        fleet.caught_up().await;
    }
    until("all at the one that is there", || there.count() == points).await;
    let [stuck, away, there]: [Delivery; 3] = fleet.deliveries().try_into().unwrap();
    assert_eq!(
        (there.counters.written, there.counters.waiting()),
        (400_000, 0)
    );
    assert_eq!(away.counters.waiting(), 400_000);
    assert!(stuck.counters.written > 0 && stuck.counters.waiting() > 0);
    assert_eq!(fleet.counters().pushed, 1_200_000);

    let error = fleet
        .finish(Duration::from_millis(300))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains(&stuck.to) && error.contains(&away.to),
        "{error}"
    );
    assert!(!error.contains(&there.to), "{error}");
}

#[tokio::test]
async fn each_of_several_gets_everything() {
    let carbons = [
        Carbon::start("127.0.0.1").await,
        Carbon::start("127.0.0.2").await,
    ];
    let destinations = carbons
        .iter()
        .map(|carbon| Destination::plaintext(carbon.address.clone()));
    let fleet = Fleet::start(config(destinations.collect(), Route::All)).unwrap();
    for batch in batches((0..1000).map(|number| format!("s{number}")), 1) {
        fleet.push(batch);
    }
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!((counters.pushed, counters.written), (2000, 2000));
    for carbon in &carbons {
        assert_eq!(carbon.count(), 1000);
    }
}

/// carbon-c-relay, killed when it is dropped, and by the kernel should this process be.
struct Relay {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Relay {
    fn start(clusters: &str) -> Self {
        let port = {
            let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            free.local_addr().unwrap().port()
        };
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("relay.conf");
        let listen = format!("listen type linemode 127.0.0.1:{port} proto tcp;\n");
        std::fs::write(&file, listen + clusters).unwrap();
        let process = Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "/usr/bin/carbon-c-relay", "-s", "-f"])
            .arg(&file)
            .stdout(std::fs::File::create(directory.path().join("log")).unwrap())
            .spawn()
            .unwrap();
        Self {
            process,
            port,
            _directory: directory,
        }
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[tokio::test]
async fn each_series_arrives_at_the_same_carbons_whether_a_relay_sends_it_or_we_do() {
    const NAMES: usize = 1000;
    // Of two places that coincide on a circle it forgets one, and so puts some second copies elsewhere than carbon does.
    let rings = [
        ("carbon_ch", Hash::CarbonCh, 1, ["a", "b", "c"]),
        (
            "fnv1a_ch",
            Hash::Fnv1aCh,
            1,
            ["first-of-three", "second-of-three", "third-of-three"],
        ),
        ("jump_fnv1a_ch", Hash::JumpFnv1a, 2, ["10", "9", "1"]),
    ];
    let names = |ring: &'static str| (0..NAMES).map(move |number| format!("{ring}.s{number}.cpu"));
    let (mut clusters, mut cases) = (String::new(), Vec::new());
    for (name, hash, factor, instances) in rings {
        let (mut carbons, mut destinations) = (Vec::new(), Vec::new());
        clusters += &format!("cluster {name} {name} replication {factor}\n");
        for (index, instance) in instances.into_iter().enumerate() {
            let carbon = Carbon::start(&format!("127.0.0.{}", index + 1)).await;
            clusters += &format!(" {}={instance}\n", carbon.address);
            let mut destination = Destination::plaintext(carbon.address.clone());
            destination.instance = Some(instance.to_owned());
            destinations.push(destination);
            carbons.push(carbon);
        }
        clusters += &format!(";\nmatch ^{name} send to {name} stop;\n");
        let fleet = Fleet::start(config(destinations, ring(hash, factor))).unwrap();
        cases.push((name, factor, carbons, fleet));
    }

    let relay = Relay::start(&clusters);
    let mut stream = loop {
        match TcpStream::connect(("127.0.0.1", relay.port)).await {
            Ok(stream) => break stream,
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    };
    for (name, factor, carbons, fleet) in cases {
        for batch in batches(names(name), 1) {
            stream.write_all(batch.bytes()).await.unwrap();
        }
        for batch in batches(names(name), 2) {
            fleet.push(batch);
        }
        let counters = fleet.finish(LONG).await.unwrap();
        assert_eq!(counters.written, (factor * NAMES) as u64);
        let arrived = || carbons.iter().map(Carbon::count).sum::<usize>();
        until(name, || arrived() == 2 * factor * NAMES).await;
        for (index, carbon) in carbons.iter().enumerate() {
            let lines = carbon.lines();
            let with = |value: &str| -> BTreeSet<&str> {
                lines
                    .iter()
                    .filter_map(|line| line.strip_suffix(value))
                    .collect()
            };
            let (relayed, ours) = (with(" 1 1000"), with(" 2 1000"));
            let differing: Vec<_> = relayed.symmetric_difference(&ours).collect();
            assert!(differing.is_empty(), "{name}, {index}: {differing:?}");
        }
    }
}
