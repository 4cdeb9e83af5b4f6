//! In which way a tree is measured: the best that its file system, the settings and the tree itself allow.

use std::sync::Arc;
use std::time::Duration;

use super::sample::Source;
use super::scheduler::Shared;
use super::subject::Subject;
use super::tracking::Tracking;
use super::tree::Limits;
use super::volume::{Volume, membership};
use crate::quota::{ProjectId, ProjectLimits, ProjectUsage, QuotaError, assign};

/// A tree that is to be tracked waits so long for the tracker, and then to the next time that it is chosen.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way of measuring one tree, and why it is no better one.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    volume: Arc<Volume>,
    pub(super) way: Way,
    /// Empty where there is no better one.
    pub(super) why: String,
    /// Why no project's account is to be believed of this tree any more: its owner can take files out as often as they
    /// are fetched back, and so can whoever gave it a project that is not ours to change.
    distrust: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By the account of this project, which has nothing in it but the tree.
    Project {
        id: ProjectId,
        /// Whether its limits are ours to set: it is on record that it was given to this directory.
        ours: bool,
        /// It was there before, and nobody has looked yet whether all of the tree is in it.
        is_unproven: bool,
    },
    /// By what the tracker knows of it.
    Tracked,
    /// By a walk.
    Walk,
}

impl Layer {
    fn walk(volume: &Arc<Volume>, why: String) -> Self {
        Self {
            volume: Arc::clone(volume),
            way: Way::Walk,
            why,
            distrust: None,
        }
    }

    /// A walk, since what was chosen does not do any longer.
    pub(super) fn fallen_back(&self, why: String) -> Self {
        Self::walk(&self.volume, why)
    }

    /// A walk, and never again by a project. Limits that are ours are lifted: nobody would change them any more.
    pub(super) fn distrusted(&self, why: String) -> (Self, Result<(), String>) {
        let lifted = self.set_limits(&Limits::default());
        let layer = Self {
            distrust: Some(why.clone()),
            ..Self::walk(&self.volume, why)
        };
        (layer, lifted)
    }

    /// All of the tree was found in its project.
    pub(super) fn proven(mut self) -> Self {
        if let Way::Project { is_unproven, .. } = &mut self.way {
            *is_unproven = false;
        }
        self
    }

    /// Whether the tree is walked.
    pub(super) fn is_walk(&self) -> bool {
        matches!(self.way, Way::Walk)
    }

    /// Whether it was chosen by what is known of the file system now.
    pub(super) fn is_of(&self, volume: &Arc<Volume>) -> bool {
        Arc::ptr_eq(&self.volume, volume)
    }

    pub(super) fn source(&self) -> Source {
        match self.way {
            Way::Project { .. } => Source::ProjectQuota,
            Way::Tracked => Source::ChangeTracking,
            Way::Walk => Source::Walk,
        }
    }

    /// Whether it is by a project whose limits are ours to set.
    pub(super) fn is_ours(&self) -> bool {
        matches!(self.way, Way::Project { ours: true, .. })
    }

    /// What its project uses; `None` where it is measured in another way.
    pub(super) fn project_usage(&self) -> Option<Result<ProjectUsage, QuotaError>> {
        match (&self.way, &self.volume.quota) {
            (Way::Project { id, .. }, Ok(quota)) => Some(quota.usage(*id)),
            _ => None,
        }
    }

    /// Chooses for a tree, which may have been measured in some way `before`. With [`QuotaUse::Assign`](super::settings::QuotaUse) this may put all
    /// of it into a project, and with tracking begin to track it: each takes a walk.
    pub(super) fn choose(
        subject: &Subject,
        volume: &Arc<Volume>,
        before: Option<&Self>,
        shared: &Shared,
    ) -> Self {
        let mut distrust = before.and_then(|before| before.distrust.clone());
        let (way, why) = if subject.cross_mounts {
            let why = "what is mounted inside it is to be counted".to_owned();
            (Way::Walk, why)
        } else {
            let by_project = match &distrust {
                Some(why) => Err(NoProject::Now(why.clone())),
                None => by_project(subject, volume, before, shared),
            };
            match by_project {
                Ok(way) => (way, String::new()),
                Err(no_project) => {
                    let no_quota = match no_project {
                        NoProject::Now(why) => why,
                        NoProject::Ever(why) => distrust.insert(why).clone(),
                    };
                    match track(subject, before, &shared.tracking) {
                        Ok(()) => (Way::Tracked, no_quota),
                        Err(no_tracking) => (Way::Walk, format!("{no_tracking}; {no_quota}")),
                    }
                }
            }
        };
        let layer = Self {
            volume: Arc::clone(volume),
            way,
            why,
            distrust,
        };
        let was_tracked = before.is_some_and(|before| matches!(before.way, Way::Tracked));
        if was_tracked && !matches!(layer.way, Way::Tracked) {
            shared.tracking.forget(subject.id);
        }
        layer
    }

