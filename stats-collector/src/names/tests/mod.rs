//! Names as a whole: settings in, series out.

mod ceiling;
mod graphite;
mod hostile;
mod naming;
mod registry;

use std::sync::Arc;
use std::time::Duration;

use ::graphite::MetricPath;

use super::*;
use crate::model::{Along, Field, Kind, Nature, Origin, Subject, Unit};

const UUID: &str = "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002";

static USED: Field = Field {
    name: "cpus_used",
    along: None,
    nature: Nature::Gauge,
    unit: Unit::Cores,
    help: "Processors in use.",
};

static VOLUME_USED: Field = Field {
    name: "disk_statistics.used_bytes",
    along: Some(Along {
        tag: "volume",
        behind: 1,
    }),
    nature: Nature::Gauge,
    unit: Unit::Bytes,
    help: "In use.",
};

static DEVICE_READ: Field = Field {
    name: "blkio.read",
    along: Some(Along {
        tag: "device",
        behind: 2,
    }),
    nature: Nature::Counter,
    unit: Unit::Bytes,
    help: "Read.",
};

fn settings() -> NamesSettings {
    NamesSettings::new(
        MetricPath::parse("mesos").unwrap(),
        "node-1.example.com".to_owned(),
    )
}

fn tagged() -> NamesSettings {
    NamesSettings {
        form: Form::Tags,
        ..settings()
    }
}

fn naming(settings: &NamesSettings) -> Arc<Naming> {
    Arc::new(Naming::new(settings).unwrap())
}

fn subject(kind: Kind, app: &str, slot: Option<u32>) -> Subject {
    Subject {
        kind,
        app: app.into(),
        slot,
    }
}

fn series(head: &Head, name: Name<'_>) -> String {
    let mut out = b"before ".to_vec();
    head.write(&mut out, name);
    String::from_utf8(out)
        .unwrap()
        .strip_prefix("before ")
        .unwrap()
        .to_owned()
}

/// Somebody in an answer: an id, and an origin.
#[derive(Clone, Debug)]
struct Someone {
    id: String,
    origin: Origin,
    is_complete: bool,
}

impl Identity for Someone {
    fn id(&self) -> &str {
        &self.id
    }

    fn origin(&self) -> Origin {
        self.origin.clone()
    }

    fn is_complete(&self) -> bool {
        self.is_complete
    }
}

/// Given as `id=executor's id`.
fn someone(pair: &str) -> Someone {
    let (id, executor) = pair.split_once('=').unwrap();
    let origin = Origin {
        executor_id: Some(executor.into()),
        ..Origin::default()
    };
    Someone {
        id: id.to_owned(),
        origin,
        is_complete: true,
    }
}

fn registry(settings: &NamesSettings, rest: u64) -> Registry<u32> {
    Registry::new(naming(settings), Duration::from_secs(rest))
}
