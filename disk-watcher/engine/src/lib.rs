//! Disk usage of a directory tree that hostile tasks write to.
//!
//! [`measure()`] walks a tree and tells what `du` would: allocated blocks, each inode once, links not followed. Unlike
//! `du` it stops at mount points by default, treats a file that vanishes under it as ordinary, and says of a number
//! that cannot be the whole truth that it is a [lower bound](Completeness::LowerBound).
//!
//! [`Watch`] does so for many trees at once, in the best way that each file system allows ([`Source`]), each when it
//! could next have reached its limit, and tells of [`Event`]s. An idle tree costs next to nothing.
//!
//! Kept on purpose: reflinked blocks count once for each file that shares them, as in `du`. Files that are deleted but
//! still open are no part of a walk; [`deleted()`] finds them through the processes that hold them.
//!
//! `unsafe` is in the `sys` module alone.

mod attributes;
mod deleted;
mod explain;
mod largest;
mod ledger;
mod measure;
mod message;
mod names;
mod node;
mod opener;
mod options;
mod pace;
mod pool;
pub mod proc_text;
pub mod quota;
mod seen;
mod stack;
#[allow(unsafe_code)]
mod sys;
mod track;
mod usage;
mod waits;
mod walker;
mod watch;

pub use deleted::deleted;
pub use explain::{Directory, Explanation, explain};
pub use largest::largest;
pub use ledger::Holding;
pub use measure::{Error, Series, measure, open_root};
pub use options::{FileId, Options, Stop};
pub use sys::Handle;
pub use track::{
    Bounds, Drained, Drift, FileSystemId, Malformed, NoTracking, TrackEvent, TrackEvents, Tracker,
};
pub use usage::{Completeness, Gaps, Unread, Usage};
pub use watch::{
    Amount, Breach, Deleted, Event, Figures, FileSystem, FileSystemFigures, Largest, Limits,
    Measured, Processes, QuotaUse, Sample, Settings, Source, StartError, Tree, TreeId, Watch,
};
