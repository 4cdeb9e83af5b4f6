//! One turn: scrape the agent, and hand its containers' points to the sink.

use std::time::{Duration, SystemTime};

use graphite::{Batch, Counters as SinkCounters, MetricPath, PointTime, Roster, Sink};
use tokio::time::{Instant, timeout_at};
use tracing::{debug, warn};

use crate::agent::{AgentClient, REPLY_MAX};
pub use crate::agent::{ScrapeError, Stage};
use crate::disk_scrape::DiskScrape;
use crate::health_old::{Scrape, Totals, add_health};
use crate::model::{Memory, container};
use crate::sample::{self, Container, StatisticsError};
use crate::series::Points;
use crate::settings::{Mode, Settings};
use crate::task_scrape::TaskScrape;

/// Scrapes one agent, again and again, and remembers of each container what its next sample is
/// measured against.
#[derive(Debug)]
pub struct Collector {
    client: AgentClient,
    roster: Roster<Memory>,
    /// `<prefix>.<host>.containers`
    containers: MetricPath,
    tasks: TaskScrape,
    disks: DiskScrape,
    /// `<prefix>.<host>.collector`
    health: MetricPath,
    time: PointTime,
    patience: Duration,
    totals: Totals,
    skipped_before: u64,
}

/// What a turn handed to the sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shipped {
    /// Containers in the agent's reply.
    pub listed: u64,
    /// Those that points were made of; the others had no statistics, or none that make sense.
    pub containers: u64,
    /// Points of containers; those about the collector come on top.
    pub points: u64,
}

/// Why a container has no points.
#[derive(Debug, thiserror::Error)]
enum Skip {
    #[error("it has no id, or that of an earlier one")]
    NoIdentity,
    #[error("it has no statistics")]
    NoStatistics,
    #[error(transparent)]
    Unreadable(#[from] StatisticsError),
    #[error("its sample is from no possible time: {0}")]
    Time(f64),
}

impl Collector {
    /// A collector that has seen nothing yet.
    #[must_use]
    pub fn new(settings: &Settings) -> Self {
        let base = settings.prefix.child(&settings.host);
        Self {
            client: AgentClient::new(settings.agent.clone(), settings.timeout, REPLY_MAX),
            roster: Roster::default(),
            containers: base.child("containers"),
            tasks: TaskScrape::new(base.child("tasks"), settings.work_dir.clone()),
            disks: DiskScrape::new(
                base.child("disk"),
                settings.disk_watcher.clone(),
                settings.timeout,
            ),
            health: base.child("collector"),
            time: match settings.mode {
                Mode::Once => PointTime::Exact,
                Mode::Every(interval) => PointTime::Aligned(interval.as_secs()),
            },
            patience: settings.timeout,
            totals: Totals::default(),
            skipped_before: 0,
        }
    }

    /// Scrapes, and pushes the points of every container and those about the collector.
    ///
    /// A carbon slower than us is waited for, for as long as the timeout; after that the rest is
    /// pushed at once.
    ///
    /// # Errors
    /// [`ScrapeError`]; nothing was pushed then.
    pub async fn turn(&mut self, sink: &Sink) -> Result<Shipped, ScrapeError> {
        // As things stood before this turn: its own points would all be "waiting".
        let before = sink.counters();
        match self.scrape(sink).await {
            Ok((scrape, listed)) => {
                self.push_health(sink, Some(&scrape), &before);
                Ok(Shipped {
                    listed,
                    containers: scrape.containers,
                    points: scrape.points,
                })
            }
            Err(error) => {
                self.totals.scrape_errors += 1;
                Err(error)
            }
        }
    }

    /// Pushes what there is to say about the collector after a turn that failed.
    pub fn push_failure(&self, sink: &Sink) {
        self.push_health(sink, None, &sink.counters());
    }

    async fn scrape(&mut self, sink: &Sink) -> Result<(Scrape, u64), ScrapeError> {
        let agent = self.client.agent().clone();
        let started = Instant::now();
        let reply = self.client.containers().await?;
        let took = started.elapsed();
        let listed =
            sample::containers(reply).map_err(|cause| ScrapeError::Json { agent, cause })?;
        let ids = listed.iter();
        self.roster
            .take_in(ids.map(|one| (&*one.container_id, &*one.executor_id)));

        let mut scrape = Scrape {
            took,
            containers: 0,
            skipped: 0,
            points: 0,
        };
        let mut first_skipped = None;
        let mut batch = Batch::default();
        let give_up = Instant::now() + self.patience;
        for container in &listed {
            let base = &mut self.containers;
            match add_one(&mut batch, base, &mut self.roster, container, self.time) {
                Ok(()) => scrape.containers += 1,
                Err(skip) => {
                    scrape.skipped += 1;
                    first_skipped.get_or_insert((&container.container_id, skip));
                }
            }
            if batch.is_full() {
                let full = std::mem::take(&mut batch);
                scrape.points += full.points();
                self.totals.points_refused += full.refused();
                sink.push(full);
                // Late is as good as in time: what the sink cannot hold it drops and counts.
                let _ = timeout_at(give_up, sink.caught_up()).await;
            }
        }
        self.tasks.add(&mut batch, &listed, self.time).await;
        self.disks.add(&mut batch, self.time).await;
        scrape.points += batch.points();
        self.totals.points_refused += batch.refused();
        sink.push(batch);

        if let Some((id, skip)) = first_skipped
            && self.skipped_before != scrape.skipped
        {
            warn!(
                "skipped {} of {} containers, the first is {id:?}: {skip}",
                scrape.skipped,
                listed.len()
            );
        }
        self.skipped_before = scrape.skipped;
        debug!(
            "scraped {} containers in {took:?}: {} points",
            scrape.containers, scrape.points
        );
        Ok((scrape, listed.len() as u64))
    }

    fn push_health(&self, sink: &Sink, scrape: Option<&Scrape>, counters: &SinkCounters) {
        // A clock before 1970 has no time that whisper could hold either.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let Some(timestamp) = self.time.of(now.as_secs_f64()) else {
            return;
        };
        let mut batch = Batch::default();
        add_health(
            &mut batch,
            &self.health,
            scrape,
            &self.totals,
            counters,
            timestamp,
        );
        sink.push(batch);
    }
}

/// Adds the points of one container, and remembers its counters for the next time.
fn add_one(
    batch: &mut Batch,
    base: &mut MetricPath,
    roster: &mut Roster<Memory>,
    container: &Container<'_>,
    time: PointTime,
) -> Result<(), Skip> {
    let member = roster
        .call(&container.container_id)
        .ok_or(Skip::NoIdentity)?;
    let sample = container.statistics().ok_or(Skip::NoStatistics)??;
    let timestamp = time
        .of(sample.timestamp)
        .ok_or(Skip::Time(sample.timestamp))?;

    let mark = base.mark();
    base.push(&member.app).push(&member.slot.to_string());
    let mut points = Points {
        batch,
        base,
        timestamp,
    };
    container::write(&sample, &mut member.memory, &mut points);
    base.rewind(mark);
    Ok(())
}
