//! What systemd is told: that the daemon is ready, well, reading its configuration again, or about to end.

use std::time::{Duration, Instant};

use disk_engine::Figures;
use sd_notify::NotifyState;
use tracing::{info, warn};

/// Tells systemd, if that started us.
#[derive(Debug)]
pub(crate) struct Notifier {
    /// Between two signs of life; `None`: nobody waits for them.
    watchdog: Option<Duration>,
    is_ready: bool,
    last: Option<Sign>,
    status: String,
}

/// The last sign of life.
#[derive(Clone, Copy, Debug)]
struct Sign {
    at: Instant,
    looks: u64,
}

impl Notifier {
    pub(crate) fn new() -> Self {
        Self {
            // Twice in the time that systemd waits.
            watchdog: sd_notify::watchdog_enabled().map(|time| time / 2),
            is_ready: false,
            last: None,
            status: String::new(),
        }
    }

    /// The loop is alive. `is_whole`: everything that there is was measured once. Whether the engine should be asked for
    /// something, so that the next sign of life can be given.
    pub(crate) fn beat(&mut self, is_whole: bool, figures: &Figures, status: &str) -> bool {
        self.beat_at(Instant::now(), is_whole, figures, status)
    }

    fn beat_at(&mut self, now: Instant, is_whole: bool, figures: &Figures, status: &str) -> bool {
        if is_whole && !self.is_ready {
            self.is_ready = true;
            info!("everything was measured once: {status}");
            tell(&[NotifyState::Ready]);
        }
        if self.status != status {
            status.clone_into(&mut self.status);
            tell(&[NotifyState::Status(status)]);
        }
        let Some(period) = self.watchdog else {
            return false;
        };
        match self.last {
            Some(last) if now < last.at + period => false,
            Some(last) => {
                if is_alive(&last, figures) {
                    tell(&[NotifyState::Watchdog]);
                    self.last = Some(Sign {
                        at: now,
                        looks: figures.looks,
                    });
                }
                true
            }
            None => {
                tell(&[NotifyState::Watchdog]);
                self.last = Some(Sign {
                    at: now,
                    looks: figures.looks,
                });
                true
            }
        }
    }

    /// A new configuration is being taken.
    pub(crate) fn reloading(&self) {
        if self.is_ready {
            match NotifyState::monotonic_usec_now() {
                Ok(now) => tell(&[NotifyState::Reloading, now]),
                Err(error) => warn!("systemd is not told of the new configuration: {error}"),
            }
        }
    }

    /// It is taken.
    pub(crate) fn ready(&self) {
        if self.is_ready {
            tell(&[NotifyState::Ready]);
        }
    }

    /// The daemon ends.
    pub(crate) fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }
}

/// The engine was asked for something since the last sign: it has done it, or is at it. A disk that hangs is told of
/// otherwise, and starting anew would not help it.
fn is_alive(last: &Sign, figures: &Figures) -> bool {
    figures.trees == 0 || figures.looks != last.looks || figures.under_way > 0
}

fn tell(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell, which is no error.
    if let Err(error) = sd_notify::notify(state) {
        warn!("systemd cannot be told: {error}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(trees: u64, looks: u64, under_way: u64) -> Figures {
        Figures {
            trees,
            looks,
            under_way,
            ..Figures::default()
        }
    }

    #[test]
    fn an_engine_that_does_nothing_of_what_it_was_asked_for_gives_no_sign_of_life() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut notifier = Notifier {
            watchdog: Some(second),
            is_ready: false,
            last: None,
            status: String::new(),
        };
        let mut beat = |after: u32, found: Figures| {
            let asks = notifier.beat_at(start + second * after, true, &found, "");
            (asks, notifier.last.unwrap().at)
        };
        assert_eq!(beat(0, figures(1, 5, 0)), (true, start));
        assert_eq!(beat(1, figures(1, 6, 0)), (true, start + second));
        let stuck = (true, start + second);
        assert_eq!(beat(2, figures(1, 6, 0)), stuck);
        assert_eq!(beat(3, figures(1, 6, 0)), stuck);
        assert_eq!(beat(4, figures(1, 6, 1)), (true, start + second * 4));
        assert_eq!(beat(5, figures(0, 6, 0)), (true, start + second * 5));
        assert_eq!(beat(5, figures(0, 6, 0)), (false, start + second * 5));
    }
}
