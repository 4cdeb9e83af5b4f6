//! Each number that the collector tells of itself.

use super::{Delivered, View};
use crate::model::{Along, Field, Figure, Nature, Unit};

/// Of the collector as a whole.
pub(super) static OWN: &[Figure<View>] = &[
    Figure::gauge(
        "scrape_seconds",
        Unit::Seconds,
        "From the first question of a turn to the last answer, all sources side by side.",
        |view| Some(view.turn.scrape?.as_secs_f64().into()),
    ),
    Figure::gauge(
        "scrape_queue_seconds",
        Unit::Seconds,
        "How long the question for the containers waited for its answer to begin: an agent that limits the rate of an \
         endpoint lets it queue.",
        |view| Some(view.turn.queued?.as_secs_f64().into()),
    ),
    Figure::gauge(
        "sample_age_seconds",
        Unit::Seconds,
        "How old the oldest container's sample was when its answer was complete.",
        |view| Some(view.turn.sample_age?.into()),
    ),
    Figure::gauge(
        "containers",
        Unit::Count,
        "Containers in the last answer, of whichever kind, whose points were made.",
        |view| Some(view.turn.containers?.into()),
    ),
    Figure::gauge(
        "containers_skipped",
        Unit::Count,
        "Containers in the last answer without statistics, or with some that make no sense.",
        |view| Some(view.turn.containers_skipped?.into()),
    ),
    Figure::gauge(
        "unknown_fields",
        Unit::Count,
        "Numbers in the last answer under names that this version does not know.",
        |view| Some(view.turn.unknown_fields?.into()),
    ),
    Figure::gauge(
        "points",
        Unit::Count,
        "Points made in this turn, the collector's own not among them.",
        |view| Some(view.points.into()),
    ),
    Figure::counter(
        "points_refused",
        Unit::Count,
        "Points left out since their value was infinite or not a number.",
        |view| Some(view.outlet.refused.into()),
    ),
    Figure::counter(
        "subjects_untimely",
        Unit::Count,
        "Containers, tasks and others whose points were left out since their sample is of no possible time.",
        |view| Some(view.outlet.untimely.into()),
    ),
    Figure::counter("turns", Unit::Count, "Turns that were begun.", |view| {
        Some(view.totals.turns.into())
    }),
    Figure::counter(
        "overruns",
        Unit::Count,
        "Turns that did not take place since one before them was not over.",
        |view| Some(view.totals.overruns.into()),
    ),
    Figure::counter(
        "scrape_errors",
        Unit::Count,
        "Answers that did not come, or made no sense, of all sources: the sum of errors.*.",
        |view| Some(view.totals.errors.into()),
    ),
    Figure::gauge(
        "series",
        Unit::Count,
        "Series there are, the collector's own not among them.",
        |view| Some(view.series.into()),
    ),
    Figure::gauge(
        "series_over_ceiling",
        Unit::Count,
        "Points of this turn that have no series, since there are as many as there may be.",
        |view| Some(view.over.series.into()),
    ),
    Figure::gauge(
        "subjects_over_ceiling",
        Unit::Count,
        "Whose points those are: containers, tasks and others without all of their series.",
        |view| Some(view.over.subjects.into()),
    ),
    Figure::counter(
        "cpu_seconds",
        Unit::Seconds,
        "Processor time of this program.",
        |view| Some(view.own?.cpu_seconds.into()),
    ),
    Figure::gauge(
        "memory_bytes",
        Unit::Bytes,
        "Resident memory of this program.",
        |view| Some(view.own?.memory_bytes.into()),
    ),
    Figure::gauge(
        "open_files",
        Unit::Count,
        "File descriptors that this program has open.",
        |view| Some(view.own?.open_files?.into()),
    ),
];

