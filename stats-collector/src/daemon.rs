//! Turn after turn until told to stop, or just one.

use std::time::{Duration, SystemTime};

use graphite::{Destination, FinishError, Sink, SinkConfig, phase, until_next};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{sleep, timeout};
use tracing::{info, warn};

use crate::collector::{Collector, ScrapeError, Shipped};
use crate::settings::{HostPort, Settings};

/// Why one sample did not reach carbon whole.
#[derive(Debug, thiserror::Error)]
pub enum OnceError {
    /// There is no sample.
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
    /// There is nothing to ship. The agent also answers so to one who may see no container.
    #[error("agent http://{agent} lists no container: none runs there, or none may be seen")]
    NoContainers {
        /// The agent.
        agent: HostPort,
    },
    /// There are containers, but not one sample.
    #[error(
        "agent http://{agent} lists {listed} containers, none with statistics that can be read"
    )]
    NoStatistics {
        /// The agent.
        agent: HostPort,
        /// How many.
        listed: u64,
    },
    /// Not all of it arrived.
    #[error("ship to {carbon}: {cause}")]
    Ship {
        /// Where to.
        carbon: graphite::Address,
        /// What is missing, and why.
        cause: FinishError,
    },
    /// Carbon was too slow for a sample of this size.
    #[error("ship to {carbon}: {dropped} points were dropped, they did not fit the queue")]
    Dropped {
        /// Where to.
        carbon: graphite::Address,
        /// How many points.
        dropped: u64,
    },
}

/// Why the loop could not start.
#[derive(Debug, thiserror::Error)]
#[error("watch for signals: {0}")]
pub struct SignalError(#[from] std::io::Error);

/// Ships one sample, and returns once carbon has read all of it.
///
/// # Errors
/// [`OnceError`] if there is none, or carbon may not have read all of it.
pub async fn once(settings: &Settings) -> Result<Shipped, OnceError> {
    let sink = Sink::start(sink_config(settings));
    let shipped = Collector::new(settings).turn(&sink).await?;
    let agent = || settings.agent.clone();
    let carbon = || settings.carbon.clone();
    let counters = sink
        .finish(finish_deadline(settings))
        .await
        .map_err(|cause| OnceError::Ship {
            carbon: carbon(),
            cause,
        })?;
    if counters.dropped > 0 {
        return Err(OnceError::Dropped {
            carbon: carbon(),
            dropped: counters.dropped,
        });
    }
    match shipped {
        Shipped { listed: 0, .. } => Err(OnceError::NoContainers { agent: agent() }),
        Shipped {
            containers: 0,
            listed,
            ..
        } => Err(OnceError::NoStatistics {
            agent: agent(),
            listed,
        }),
        shipped => Ok(shipped),
    }
}

/// Scrapes every `interval` until SIGTERM or SIGINT, then delivers what it still can.
///
/// # Errors
/// [`SignalError`] if signals cannot be watched for; nothing was done then.
pub async fn run(settings: &Settings, interval: Duration) -> Result<(), SignalError> {
    let mut stop = Stop::watch()?;
    let sink = Sink::start(sink_config(settings));
    let mut collector = Collector::new(settings);
    let mut episode = Episode::default();
    let phase = phase(&settings.host, interval);
    info!(
        "scraping http://{} every {interval:?} for {}",
        settings.agent, settings.carbon
    );
    loop {
        {
            let turn = take_turn(&mut collector, &sink, &mut episode);
            tokio::pin!(turn);
            tokio::select! {
                () = &mut turn => {}
                () = stop.asked() => {
                    // A sample is shipped whole if it can be.
                    let _ = timeout(settings.timeout, turn).await;
                    break;
                }
            }
        }
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        tokio::select! {
            () = stop.asked() => break,
            () = sleep(until_next(now, interval, phase)) => {}
        }
    }
    info!("asked to stop");
    if let Err(error) = sink.finish(finish_deadline(settings)).await {
        warn!("stopped, but {error}");
    }
    Ok(())
}

async fn take_turn(collector: &mut Collector, sink: &Sink, episode: &mut Episode) {
    match collector.turn(sink).await {
        Ok(Shipped { listed: 0, .. }) => {
            episode.warn("the agent lists no container: none runs there, or none may be seen");
        }
        Ok(_) => episode.over(),
        Err(error) => {
            collector.push_failure(sink);
            episode.warn(&error.to_string());
        }
    }
}

/// A row of turns with the same trouble: told when it begins and when it is over, not each time.
#[derive(Debug, Default)]
struct Episode {
    trouble: Option<String>,
    turns: u64,
}

impl Episode {
    fn warn(&mut self, trouble: &str) {
        self.turns += 1;
        if self.trouble.as_deref() != Some(trouble) {
            warn!("no sample: {trouble}");
            self.trouble = Some(trouble.to_owned());
        }
    }

    fn over(&mut self) {
        if self.trouble.take().is_some() {
            info!("samples again, after {} turns without", self.turns);
            self.turns = 0;
        }
    }
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

fn sink_config(settings: &Settings) -> SinkConfig {
    SinkConfig {
        destination: Destination::plaintext(settings.carbon.clone()),
        fallbacks: Vec::new(),
        connect_timeout: settings.timeout,
        write_timeout: settings.timeout,
        queue_bytes: settings.queue_bytes,
        spool: None,
    }
}

/// Time for one write, and for carbon to confirm that it was the last.
fn finish_deadline(settings: &Settings) -> Duration {
    settings.timeout * 2
}
