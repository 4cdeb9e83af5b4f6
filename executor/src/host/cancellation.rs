//! Taking a launch back.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use executor_core::{Fault, StartFailure};
use tokio::sync::Notify;

/// Whether one launch is still wanted: looked at between the steps that block, waited for by those that do not.
#[derive(Clone, Debug, Default)]
pub(super) struct Cancellation {
    flag: Arc<AtomicBool>,
    bell: Arc<Notify>,
}

impl Cancellation {
    /// The launch is not wanted any more.
    pub(super) fn request(&self) {
        self.flag.store(true, Ordering::Release);
        // The launch is one task that waits at one place: were it not waiting now, its next wait would end at once.
        self.bell.notify_one();
    }

    /// Returns once the launch is not wanted any more.
    pub(super) async fn requested(&self) {
        while !self.flag.load(Ordering::Acquire) {
            self.bell.notified().await;
        }
    }

    /// # Errors
    /// The launch is not wanted any more.
    pub(super) fn check(&self) -> Result<(), StartFailure> {
        match self.flag.load(Ordering::Acquire) {
            false => Ok(()),
            true => Err(Self::failure()),
        }
    }

    /// For the sandbox's launcher, which looks by itself.
    pub(super) fn flag(&self) -> &Arc<AtomicBool> {
        &self.flag
    }

    /// What a launch ends with that was taken back.
    pub(super) fn failure() -> StartFailure {
        StartFailure {
            fault: Fault::Host,
            message: "cancelled before it started".to_owned(),
        }
    }
}
