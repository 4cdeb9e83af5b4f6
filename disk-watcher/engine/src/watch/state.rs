//! What is known of every tree and every file system.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::event::{Amount, Event};
use super::figures::{Figures, FileSystemFigures};
use super::layer::{Layer, Way};
use super::lift::Lift;
use super::look::{Inner, Outcome, Task};
use super::sample::{Measured, Source};
use super::schedule::{Bounds, Found, Hint, Schedule, Used};
use super::settings::Settings;
use super::subject::Subject;
use super::tree::{Limits, Tree, TreeId};
use super::verdict::Known;
use super::volume::Volume;
use crate::FileId;
use crate::quota::{Heard, Warning, WarningKind};

/// What is in a tree is taken from a look at a tree inside it for so long.
const FRESH: Duration = Duration::from_secs(15);

/// Changes are read no more often than this. (A byte a nanosecond is what a page cache takes.)
const DRAIN_OFTEN: Duration = Duration::from_millis(20);
/// And no less often.
pub(super) const DRAIN_SELDOM: Duration = Duration::from_secs(1);

/// Everything that the threads share.
#[derive(Debug)]
pub(super) struct State {
    trees: BTreeMap<TreeId, Watched>,
    file_systems: BTreeMap<u64, Place>,
    pub(super) schedule: Schedule,
    pub(super) stopping: bool,
    /// The scheduler.
    pub(super) asleep: Asleep,
    pub(super) done: Figures,
    /// How often what the tracker knows is compared with what is there.
    reconcile: Duration,
}

/// Whether the scheduler has to be woken to learn of something.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asleep {
    /// It will see for itself.
    No,
    /// It sleeps until then, or until it is woken.
    Until(Option<Instant>),
}

#[derive(Debug)]
struct Watched {
    subject: Arc<Subject>,
    limits: Limits,
    /// Counts up whenever the kernel is to be told of the limits, and up to where it was.
    limits_version: u64,
    limits_told: u64,
    layer: Option<Layer>,
    known: Known,
    inner: BTreeSet<TreeId>,
    /// When what the tracker or the project's account knows of it is to be compared with what is there.
    compare_at: Option<Instant>,
}

/// A file system with trees in it.
#[derive(Debug)]
struct Place {
    volume: Arc<Volume>,
    told: Option<(Source, String)>,
}

impl State {
    pub(super) fn new(now: Instant, settings: &Settings) -> Self {
        Self {
            trees: BTreeMap::new(),
            file_systems: BTreeMap::new(),
            schedule: Schedule::new(now, settings.budget, settings.threads),
            stopping: false,
            asleep: Asleep::No,
            done: Figures::default(),
            reconcile: settings.reconcile,
        }
    }

    pub(super) fn add(&mut self, id: TreeId, tree: Tree) {
        let limits = tree.limits;
        let subject = Arc::new(Subject::new(id, tree));
        if let Some(outer) = subject.inside.and_then(|outer| self.trees.get_mut(&outer)) {
            outer.inner.insert(id);
        }
        let dev = subject.dev();
        // What nobody has looked at yet is polled; the first look finds out whether more is possible.
        self.schedule
            .add(Instant::now(), id, dev, Hint::Nothing, bounds(&limits));
        self.trees.insert(
            id,
            Watched {
                subject,
                limits,
                limits_version: 0,
                limits_told: 0,
                layer: None,
                known: Known::default(),
                inner: BTreeSet::new(),
                compare_at: None,
            },
        );
    }

    /// Returns what the kernel is to be told of that.
    pub(super) fn remove(&mut self, id: TreeId) -> Option<Lift> {
        self.schedule.remove(id);
        let gone = self.trees.remove(&id)?;
        gone.subject.stop.stop();
        if let Some(outer) = gone
            .subject
            .inside
            .and_then(|outer| self.trees.get_mut(&outer))
        {
            outer.inner.remove(&id);
        }
        let dev = gone.subject.dev();
        if !self.trees.values().any(|tree| tree.subject.dev() == dev) {
            self.file_systems.remove(&dev);
        }
        Lift::of(&gone.subject, &gone.limits, gone.layer.as_ref()?)
    }

