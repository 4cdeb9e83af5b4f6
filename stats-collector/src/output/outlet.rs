//! All outputs at once.

use std::io;
use std::net::{SocketAddr, TcpListener as StdListener};
use std::time::Duration;

use graphite::{Delivery, Fleet, FleetConfig, FleetError, PointTime, UndeliveredError, Value};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, yield_now};
use tokio::time::{Instant, timeout_at};

use super::Writer;
use super::carbon::Carbon;
use super::json::Json;
use super::page::{LastPage, PageMaker};
use super::printer::{Place, Printer};
use crate::model::{Kind, Subject};
use crate::names::{Ceiling, Head, Name, Selection};

/// Which outputs there are.
#[derive(Clone, Debug)]
pub(crate) struct OutputSettings {
    /// The carbons; None: no Graphite.
    pub(crate) graphite: Option<FleetConfig>,
    /// Where Prometheus is told; None: nowhere.
    pub(crate) prometheus: Option<SocketAddr>,
    /// Where lines of JSON go; None: there are none.
    pub(crate) json: Option<Place>,
    /// Shows on standard output what carbon would be sent, and starts no other output.
    pub(crate) dry_run: bool,
    /// The most time of a turn in which who is slow is waited for.
    pub(crate) patience: Duration,
}

/// Why an output cannot be.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    /// The carbons make no sense together.
    #[error("ship to Graphite: {0}")]
    Graphite(#[from] FleetError),
    /// The address cannot be had.
    #[error("listen on {address} for Prometheus: {source}")]
    Prometheus {
        /// Which.
        address: SocketAddr,
        /// What the kernel said.
        source: io::Error,
    },
    /// The file cannot be had.
    #[error("write lines of JSON to {place}: {source}")]
    Json {
        /// Which.
        place: Place,
        /// What the kernel said.
        source: io::Error,
    },
    /// Standard output cannot be had for a dry run.
    #[error("write to standard output: {0}")]
    Stdout(io::Error),
}

/// What became of numbers since the program started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct OutletCounters {
    /// Numbers that every output was given.
    pub(crate) points: u64,
    /// Numbers left out since they are infinite or none.
    pub(crate) refused: u64,
    /// Subjects left out since they are of a time that Graphite cannot hold.
    pub(crate) untimely: u64,
    /// Numbers that lines of JSON should have had, and could not be written.
    pub(crate) lines_lost: u64,
}

/// Takes all numbers of a turn to every output that is on.
#[derive(Debug)]
pub(crate) struct Outlet {
    selection: Selection,
    ceiling: Ceiling,
    time: PointTime,
    patience: Duration,
    /// When this turn stops to wait; none before it has waited.
    give_up: Option<Instant>,
    untimely: u64,
    ways: Ways,
    /// Tells Prometheus, until it is dropped.
    _telling: Option<Telling>,
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Telling(AbortHandle);

impl Drop for Telling {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// The outputs that are on.
#[derive(Debug, Default)]
pub(super) struct Ways {
    carbon: Option<Carbon>,
    page: Option<PageMaker>,
    json: Option<Json>,
    points: u64,
    pub(super) refused: u64,
}

impl Outlet {
    /// Begins every output. To be called within the runtime.
    ///
    /// # Errors
    /// One of them cannot be.
    pub(crate) fn open(
        settings: OutputSettings,
        selection: Selection,
        ceiling: Ceiling,
        time: PointTime,
    ) -> Result<Self, OutputError> {
        let OutputSettings {
            graphite,
            prometheus,
            json,
            dry_run,
            patience,
        } = settings;
        let mut ways = Ways::default();
        let mut telling = None;
        if dry_run {
            let printer = Printer::open(Place::Stdout).map_err(OutputError::Stdout)?;
            ways.carbon = Some(Carbon::printing(printer));
        } else {
            ways.carbon = graphite.map(Fleet::start).transpose()?.map(Carbon::sending);
            ways.json = json.map(lines_to).transpose()?;
            if let Some(address) = prometheus {
                let last = LastPage::default();
                telling = Some(tell(address, last.clone())?);
                ways.page = Some(PageMaker::new(last));
            }
        }
        Ok(Self {
            selection,
            ceiling,
            time,
            patience,
            give_up: None,
            untimely: 0,
            ways,
            _telling: telling,
        })
    }

    /// Begins with the numbers of one subject, of this time in seconds since the epoch. `None` for a time that no output
    /// can hold: there is nothing to be told then.
    pub(crate) fn begin<'a>(
        &'a mut self,
        subject: &'a Subject,
        head: &'a Head,
        at: f64,
    ) -> Option<Writer<'a>> {
        let Some(timestamp) = self.time.of(at) else {
            self.untimely += 1;
            return None;
        };
        // What the collector tells of itself, the number of those who are over the ceiling among it, is above it.
        let tally = match subject.kind {
            Kind::Collector => None,
            _ => Some(self.ceiling.begin(subject, head)),
        };
        self.ways.begin(subject.kind, head, at);
        Some(Writer {
            kind: subject.kind,
            head,
            timestamp,
            selection: &mut self.selection,
            tally,
            ways: &mut self.ways,
        })
    }

