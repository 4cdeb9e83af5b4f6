use std::sync::Arc;

use graphite::{Address, Destination, MetricPath, Route};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use super::*;
use crate::model::{Along, Field, Nature, Origin, Put, Unit};
use crate::names::{FieldRules, Form, NamesSettings, Naming};

const SOON: Duration = Duration::from_secs(10);

pub(in crate::output) static USED: Field = Field {
    name: "mem_rss_bytes",
    along: None,
    nature: Nature::Gauge,
    unit: Unit::Bytes,
    help: "Resident.",
};

pub(in crate::output) static VOLUME: Field = Field {
    name: "disk_statistics.used_bytes",
    along: Some(Along {
        tag: "volume",
        behind: 1,
    }),
    nature: Nature::Gauge,
    unit: Unit::Bytes,
    help: "In use.",
};

fn names(deny: &[&str]) -> NamesSettings {
    NamesSettings {
        prefix: MetricPath::parse("mesos").unwrap(),
        host: "node.1".to_owned(),
        form: Form::Path,
        templates: Vec::new(),
        tags: Vec::new(),
        labels: Vec::new(),
        slot_reuse_after: Duration::ZERO,
        state_file: None,
        fields: FieldRules {
            allow: Vec::new(),
            deny: deny.iter().map(|&pattern| pattern.to_owned()).collect(),
        },
        fields_by_kind: Vec::new(),
        most_series: 1000,
    }
}

pub(in crate::output) fn subject(kind: Kind, slot: Option<u32>) -> Subject {
    Subject {
        kind,
        app: Arc::from(if slot.is_some() { "web" } else { "" }),
        slot,
    }
}

/// An outlet to the carbon at this address.
fn outlet(carbon: Option<Address>, most_series: usize, deny: &[&str]) -> Outlet {
    let settings = OutputSettings {
        graphite: carbon.map(|address| FleetConfig {
            destinations: vec![Destination::plaintext(address)],
            route: Route::All,
            connect_timeout: SOON,
            write_timeout: SOON,
            queue_bytes: 1 << 20,
            spool: None,
        }),
        prometheus: None,
        json: None,
        dry_run: false,
        patience: Duration::from_millis(50),
    };
    let selection = Selection::new(&names(deny)).unwrap();
    Outlet::open(
        settings,
        selection,
        Ceiling::new(most_series),
        PointTime::Aligned(10),
    )
    .unwrap()
}

pub(in crate::output) fn head(subject: &Subject) -> Head {
    Naming::new(&names(&[]))
        .unwrap()
        .head(subject, &Origin::default())
}

#[tokio::test]
async fn every_wanted_number_reaches_carbon_under_its_name_at_its_aligned_time() {
    let carbon = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = carbon.local_addr().unwrap();
    let address = Address {
        host: address.ip().to_string(),
        port: address.port(),
    };
    let mut outlet = outlet(Some(address), 1000, &["*_limit_bytes"]);
    let web = subject(Kind::Container, Some(0));
    let head = head(&web);
    {
        let mut writer = outlet.begin(&web, &head, 1_795_253_796.9).unwrap();
        writer.put(&USED, None, (u64::MAX).into());
        writer.put(&VOLUME, Some("a b"), 0.5.into());
        writer.put_unknown("slave.cpus", (-3_i64).into());
        writer.put_unknown("mem_limit_bytes", 1_u64.into());
        writer.put(&USED, None, f64::NAN.into());
    }
    outlet.caught_up().await;
    outlet.end_turn();
    assert_eq!(
        outlet.counters(),
        OutletCounters {
            points: 3,
            refused: 1,
            ..OutletCounters::default()
        }
    );
    let finishing = tokio::spawn(outlet.finish(SOON));
    let (mut client, _) = carbon.accept().await.unwrap();
    let mut text = String::new();
    client.read_to_string(&mut text).await.unwrap();
    drop(client);
    let _ = finishing.await.unwrap();
    assert_eq!(
        text,
        "mesos.node_1.containers.web.0.mem_rss_bytes 18446744073709551615 1795253790\n\
         mesos.node_1.containers.web.0.disk_statistics.a_b--c8687a08.used_bytes 0.5 1795253790\n\
         mesos.node_1.containers.web.0.slave.cpus -3 1795253790\n"
    );
}

#[tokio::test]
async fn a_subject_of_no_possible_time_is_left_out_and_counted() {
    let mut outlet = outlet(None, 1000, &[]);
    let web = subject(Kind::Container, Some(0));
    let head = head(&web);
    assert!(outlet.begin(&web, &head, -1.0).is_none());
    assert!(outlet.begin(&web, &head, f64::NAN).is_none());
    assert_eq!(outlet.counters().untimely, 2);
}

#[tokio::test]
async fn what_the_collector_tells_of_itself_is_above_the_ceiling() {
    let mut outlet = outlet(None, 1, &[]);
    let web = subject(Kind::Container, Some(0));
    let collector = subject(Kind::Collector, None);
    for subject in [&web, &collector] {
        let head = head(subject);
        let mut writer = outlet.begin(subject, &head, 1000.0).unwrap();
        writer.put(&USED, None, 1_u64.into());
        writer.put(&VOLUME, Some("v"), 1_u64.into());
    }
    assert_eq!(outlet.counters().points, 3);
}

#[tokio::test]
async fn a_carbon_that_does_not_read_holds_a_turn_up_no_longer_than_the_patience() {
    // Nobody accepts, and what is pushed is more than the sockets' buffers hold.
    let carbon = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = carbon.local_addr().unwrap();
    let mut outlet = outlet(
        Some(Address {
            host: address.ip().to_string(),
            port: address.port(),
        }),
        usize::MAX,
        &[],
    );
    let web = subject(Kind::Container, Some(0));
    let head = head(&web);
    let turn = async {
        for round in 0..400_000_u64 {
            let mut writer = outlet.begin(&web, &head, 1000.0).unwrap();
            writer.put(&USED, None, round.into());
            drop(writer);
            if round % 1000 == 0 {
                outlet.caught_up().await;
            }
        }
        outlet.end_turn();
    };
    tokio::time::timeout(SOON, turn).await.expect("it waits");
    let counters = outlet.deliveries()[0].counters;
    assert_eq!(counters.pushed, 400_000);
    assert!(counters.dropped > 0, "{counters:?}");
}
