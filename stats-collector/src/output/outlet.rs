//! All outputs at once.

use std::io;
use std::time::Duration;

use graphite::{Delivery, Fleet, FleetConfig, FleetError, PointTime, UndeliveredError, Value};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout_at};

use super::Writer;
use super::carbon::Carbon;
use super::printer::{Place, Printer};
use crate::model::{Kind, Subject};
use crate::names::{Ceiling, Head, Name, Selection};

/// Which outputs there are.
#[derive(Clone, Debug)]
pub(crate) struct OutputSettings {
    /// The carbons; None: no Graphite.
    pub(crate) graphite: Option<FleetConfig>,
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
}

/// The outputs that are on.
#[derive(Debug, Default)]
pub(super) struct Ways {
    carbon: Option<Carbon>,
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
        let carbon = if settings.dry_run {
            let printer = Printer::open(Place::Stdout).map_err(OutputError::Stdout)?;
            Some(Carbon::printing(printer))
        } else {
            let fleet = settings.graphite.map(Fleet::start).transpose()?;
            fleet.map(Carbon::sending)
        };
        Ok(Self {
            selection,
            ceiling,
            time,
            patience: settings.patience,
            give_up: None,
            untimely: 0,
            ways: Ways {
                carbon,
                ..Ways::default()
            },
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
        let Some(carbon) = &self.ways.carbon else {
            return yield_now().await;
        };
        let patience = self.patience;
        let give_up = *self
            .give_up
            .get_or_insert_with(|| Instant::now() + patience);
        // Late is as good as in time: what cannot wait goes to the spool, or is lost and counted.
        if timeout_at(give_up, carbon.caught_up()).await.is_err() {
            yield_now().await;
        }
    }

    /// Ends a turn: everything that was put is on its way.
    pub(crate) fn end_turn(&mut self) {
        self.give_up = None;
        if let Some(carbon) = &mut self.ways.carbon {
            carbon.hand_over();
        }
    }

    /// What became of numbers before they were handed over.
    pub(crate) fn counters(&self) -> OutletCounters {
        OutletCounters {
            points: self.ways.points,
            refused: self.ways.refused,
            untimely: self.untimely,
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
        match self.ways.carbon {
            Some(carbon) => carbon.finish(deadline).await,
            None => Ok(()),
        }
    }
}

impl Ways {
    /// To each output; the value is finite.
    pub(super) fn put(&mut self, head: &Head, name: Name<'_>, value: Value, timestamp: u64) {
        self.points += 1;
        if let Some(carbon) = &mut self.carbon {
            carbon.put(head, name, value, timestamp);
        }
    }
}

#[cfg(test)]
mod tests;
