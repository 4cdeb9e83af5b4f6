//! What arrives at a real carbon, point by point, whatever way it went.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use graphite::{
    Address, Batch, Destination, Fleet, FleetConfig, Protocol, Route, Transport, Value,
};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use test_support::Graphite;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

const LONG: Duration = Duration::from_secs(60);
const SERIES: u64 = 20;
const SECONDS: u64 = 50;

/// The value of one second of a series, by its time and name. Graphite's numbers are doubles.
type Points = BTreeMap<String, BTreeMap<u64, f64>>;

/// Numbers that a double holds, and that the reader of JSON here reads back exactly.
fn value(series: u64, second: u64) -> Value {
    let number = series * 1000 + second;
    match series % 4 {
        0 => Value::Integer((1 << 53) + 2 * number),
        1 => Value::Signed(-(number as i64)),
        2 => Value::Float(number as f64 / 8.0),
        _ => Value::Float(number as f64 * -1e18),
    }
}

fn stored(value: Value) -> f64 {
    match value {
        Value::Integer(integer) => integer as f64,
        Value::Signed(integer) => integer as f64,
        Value::Float(float) => float,
    }
}

/// The name of a series of one way, half of them with tags.
fn name(way: &str, series: u64) -> String {
    if series.is_multiple_of(2) {
        format!("wires.{way}.plain{series}")
    } else {
        format!("wires.{way}.tagged;series=s{series};way={way}")
    }
}

async fn ship(way: &str, destination: Destination, from: u64) {
    let fleet = Fleet::start(FleetConfig {
        destinations: vec![destination],
        route: Route::All,
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 64 << 20,
        spool: None,
    })
    .unwrap();
    let mut batch = Batch::default();
    for series in 0..SERIES {
        let name = name(way, series);
        for second in 0..SECONDS {
            let named = |out: &mut Vec<u8>| out.extend_from_slice(name.as_bytes());
            batch.add_named(named, value(series, second), from + second);
        }
    }
    fleet.push(batch);
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!(
        (counters.written, counters.connections),
        (SERIES * SECONDS, 1)
    );
}

fn expected(way: &str, from: u64) -> Points {
    let points =
        |series| (0..SECONDS).map(move |second| (from + second, stored(value(series, second))));
    (0..SERIES)
        .map(|series| (name(way, series), points(series).collect()))
        .collect()
}

/// Everything that Graphite has of one way.
fn arrived(graphite: &Graphite, way: &str) -> Points {
    let plain = format!("wires.{way}.*");
    let tagged = format!("seriesByTag('way={way}')");
    let mut points = Points::new();
    for target in [plain, tagged] {
        for series in graphite
            .render_json(&target, "-5min")
            .unwrap()
            .as_array()
            .unwrap()
        {
            let rows = series["datapoints"].as_array().unwrap();
            let known = rows
                .iter()
                .filter_map(|row| Some((row[1].as_u64()?, row[0].as_f64()?)));
            points.insert(
                series["target"].as_str().unwrap().to_owned(),
                known.collect(),
            );
        }
    }
    points
}

/// As an operator would put stunnel before carbon: where TLS ends, and how to get there.
async fn tls_before(carbon: String) -> (u16, Transport) {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["carbon.example".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let provider = || Arc::new(ring::default_provider());
    let server = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let acceptor = TlsAcceptor::from(Arc::new(server));
    tokio::spawn(async move {
        let mut outside = acceptor
            .accept(listener.accept().await.unwrap().0)
            .await
            .unwrap();
        let mut inside = TcpStream::connect(carbon).await.unwrap();
        copy_bidirectional(&mut outside, &mut inside).await.unwrap();
    });
    let connector = TlsConnector::from(Arc::new(client));
    let name = ServerName::try_from("carbon.example").unwrap();
    (port, Transport::Tls { connector, name })
}

fn port(address: &str) -> u16 {
    address.rsplit_once(':').unwrap().1.parse().unwrap()
}

#[test]
fn every_point_arrives_with_its_value_and_time_over_every_protocol_and_transport() {
    const WAYS: [&str; 4] = ["lines", "pickles", "tls", "datagrams"];
    let graphite = Graphite::start();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let from = now - 2 * SECONDS;
    let shipping = async {
        let (lines, pickles) = (port(&graphite.carbon()), port(&graphite.carbon_pickle()));
        let (tls, encrypted) = tls_before(graphite.carbon()).await;
        for way in WAYS {
            let mut destination = Destination::plaintext(Address {
                host: "127.0.0.1".to_owned(),
                port: lines,
            });
            match way {
                "pickles" => {
                    destination.address.port = pickles;
                    destination.protocol = Protocol::Pickle;
                }
                "tls" => {
                    destination.address.port = tls;
                    destination.transport = encrypted.clone();
                }
                "datagrams" => destination.transport = Transport::Udp,
                _ => {}
            }
            ship(way, destination, from).await;
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(shipping);

    let deadline = Instant::now() + LONG;
    for way in WAYS {
        let expected = expected(way, from);
        let mut found = arrived(&graphite, way);
        // Files are made one after the other, and tags become known some seconds later.
        while found != expected && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(200));
            found = arrived(&graphite, way);
        }
        for (name, points) in &expected {
            assert_eq!(found.get(name), Some(points), "{way}: {name}");
        }
        assert_eq!(found.len(), expected.len(), "{way}: {:?}", found.keys());
    }
}
