//! What is known at one moment, for monitoring systems and for the views.
//!
//! ```text
//!   the daemon's loop ──answers──> Asker ──Report──> prometheus: GET /metrics, Prometheus
//!     (on request only)                         ├──> socket: a line of JSON, for mesos-stats-collector and the views
//!                                               └──> carbon: points of Graphite
//! ```
//!
//! A [`disk_figures::Report`] is made when somebody asks, and the same is told to all who ask within half a second: nobody asking costs
//! nothing.

use disk_figures::Figure;
use graphite::Value;

mod asker;
mod carbon;
mod outputs;
mod points;
mod prometheus;
mod snapshot;
mod socket;

pub(crate) use asker::{Ask, Asker};
pub(crate) use carbon::CarbonSettings;
pub(crate) use outputs::{OutputError, OutputSettings, Outputs};
pub(crate) use snapshot::{Row, Snapshot, identity, source};

/// A figure as it is written in every output.
fn value(figure: Figure) -> Value {
    match figure {
        Figure::Integer(value) => value.into(),
        Figure::Float(value) => value.into(),
    }
}
