//! What the agent says, as it says it: typed, borrowed from its replies, and with everything absent that it leaves out.
//!
//! A field is absent where no isolator fills it or one failed just now (Mesos:
//! src/slave/containerizer/mesos/containerizer.cpp, `_usage`), which is not the same as zero.

mod blkio;
mod disk;
mod message;
mod perf;
mod reply;
mod snapshot;
mod snmp;
mod statistics;
mod strangers;
mod traffic;

pub(crate) use blkio::{Blkio, Metric, Operation, tables as blkio_tables};
pub(crate) use disk::{Usage, VOLUME, Volume};
pub(crate) use perf::Perf;
pub(crate) use reply::{Container, containers, containers_v1};
pub(crate) use snapshot::snapshot;
pub(crate) use snmp::{Icmp, Ip, Tcp, Udp};
pub(crate) use statistics::{Resources, Statistics, StatisticsError};
pub(crate) use traffic::Queue;