/// Along the names of sources: `containers`, `nested`, `snapshot`, `state`, `tasks`, `disks`, `host`.
pub(super) static SOURCE_SECONDS: Field = Field {
    name: "sources.seconds",
    along: Some(Along {
        tag: "source",
        behind: 1,
    }),
    nature: Nature::Gauge,
    unit: Unit::Seconds,
    help: "What a source took to answer in this turn.",
};

pub(super) static SOURCE_ERRORS: Field = Field {
    name: "sources.errors",
    along: Some(Along {
        tag: "source",
        behind: 1,
    }),
    nature: Nature::Counter,
    unit: Unit::Count,
    help: "Answers of a source that did not come, or made no sense; not there before the first.",
};

pub(super) static ERRORS: Field = Field {
    name: "errors",
    along: Some(Along {
        tag: "error",
        behind: 1,
    }),
    nature: Nature::Counter,
    unit: Unit::Count,
    help: "The same by what was wrong: unreachable, tls, timeout, http, json and so on; not there before the first.",
};

/// The same table twice: of all destinations together, and of each where there are several.
macro_rules! delivered {
    ($before:literal $(, $along:ident)?) => {
        &[
            Figure::counter(
                concat!($before, "points_pushed"),
                Unit::Count,
                "Points handed over to be sent; one that goes to two destinations counts twice.",
                |it: &Delivered| Some(it.counters.pushed.into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "points_written"),
                Unit::Count,
                "Of these: written to a connection, each counted once.",
                |it: &Delivered| Some((it.counters.written + it.counters.spool.replayed).into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "points_resent"),
                Unit::Count,
                "Written once more, since a connection broke before the other side can have read them.",
                |it: &Delivered| Some(it.counters.resent.into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "points_lost"),
                Unit::Count,
                "Given up: for newer ones where there was no room, or damaged on disk.",
                |it: &Delivered| Some(it.counters.lost().into()),
            )$(.$along("destination"))?,
            Figure::gauge(
                concat!($before, "points_waiting"),
                Unit::Count,
                "Not written yet, and in memory alone.",
                |it: &Delivered| Some(it.counters.in_memory().into()),
            )$(.$along("destination"))?,
            Figure::gauge(
                concat!($before, "spool_points"),
                Unit::Count,
                "Not written yet, and on disk: the depth of the spool.",
                |it: &Delivered| Some(it.counters.spool.points.into()),
            )$(.$along("destination"))?,
            Figure::gauge(
                concat!($before, "spool_bytes"),
                Unit::Bytes,
                "What the spool takes on disk.",
                |it: &Delivered| Some(it.counters.spool.bytes.into()),
            )$(.$along("destination"))?,
            Figure::gauge(
                concat!($before, "spool_age_seconds"),
                Unit::Seconds,
                "How old the oldest point of the spool is; 0 when it is empty.",
                |it: &Delivered| {
                    let oldest = it.counters.spool.oldest.unwrap_or(it.now);
                    Some(it.now.saturating_sub(oldest).into())
                },
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "spool_stored"),
                Unit::Count,
                "Points put on disk, since the other side was away or slow.",
                |it: &Delivered| Some((it.counters.spool.stored + it.counters.spool.stored_again).into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "spool_replayed"),
                Unit::Count,
                "Points from the disk that were written to a connection.",
                |it: &Delivered| Some(it.counters.spool.replayed.into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "spool_errors"),
                Unit::Count,
                "Times that the disk could not be read or written.",
                |it: &Delivered| Some(it.counters.spool.errors.into()),
            )$(.$along("destination"))?,
            Figure::counter(
                concat!($before, "reconnects"),
                Unit::Count,
                "Connections made after the first.",
                |it: &Delivered| Some(it.counters.connections.saturating_sub(1).into()),
            )$(.$along("destination"))?,
        ]
    };
}

/// Of points for Graphite, all destinations together.
pub(super) static DELIVERED: &[Figure<Delivered>] = delivered!("");

/// Of points for one of several destinations.
pub(super) static DESTINATIONS: &[Figure<Delivered>] = delivered!("destinations.", along);
