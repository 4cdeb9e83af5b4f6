//! Turn after turn until told to stop, or just one.

use std::time::{Duration, Instant};

use graphite::{UndeliveredError, phase};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::config::Config;
use crate::schedule::{Due, Moment, Schedule};
use crate::scrape::ScrapeError;
use crate::service::Service;
use crate::turn::{Collector, Shipped, StartError};

/// Why one sample did not reach carbon whole.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OnceError {
    /// Nothing was asked.
    #[error(transparent)]
    Start(#[from] StartError),
    /// There is no sample.
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
    /// There is nothing to ship. The agent also answers so to one who may see no container.
    #[error("the agent lists no container: none runs there, or none may be seen")]
    NoContainers,
    /// There are containers, but not one sample.
    #[error("the agent lists {listed} containers, none with statistics that can be read")]
    NoStatistics {
        /// How many.
        listed: u64,
    },
    /// Not all of it arrived.
    #[error("ship: {0}")]
    Ship(#[from] UndeliveredError),
}

/// Why the loop could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// Nothing was asked.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Nobody could stop it.
    #[error("watch for signals: {0}")]
    Signal(#[from] std::io::Error),
}

/// Ships one sample, and returns once carbon has read all of it.
///
/// # Errors
/// [`OnceError`] if there is none, or carbon may not have read all of it.
pub(crate) async fn once(config: Config) -> Result<Shipped, OnceError> {
    let deadline = finish_deadline(&config);
    let mut collector = Collector::open(config, true)?;
    let shipped = collector.turn(Due::default()).await;
    // What others than the agent said is on its way in any case.
    let delivered = collector.finish(deadline).await;
    let shipped = shipped?;
    delivered?;
    match shipped {
        Shipped { listed: 0, .. } => Err(OnceError::NoContainers),
        Shipped {
            containers: 0,
            listed,
            ..
        } => Err(OnceError::NoStatistics { listed }),
        shipped => Ok(shipped),
    }
}

/// Takes a turn each interval until SIGTERM or SIGINT, then delivers what it still can.
///
/// # Errors
/// [`RunError`] if it cannot begin; nothing was done then.
pub(crate) async fn run(config: Config) -> Result<(), RunError> {
    let mut stop = Stop::watch()?;
    let since = Instant::now();
    let mut schedule = Schedule::new(config.interval, phase(&config.names.host, config.interval));
    let (patience, deadline) = (config.agent.timeout, finish_deadline(&config));
    info!("a turn every {:?}", config.interval);
    let mut collector = Collector::open(config, false)?;
    let mut service = Service::ready();
    loop {
        let now = Moment::now(since);
        if let Some(due) = schedule.begin(now) {
            let turn = collector.turn(due);
            tokio::pin!(turn);
            tokio::select! {
                // What went wrong has been counted and told.
                _ = &mut turn => {}
                () = stop.asked() => {
                    // A sample is shipped whole if it can be.
                    let _ = timeout(patience, turn).await;
                    break;
                }
            }
            schedule.end(Moment::now(since));
        }
        service.alive();
        let wait = schedule.wait(Moment::now(since));
        tokio::select! {
            () = stop.asked() => break,
            () = sleep(wait) => {}
            () = service.due() => {}
        }
    }
    info!("asked to stop");
    service.stopping();
    if let Err(error) = collector.finish(deadline).await {
        warn!("stopped, but {error}");
    }
    Ok(())
}

struct Stop {
    terminate: Signal,
    interrupt: Signal,
}

impl Stop {
    fn watch() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// Time for one write, and for carbon to confirm that it was the last.
fn finish_deadline(config: &Config) -> Duration {
    config.agent.timeout * 2
}
