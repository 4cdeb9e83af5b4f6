//! Ships points to Graphite's carbon.
//!
//! Two halves that meet in a [`Batch`] of encoded points:
//!
//! * pure: [`MetricPath`] (names that carbon stores as they are meant), [`app_name()`] and [`Roster`]
//!   (names that do not change with every restart), [`PointTime`], [`Batch`] and [`encode_point`]
//!   (the plaintext protocol, `path value timestamp\n`);
//! * I/O: [`Sink`] (a bounded queue that never blocks who fills it) and the [`Connection`] it
//!   empties itself into, over and over, across carbon's restarts.
//!
//! Carbon acknowledges nothing (carbon: `lib/carbon/protocols.py`, `MetricLineReceiver`), so what
//! was written last is kept and written again on the next connection. A point that arrives twice is
//! harmless: whisper keeps the last value of a series and a time.

#![forbid(unsafe_code)]

mod app_name;
mod backoff;
mod batch;
mod connection;
mod counters;
mod destination;
mod distinct;
mod encode;
mod fleet;
mod path;
mod pickle;
mod queue;
mod ring;
mod roster;
mod schedule;
mod sink;
mod spool;
mod transport;
mod ways;
mod window;

pub use app_name::{app_name, distinct_without_uuid, readable_part};
pub use batch::Batch;
pub use connection::{Connection, ConnectionError, Timeouts};
pub use counters::{Counters, SpoolCounters};
pub use destination::{Address, Destination, Protocol, Transport};
pub use distinct::distinct;
pub use encode::{Value, encode_point, encode_value};
pub use fleet::{Delivery, Fleet, FleetConfig, FleetError, Route, UndeliveredError};
pub use path::{COMPONENT_MAX, MetricPath, PathError};
pub use ring::{Hash, Replication, Ring, RingError};
pub use roster::{Member, Roster};
pub use schedule::{PointTime, phase, until_next};
pub use sink::{FinishError, Sink, SinkConfig};
pub use spool::{SpoolConfig, SpoolName};
