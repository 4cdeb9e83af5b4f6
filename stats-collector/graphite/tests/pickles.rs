//! Messages of the pickle protocol, as carbon's own unpickler reads them.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use graphite::{Address, Batch, Destination, Fleet, FleetConfig, Protocol, Route, Value};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

const LONG: Duration = Duration::from_secs(60);

/// Path, value as Python writes it, and timestamp.
type Read = (String, String, u64);

/// What arrives when this is shipped to a pickle receiver.
async fn pickled(batch: Batch) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut destination = Destination::plaintext(Address {
        host: "127.0.0.1".to_owned(),
        port: listener.local_addr().unwrap().port(),
    });
    destination.protocol = Protocol::Pickle;
    let fleet = Fleet::start(FleetConfig {
        destinations: vec![destination],
        route: Route::All,
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: None,
    })
    .unwrap();
    fleet.push(batch);
    let reader = tokio::spawn(async move {
        let mut received = Vec::new();
        let mut stream = listener.accept().await.unwrap().0;
        stream.read_to_end(&mut received).await.unwrap();
        received
    });
    fleet.finish(LONG).await.unwrap();
    reader.await.unwrap()
}

/// What carbon's unpickler makes of it: of each message the length and the points.
fn unpickled(bytes: Vec<u8>) -> Vec<(usize, Vec<Read>)> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/unpickle.py");
    let mut child = Command::new(test_support::graphite_pypi().join("bin/python"))
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(&bytes));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let lines = String::from_utf8(output.stdout).unwrap();
    let message = |line: &str| serde_json::from_str(line).unwrap();
    lines.lines().map(message).collect()
}

fn add(batch: &mut Batch, name: &[u8], value: Value, timestamp: u64) {
    batch.add_named(|out| out.extend_from_slice(name), value, timestamp);
}

#[tokio::test]
async fn carbon_reads_every_point_as_it_was_and_every_digit() {
    let values = [
        (Value::Integer(0), "0"),
        (Value::Integer(7), "7"),
        (Value::Integer(u64::from(u32::MAX)), "4294967295"),
        (Value::Integer((1 << 53) + 1), "9007199254740993"),
        (Value::Integer(u64::MAX), "18446744073709551615"),
        (Value::Signed(-1), "-1"),
        (Value::Signed(i64::MIN), "-9223372036854775808"),
        (Value::Float(0.1), "0.1"),
        (Value::Float(-2.5e-300), "-2.5e-300"),
        (Value::Float(5e-324), "5e-324"),
        (Value::Float(1e300), "1e+300"),
    ];
    let mut batch = Batch::default();
    let name = |index: usize| format!("a.b{index};tag=größe");
    let timestamp = |index: usize| 1_795_253_796 + 3_000_000_000 * (index as u64 % 2);
    for (index, &(value, _)) in values.iter().enumerate() {
        add(&mut batch, name(index).as_bytes(), value, timestamp(index));
    }
    let values = values.iter().enumerate();
    let expected =
        values.map(|(index, &(_, text))| (name(index), text.to_owned(), timestamp(index)));
    let messages = unpickled(pickled(batch).await);
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].1, expected.collect::<Vec<_>>());
}

#[tokio::test]
async fn no_message_is_too_large_for_carbon_and_no_point_is_missing_or_twice() {
    let mut batch = Batch::default();
    let long = "x".repeat(14_000);
    for number in 0..1900 {
        let name = if number < 1700 { "p" } else { long.as_str() };
        add(&mut batch, name.as_bytes(), Value::Integer(number), 1000);
    }
    let messages = unpickled(pickled(batch).await);
    for (length, points) in &messages {
        assert!(*length < 600 * 1024 && points.len() <= 500, "{length}");
    }
    let points = messages.iter().flat_map(|(_, points)| points);
    let values = points.map(|point| point.1.clone());
    assert!(values.eq((0..1900).map(|number| number.to_string())));
}

#[tokio::test]
async fn a_name_that_would_make_no_point_is_left_out_as_carbon_would() {
    let mut batch = Batch::default();
    for name in [b"a".as_slice(), b"two words", b"\xff", b"b"] {
        add(&mut batch, name, Value::Integer(1), 1000);
    }
    let point = |path: &str| (path.to_owned(), "1".to_owned(), 1000);
    let messages = unpickled(pickled(batch).await);
    assert_eq!(messages[0].1, [point("a"), point("b")]);
}