    /// Has the kernel hold the tree to its limits, or no longer, where that is ours to say.
    pub(super) fn set_limits(&self, limits: &Limits) -> Result<(), String> {
        let (Way::Project { id, ours: true, .. }, Ok(quota)) = (&self.way, &self.volume.quota)
        else {
            return Ok(());
        };
        if !limits.in_kernel && !quota.is_enforced() {
            // There are none to be lifted.
            return Ok(());
        }
        let asked = if limits.in_kernel {
            ProjectLimits {
                // One above the other is none to the kernel.
                soft: limits
                    .soft
                    .filter(|soft| limits.hard.is_none_or(|hard| *soft <= hard)),
                hard: limits.hard,
                soft_inodes: None,
                hard_inodes: limits.inodes,
            }
        } else {
            ProjectLimits::NONE
        };
        quota
            .set_limits(*id, asked)
            .map_err(|error| error_chain(&error))
    }
}

/// Why a tree is not measured by a project.
enum NoProject {
    /// As things are.
    Now(String),
    /// It took a walk to find out, which is not made again.
    Ever(String),
}

/// A tree's project as the way to measure it.
fn by_project(
    subject: &Subject,
    volume: &Volume,
    before: Option<&Layer>,
    shared: &Shared,
) -> Result<Way, NoProject> {
    let now = NoProject::Now;
    let quota = volume.quota.as_ref().map_err(|why| now(why.clone()))?;
    let own = membership(subject.root(), c".")
        .map_err(|errno| now(format!("its project cannot be read: {errno}")))?;
    if let Some(id) = own.project {
        // Any owner of the directory could have written a neighbour's number there.
        let given = shared
            .ids
            .as_ref()
            .map(|ids| ids.is_given(id, subject.root()));
        let ours = given
            .unwrap_or(Ok(false))
            .map_err(|error| now(error_chain(&error)))?;
        let above = membership(subject.root(), c"..")
            .ok()
            .and_then(|above| above.project);
        if above == Some(id) {
            return Err(now(format!(
                "project {id} is that of the directory above it, too"
            )));
        }
        if own.inherits {
            let is_known = before.is_some_and(
                |before| matches!(before.way, Way::Project { id: known, is_unproven: false, .. } if known == id),
            );
            let is_unproven = !is_known;
            return Ok(Way::Project {
                id,
                ours,
                is_unproven,
            });
        }
        if !ours {
            return Err(now(format!(
                "project {id} is not passed on to new files in it"
            )));
        }
    }
    let Some(ids) = &shared.ids else {
        return Err(now("it has no project of its own".to_owned()));
    };
    let id = ids
        .allocate(quota, subject.root())
        .map_err(|error| now(error_chain(&error)))?;
    let assigned = assign(subject.root(), id, &subject.exclude)
        .map_err(|error| NoProject::Ever(error_chain(&error)))?;
    if assigned.is_whole() {
        Ok(Way::Project {
            id,
            ours: true,
            is_unproven: false,
        })
    } else {
        Err(NoProject::Ever(format!(
            "not all of its files could be put into project {id}"
        )))
    }
}

/// Has changes of a tree tracked, if they are not yet.
fn track(subject: &Subject, before: Option<&Layer>, tracking: &Tracking) -> Result<(), String> {
    if let Some(why) = tracking.why_not() {
        return Err(why);
    }
    if before.is_some_and(|before| matches!(before.way, Way::Tracked)) {
        return Ok(());
    }
    let mut borrowed = tracking
        .borrow(PATIENCE)
        .ok_or("the tracker of changes has another tree to walk")?;
    let tracker = borrowed.tracker().ok_or("tracking has ended")?;
    match tracker.add(subject.id, subject.root(), &subject.exclude) {
        Ok(_) => Ok(()),
        Err(error) => Err(error_chain(&error)),
    }
}

/// An error with what caused it, in one line.
pub(super) fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str(": ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}
