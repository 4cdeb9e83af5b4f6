//! What is particular to each way that bytes travel. Carbon is a listener on loopback.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use graphite::{
    Address, Batch, Counters, Destination, Fleet, FleetConfig, MetricPath, Route, Transport,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LONG: Duration = Duration::from_secs(60);

fn fleet(port: u16, transport: Transport) -> Fleet {
    let mut destination = Destination::plaintext(Address {
        host: "127.0.0.1".to_owned(),
        port,
    });
    destination.transport = transport;
    Fleet::start(FleetConfig {
        destinations: vec![destination],
        route: Route::All,
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: None,
    })
    .unwrap()
}

fn push(fleet: &Fleet, numbers: std::ops::Range<u64>) {
    let path = MetricPath::parse("a.series.of.some.length").unwrap();
    let mut batch = Batch::default();
    for number in numbers {
        batch.add(&path, number, 1);
        if batch.is_full() {
            fleet.push(std::mem::take(&mut batch));
        }
    }
    fleet.push(batch);
}

/// The numbers in the lines.
fn numbers(lines: &[u8]) -> BTreeSet<u64> {
    let text = std::str::from_utf8(lines).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "half a line");
    let number = |line: &str| {
        let point = line.strip_prefix("a.series.of.some.length ").unwrap();
        point.strip_suffix(" 1").unwrap().parse().unwrap()
    };
    text.lines().map(number).collect()
}

async fn until(fleet: &Fleet, condition: impl Fn(Counters) -> bool) {
    let waiting = async {
        while !condition(fleet.counters()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(LONG, waiting).await.unwrap();
}

/// Both sides of TLS: a server whose certificate is for `carbon.example`, and what trusts it.
fn tls() -> (TlsAcceptor, TlsConnector) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["carbon.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let server = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    (
        TlsAcceptor::from(Arc::new(server)),
        trusting(&[cert.der().clone()]),
    )
}

fn trusting(authorities: &[CertificateDer<'static>]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).unwrap();
    }
    let client = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    TlsConnector::from(Arc::new(client))
}

fn encrypted(connector: TlsConnector, name: &str) -> Transport {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    Transport::Tls { connector, name }
}

async fn listen() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

#[tokio::test]
async fn over_tls_everything_arrives_and_carbon_is_known_to_have_read_it() {
    let (listener, port) = listen().await;
    let (acceptor, connector) = tls();
    let fleet = fleet(port, encrypted(connector, "carbon.example"));
    push(&fleet, 0..20_000);
    let reader = tokio::spawn(async move {
        let mut stream = acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        stream.shutdown().await.unwrap();
        received
    });
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!(numbers(&reader.await.unwrap()), (0..20_000).collect());
    assert_eq!((counters.written, counters.connections), (20_000, 1));
}

#[tokio::test]
async fn a_tls_connection_that_ends_is_noticed_while_idle_and_what_was_not_read_comes_again() {
    let (listener, port) = listen().await;
    let (acceptor, connector) = tls();
    let fleet = fleet(port, encrypted(connector, "carbon.example"));
    push(&fleet, 0..10);
    let accept = async || {
        acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap()
    };
    let mut unread = accept().await;
    until(&fleet, |counters| counters.written == 10).await;
    unread.shutdown().await.unwrap();
    drop(unread);
    let mut stream = accept().await;
    push(&fleet, 10..20);
    let reader = tokio::spawn(async move {
        let mut received = Vec::new();
        stream.read_to_end(&mut received).await.unwrap();
        received
    });
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!(numbers(&reader.await.unwrap()), (0..20).collect());
    assert_eq!(
        (counters.written, counters.resent, counters.connections),
        (20, 10, 2)
    );
}

/// A carbon that nobody says anything to once TLS is up, if it ever is; counts who came.
async fn refused(listener: TcpListener, acceptor: TlsAcceptor, attempts: Arc<AtomicUsize>) {
    loop {
        let stream = listener.accept().await.unwrap().0;
        attempts.fetch_add(1, Relaxed);
        if let Ok(mut stream) = acceptor.accept(stream).await {
            let mut received = Vec::new();
            let _ = stream.read_to_end(&mut received).await;
            assert!(received.is_empty());
        }
    }
}

#[tokio::test]
async fn nothing_is_said_to_one_who_cannot_prove_to_be_carbon_and_the_error_names_both() {
    let (acceptor, connector) = tls();
    let (_, trusts_another) = tls();
    let cases = [
        (encrypted(connector, "other.example"), "not valid for name"),
        (
            encrypted(trusts_another, "carbon.example"),
            "invalid peer certificate",
        ),
    ];
    for (transport, cause) in cases {
        let (listener, port) = listen().await;
        let fleet = fleet(port, transport);
        push(&fleet, 0..10);
        let attempts = Arc::new(AtomicUsize::new(0));
        let server = tokio::spawn(refused(listener, acceptor.clone(), Arc::clone(&attempts)));
        // With the second attempt the first has failed.
        until(&fleet, |_| attempts.load(Relaxed) >= 2).await;
        let error = fleet.finish(Duration::from_millis(300)).await.unwrap_err();
        let text = error.to_string();
        assert!(
            text.starts_with(&format!("tls://127.0.0.1:{port}: 10 points")),
            "{text}"
        );
        assert!(
            text.contains("TLS with 127.0.0.1") && text.contains(cause),
            "{text}"
        );
        assert!(!server.is_finished());
        server.abort();
    }
}

#[tokio::test]
async fn a_listener_that_speaks_no_tls_is_told_from_one_that_is_away() {
    let (listener, port) = listen().await;
    let fleet = fleet(port, encrypted(tls().1, "carbon.example"));
    push(&fleet, 0..10);
    let server = tokio::spawn(async move {
        loop {
            let mut stream: TcpStream = listener.accept().await.unwrap().0;
            stream.write_all(b"what is this?\n").await.unwrap();
        }
    });
    let error = fleet.finish(Duration::from_secs(1)).await.unwrap_err();
    assert!(error.to_string().contains("TLS with 127.0.0.1"), "{error}");
    server.abort();
}

#[tokio::test]
async fn datagrams_have_whole_lines_and_none_is_lost_on_loopback() {
    let carbon = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let fleet = fleet(carbon.local_addr().unwrap().port(), Transport::Udp);
    push(&fleet, 0..20_000);
    let mut received = BTreeSet::new();
    let mut buffer = [0; 65_536];
    while received.len() < 20_000 {
        let reading = tokio::time::timeout(LONG, carbon.recv(&mut buffer));
        let length = reading.await.unwrap().unwrap();
        assert!(length <= 1400);
        received.append(&mut numbers(&buffer[..length]));
    }
    assert_eq!(received, (0..20_000).collect());
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!((counters.written, counters.resent), (20_000, 0));
}

#[tokio::test]
async fn where_nobody_takes_datagrams_points_wait_as_far_as_the_host_says_so() {
    let port = {
        let gone = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        gone.local_addr().unwrap().port()
    };
    let fleet = fleet(port, Transport::Udp);
    push(&fleet, 0..10);
    // The first datagram is on its way before the answer is back; it is sent again.
    until(&fleet, |counters| counters.resent >= 10).await;
    let carbon = UdpSocket::bind(("127.0.0.1", port)).await.unwrap();
    let mut buffer = [0; 65_536];
    let length = tokio::time::timeout(LONG, carbon.recv(&mut buffer))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(numbers(&buffer[..length]), (0..10).collect());
}
