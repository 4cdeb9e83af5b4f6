//! What carbon may do to a sink, and what of it a point survives. Carbon is a listener on loopback.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::time::Duration;

use graphite::{Address, Batch, Counters, Destination, FinishError, MetricPath, Sink, SinkConfig};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};

const LONG: Duration = Duration::from_secs(60);

async fn listen() -> (TcpListener, Address) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let host = "127.0.0.1".to_owned();
    (listener, Address { host, port })
}

async fn listen_again(address: &Address) -> TcpListener {
    TcpListener::bind((address.host.as_str(), address.port))
        .await
        .unwrap()
}

fn sink(address: &Address) -> Sink {
    Sink::start(config(address))
}

fn config(address: &Address) -> SinkConfig {
    SinkConfig {
        destination: Destination::plaintext(address.clone()),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: None,
    }
}

/// A batch of one point.
fn point(number: usize) -> Batch {
    let mut batch = Batch::default();
    batch.add(&MetricPath::parse("p").unwrap(), number as u64, 1);
    batch
}

/// The line of [`point`].
fn line(number: usize) -> String {
    format!("p {number} 1")
}

fn lines(numbers: std::ops::Range<usize>) -> BTreeSet<String> {
    numbers.map(line).collect()
}

/// Some batches of many points each, so many bytes at least; returns how many points.
fn push_bytes(sink: &Sink, at_least: usize) -> usize {
    let path = MetricPath::parse("p").unwrap();
    let (mut bytes, mut number) = (0, 0);
    while bytes < at_least {
        let mut batch = Batch::default();
        while !batch.is_full() {
            batch.add(&path, number as u64, 1);
            number += 1;
        }
        bytes += batch.bytes().len();
        sink.push(batch);
    }
    number
}

/// The whole lines in what was received, as carbon would take them: a last half line is none.
fn whole_lines(received: &[u8]) -> BTreeSet<String> {
    let end = received
        .iter()
        .rposition(|&b| b == b'\n')
        .map_or(0, |i| i + 1);
    let text = std::str::from_utf8(&received[..end]).unwrap();
    text.lines().map(str::to_owned).collect()
}

async fn read_to_end(mut stream: TcpStream) -> BTreeSet<String> {
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    whole_lines(&received)
}

async fn until(sink: &Sink, condition: impl Fn(Counters) -> bool) {
    let waiting = async {
        while !condition(sink.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

#[tokio::test]
async fn everything_arrives_in_order_and_carbon_is_known_to_have_read_it() {
    let (carbon, address) = listen().await;
    let sink = sink(&address);
    for number in 0..100 {
        sink.push(point(number));
    }
    let reader = tokio::spawn(async move {
        let mut received = String::new();
        let mut stream = carbon.accept().await.unwrap().0;
        stream.read_to_string(&mut received).await.unwrap();
        received
    });
    let counters = sink.finish(LONG).await.unwrap();
    let expected: Vec<_> = (0..100).map(line).collect();
    assert_eq!(reader.await.unwrap().lines().collect::<Vec<_>>(), expected);
    assert_eq!((counters.written, counters.waiting()), (100, 0));
    assert_eq!((counters.resent, counters.connections), (0, 1));
}

#[tokio::test]
async fn what_was_pushed_while_carbon_was_down_arrives_once_it_is_up() {
    let (carbon, address) = listen().await;
    drop(carbon);
    let sink = sink(&address);
    for number in 0..10 {
        sink.push(point(number));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(sink.counters().written, 0);
    let carbon = listen_again(&address).await;
    let reader = tokio::spawn(async move { read_to_end(carbon.accept().await.unwrap().0).await });
    sink.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), lines(0..10));
}

#[tokio::test]
async fn a_connection_that_dies_in_the_middle_of_a_batch_loses_nothing() {
    let (carbon, address) = listen().await;
    let sink = sink(&address);
    let points = push_bytes(&sink, 400_000);
    let reader = tokio::spawn(async move {
        let mut received = vec![0; 100_001];
        let mut stream = carbon.accept().await.unwrap().0;
        stream.read_exact(&mut received).await.unwrap();
        // Closing with something unread resets the connection: that is lost.
        drop(stream);
        let mut all = whole_lines(&received);
        assert!(all.len() < points);
        all.extend(read_to_end(carbon.accept().await.unwrap().0).await);
        all
    });
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), lines(0..points));
    assert_eq!((counters.connections, counters.dropped), (2, 0));
    assert_eq!(counters.written, points as u64);
    assert!(counters.resent > 0);
}

#[tokio::test]
async fn a_carbon_that_stops_reading_is_left_and_gets_everything_later() {
    let (carbon, address) = listen().await;
    let sink = Sink::start(SinkConfig {
        destination: Destination::plaintext(address.clone()),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: Duration::from_millis(200),
        queue_bytes: 64 << 20,
        spool: None,
    });
    let stuck = carbon.accept().await.unwrap().0;
    // More than the kernel's two buffers take.
    let points = push_bytes(&sink, 16 << 20);
    let second = carbon.accept().await.unwrap().0;
    assert!(sink.counters().waiting() > 0);
    drop(stuck);
    let reader = tokio::spawn(read_to_end(second));
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(counters.dropped, 0);
    assert_eq!(reader.await.unwrap(), lines(0..points));
    assert!(counters.resent > 0);
    assert_eq!(counters.written, points as u64);
}