    /// Whether a tree was not removed.
    pub(super) fn has(&self, id: TreeId) -> bool {
        self.trees.contains_key(&id)
    }

    /// Whether any tree has this root.
    pub(super) fn watches(&self, root: Option<FileId>) -> bool {
        self.trees.values().any(|tree| tree.subject.file == root)
    }

    /// What the kernel knew of the limits of the trees with this root is no longer so.
    pub(super) fn tell_limits_again(&mut self, root: Option<FileId>) {
        for (id, tree) in &mut self.trees {
            if tree.subject.file == root {
                tree.limits_version += 1;
                self.schedule.urge(Instant::now(), *id);
            }
        }
    }

    /// Has everything end.
    pub(super) fn stop(&mut self) {
        self.stopping = true;
        for tree in self.trees.values() {
            tree.subject.stop.stop();
        }
    }

    pub(super) fn set_limits(&mut self, id: TreeId, limits: Limits) {
        let Some(tree) = self.trees.get_mut(&id) else {
            return;
        };
        tree.limits = limits;
        tree.limits_version += 1;
        let hint = hint(tree, self.file_systems.get(&tree.subject.dev()));
        self.schedule
            .change(Instant::now(), id, hint, bounds(&limits));
    }

    pub(super) fn latest(&self, id: TreeId) -> Option<Measured> {
        self.trees.get(&id)?.known.latest.clone()
    }

    pub(super) fn figures(&self) -> Figures {
        let file_systems = self.file_systems.iter().filter_map(|(dev, place)| {
            let (source, why) = place.told.clone()?;
            Some(FileSystemFigures {
                file_system: place.volume.name.clone(),
                source,
                why,
                trees: self
                    .trees
                    .values()
                    .filter(|tree| tree.subject.dev() == *dev)
                    .count() as u64,
            })
        });
        Figures {
            trees: self.trees.len() as u64,
            deferred: self.schedule.deferred(),
            under_way: self.schedule.under_way() as u64,
            hanging: self.schedule.hanging() as u64,
            file_systems: file_systems.collect(),
            ..self.done.clone()
        }
    }

    /// The file systems that are to be asked now what they hold.
    pub(super) fn to_read(&self, now: Instant) -> Vec<(u64, Option<Arc<Volume>>)> {
        let due = self.schedule.to_read(now).into_iter();
        due.map(|dev| {
            let place = self.file_systems.get(&dev);
            (dev, place.map(|place| Arc::clone(&place.volume)))
        })
        .collect()
    }

    /// The next tree to look at now.
    pub(super) fn take(&mut self, now: Instant) -> Option<Task> {
        let turn = self.schedule.take(now)?;
        let tree = self.trees.get(&turn.tree)?;
        let place = self.file_systems.get(&tree.subject.dev());
        let volume = place.filter(|place| !place.volume.is_old());
        Some(Task {
            subject: Arc::clone(&tree.subject),
            limits: tree.limits,
            limits_changed: tree.limits_version != tree.limits_told,
            limits_version: tree.limits_version,
            layer: tree.layer.clone(),
            volume: volume.map(|place| Arc::clone(&place.volume)),
            urgent: turn.urgent,
            doubted: turn.doubted,
            compare: tree.compare_at.is_some_and(|then| then <= now),
            inner: self.inner(tree, now),
            told_soft: tree.known.told_soft,
            told_breach: tree.known.told_breach,
        })
    }

    /// The trees inside one that its own way of measuring leaves out, or may leave out.
    fn inner(&self, tree: &Watched, now: Instant) -> Vec<Inner> {
        let way = source(tree);
        let mut found = Vec::new();
        let mut left: Vec<TreeId> = tree.inner.iter().copied().collect();
        while let Some(id) = left.pop() {
            let Some(inner) = self.trees.get(&id) else {
                continue;
            };
            let (Some(file), Some(layer), Some(latest)) =
                (inner.subject.file, &inner.layer, &inner.known.latest)
            else {
                continue;
            };
            let leaves_out = match way {
                None => false,
                // A project has not what is in a project of its own, and the tracker knows a directory as one tree's.
                Some(way @ (Source::ProjectQuota | Source::ChangeTracking)) => {
                    left.extend(inner.inner.iter());
                    source(inner) == Some(way)
                }
                Some(Source::Walk) => now.saturating_duration_since(latest.sample.taken) <= FRESH,
            };
            if leaves_out && !tree.subject.exclude.contains(&file) {
                found.push(Inner {
                    id,
                    file,
                    layer: layer.clone(),
                    usage: latest.sample.usage.clone(),
                });
            }
        }
        found
    }

