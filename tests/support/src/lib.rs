//! A real Mesos, a real Graphite and a scheduler as fixtures for tests and for the demo.
//!
//! Each fixture is a value: it is up when its `start` returns, and all that it started is gone when it is dropped, also
//! when the test panics or its process is killed. Dropping a [`RealMesos`] asserts, besides, that the programs under test
//! had left nothing behind by then.
//!
//! The face is synchronous, so that a test is a plain `#[test]` function. A fixture that cannot be set up panics with the
//! reason, as an assertion does; what a test waits for and may not come is a `Result`.
//!
//! ```no_run
//! use std::time::Duration;
//! use test_support::{FrameworkOptions, RealMesos, Scheduler, Settings, task};
//! use mesos_proto::v1::TaskState;
//!
//! let mesos = RealMesos::start(Settings::posix());
//! let scheduler = Scheduler::subscribe(&mesos, FrameworkOptions::default());
//! scheduler.launch([task("one").command("exit 3")]).unwrap();
//! let status = scheduler.wait_for("one", TaskState::TaskFailed, Duration::from_secs(10)).unwrap();
//! assert_eq!(status.message(), "Command exited with status 3");
//! ```
#![forbid(unsafe_code)]

pub mod binaries;
mod file_server;
mod foreign;
mod graphite;
mod http;
mod keeper;
mod large_agent;
mod leftovers;
mod mesos;
mod recorder;
mod scheduler;
mod setup;
mod tasks;

pub use file_server::FileServer;
pub use foreign::ForeignScheduler;
pub use graphite::{Graphite, Packager};
pub use http::HttpError;
pub use keeper::remove_all_fixtures;
pub use large_agent::{Isolators, LargeAgent};
pub use leftovers::{Leftover, Leftovers, Scope};
pub use mesos::{Launcher, RealMesos, Settings, real_mesos};
pub use recorder::{Exchange, Recorder};
pub use scheduler::{ExecutorFailure, FrameworkOptions, Scheduler, SchedulerError, Update};
pub use setup::{graphite_pypi, prometheus_client, pymesos};
pub use tasks::{ExecutorBuilder, TaskBuilder, executor, resource, task};

use std::path::Path;
use std::time::{Duration, Instant};

/// The workspace this was built in.
fn workspace() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

/// A loopback port that nothing listens on. Somebody else may take it before its user does: then that one fails to start.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0")
        .and_then(|listener| listener.local_addr())
        .expect("no free port on 127.0.0.1")
        .port()
}

/// Asks until the answer is yes, or the time is over: then the answer is no.
fn poll_until(timeout: Duration, mut is_so: impl FnMut() -> bool) -> bool {
    let deadline = Instant::now() + timeout;
    loop {
        if is_so() {
            return true;
        }
        if Instant::now() > deadline {
            return false;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}