    /// Waits for who is slow, for as long as this turn's patience lasts, and lets others run. To be called between
    /// subjects.
    pub(crate) async fn caught_up(&mut self) {
        if !self.ways.took_handed_over() {
            return;
        }
        let patience = self.patience;
        let give_up = *self
            .give_up
            .get_or_insert_with(|| Instant::now() + patience);
        // Late is as good as in time: what cannot wait goes to the spool, or is lost and counted.
        let _ = timeout_at(give_up, self.ways.caught_up()).await;
        yield_now().await;
    }

    /// Ends a turn: everything that was put is on its way.
    pub(crate) fn end_turn(&mut self) {
        self.give_up = None;
        let Ways {
            carbon, page, json, ..
        } = &mut self.ways;
        if let Some(carbon) = carbon {
            carbon.hand_over();
        }
        if let Some(page) = page {
            page.end_turn();
        }
        if let Some(json) = json {
            json.hand_over();
        }
    }

    /// What became of numbers before they were handed over.
    pub(crate) fn counters(&self) -> OutletCounters {
        OutletCounters {
            points: self.ways.points,
            refused: self.ways.refused,
            untimely: self.untimely,
            lines_lost: self
                .ways
                .json
                .as_ref()
                .map_or(0, |json| json.printer().lost()),
        }
    }

    /// What became of those for Graphite afterwards, by destination; none without it, and on a dry run.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        let carbon = self.ways.carbon.as_ref();
        carbon.map(Carbon::deliveries).unwrap_or_default()
    }

    /// Who has no series since there are so many, and how many there are.
    pub(crate) fn ceiling(&self) -> &Ceiling {
        &self.ceiling
    }

    /// Delivers what was put, within this time.
    ///
    /// # Errors
    /// Not all of it may have arrived in Graphite.
    pub(crate) async fn finish(self, deadline: Duration) -> Result<(), UndeliveredError> {
        let Ways { carbon, json, .. } = self.ways;
        let lines = async {
            if let Some(json) = json {
                json.into_printer().finish(deadline).await;
            }
        };
        let points = async {
            match carbon {
                Some(carbon) => carbon.finish(deadline).await,
                None => Ok(()),
            }
        };
        let ((), points) = tokio::join!(lines, points);
        points
    }
}

impl Ways {
    /// Another subject, of this time in seconds since the epoch.
    fn begin(&mut self, kind: Kind, head: &Head, at: f64) {
        if let Some(page) = &mut self.page {
            page.begin(head);
        }
        if let Some(json) = &mut self.json {
            json.begin(kind.dotted(), head, at);
        }
    }

    /// To each output; the value is finite.
    pub(super) fn put(
        &mut self,
        kind: Kind,
        head: &Head,
        name: Name<'_>,
        value: Value,
        timestamp: u64,
    ) {
        self.points += 1;
        if let Some(carbon) = &mut self.carbon {
            carbon.put(head, name, value, timestamp);
        }
        if let Some(page) = &mut self.page
            && !page.put(kind, name, value)
        {
            self.refused += 1;
        }
        if let Some(json) = &mut self.json {
            json.put(name, value);
        }
    }

    /// The subject has no more numbers.
    pub(super) fn end(&mut self) {
        if let Some(json) = &mut self.json {
            json.end();
        }
    }

    /// Whether anything was handed over since this was last asked.
    fn took_handed_over(&mut self) -> bool {
        let carbon = self.carbon.as_mut().is_some_and(Carbon::took_handed_over);
        let json = self.json.as_mut().is_some_and(Json::took_handed_over);
        carbon || json
    }

    async fn caught_up(&self) {
        if let Some(carbon) = &self.carbon {
            carbon.caught_up().await;
        }
        if let Some(json) = &self.json {
            json.printer().caught_up().await;
        }
    }
}

fn lines_to(place: Place) -> Result<Json, OutputError> {
    match Printer::open(place.clone()) {
        Ok(printer) => Ok(Json::new(printer)),
        Err(source) => Err(OutputError::Json { place, source }),
    }
}

/// Tells whoever asks at this address what was made last.
fn tell(address: SocketAddr, last: LastPage) -> Result<Telling, OutputError> {
    let listen = || {
        let listener = StdListener::bind(address)?;
        listener.set_nonblocking(true)?;
        TcpListener::from_std(listener)
    };
    let listener = listen().map_err(|source| OutputError::Prometheus { address, source })?;
    let serving = tokio::spawn(exposition::serve(listener, last));
    Ok(Telling(serving.abort_handle()))
}

#[cfg(test)]
pub(super) mod tests;