    /// Takes note of what came of a look, and says what to tell. The look is [finished](Self::finish) after that is told.
    pub(super) fn note(&mut self, task: &Task, outcome: Outcome) -> (Vec<Event>, Option<Found>) {
        self.done.looks += 1;
        self.done.cpu += outcome.cost;
        self.done.walks += outcome.walks;
        self.done.entries += outcome.entries;
        if outcome.overflowed {
            self.look_at_all_tracked();
        }
        let id = task.subject.id;
        let Some(tree) = self.trees.get_mut(&id).filter(|_| !self.stopping) else {
            return (Vec::new(), None);
        };
        let dev = task.subject.dev();
        let mut events = Vec::new();
        tree.limits_told = task.limits_version;
        let layer = outcome.layer;
        let is_new = task.volume.is_none();
        let by_walk = layer.source() == Source::Walk;
        if let Some(audit) = outcome.audit {
            tree.compare_at = None;
            if audit.strayed > 0 {
                events.push(Event::Strayed {
                    tree: id,
                    files: audit.strayed,
                    example: audit.example.unwrap_or_default(),
                });
            }
        }
        if let Some(drift) = outcome.drift {
            self.done.reconciles += 1;
            self.done.drift += drift.bytes.unsigned_abs();
            tree.compare_at = None;
            if drift.directories > 0 {
                events.push(Event::Drift {
                    tree: id,
                    bytes: drift.bytes,
                });
            }
        }
        if !by_walk && tree.compare_at.is_none() {
            tree.compare_at =
                Some(Instant::now() + self.reconcile.mul_f64(0.8 + 0.4 * id.spread()));
        }
        let other_way = tree
            .layer
            .as_ref()
            .is_none_or(|before| before.source() != layer.source());
        tree.layer = Some(layer);
        if is_new {
            let told = self.file_systems.remove(&dev).and_then(|place| place.told);
            let place = Place {
                volume: outcome.volume,
                told,
            };
            self.file_systems.insert(dev, place);
        }
        if is_new || other_way {
            events.extend(self.layer_event(dev));
        }
        let Some(tree) = self.trees.get_mut(&id) else {
            return (events, None);
        };
        let found = match outcome.found {
            Ok(finding) => {
                let found = Found {
                    taken: finding.sample.taken,
                    took: finding.took,
                    cost: outcome.cost,
                    bytes: finding.sample.charged(finding.counts_deleted),
                    inodes: finding.sample.usage.inodes,
                    sure: finding.sample.source != Source::ChangeTracking,
                };
                events.extend(tree.known.note(id, &task.limits, finding, outcome.trouble));
                Some(found)
            }
            Err(error) => {
                let text = format!("its disk usage is not known: {error}");
                events.extend(tree.known.trouble(id, Some(text)));
                None
            }
        };
        let place = self.file_systems.get(&dev);
        let hint = hint(tree, place);
        self.schedule.set_hint(id, hint);
        if is_new && place.is_some_and(|place| place.volume.tells()) {
            self.schedule.tells(Instant::now(), dev);
        }
        (events, found)
    }

    /// The look at a tree is over, and what it found has been told: there may be another.
    pub(super) fn finish(&mut self, id: TreeId, found: Option<Found>) {
        self.schedule.done(Instant::now(), id, found);
    }

    /// Takes note of what a file system holds.
    pub(super) fn read(&mut self, now: Instant, dev: u64, used: Option<Used>) {
        self.schedule.read(now, dev, used);
    }

