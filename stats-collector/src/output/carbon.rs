//! Graphite: plaintext lines in batches, to carbon or, on a dry run, to standard output.

use std::mem::take;
use std::time::Duration;

use graphite::{Batch, Delivery, Fleet, UndeliveredError, Value};

use super::printer::Printer;
use crate::names::{Head, Name};

/// Gathers lines, and hands them over by the batch.
#[derive(Debug)]
pub(super) struct Carbon {
    batch: Batch,
    has_handed_over: bool,
    to: To,
}

#[derive(Debug)]
enum To {
    Fleet(Fleet),
    /// Nothing is sent, but shown as it would be.
    Printer(Printer),
}

impl Carbon {
    pub(super) fn sending(fleet: Fleet) -> Self {
        Self {
            batch: Batch::default(),
            has_handed_over: false,
            to: To::Fleet(fleet),
        }
    }

    pub(super) fn printing(printer: Printer) -> Self {
        Self {
            batch: Batch::default(),
            has_handed_over: false,
            to: To::Printer(printer),
        }
    }

    /// Takes one number, which is finite.
    pub(super) fn put(&mut self, head: &Head, name: Name<'_>, value: Value, timestamp: u64) {
        self.batch
            .add_named(|out| head.write(out, name), value, timestamp);
        if self.batch.is_full() {
            self.hand_over();
        }
    }

    /// Hands over what there is, full or not.
    pub(super) fn hand_over(&mut self) {
        let batch = take(&mut self.batch);
        if batch.is_empty() {
            return;
        }
        self.has_handed_over = true;
        match &mut self.to {
            To::Fleet(fleet) => fleet.push(batch),
            To::Printer(printer) => {
                let points = batch.points();
                printer.push(batch.into_bytes(), points);
            }
        }
    }

    /// Whether anything was handed over since this was last asked.
    pub(super) fn took_handed_over(&mut self) -> bool {
        take(&mut self.has_handed_over)
    }

    /// Waits until there is room for more.
    pub(super) async fn caught_up(&self) {
        match &self.to {
            To::Fleet(fleet) => fleet.caught_up().await,
            To::Printer(printer) => printer.caught_up().await,
        }
    }

    /// What became of what was handed over, by destination; there is none on a dry run.
    pub(super) fn deliveries(&self) -> Vec<Delivery> {
        match &self.to {
            To::Fleet(fleet) => fleet.deliveries(),
            To::Printer(_) => Vec::new(),
        }
    }

    /// Delivers everything, within this time.
    pub(super) async fn finish(mut self, deadline: Duration) -> Result<(), UndeliveredError> {
        self.hand_over();
        match self.to {
            To::Fleet(fleet) => fleet.finish(deadline).await.map(drop),
            To::Printer(printer) => {
                printer.finish(deadline).await;
                Ok(())
            }
        }
    }
}
