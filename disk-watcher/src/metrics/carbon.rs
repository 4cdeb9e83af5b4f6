//! Shipping to Graphite, without mesos-stats-collector.

use std::time::{Duration, SystemTime};

use graphite::{
    Address, Batch, Destination, MetricPath, PointTime, Sink, SinkConfig, phase, until_next,
};
use tokio::time::sleep;

use super::Asker;
use super::points::Points;

/// For a connection, and for a write.
const PATIENCE: Duration = Duration::from_secs(5);

/// What may wait while carbon is down.
const QUEUE_BYTES: usize = 32 << 20;

/// Where to ship to, and under which names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CarbonSettings {
    pub(crate) address: Address,
    /// What every path begins with, often `mesos`.
    pub(crate) prefix: MetricPath,
    /// The component behind it.
    pub(crate) host: String,
    /// From one shipment to the next, in whole seconds and more than none.
    pub(crate) interval: Duration,
}

/// Ships `<prefix>.<host>.disk...`, see [`Points`], for ever. What carbon has not read when this is dropped is lost.
pub(super) async fn ship(settings: CarbonSettings, asker: Asker) {
    let CarbonSettings {
        address,
        prefix,
        host,
        interval,
    } = settings;
    let sink = Sink::start(SinkConfig {
        destination: Destination::plaintext(address),
        fallbacks: Vec::new(),
        connect_timeout: PATIENCE,
        write_timeout: PATIENCE,
        queue_bytes: QUEUE_BYTES,
        spool: None,
    });
    let phase = phase(&host, interval);
    let mut points = Points::new(prefix.child(&host).child("disk"));
    loop {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        sleep(until_next(now, interval, phase)).await;
        if let Some(report) = asker.report().await {
            let mut batch = Batch::default();
            points.add(&mut batch, &report, PointTime::Aligned(interval.as_secs()));
            sink.push(batch);
        }
    }
}
