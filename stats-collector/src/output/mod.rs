//! Where numbers go.
//!
//! ```text
//!                                      one subject at a time
//!   turn ──begin──> Writer ──put──> wanted? a number? a series? ──> Carbon:  lines in batches, to the fleet of carbons
//!                                   (Selection, finite, Ceiling)             or, on a dry run, to standard output
//!          caught_up: waits a while for who is slow           ├──> Page:    what Prometheus is told until the next turn
//!          end_turn:  hands over what is not full yet         └──> Json:    lines to standard output or a file
//! ```
//!
//! Nothing in here waits for a carbon, a disk or a reader but [`Outlet::caught_up`] and [`Outlet::finish`], each within
//! the time it is given; who is slow for longer loses points, which are counted.

mod carbon;
mod json;
mod outlet;
mod page;
mod printer;
mod writer;

pub(crate) use outlet::{Outlet, OutletCounters, OutputError, OutputSettings};
pub(crate) use printer::Place;
pub(crate) use writer::Writer;
