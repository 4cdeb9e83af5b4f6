//! One look at one tree: in the way that its layer gives, and a second, exact one before a limit is said to be broken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::event::{Amount, Largest};
use super::layer::{Layer, Way, error_chain};
use super::sample::{Deleted, Sample, Source};
use super::scheduler::Shared;
use super::subject::Subject;
use super::tree::{Limits, TreeId};
use super::volume::{Volume, membership};
use crate::largest::largest_and_usage;
use crate::quota::{Audit, ProjectId, assign, audit};
use crate::track::{Drift, NoTracking};
use crate::{Error, FileId, Options, Usage, deleted, measure};

/// So many paths are named in a breach.
const NAMED: usize = 5;
/// A walk of fewer entries is made by one thread.
const SMALL: u64 = 2_000;
/// Who does not have the tracker in this time walks.
const PATIENCE: Duration = Duration::from_millis(20);
/// Changes that were read so short a time ago are not read again: each reading makes writers slower.
const READ_JUST_NOW: Duration = Duration::from_millis(100);
const READ_JUST_NOW_IN_A_HURRY: Duration = Duration::from_millis(10);
/// Before a limit is said to be broken, the exact look is made twice where it takes no longer than this.
const CHEAP: Duration = Duration::from_millis(50);
/// So many entries are compared in one go.
const COMPARED_AT_ONCE: u64 = 20_000;

/// A look to be made.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) subject: Arc<Subject>,
    pub(super) limits: Limits,
    /// The kernel does not know of these limits yet.
    pub(super) limits_changed: bool,
    /// Which limits they are of those that the tree has had.
    pub(super) limits_version: u64,
    /// `None` before the first look.
    pub(super) layer: Option<Layer>,
    /// `None` where it is to be found out what the file system can do.
    pub(super) volume: Option<Arc<Volume>>,
    /// The tree could have come to a limit: what is in it is not taken from earlier looks, and more than one thread
    /// may walk it.
    pub(super) urgent: bool,
    /// And what is told of changes is not enough to say that it has not.
    pub(super) doubted: bool,
    /// It is time to compare what the tracker knows with what is there, or to look for files that left the project.
    pub(super) compare: bool,
    /// Trees inside it that are not part of what its own way of measuring finds.
    pub(super) inner: Vec<Inner>,
    /// Of which limits it is told already that they are broken.
    pub(super) told_soft: bool,
    pub(super) told_breach: bool,
}

/// A tree inside another.
#[derive(Debug)]
pub(super) struct Inner {
    pub(super) id: TreeId,
    pub(super) file: FileId,
    pub(super) layer: Layer,
    /// What it held at its last look.
    pub(super) usage: Usage,
}

/// What a look found.
#[derive(Debug)]
pub(super) struct Finding {
    pub(super) sample: Sample,
    /// How long it took to find all of this out.
    pub(super) took: Duration,
    /// It holds more than its soft limit, or than another.
    pub(super) soft: bool,
    pub(super) broken: Option<(Amount, u64)>,
    /// Whether deleted files were counted.
    pub(super) counts_deleted: bool,
    /// Where most of it is; looked for when a limit was newly broken.
    pub(super) largest: Vec<Largest>,
    pub(super) confirmed: bool,
}

/// A finding, and what was learned on the way.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) found: Result<Finding, Error>,
    pub(super) layer: Layer,
    pub(super) volume: Arc<Volume>,
    /// What could not be done as it should, but for what the sample says itself.
    pub(super) trouble: Option<String>,
    /// What a comparison found that has come to its end.
    pub(super) drift: Option<Drift>,
    /// What became of the files of its project, where that was looked at.
    pub(super) audit: Option<Audit>,
    pub(super) walks: u64,
    pub(super) entries: u64,
    /// Events of the tracker were lost: every tree of its is to be looked at.
    pub(super) overflowed: bool,
    /// Processor time.
    pub(super) cost: Duration,
}

