//! One turn: all sources are asked side by side, and what they say goes to the outputs, one subject after the other.
//!
//! ```text
//!   Scraper ──> containers ──> whose are they? ──> Registry ──> container::write ──┐
//!   Scraper ──> the agent's own metrics ───────────────────────────────────────────┤
//!   Tasks, Disks, Host ──> what stands around the agent ───────────────────────────┼──> Outlet
//!   Health  ──> what this turn came to ────────────────────────────────────────────┘
//! ```
//!
//! A source that fails costs its own points and nobody else's; how it failed is counted, and told in the log when it
//! begins to.

mod book;
mod listed;
mod slot_keeper;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use graphite::{PointTime, UndeliveredError};
use mesos_agent::Answer;
use tokio::time::Instant;

use crate::config::Config;
use crate::names::{Ceiling, Naming, NamingError, Registry, Selection, SelectionError};
use crate::output::{Outlet, OutputError};
use crate::schedule::Due;
use crate::scrape::{Link, List, ScrapeError, Scraper, States};
use crate::sources::disks::Disks;
use crate::sources::host::Host;
use crate::sources::tasks::Tasks;

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
    /// None where it is not to be asked, here and below.
    disks: Option<Disks>,
    host: Option<Host>,
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
            host,
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
        let timeout = agent.timeout;
        let host = host.then(|| Host::new(work_dir.clone(), timeout));
        let disks = disk_watcher.map(|socket| Disks::new(socket, timeout));
        let tasks = work_dir.map(|work_dir| Tasks::new(work_dir, timeout));
        let book = Book::new(registry, slots, outlet, &agent, is_once, tasks);
        Ok(Self {
            scraper: Scraper::new(agent),
            disks,
            host,
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
        let Self {
            scraper,
            disks,
            host,
            book,
        } = self;
        let begun = Instant::now();
        let (asked, disks, machine) = tokio::join!(
            ask_agent(scraper),
            timed(disks.as_mut().map(Disks::ask)),
            timed(host.as_mut().map(Host::ask)),
        );
        book.asked(begun.elapsed());
        if let Some((told, took)) = disks {
            book.disks(told, took).await;
        }
        if let Some((told, took)) = machine {
            book.host(told, took);
        }
        let shipped = match asked {
            Ok(asked) => {
                if let Some(host) = host {
                    host.learn(asked.work_dir);
                }
                match asked.own {
                    None => {}
                    Some(Ok(answer)) => book.metrics(&answer),
                    Some(Err(error)) => book.failed("snapshot", &error),
                }
                match asked.listed {
                    Ok(answer) => book.containers(asked.list, &answer, asked.states).await,
                    Err(error) => Err(error),
                }
            }
            Err(error) => {
                book.failed("containers", &error);
                return Err(error);
            }
        };
        match &shipped {
            Ok(_) => book.fine("containers"),
            Err(error) => {
                book.failed("containers", error);
                scraper.failed(error);
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

/// What the agent answered, to all that it was asked.
struct Asked<'a> {
    list: List,
    listed: Result<Answer<'a>, ScrapeError>,
    own: Option<Result<Answer<'a>, ScrapeError>>,
    states: &'a States,
    work_dir: Option<&'a Path>,
}

async fn ask_agent(scraper: &mut Scraper) -> Result<Asked<'_>, ScrapeError> {
    let Link {
        containers,
        metrics,
        states,
        work_dir,
    } = scraper.link().await?;
    let list = containers.list();
    let own = async {
        match metrics {
            Some(metrics) => Some(metrics.ask().await),
            None => None,
        }
    };
    let (listed, own) = tokio::join!(containers.ask(), own);
    Ok(Asked {
        list,
        listed,
        own,
        states,
        work_dir: work_dir.as_deref(),
    })
}

/// What one who is to be asked says, and what that takes.
async fn timed<T>(asking: Option<impl Future<Output = T>>) -> Option<(T, Duration)> {
    let begun = Instant::now();
    let told = asking?.await;
    Some((told, begun.elapsed()))
}
