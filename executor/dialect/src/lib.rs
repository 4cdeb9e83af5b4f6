//! What a framework asks for of a task, in whichever of its ways it says so: pure functions from messages to a
//! [`Request`], and from a task to its environment.
//!
//! [`resolve()`] is the way in; its documentation has the order in which the sources are asked. Each way of saying it is
//! a module: `data` (our own JSON), `singularity` (Singularity's), `labels`, `splice` (Marathon's and mesos-compose's),
//! `command_info` and `health` (Mesos's own messages).

#![forbid(unsafe_code)]

mod check;
mod check_error;
mod check_json;
mod command_info;
mod container;
mod data;
pub mod environment;
mod error;
mod field;
mod health;
mod json;
mod labels;
mod life;
mod life_json;
mod limit_keys;
mod limits;
mod linux;
mod logs;
mod messages;
mod ports;
mod request;
mod resolve;
mod sandbox;
mod sandbox_keys;
mod singularity;
mod splice;
mod volume;
mod wishes;

pub use check::{Check, HttpProbe, Probe, Role, Target};
pub use check_error::CheckError;
pub use error::{CommandError, Place, ProgramError, UriError};
pub use field::FieldError;
pub use json::JsonError;
pub use labels::{LABEL, LabelError};
pub use life::{Hook, Hooks, Life, Restart, RestartPolicy, Stop, StopSignal};
pub use life_json::LifeError;
pub use limits::{DeviceWish, DiskWishes, IoDeviceWish, IoWishes, LimitWishes};
pub use logs::{LogWishes, RateLimit};
pub use messages::Allowed;
pub use request::{Checksum, Options, Program, Request, Uri};
pub use resolve::resolve;
pub use sandbox::{
    CapabilityWishes, NetworkWish, PersistentVolume, RlimitWish, RootWish, SandboxWishes,
    SeccompWish, VolumeRoot, VolumeSource, VolumeWish,
};
pub use volume::persistent_volumes;
