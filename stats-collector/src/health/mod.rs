//! What the collector tells of itself.
//!
//! ```text
//!   a turn ──what it came to──> Health ─┐
//!   Outlet ──what became of points──────┼─put──> the collector's own series
//!   /proc/self ──what it costs──────────┘
//! ```
//!
//! A turn that fails is told as well: what it has no number for has no point, and what it counts goes on.

mod fields;

use std::collections::BTreeMap;
use std::time::Duration;

use graphite::{Counters, Delivery};
use procfs::WithCurrentSystemInfo;
use procfs::process::Process;

use crate::model::{Field, Put, put_figures};
use crate::names::Over;
use crate::output::{Outlet, OutletCounters};

/// What there is to tell, but for what is asked of others when it is told.
#[derive(Debug, Default)]
pub(crate) struct Health {
    turn: Turn,
    totals: Totals,
    /// Points put before this turn.
    points_before: u64,
}

/// What one turn came to.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Turn {
    /// From the first question to the last answer, all sources side by side.
    pub(crate) scrape: Option<Duration>,
    /// Of these: until the agent began to answer the question for its containers, waiting for its turn included.
    pub(crate) queued: Option<Duration>,
    /// How old the oldest container's sample was when the answer was complete, in seconds.
    pub(crate) sample_age: Option<f64>,
    /// Containers whose points were put.
    pub(crate) containers: Option<u64>,
    /// Containers without statistics, or with some that make no sense.
    pub(crate) containers_skipped: Option<u64>,
    /// Numbers of answers under names that no table has.
    pub(crate) unknown_fields: Option<u64>,
    /// By source, what it took.
    took: BTreeMap<&'static str, Duration>,
}

/// Sums since the collector started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Totals {
    turns: u64,
    overruns: u64,
    errors: u64,
    by_source: BTreeMap<&'static str, u64>,
    by_kind: BTreeMap<&'static str, u64>,
}

/// Everything there is to tell at one moment.
#[derive(Debug)]
pub(crate) struct View {
    turn: Turn,
    totals: Totals,
    outlet: OutletCounters,
    /// Points put in this turn, the collector's own not among them.
    points: u64,
    series: u64,
    over: Over,
    /// `None` without Graphite.
    delivered: Option<Delivered>,
    deliveries: Vec<Delivery>,
    now: u64,
    own: Option<Own>,
}

/// What became of points for Graphite, all of them or those for one destination.
#[derive(Clone, Copy, Debug)]
struct Delivered {
    counters: Counters,
    /// Seconds since the epoch.
    now: u64,
}

/// What this process costs.
#[derive(Clone, Copy, Debug)]
struct Own {
    cpu_seconds: f64,
    memory_bytes: u64,
    open_files: Option<u64>,
}

impl Health {
    /// Begins a turn: what the last one came to is no more.
    pub(crate) fn begin_turn(&mut self, outlet: &Outlet) {
        self.totals.turns += 1;
        self.turn = Turn::default();
        self.points_before = outlet.counters().points;
    }

    /// The turn that goes on.
    pub(crate) fn turn(&mut self) -> &mut Turn {
        &mut self.turn
    }

    /// What a source took to answer, by the name that it has in the names of series.
    pub(crate) fn took(&mut self, source: &'static str, took: Duration) {
        self.turn.took.insert(source, took);
    }

    /// A source did not answer, or not with sense; by their names in the names of series.
    pub(crate) fn failed(&mut self, source: &'static str, kind: &'static str) {
        self.totals.errors += 1;
        *self.totals.by_source.entry(source).or_default() += 1;
        *self.totals.by_kind.entry(kind).or_default() += 1;
    }

    /// So many turns did not take place, since one before them was not over.
    pub(crate) fn overrun(&mut self, turns: u64) {
        self.totals.overruns += turns;
    }

    /// What there is to tell at the end of a turn, at this time in seconds since the epoch. Who is over the ceiling is
    /// told once.
    pub(crate) fn view(&self, outlet: &Outlet, now: u64) -> View {
        let deliveries = outlet.deliveries();
        let counters = deliveries.iter().map(|delivery| delivery.counters).sum();
        let counts = outlet.counters();
        View {
            turn: self.turn.clone(),
            totals: self.totals.clone(),
            outlet: counts,
            points: counts.points - self.points_before,
            series: outlet.ceiling().used() as u64,
            over: outlet.ceiling().take_over(),
            delivered: (!deliveries.is_empty()).then_some(Delivered { counters, now }),
            deliveries,
            now,
            own: Own::look(),
        }
    }
}

impl View {
    /// Puts all of it.
    pub(crate) fn put(&self, put: &mut impl Put) {
        put_figures(fields::OWN, self, None, put);
        for (source, took) in &self.turn.took {
            let took = took.as_secs_f64();
            put.put(&fields::SOURCE_SECONDS, Some(source), took.into());
        }
        for (source, errors) in &self.totals.by_source {
            put.put(&fields::SOURCE_ERRORS, Some(source), (*errors).into());
        }
        for (kind, errors) in &self.totals.by_kind {
            put.put(&fields::ERRORS, Some(kind), (*errors).into());
        }
        if let Some(delivered) = &self.delivered {
            put_figures(fields::DELIVERED, delivered, None, put);
        }
        // A single one's are the sums.
        if self.deliveries.len() > 1 {
            for delivery in &self.deliveries {
                let counters = delivery.counters;
                let of = Delivered {
                    counters,
                    now: self.now,
                };
                put_figures(fields::DESTINATIONS, &of, Some(short(&delivery.to)), put);
            }
        }
    }

    /// Who has no series, since there are so many.
    pub(crate) fn over_ceiling(&self) -> &Over {
        &self.over
    }
}

/// All that there can be, for the reference.
pub(crate) fn fields() -> impl Iterator<Item = &'static Field> {
    let own = fields::OWN.iter().map(|figure| &figure.field);
    let along = [
        &fields::SOURCE_SECONDS,
        &fields::SOURCE_ERRORS,
        &fields::ERRORS,
    ];
    let delivered = fields::DELIVERED.iter().chain(fields::DESTINATIONS);
    own.chain(along)
        .chain(delivered.map(|figure| &figure.field))
}

/// Without what all destinations begin with: `graphite:2003` of `tcp://graphite:2003`.
fn short(destination: &str) -> &str {
    destination
        .split_once("://")
        .map_or(destination, |(_, rest)| rest)
}

impl Own {
    /// `None` if it cannot be read, as where `/proc` is not mounted.
    fn look() -> Option<Self> {
        let process = Process::myself().ok()?;
        let stat = process.stat().ok()?;
        let ticks = stat.utime.saturating_add(stat.stime);
        Some(Self {
            cpu_seconds: ticks as f64 / procfs::ticks_per_second().max(1) as f64,
            memory_bytes: stat.rss_bytes().get(),
            open_files: process.fd_count().ok().map(|count| count as u64),
        })
    }
}

#[cfg(test)]
mod tests;
