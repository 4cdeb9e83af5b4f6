//! One turn: all sources are asked side by side, and what they say goes to the outputs, one subject after the other.
//!
//! ```text
//!   Scraper ──> containers ──> whose are they? ──> Registry ──> container::write ──┐
//!   Scraper ──> the agent's own metrics ───────────────────────────────────────────┼──> Outlet
//!   Health  ──> what this turn came to ────────────────────────────────────────────┘
//! ```
//!
//! A source that fails costs its own points and nobody else's; how it failed is counted, and told in the log when it
//! begins to.

mod book;
mod listed;
mod slot_keeper;

use std::sync::Arc;
use std::time::Duration;

use graphite::{PointTime, UndeliveredError};
use tokio::time::Instant;

use crate::config::Config;
use crate::disk_scrape::DiskScrape;
use crate::names::{Ceiling, Naming, NamingError, Registry, Selection, SelectionError};
use crate::output::{Outlet, OutputError};
use crate::schedule::Due;
use crate::scrape::{Link, ScrapeError, Scraper};

use book::Book;
use slot_keeper::SlotKeeper;

/// Why there can be no [`Collector`].
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// What series are to be called makes no sense.
    #[error("{}", lines(.0))]
    Naming(Vec<NamingError>),
    /// Which fields there are to be makes no sense.
    #[error("{}", lines(.0))]
    Selection(Vec<SelectionError>),
    /// An output cannot be had.
    #[error(transparent)]
    Output(#[from] OutputError),
}

fn lines(errors: &[impl ToString]) -> String {
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    texts.join("\n")
}

/// What a turn handed to the outputs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Shipped {
    /// Containers in the agent's answer.
    pub(crate) listed: u64,
    /// Those that points were made of. The others had no statistics, or none that make sense, or wait for their names.
    pub(crate) containers: u64,
    /// Points of containers.
    pub(crate) points: u64,
}

/// Asks one agent and everything around it, again and again, and remembers what the next answers are measured against.
#[derive(Debug)]
pub(crate) struct Collector {
    scraper: Scraper,
    disks: DiskScrape,
    book: Book,
}

impl Collector {
    /// One that has seen nothing yet, and is to take one turn, or many. To be called within the runtime: it connects to
    /// where points go.
    ///
    /// # Errors
    /// An output cannot be had, or what series are to be called makes no sense.
    pub(crate) fn open(config: Config, is_once: bool) -> Result<Self, StartError> {
        let Config {
            interval,
            agent,
            work_dir,
            disk_watcher,
            names,
            output,
            ..
        } = config;
        let time = if is_once {
            PointTime::Exact
        } else {
            PointTime::Aligned(interval.as_secs())
        };
        let naming = Naming::new(&names).map_err(StartError::Naming)?;
        let selection = Selection::new(&names).map_err(StartError::Selection)?;
        let ceiling = Ceiling::new(names.most_series);
        let outlet = Outlet::open(output, selection, ceiling, time)?;
        let mut registry = Registry::new(Arc::new(naming), names.slot_reuse_after);
        let now = book::now_secs() as u64;
        let slots = SlotKeeper::recall(names.state_file, &mut registry, now, is_once);
        let disks = DiskScrape::new(disk_watcher, agent.timeout);
        let book = Book::new(registry, slots, outlet, &agent, is_once, work_dir);
        Ok(Self {
            scraper: Scraper::new(agent),
            disks,
            book,
        })
    }

    /// Asks everybody, and hands over the points of all that was said, those about the collector last.
    ///
    /// # Errors
    /// Why there are no containers. What others said is on its way nevertheless.
    pub(crate) async fn turn(&mut self, due: Due) -> Result<Shipped, ScrapeError> {
        self.book.begin_turn(due);
        let shipped = self.ask().await;
        self.book.end_turn().await;
        shipped
    }

    async fn ask(&mut self) -> Result<Shipped, ScrapeError> {
        let book = &mut self.book;
        let link = match self.scraper.link().await {
            Ok(link) => link,
            Err(error) => {
                book.failed("containers", &error);
                return Err(error);
            }
        };
        let Link {
            containers,
            metrics,
            states,
            ..
        } = link;
        let list = containers.list();
        let own = async {
            match metrics {
                Some(metrics) => Some(metrics.ask().await),
                None => None,
            }
        };
        let begun = Instant::now();
        let (listed, own, disks) = tokio::join!(containers.ask(), own, self.disks.ask());
        book.asked(begun.elapsed());
        book.disks(disks);
        match own {
            None => {}
            Some(Ok(answer)) => book.metrics(&answer),
            Some(Err(error)) => book.failed("snapshot", &error),
        }
        let shipped = match listed {
            Ok(answer) => book.containers(list, &answer, states).await,
            Err(error) => Err(error),
        };
        match &shipped {
            Ok(_) => book.fine("containers"),
            Err(error) => {
                book.failed("containers", error);
                self.scraper.failed(error);
            }
        }
        shipped
    }

    /// Delivers what was handed over, within this time.
    ///
    /// # Errors
    /// Not all of it may have arrived.
    pub(crate) async fn finish(self, deadline: Duration) -> Result<(), UndeliveredError> {
        self.book.finish(deadline).await
    }
}

#[cfg(test)]
mod tests;