#[tokio::test]
async fn one_that_reads_ever_so_slowly_is_not_left_as_long_as_it_reads() {
    let (carbon, address) = listen().await;
    let sink = Sink::start(SinkConfig {
        write_timeout: Duration::from_millis(400),
        ..config(&address)
    });
    let path = MetricPath::parse("p").unwrap();
    let (mut large, mut points) = (Batch::default(), 0);
    while large.bytes().len() < 10 << 20 {
        large.add(&path, points as u64, 1);
        points += 1;
    }
    sink.push(large);
    let mut stream = carbon.accept().await.unwrap().0;
    let (mut received, mut chunk) = (Vec::new(), vec![0; 512 * 1024]);
    while received.len() < 10 << 20 {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let read = stream.read(&mut chunk).await.unwrap();
        received.extend_from_slice(&chunk[..read]);
    }
    drop(stream);
    assert_eq!(whole_lines(&received).len(), points);
    assert_eq!(sink.counters().connections, 1);
}

#[tokio::test]
async fn a_slow_reader_gets_everything_on_one_connection() {
    let (carbon, address) = listen().await;
    let sink = sink(&address);
    let points = push_bytes(&sink, 8 << 20);
    let reader = tokio::spawn(async move {
        let mut stream = carbon.accept().await.unwrap().0;
        let (mut received, mut chunk) = (Vec::new(), vec![0; 60_000]);
        loop {
            tokio::time::sleep(Duration::from_millis(1)).await;
            let read = stream.read(&mut chunk).await.unwrap();
            if read == 0 {
                return whole_lines(&received);
            }
            received.extend_from_slice(&chunk[..read]);
        }
    });
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), lines(0..points));
    assert_eq!((counters.connections, counters.dropped), (1, 0));
}

#[tokio::test]
async fn a_connection_closed_while_idle_is_replaced_and_the_last_points_come_again() {
    let (carbon, address) = listen().await;
    let sink = sink(&address);
    sink.push(point(0));
    let first = carbon.accept().await.unwrap().0;
    until(&sink, |counters| counters.written == 1).await;
    // Closed before it read the point.
    drop(first);
    let second = carbon.accept().await.unwrap().0;
    sink.push(point(1));
    let reader = tokio::spawn(read_to_end(second));
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), lines(0..2));
    assert_eq!((counters.written, counters.resent), (2, 1));
}

#[tokio::test]
async fn a_full_queue_gives_up_the_oldest_points_and_counts_them() {
    let (carbon, address) = listen().await;
    drop(carbon);
    let sink = Sink::start(SinkConfig {
        destination: Destination::plaintext(address.clone()),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 30 * "p 100 1\n".len(),
        spool: None,
    });
    for number in 100..200 {
        sink.push(point(number));
    }
    assert_eq!(sink.counters().dropped, 70);
    let carbon = listen_again(&address).await;
    let reader = tokio::spawn(async move { read_to_end(carbon.accept().await.unwrap().0).await });
    sink.finish(LONG).await.unwrap();
    assert_eq!(reader.await.unwrap(), lines(170..200));
}

#[tokio::test]
async fn finishing_without_a_carbon_says_what_is_left_and_why() {
    let (carbon, address) = listen().await;
    drop(carbon);
    let sink = sink(&address);
    sink.push(point(1));
    let error = sink.finish(Duration::from_millis(300)).await.unwrap_err();
    assert!(
        matches!(error, FinishError::Unreachable { waiting: 1, .. }),
        "{error:?}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&format!("127.0.0.1:{}", address.port)),
        "{text}"
    );
    assert!(text.contains("refused"), "{text}");
}

#[tokio::test]
async fn a_carbon_that_never_reads_does_not_count_as_having_read() {
    let (carbon, address) = listen().await;
    let sink = Sink::start(SinkConfig {
        destination: Destination::plaintext(address),
        fallbacks: Vec::new(),
        connect_timeout: LONG,
        write_timeout: Duration::from_millis(100),
        queue_bytes: 1 << 20,
        spool: None,
    });
    sink.push(point(1));
    let _never_read = carbon.accept().await.unwrap();
    let error = sink.finish(LONG).await.unwrap_err();
    assert!(matches!(error, FinishError::Unconfirmed(_)), "{error:?}");
}

#[tokio::test]
async fn with_nothing_to_deliver_finishing_needs_no_carbon() {
    let (carbon, address) = listen().await;
    drop(carbon);
    let counters = sink(&address).finish(LONG).await.unwrap();
    assert_eq!(counters, Counters::default());
}

#[tokio::test]
async fn catching_up_waits_for_a_slow_carbon_but_not_for_one_out_of_reach() {
    let (carbon, address) = listen().await;
    let behind = sink(&address);
    push_bytes(&behind, 16 << 20);
    let accepted = carbon.accept().await.unwrap().0;
    let caught_up = tokio::time::timeout(Duration::from_millis(100), behind.caught_up()).await;
    assert!(caught_up.is_err());
    drop((behind, accepted, carbon));

    let alone = sink(&address);
    push_bytes(&alone, 16 << 20);
    tokio::time::timeout(LONG, alone.caught_up()).await.unwrap();
    assert_eq!(alone.counters().connections, 0);
}
