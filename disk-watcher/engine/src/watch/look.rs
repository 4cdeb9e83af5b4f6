//! One look at one tree: in the way that its layer gives, and a second, exact one before a limit is said to be broken.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

use super::event::{Amount, Largest};
use super::layer::{Layer, Way, error_chain};
use super::sample::{Deleted, Sample, Source};
use super::scheduler::Shared;
use super::subject::Subject;
use super::tree::Limits;
use super::volume::Volume;
use crate::largest::largest_and_usage;
use crate::{Error, FileId, Options, Usage, deleted, measure};

/// So many paths are named in a breach.
const NAMED: usize = 5;

/// A walk of fewer entries is made by one thread.
const SMALL: u64 = 2_000;

/// A look to be made.
#[derive(Debug)]
pub(super) struct Task {
    pub(super) subject: Arc<Subject>,
    pub(super) limits: Limits,
    /// The kernel does not know of these limits yet.
    pub(super) limits_changed: bool,
    /// `None` before the first look.
    pub(super) layer: Option<Layer>,
    /// `None` where it is to be found out what the file system can do.
    pub(super) volume: Option<Arc<Volume>>,
    /// The tree could have come to a limit: what is in it is not taken from earlier looks, and more than one thread
    /// may walk it.
    pub(super) urgent: bool,
    /// The trees inside it that need not be walked again, and what they hold.
    pub(super) inner: Vec<(FileId, Usage)>,
    /// Of which limits it is told already that they are broken.
    pub(super) told_soft: bool,
    pub(super) told_breach: bool,
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
    pub(super) walks: u64,
    pub(super) entries: u64,
}

/// A finding, and what was learned on the way.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) found: Result<Finding, Error>,
    pub(super) layer: Layer,
    pub(super) volume: Arc<Volume>,
    /// What could not be done as it should, but for what the sample says itself.
    pub(super) trouble: Option<String>,
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
        let layer = match &self.layer {
            Some(layer) if self.volume.is_some() => layer.clone(),
            Some(_) | None => Layer::choose(
                &self.subject,
                &volume,
                &shared.settings.quota,
                shared.ids.as_ref(),
            ),
        };
        let unknown = self.layer.is_none() || self.limits_changed;
        let trouble = if unknown {
            layer.set_limits(&self.limits).err()
        } else {
            None
        };
        let mut looker = Looker {
            task: self,
            shared,
            way: layer.way.clone(),
            walks: 0,
            entries: 0,
            helpers: Duration::ZERO,
            failed: None,
            begun: Instant::now(),
        };
        let found = looker.look();
        let (helpers, failed) = (looker.helpers, looker.failed.take());
        Outcome {
            found,
            layer: failed.map_or(layer, Layer::walk),
            volume,
            trouble,
            cost: processor_time().saturating_sub(before) + helpers,
        }
    }
}

struct Looker<'a> {
    task: &'a Task,
    shared: &'a Shared,
    way: Way,
    walks: u64,
    entries: u64,
    /// Processor time of threads other than this one.
    helpers: Duration,
    /// Why the tree is to be walked from now on.
    failed: Option<String>,
    begun: Instant,
}

impl Looker<'_> {
    fn look(&mut self) -> Result<Finding, Error> {
        let limits = &self.task.limits;
        let in_project = matches!(self.way, Way::Project { .. });
        let sample = self.sample()?;
        let (soft, broken) = judge(limits, &sample, limits.count_deleted);
        let news = (soft && !self.task.told_soft) || (broken.is_some() && !self.task.told_breach);
        if !news {
            return Ok(self.finding(sample, (soft, broken), Vec::new(), false));
        }
        // A file that was renamed from one directory to another in the middle of a walk is counted twice. And the owner
        // of a file may put it into a neighbour's project.
        let (second, largest) = self.exact()?;
        let counts_deleted = limits.count_deleted || in_project;
        let judged = judge(limits, &second, counts_deleted);
        // Of a tree in a project that is not beyond its limit by itself the account stays what is known.
        let kept = if in_project && judged.1.is_none() {
            sample
        } else {
            second
        };
        Ok(Finding {
            counts_deleted,
            ..self.finding(kept, judged, largest, true)
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
            walks: self.walks,
            entries: self.entries,
        }
    }

    fn sample(&mut self) -> Result<Sample, Error> {
        let taken = Instant::now();
        if let Way::Project { volume, id, .. } = &self.way
            && let Ok(quota) = &volume.quota
        {
            match quota.usage(*id) {
                Ok(used) => {
                    let mut usage = Usage {
                        bytes: used.bytes,
                        inodes: used.inodes,
                        ..Usage::default()
                    };
                    self.add_inner(&mut usage);
                    return Ok(Sample {
                        usage,
                        deleted: None,
                        source: Source::ProjectQuota,
                        taken,
                        cost: taken.elapsed(),
                    });
                }
                Err(error) => self.failed = Some(error_chain(&error)),
            }
        }
        let mut options = self.options(self.task.urgent);
        if !self.task.urgent {
            options
                .exclude
                .extend(self.task.inner.iter().map(|(file, _)| *file));
        }
        let mut usage = self.walk(&options, |options| {
            measure(self.task.subject.root(), options)
        })?;
        if !self.task.urgent {
            self.add_inner(&mut usage);
        }
        let found = if self.task.limits.count_deleted {
            self.deleted()
        } else {
            None
        };
        Ok(Sample {
            usage,
            deleted: found,
            source: Source::Walk,
            taken,
            cost: taken.elapsed(),
        })
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

    fn add_inner(&self, usage: &mut Usage) {
        for (_, inner) in &self.task.inner {
            usage.absorb(inner.clone());
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
