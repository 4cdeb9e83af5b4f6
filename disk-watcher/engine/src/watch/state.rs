//! What is known of every tree, and when each is due.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;

use super::event::{Amount, Breach, Event};
use super::figures::Figures;
use super::look::Subject;
use super::sample::{Measured, Sample};
use super::tree::{Limits, Tree, TreeId};
use crate::Pace;
use crate::pace::Look;

/// Everything that the threads share.
#[derive(Debug, Default)]
pub(super) struct State {
    trees: BTreeMap<TreeId, Watched>,
    /// Looks under way, by file system.
    busy: HashMap<u64, usize>,
    pub(super) stopping: bool,
    pub(super) done: Figures,
}

#[derive(Debug)]
struct Watched {
    subject: Arc<Subject>,
    limits: Limits,
    pace: Pace,
    due: Instant,
    under_way: bool,
    latest: Option<Measured>,
    told: Told,
}

/// What was told of a tree, so that it is told once.
#[derive(Clone, Debug, Default)]
struct Told {
    soft: bool,
    breach: bool,
    trouble: Option<String>,
}

impl State {
    pub(super) fn add(&mut self, id: TreeId, tree: Tree) {
        let limits = tree.limits;
        let watched = Watched {
            subject: Arc::new(Subject::new(id, tree)),
            limits,
            pace: Pace::new(limits.hard),
            due: Instant::now(),
            under_way: false,
            latest: None,
            told: Told::default(),
        };
        self.trees.insert(id, watched);
    }

    pub(super) fn remove(&mut self, id: TreeId) {
        self.trees.remove(&id);
    }

    pub(super) fn set_limits(&mut self, id: TreeId, limits: Limits) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.limits = limits;
            tree.pace.set_limit(limits.hard);
            tree.due = Instant::now();
        }
    }

    pub(super) fn look_at(&mut self, id: TreeId, at: Instant) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.due = tree.due.min(at);
        }
    }

    pub(super) fn latest(&self, id: TreeId) -> Option<Measured> {
        self.trees.get(&id)?.latest.clone()
    }

    pub(super) fn figures(&self) -> Figures {
        Figures {
            trees: self.trees.len() as u64,
            under_way: self.busy.values().sum::<usize>() as u64,
            ..self.done.clone()
        }
    }

    /// The trees to look at now, at most `threads` of each file system at once; they count as under way.
    pub(super) fn take_due(&mut self, now: Instant, threads: usize) -> Vec<(Arc<Subject>, Limits)> {
        let mut due: Vec<_> = self
            .trees
            .values_mut()
            .filter(|tree| !tree.under_way && tree.due <= now)
            .collect();
        due.sort_by_key(|tree| tree.due);
        let mut taken = Vec::new();
        for tree in due {
            let busy = self.busy.entry(tree.subject.dev).or_default();
            if *busy < threads {
                *busy += 1;
                tree.under_way = true;
                taken.push((Arc::clone(&tree.subject), tree.limits));
            }
        }
        taken
    }

    /// When the next tree is due whose turn does not wait for another look.
    pub(super) fn next_due(&self, threads: usize) -> Option<Instant> {
        self.trees
            .values()
            .filter(|tree| !tree.under_way)
            .filter(|tree| {
                self.busy
                    .get(&tree.subject.dev)
                    .is_none_or(|busy| *busy < threads)
            })
            .map(|tree| tree.due)
            .min()
    }

    /// Takes note that nobody could look at it.
    pub(super) fn put_off(&mut self, subject: &Subject) {
        self.finish(subject);
        if let Some(tree) = self.trees.get_mut(&subject.id) {
            tree.due = Instant::now() + AFTER_AN_ERROR;
        }
    }

    /// The look at a tree is over, and what it found has been told: there may be another.
    pub(super) fn finish(&mut self, subject: &Subject) {
        if let Some(busy) = self.busy.get_mut(&subject.dev) {
            *busy = busy.saturating_sub(1);
        }
        if let Some(tree) = self.trees.get_mut(&subject.id) {
            tree.under_way = false;
        }
    }

    /// Takes note of what a look found, and says what to tell. `breach` is a second look's finding.
    pub(super) fn note(
        &mut self,
        subject: &Subject,
        found: Result<(Sample, Option<Breach>), crate::Error>,
    ) -> Vec<Event> {
        self.done.looks += 1;
        let Some(tree) = self.trees.get_mut(&subject.id) else {
            return Vec::new();
        };
        match found {
            Ok((sample, breach)) => {
                self.done.walks += 1;
                self.done.entries += sample.usage.inodes;
                tree.note(subject.id, sample, breach)
            }
            Err(error) => {
                tree.due = Instant::now() + AFTER_AN_ERROR;
                let text = error.to_string();
                tree.trouble(subject.id, Some(text)).into_iter().collect()
            }
        }
    }
}

/// A tree that could not be looked at is tried again after this long.
const AFTER_AN_ERROR: std::time::Duration = std::time::Duration::from_secs(1);

impl Watched {
    fn note(&mut self, id: TreeId, sample: Sample, breach: Option<Breach>) -> Vec<Event> {
        let growth = self.latest.as_ref().and_then(|last| {
            let between = sample.taken.saturating_duration_since(last.sample.taken);
            let grown = sample.usage.bytes as f64 - last.sample.usage.bytes as f64;
            (!between.is_zero()).then(|| grown / between.as_secs_f64())
        });
        let charged = sample.charged(self.limits.count_deleted);
        self.due = self.pace.observe(Look {
            at: sample.taken + sample.cost,
            cost: sample.cost,
            bytes: charged,
        });
        let mut events = Vec::new();
        let gaps = match &sample.usage.completeness {
            crate::Completeness::Complete => None,
            crate::Completeness::LowerBound(gaps) => Some(gaps.to_string()),
        };
        events.extend(self.trouble(id, gaps));
        let over_soft = self
            .limits
            .soft
            .is_some_and(|soft| charged.div_ceil(1024) * 1024 > soft);
        if over_soft && !self.told.soft {
            events.push(Event::SoftLimit(Breach {
                tree: id,
                of: Amount::Bytes,
                sample: sample.clone(),
                limit: self.limits.soft.unwrap_or_default(),
                counts_deleted: self.limits.count_deleted,
                growth,
                largest: Vec::new(),
                confirmed: false,
            }));
        }
        self.told.soft = over_soft;
        match breach {
            Some(breach) if !self.told.breach => {
                self.told.breach = true;
                events.push(Event::Breach(Breach { growth, ..breach }));
            }
            None if self.told.breach => {
                self.told.breach = false;
                events.push(Event::Recovered { tree: id });
            }
            Some(_) | None => {}
        }
        self.latest = Some(Measured { sample, growth });
        events
    }

    fn trouble(&mut self, id: TreeId, text: Option<String>) -> Option<Event> {
        if self.told.trouble == text {
            return None;
        }
        self.told.trouble.clone_from(&text);
        Some(Event::Trouble {
            tree: Some(id),
            text: text?,
        })
    }
}
