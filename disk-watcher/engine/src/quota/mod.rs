//! Usage by project, as XFS and ext4 count it themselves: exact, at once, and at the price of one system call, however
//! many files there are.
//!
//! ```text
//! ProjectQuota::probe(root)            does this file system count by project? if not, why
//! ProjectIds::allocate(quota, root)    an id that nobody has, kept on record
//! assign(root, id, ..)                 the whole tree into the project; what is made in it follows
//! ProjectQuota::usage(id)              bytes and inodes
//! ProjectQuota::set_limits(id, ..)     the kernel warns, and refuses writes
//! Warnings::subscribe()                the kernel tells of each limit that is reached
//! audit(root, id, ..)                  files that left their project
//! ProjectIds::reclaim(quota)           ids whose directories are gone
//! ```
//!
//! What counts as du counts it: blocks, hard links once, the root directory. What does not: files that are deleted but
//! still open count until they are closed, and so do hard links that lead out of the tree.
//!
//! The owner of a file may take it out of its project, or put it into another's, unless a filter of system calls or a
//! user namespace forbids it, as this project's executor does for its tasks. Where tasks of others run, a project's
//! usage can so be made smaller, or a neighbour's larger: [`audit()`] finds the first, and a breach that is to cost
//! somebody his life is confirmed by a walk of his own tree.

mod assign;
mod audit;
mod device;
mod ids;
mod messages;
mod probe;
mod project;
mod records;
mod statfs;
mod usage;
mod visit;
mod warnings;

pub use assign::{AssignError, Assigned, assign};
pub use audit::{Audit, audit};
pub use ids::{IdsError, MESOS_PROJECT_RANGE, PROJECT_RANGE_BESIDE_MESOS, ProjectIds};
pub(crate) use probe::top_of;
pub use probe::{NoQuota, ProjectQuota, QuotaError, QuotaKind};
pub use project::{Membership, ProjectId, project_of};
pub use records::RecordsError;
pub use statfs::{StatfsUsage, usage_by_statfs};
pub use usage::{ProjectLimits, ProjectUsage};
pub use warnings::{Heard, NoWarnings, Warning, WarningKind, Warnings, parse_warnings};