    /// How often to read what has changed: as soon as the tree that is nearest to its limit could come to it; seldom
    /// where a file system says itself when it grows. `None` where nothing is tracked.
    pub(super) fn drain_every(&self) -> Option<Duration> {
        let tracked = |tree: &&Watched| source(tree) == Some(Source::ChangeTracking);
        let wait = |tree: &Watched| {
            let place = self.file_systems.get(&tree.subject.dev());
            let (Hint::Touches, Some(known)) = (hint(tree, place), &tree.known.latest) else {
                return DRAIN_SELDOM;
            };
            let held = known.sample.charged(tree.limits.count_deleted);
            let limits = [tree.limits.soft, tree.limits.hard].into_iter().flatten();
            let left = limits
                .map(|limit| limit.saturating_sub(held))
                .filter(|left| *left > 0)
                .min();
            left.map_or(DRAIN_SELDOM, |left| {
                Duration::from_nanos(left).clamp(DRAIN_OFTEN, DRAIN_SELDOM)
            })
        };
        self.trees.values().filter(tracked).map(wait).min()
    }

    /// Something has happened in these trees.
    pub(super) fn touched(&mut self, now: Instant, dirty: &[TreeId], overflowed: bool) {
        for id in dirty {
            self.schedule.touched(now, *id);
        }
        if overflowed {
            self.look_at_all_tracked();
        }
    }

    /// The kernel says that projects have come to their limits. Returns what to tell of that.
    pub(super) fn warned(&mut self, now: Instant, heard: &Heard) -> Vec<Event> {
        self.done.quota_warnings += heard.warnings.len() as u64;
        let mut events = Vec::new();
        for tree in self.trees.values_mut() {
            let Some(Way::Project { id, .. }) = tree.layer.as_ref().map(|layer| &layer.way) else {
                continue;
            };
            let dev = tree.subject.dev();
            let about_it = |warning: &&Warning| warning.project == *id && warning.device == dev;
            let of_it: Vec<_> = heard.warnings.iter().filter(about_it).collect();
            if heard.lost || !of_it.is_empty() {
                self.schedule.urge(now, tree.subject.id);
            }
            let of = |kind| of_it.iter().any(|warning| warning.kind == kind);
            let refused = if of(WarningKind::BytesAtHard) {
                Some((Amount::Bytes, tree.limits.hard))
            } else if of(WarningKind::InodesAtHard) {
                Some((Amount::Inodes, tree.limits.inodes))
            } else {
                None
            };
            if let Some((of, Some(limit))) = refused.filter(|_| tree.limits.in_kernel) {
                events.extend(tree.known.refused(now, tree.subject.id, of, limit));
            }
        }
        events
    }

    fn look_at_all_tracked(&mut self) {
        let tracked = |tree: &&Watched| source(tree) == Some(Source::ChangeTracking);
        for tree in self.trees.values().filter(tracked) {
            self.schedule.urge(Instant::now(), tree.subject.id);
        }
    }

    /// Tells of the way in which the trees of a file system are measured, if that has changed.
    fn layer_event(&mut self, dev: u64) -> Option<Event> {
        let layers = self.trees.values().filter(|tree| tree.subject.dev() == dev);
        let best = layers
            .filter_map(|tree| tree.layer.as_ref())
            .min_by_key(|layer| layer.source())?;
        let now = (best.source(), best.why.clone());
        let place = self.file_systems.get_mut(&dev)?;
        if place.told.as_ref().is_some_and(|told| told.0 == now.0) {
            return None;
        }
        place.told = Some(now.clone());
        Some(Event::Layer {
            file_system: place.volume.name.clone(),
            source: now.0,
            why: now.1,
        })
    }
}

/// How a tree was measured last.
fn source(tree: &Watched) -> Option<Source> {
    tree.layer.as_ref().map(Layer::source)
}

fn bounds(limits: &Limits) -> Bounds {
    Bounds {
        soft: limits.soft,
        hard: limits.hard,
        inodes: limits.inodes,
    }
}

/// What tells of a tree, without a look, that it cannot have changed.
fn hint(tree: &Watched, place: Option<&Place>) -> Hint {
    let tells = place.is_some_and(|place| place.volume.tells());
    // What is mounted inside is on file systems that nobody asks.
    if tells && !tree.subject.cross_mounts {
        Hint::FileSystem
    } else if source(tree) == Some(Source::ChangeTracking) {
        Hint::Touches
    } else {
        Hint::Nothing
    }
}