impl Task {
    /// Looks. May take as long as the disk does.
    pub(super) fn look(&self, shared: &Shared) -> Outcome {
        let before = processor_time();
        let volume = match &self.volume {
            Some(volume) => Arc::clone(volume),
            None => Arc::new(Volume::probe(&self.subject, &shared.settings.quota)),
        };
        let mut trouble = None;
        if let (None, Some(ids), Ok(quota)) = (&self.volume, &shared.ids, &volume.quota) {
            // Ids of directories that are gone.
            trouble = ids.reclaim(quota).err().map(|error| error_chain(&error));
        }
        let layer = match &self.layer {
            Some(layer) if layer.is_of(&volume) => layer.clone(),
            before => Layer::choose(&self.subject, &volume, before.as_ref(), shared),
        };
        let is_as_before = |before: &Layer| before.is_of(&volume);
        let untold = self.limits_changed || !self.layer.as_ref().is_some_and(is_as_before);
        if untold {
            trouble = layer.set_limits(&self.limits).err().or(trouble);
        }
        let mut looker = Looker {
            task: self,
            shared,
            layer,
            begun: Instant::now(),
            helpers: Duration::ZERO,
            walks: 0,
            entries: 0,
            drift: None,
            audit: None,
            overflowed: false,
            trouble: None,
        };
        let found = looker.look();
        Outcome {
            found,
            volume,
            trouble: trouble.or(looker.trouble),
            drift: looker.drift,
            audit: looker.audit,
            walks: looker.walks,
            entries: looker.entries,
            overflowed: looker.overflowed,
            cost: processor_time().saturating_sub(before) + looker.helpers,
            layer: looker.layer,
        }
    }
}

struct Looker<'a> {
    task: &'a Task,
    shared: &'a Shared,
    /// Changed where it fails.
    layer: Layer,
    begun: Instant,
    /// Processor time of threads other than this one.
    helpers: Duration,
    walks: u64,
    entries: u64,
    drift: Option<Drift>,
    audit: Option<Audit>,
    overflowed: bool,
    trouble: Option<String>,
}

