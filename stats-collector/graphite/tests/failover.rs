//! What becomes of points when the first of several carbons goes away, and comes back. Each carbon is a listener on
//! loopback.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use graphite::{Address, Batch, Counters, Destination, Fleet, FleetConfig, MetricPath, Route};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);

async fn listen() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "127.0.0.1".to_owned();
    (listener, Address { host, port })
}

fn fleet(addresses: &[&Address], write_timeout: Duration) -> Fleet {
    let destination = |address: &&Address| Destination::plaintext((*address).clone());
    Fleet::start(FleetConfig {
        destinations: addresses.iter().map(destination).collect(),
        route: Route::Failover,
        connect_timeout: LONG,
        write_timeout,
        queue_bytes: 64 << 20,
        spool: None,
    })
    .unwrap()
}

fn push(fleet: &Fleet, numbers: std::ops::Range<u64>) {
    let path = MetricPath::parse("p").unwrap();
    let mut batch = Batch::default();
    for number in numbers {
        batch.add(&path, number, 1);
        if batch.is_full() {
            fleet.push(std::mem::take(&mut batch));
        }
    }
    fleet.push(batch);
}

async fn until(fleet: &Fleet, condition: impl Fn(Counters) -> bool) {
    let waiting = async {
        while !condition(fleet.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// The numbers in whole lines that arrive until the connection ends.
async fn read_to_end(stream: TcpStream) -> BTreeSet<u64> {
    let mut stream = BufReader::new(stream);
    let (mut numbers, mut line) = (BTreeSet::new(), String::new());
    while stream.read_line(&mut line).await.unwrap() > 0 {
        if let Some(point) = line.strip_suffix(" 1\n") {
            numbers.insert(point.strip_prefix("p ").unwrap().parse().unwrap());
        }
        line.clear();
    }
    numbers
}

#[tokio::test]
async fn the_first_gets_everything_and_the_second_is_not_even_asked() {
    let ((first, a), (second, b)) = (listen().await, listen().await);
    let fleet = fleet(&[&a, &b], LONG);
    push(&fleet, 0..10);
    let reader = tokio::spawn(async move { read_to_end(first.accept().await.unwrap().0).await });
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), (0..10).collect());
    assert_eq!((counters.written, counters.connections), (10, 1));
    let asked = tokio::time::timeout(Duration::ZERO, second.accept()).await;
    assert!(asked.is_err());
}

#[tokio::test]
async fn what_the_first_may_not_have_read_goes_to_the_second_and_new_points_back_to_the_first() {
    let ((first, a), (second, b)) = (listen().await, listen().await);
    let fleet = fleet(&[&a, &b], LONG);
    push(&fleet, 0..10);
    let unread = first.accept().await.unwrap().0;
    until(&fleet, |counters| counters.written == 10).await;
    // Gone with ten points unread.
    drop((unread, first));
    let second = tokio::spawn(async move { read_to_end(second.accept().await.unwrap().0).await });
    until(&fleet, |counters| counters.resent == 10).await;
    push(&fleet, 10..20);
    until(&fleet, |counters| counters.written == 20).await;
    assert!(!second.is_finished());

    let again = TcpListener::bind((a.host.as_str(), a.port)).await.unwrap();
    let returned = again.accept().await.unwrap().0;
    // The second is left well: it has read what it got, and so nothing of that comes twice.
    assert_eq!(second.await.unwrap(), (0..20).collect());
    push(&fleet, 20..30);
    let reader = tokio::spawn(read_to_end(returned));
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), (20..30).collect());
    assert_eq!(
        (counters.written, counters.resent, counters.dropped),
        (30, 10, 0)
    );
    assert_eq!(counters.connections, 3);
}

#[tokio::test]
async fn all_that_waited_for_a_carbon_that_stopped_reading_goes_to_the_next() {
    let ((first, a), (second, b)) = (listen().await, listen().await);
    let fleet = fleet(&[&a, &b], Duration::from_millis(300));
    let _stuck = first.accept().await.unwrap().0;
    // More than the kernel's two buffers take.
    let count = 300_000;
    push(&fleet, 0..count);
    let mut received = BTreeSet::new();
    let reading = async {
        // It may be left for a look at the first, and come back to.
        loop {
            let mut lines = BufReader::new(second.accept().await.unwrap().0).lines();
            while let Some(line) = lines.next_line().await.unwrap() {
                if let Some(point) = line.strip_suffix(" 1") {
                    received.insert(point.to_owned());
                }
                if received.len() == count as usize {
                    return;
                }
            }
        }
    };
    let looking = async {
        loop {
            // Held for longer than it is waited for, but not for ever: what little is left to write may fit in
            // the kernel's buffers, and nobody would notice.
            let _also_stuck = first.accept().await.unwrap().0;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! {
        () = reading => {}
        () = looking => unreachable!(),
        () = tokio::time::sleep(LONG) => panic!("only some arrived: {:?}", fleet.counters()),
    }
    assert_eq!(fleet.counters().dropped, 0);
}

#[tokio::test]
async fn with_none_in_reach_every_one_is_named() {
    let ((first, a), (second, b)) = (listen().await, listen().await);
    drop((first, second));
    let fleet = fleet(&[&a, &b], LONG);
    push(&fleet, 0..10);
    let error = fleet.finish(Duration::from_millis(300)).await.unwrap_err();
    let text = error.to_string();
    for address in [a, b] {
        assert!(text.contains(&format!("tcp://{address}")), "{text}");
    }
    assert!(
        text.contains("10 points") && text.contains("refused"),
        "{text}"
    );
}

#[tokio::test]
async fn a_name_with_an_address_that_takes_nothing_is_tried_at_the_next_address() {
    // `localhost` may be ::1 first; only the IPv4 one listens.
    let (carbon, mut address) = listen().await;
    address.host = "localhost".to_owned();
    let fleet = fleet(&[&address], LONG);
    push(&fleet, 0..3);
    let reader = tokio::spawn(async move {
        let mut stream = carbon.accept().await.unwrap().0;
        let mut received = String::new();
        stream.read_to_string(&mut received).await.unwrap();
        received
    });
    fleet.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), "p 0 1\np 1 1\np 2 1\n");
}
