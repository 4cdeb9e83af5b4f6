//! Control groups v1 and v2 behind one face: a cgroup for each task, its limits, its
//! out-of-memory events, its end.
//!
//! The order of use, once in the life of an executor and once in that of each task:
//!
//! ```text
//! Host::detect("/")            which hierarchies there are, and where ours hang
//! sweep(&host)                 what executors that were killed left behind
//! host.within(id)              those of them that the agent clears with the container
//! Parent::create(&host, id)    the executor's own directory, locked while it lives
//!   Cgroup::create(&parent, task, &limits)
//!     .procs_files()           the task's first process writes "0" there, before exec
//!     .degraded()              the limits that do not hold here
//!     .memory_pressure()       a descriptor to poll: memory is short
//!     .oom_events()            another: it ran out
//!     .figures()               what it has used
//!     .update(&limits)
//!     .subgroup()               a part of the task that can be killed alone
//!     .kill()  .remove()
//! Parent::remove()
//! ```
//!
//! The layout, the same in each hierarchy used:
//!
//! ```text
//! <anchor>/mesos-sandbox-executor/<container id>/<task id>
//! ```
//!
//! The anchor is the executor's own cgroup on v1 (under Mesos's linux launcher `mesos/<container
//! id>`, so that the agent, which freezes and kills that tree, takes the tasks with it). On v2 a
//! cgroup that has processes cannot hand controllers to its children: there the anchor is the
//! executor's own cgroup when that was delegated to it and nobody else is in it (a unit of systemd
//! with `Delegate=yes`), from which it moves to a leaf of that, and else the root of the hierarchy.
//!
//! What this process has no rights to, or the host does not have, is left out and told
//! ([`Degraded`], [`Parent::refused`]), and the rest is used.
//!
//! Values are written through cgroups-rs. Detection, events, killing and removal are our own: they
//! have to name the path that failed, and to go on after a failure.
#![deny(unsafe_code)]

mod degraded;
mod error;
mod figures;
mod freezer;
mod host;
mod kernel_file;
mod kernel_log;
mod kill;
mod largest;
mod limits;
mod memory;
mod mountinfo;
mod name;
mod oom;
mod own_cgroup;
mod parent;
mod pressure;
mod protection;
mod subgroup;
mod sweep;
#[allow(unsafe_code)]
mod sys;
mod task;
mod version;

pub use degraded::{Degraded, Limit, Why};
pub use error::{Error, Errors};
pub use figures::{
    CpuFigures, Figures, IoFigures, MemoryFigures, PidsFigures, PressureFigures, Stalls,
};
pub use host::{Controller, Host, Mode};
pub use largest::Largest;
pub use limits::{Cpuset, Device, DeviceKind, DeviceRule, Devices, Io, IoCeiling, Limits};
pub use memory::{Ceiling, MemoryStatistics};
pub use name::safe_name;
pub use oom::OomEvents;
pub use parent::{Parent, Refused};
pub use pressure::MemoryPressure;
pub use subgroup::Subgroup;
pub use sweep::sweep;
pub use task::Cgroup;