impl Looker<'_> {
    fn look(&mut self) -> Result<Finding, Error> {
        let limits = &self.task.limits;
        let sample = self.sample()?;
        let source = sample.source;
        let (soft, broken) = judge(limits, &sample, limits.count_deleted);
        let news = (soft && !self.task.told_soft) || (broken.is_some() && !self.task.told_breach);
        if !news {
            return Ok(self.finding(sample, (soft, broken), Vec::new(), false));
        }
        // In an ordinary walk a file counts twice that is moved meanwhile, and its owner may put a file into a
        // neighbour's project.
        let in_project = source == Source::ProjectQuota;
        let (mut second, mut largest) = self.exact()?;
        let mut judged = judge(limits, &second, limits.count_deleted || in_project);
        if judged.1.is_some() && second.cost < CHEAP {
            // Even so a walk may count what has been removed since, beside what has taken its place.
            (second, largest) = self.exact()?;
            judged = judge(limits, &second, limits.count_deleted || in_project);
        }
        if broken.is_some() && judged.1.is_none() {
            match source {
                Source::ProjectQuota => {
                    let text = "its project is charged with more than the tree holds";
                    self.trouble = Some(text.to_owned());
                    // Of the tree itself it is still what is known.
                    return Ok(self.finding(sample, judged, Vec::new(), false));
                }
                // What is known is wrong: all of it is to be put right, now.
                Source::ChangeTracking => self.compare(u64::MAX),
                Source::Walk => {}
            }
        }
        Ok(Finding {
            counts_deleted: limits.count_deleted || in_project,
            ..self.finding(second, judged, largest, true)
        })
    }

    fn finding(
        &self,
        sample: Sample,
        (soft, broken): (bool, Option<(Amount, u64)>),
        largest: Vec<Largest>,
        confirmed: bool,
    ) -> Finding {
        Finding {
            sample,
            took: self.begun.elapsed(),
            soft,
            broken,
            counts_deleted: self.task.limits.count_deleted,
            largest,
            confirmed,
        }
    }

    fn sample(&mut self) -> Result<Sample, Error> {
        let begun = Instant::now();
        let (source, taken, usage) = match self.known() {
            Some((source, taken, usage)) => (source, taken, usage),
            None => (Source::Walk, begun, self.walked()?),
        };
        if self.task.doubted && !self.layer.is_walk() && source == Source::Walk {
            self.teach(&usage);
        }
        let count = self.task.limits.count_deleted && source != Source::ProjectQuota;
        Ok(Sample {
            usage,
            deleted: if count { self.deleted() } else { None },
            source,
            taken,
            cost: begun.elapsed(),
        })
    }

    /// What is known without a walk, and when it was so.
    fn known(&mut self) -> Option<(Source, Instant, Usage)> {
        match self.layer.way {
            Way::Walk => None,
            Way::Project {
                id,
                ours,
                is_unproven,
            } => {
                let is_due = self.task.compare && !self.task.urgent;
                if let Err(why) = self.audit(id, ours, is_due || is_unproven) {
                    let lifted;
                    (self.layer, lifted) = self.layer.distrusted(why);
                    self.trouble = lifted.err().or(self.trouble.take());
                    return None;
                }
                match self.by_project()? {
                    Ok(usage) => Some((Source::ProjectQuota, self.begun, usage)),
                    Err(why) => {
                        self.layer = self.layer.fallen_back(why);
                        None
                    }
                }
            }
            Way::Tracked if self.task.doubted => None,
            Way::Tracked => match self.tracked() {
                Some(Ok((taken, usage))) => Some((Source::ChangeTracking, taken, usage)),
                Some(Err(error)) => {
                    self.layer = self.layer.fallen_back(error_chain(&error));
                    None
                }
                // Somebody else has the tracker.
                None => None,
            },
        }
    }

    fn by_project(&self) -> Option<Result<Usage, String>> {
        let used = |layer: &Layer| {
            let used = layer.project_usage()?;
            Some(used.map_err(|error| error_chain(&error)).map(|used| Usage {
                bytes: used.bytes,
                inodes: used.inodes,
                ..Usage::default()
            }))
        };
        let mut usage = match used(&self.layer)? {
            Ok(usage) => usage,
            Err(why) => return Some(Err(why)),
        };
        for inner in &self.task.inner {
            let now = used(&inner.layer).and_then(Result::ok);
            usage.absorb(now.unwrap_or_else(|| inner.usage.clone()));
        }
        Some(Ok(usage))
    }

    /// Looks whether the tree has left its project: its root each time, every file where that is due. What left is
    /// fetched back, as far as nobody else has it; the error says why the account is to be believed no more even so.
    fn audit(&mut self, id: ProjectId, ours: bool, is_due: bool) -> Result<(), String> {
        let subject = &self.task.subject;
        let root = membership(subject.root(), c".").map_err(|errno| errno.to_string())?;
        let has_left = root.project != Some(id) || !root.inherits;
        if !has_left && !is_due {
            return Ok(());
        }
        let mut exclude = subject.exclude.clone();
        exclude.extend(self.task.inner.iter().map(|inner| inner.file));
        let found = audit(
            subject.root(),
            id,
            &exclude,
            self.shared.settings.max_entries,
        );
        let found = found
            .map_err(|error| format!("cannot look for files that left project {id}: {error}"))?;
        let strayed = found.strayed;
        self.audit = Some(found);
        if strayed == 0 {
            self.layer = self.layer.clone().proven();
            return Ok(());
        }
        if ours {
            let back = assign(subject.root(), id, &exclude);
            self.trouble = back.err().map(|error| error_chain(&error));
        }
        Err(format!("{strayed} of its files had left project {id}"))
    }

    fn tracked(&mut self) -> Option<Result<(Instant, Usage), NoTracking>> {
        let mut borrowed = self.shared.tracking.borrow(PATIENCE)?;
        let recent = if self.task.urgent {
            READ_JUST_NOW_IN_A_HURRY
        } else {
            READ_JUST_NOW
        };
        let (taken, overflowed) = match borrowed.drain(recent) {
            Ok(drained) => drained,
            Err(error) => return Some(Err(error)),
        };
        self.overflowed |= overflowed;
        let tracker = borrowed.tracker()?;
        let mut usage = match tracker.read(self.task.subject.id) {
            Ok(usage) => usage,
            Err(error) => return Some(Err(error)),
        };
        for inner in &self.task.inner {
            // One that is not known any more has its own look to say so.
            usage.absorb(
                tracker
                    .read(inner.id)
                    .unwrap_or_else(|_| inner.usage.clone()),
            );
        }
        if self.task.compare && !self.task.urgent {
            drop(borrowed);
            self.compare(COMPARED_AT_ONCE);
        }
        Some(Ok((taken, usage)))
    }

    /// Has the tracker learn what a walk found, if that is more than it knows: the next look would take it back.
    fn teach(&mut self, walked: &Usage) {
        // A comparison that was under way already leaves out what it has behind it.
        for _ in 0..2 {
            let Some(Ok((_, known))) = self.tracked() else {
                return;
            };
            if known.bytes >= walked.bytes {
                return;
            }
            self.compare(u64::MAX);
        }
    }

    /// Compares what the tracker knows with what is there, so many entries of it.
    fn compare(&mut self, entries: u64) {
        let Some(mut borrowed) = self.shared.tracking.borrow(PATIENCE) else {
            return;
        };
        let Some(tracker) = borrowed.tracker() else {
            return;
        };
        match tracker.reconcile(self.task.subject.id, entries) {
            Ok(drift) => self.drift = drift.or(self.drift.take()),
            Err(error) => {
                let why = error_chain(&error);
                self.layer = self.layer.fallen_back(why);
            }
        }
    }

    fn walked(&mut self) -> Result<Usage, Error> {
        // In a hurry all of it is walked, since what is known of the trees inside may be old.
        let inner: &[Inner] = if !self.task.urgent && self.layer.is_walk() {
            &self.task.inner
        } else {
            &[]
        };
        let mut options = self.options(self.task.urgent);
        options.exclude.extend(inner.iter().map(|inner| inner.file));
        let mut usage = self.walk(&options, |options| {
            measure(self.task.subject.root(), options)
        })?;
        for inner in inner {
            usage.absorb(inner.usage.clone());
        }
        Ok(usage)
    }

    /// All of the tree in one go, with what helps to find the culprit.
    fn exact(&mut self) -> Result<(Sample, Vec<Largest>), Error> {
        let taken = Instant::now();
        let mut largest = Vec::new();
        let options = self.options(true);
        let usage = self.walk(&options, |options| {
            let (usage, named) = largest_and_usage(self.task.subject.root(), options, NAMED)?;
            largest = named;
            Ok(usage)
        })?;
        let sample = Sample {
            usage,
            deleted: self.deleted(),
            source: Source::Walk,
            taken,
            cost: taken.elapsed(),
        };
        Ok((sample, largest))
    }

    fn walk(
        &mut self,
        options: &Options,
        walk: impl FnOnce(&Options) -> Result<Usage, Error>,
    ) -> Result<Usage, Error> {
        let before = processor_time();
        let usage = walk(options)?;
        if usage.inodes >= SMALL {
            let others = options.max_threads.saturating_sub(1);
            let own = processor_time().saturating_sub(before);
            self.helpers += own.saturating_mul(u32::try_from(others).unwrap_or(u32::MAX));
        }
        self.walks += 1;
        self.entries += usage.inodes;
        Ok(usage)
    }

    fn options(&self, hurry: bool) -> Options {
        Options {
            cross_mounts: self.task.subject.cross_mounts,
            exclude: self.task.subject.exclude.clone(),
            max_entries: self.shared.settings.max_entries,
            max_threads: if hurry { self.shared.threads() } else { 1 },
            stop: self.task.subject.stop.clone(),
        }
    }

    fn deleted(&self) -> Option<Deleted> {
        let pids = self.task.subject.pids()?;
        deleted(pids, &[self.task.subject.root()]).first().copied()
    }
}

/// Whether a sample is beyond the soft limit, and which other it is beyond.
fn judge(limits: &Limits, sample: &Sample, deleted: bool) -> (bool, Option<(Amount, u64)>) {
    // As `du -k` rounds; see `Usage::exceeds`.
    let charged = sample.charged(deleted).div_ceil(1024).saturating_mul(1024);
    let soft = limits.soft.is_some_and(|limit| charged > limit);
    let bytes = limits.hard.filter(|limit| charged > *limit);
    let inodes = limits.inodes.filter(|limit| sample.usage.inodes > *limit);
    let broken = bytes
        .map(|limit| (Amount::Bytes, limit))
        .or(inodes.map(|limit| (Amount::Inodes, limit)));
    (soft, broken)
}

/// Of this thread.
fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or_default();
    Duration::new(seconds, u32::try_from(time.tv_nsec).unwrap_or_default())
}
