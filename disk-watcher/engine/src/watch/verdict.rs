//! What of a finding is news: each thing is told once.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::event::{Amount, Breach, Event};
use super::look::Finding;
use super::sample::{Measured, Sample};
use super::tree::{Limits, TreeId};
use crate::Completeness;

/// What is known of a tree, and what was told of it.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) latest: Option<Measured>,
    /// Looks of the last moments, the latest last.
    recent: VecDeque<(Instant, u64)>,
    pub(super) told_soft: bool,
    pub(super) told_breach: bool,
    trouble: Option<String>,
    told_refused: Option<Instant>,
}

/// A task that tries again and again is told of once in so long.
const REFUSED_AGAIN: Duration = Duration::from_secs(60);

/// Growth is told over this time, or since the look before where that is longer ago.
const RECENT: Duration = Duration::from_secs(1);
/// No more looks than this are remembered for that.
const MOST_RECENT: usize = 64;

impl Known {
    /// Takes note of a finding, and says what to tell of it.
    pub(super) fn note(
        &mut self,
        tree: TreeId,
        limits: &Limits,
        found: Finding,
        trouble: Option<String>,
    ) -> Vec<Event> {
        let growth = self.grow(&found.sample);
        let breach = |of, limit| Breach {
            tree,
            of,
            sample: found.sample.clone(),
            limit,
            counts_deleted: found.counts_deleted,
            growth,
            largest: found.largest.clone(),
            confirmed: found.confirmed,
        };
        let gaps = match &found.sample.usage.completeness {
            Completeness::Complete => None,
            Completeness::LowerBound(gaps) => {
                Some(format!("its disk usage is known in part only: {gaps}"))
            }
        };
        let mut events = Vec::from_iter(self.trouble(tree, trouble.or(gaps)));
        if let Some(limit) = limits.soft.filter(|_| found.soft && !self.told_soft) {
            events.push(Event::SoftLimit(breach(Amount::Bytes, limit)));
        }
        self.told_soft = found.soft;
        match found.broken {
            Some((of, limit)) if !self.told_breach => {
                events.push(Event::Breach(breach(of, limit)));
            }
            None if self.told_breach => events.push(Event::Recovered { tree }),
            Some(_) | None => {}
        }
        self.told_breach = found.broken.is_some();
        self.latest = Some(Measured {
            sample: found.sample,
            growth,
        });
        events
    }

    /// Tells of trouble, unless it is the trouble that there was before.
    pub(super) fn trouble(&mut self, tree: TreeId, text: Option<String>) -> Option<Event> {
        if self.trouble == text {
            return None;
        }
        self.trouble.clone_from(&text);
        Some(Event::Trouble {
            tree: Some(tree),
            text: text?,
        })
    }

    /// The kernel has refused to let the tree grow.
    pub(super) fn refused(
        &mut self,
        now: Instant,
        tree: TreeId,
        of: Amount,
        limit: u64,
    ) -> Option<Event> {
        let recent = |then: Instant| now.saturating_duration_since(then) < REFUSED_AGAIN;
        if self.told_refused.is_some_and(recent) {
            return None;
        }
        self.told_refused = Some(now);
        Some(Event::Refused { tree, of, limit })
    }

    /// The growth up to this sample, in bytes a second.
    fn grow(&mut self, sample: &Sample) -> Option<f64> {
        let bytes = sample.charged(true);
        let age = |then: Instant| sample.taken.saturating_duration_since(then);
        // All but the latest of those that are too old, so that there is one to compare with.
        while self.recent.len() > MOST_RECENT
            || self
                .recent
                .get(1)
                .is_some_and(|(next, _)| age(*next) >= RECENT)
        {
            self.recent.pop_front();
        }
        let since = self.recent.front().copied();
        self.recent.push_back((sample.taken, bytes));
        let (then, before) = since?;
        let seconds = age(then).as_secs_f64();
        (seconds > 0.0).then(|| (bytes as f64 - before as f64) / seconds)
    }
}
