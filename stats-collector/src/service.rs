//! What systemd is told: that the program is ready, alive, or about to end (sd_notify(3)).

use std::time::Duration;

use sd_notify::NotifyState;
use tokio::time::{Instant, sleep_until};
use tracing::warn;

/// Tells systemd, if that started us.
#[derive(Debug)]
pub(crate) struct Service {
    /// Between two signs of life; `None`: nobody waits for them.
    period: Option<Duration>,
    next: Instant,
}

impl Service {
    /// Ready from now on.
    pub(crate) fn ready() -> Self {
        tell(&[NotifyState::Ready]);
        Self {
            // Twice in the time that systemd waits.
            period: sd_notify::watchdog_enabled().map(|time| time / 2),
            next: Instant::now(),
        }
    }

    /// Ends when it is time for a sign of life.
    pub(crate) async fn due(&self) {
        match self.period {
            Some(_) => sleep_until(self.next).await,
            None => std::future::pending().await,
        }
    }

    /// The loop is alive. It says so between turns alone: one that never ends is to be noticed.
    pub(crate) fn alive(&mut self) {
        if let Some(period) = self.period {
            tell(&[NotifyState::Watchdog]);
            self.next = Instant::now() + period;
        }
    }

    /// The program ends.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

fn tell(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        warn!("systemd is not told how it stands: {error}");
    }
}
