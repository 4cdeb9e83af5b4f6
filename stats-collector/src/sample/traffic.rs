//! Queues of the network (Mesos: include/mesos/mesos.proto, `TrafficControlStatistics`).

use std::borrow::Cow;

use serde::de::MapAccess;

use super::message::{Message, Pending};
use crate::model::{Along, numbers};

/// The queues of one container are told apart by their ids.
const QUEUE: Along = Along {
    tag: "queue",
    behind: 1,
};

numbers! {
    /// What one queue did.
    struct Queue, named "net_traffic_control_statistics." along Some(QUEUE);

    backlog: u64, Gauge Bytes, "Bytes that wait in the queue.";
    bytes: u64, Counter Bytes, "Bytes sent.";
    drops: u64, Counter Count, "Packets dropped.";
    overlimits: u64, Counter Count, "Times that the limit held a packet back.";
    packets: u64, Counter Count, "Packets sent.";
    qlen: u64, Gauge Count, "Packets that wait in the queue.";
    ratebps: u64, Gauge BytesPerSecond, "Bytes a second, as the kernel estimates them.";
    ratepps: u64, Gauge CountPerSecond, "Packets a second, as the kernel estimates them.";
    requeues: u64, Counter Count, "Packets queued again.";
}

/// One queue.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct TrafficControl<'a> {
    /// What Mesos calls it: `bw_limit`. Empty if the reply does not say.
    pub(crate) id: Cow<'a, str>,
    /// What it did.
    pub(crate) queue: Queue,
}

impl<'de> Message<'de> for TrafficControl<'de> {
    const PATH: &'static str = "net_traffic_control_statistics";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        if key == "id" {
            self.id = value.text()?.unwrap_or_default();
            return Ok(true);
        }
        value.one_of(&mut self.queue, key)
    }
}
