//! In which way a tree is measured: the best that its file system, the settings and the tree itself allow.

use std::sync::Arc;
use std::time::Duration;

use super::sample::Source;
use super::scheduler::Shared;
use super::settings::QuotaUse;
use super::subject::Subject;
use super::tracking::Tracking;
use super::tree::Limits;
use super::volume::{Volume, membership};
use crate::quota::{ProjectId, ProjectIds, ProjectLimits, ProjectUsage, QuotaError, assign};

/// A tree that is to be tracked waits so long for the tracker, and then to the next time that it is chosen.
const PATIENCE: Duration = Duration::from_secs(2);

/// A way of measuring one tree, and why it is no better one.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    volume: Arc<Volume>,
    pub(super) way: Way,
    /// Empty where there is no better one.
    pub(super) why: String,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By the account of this project, which has nothing in it but the tree.
    Project {
        id: ProjectId,
        /// Whether its limits are ours to set.
        ours: bool,
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
        }
    }

    /// A walk, since what was chosen does not do any longer.
    pub(super) fn fallen_back(&self, why: String) -> Self {
        Self::walk(&self.volume, why)
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

    /// What its project uses; `None` where it is measured in another way.
    pub(super) fn project_usage(&self) -> Option<Result<ProjectUsage, QuotaError>> {
        match (&self.way, &self.volume.quota) {
            (Way::Project { id, .. }, Ok(quota)) => Some(quota.usage(*id)),
            _ => None,
        }
    }

    /// Chooses for a tree, which may have been measured in some way `before`. With [`QuotaUse::Assign`] this may put all
    /// of it into a project, and with tracking begin to track it: each takes a walk.
    pub(super) fn choose(
        subject: &Subject,
        volume: &Arc<Volume>,
        before: Option<&Self>,
        shared: &Shared,
    ) -> Self {
        let (way, why) = if subject.cross_mounts {
            let why = "what is mounted inside it is to be counted".to_owned();
            (Way::Walk, why)
        } else {
            match by_project(subject, volume, &shared.settings.quota, shared.ids.as_ref()) {
                Ok((id, ours)) => (Way::Project { id, ours }, String::new()),
                Err(no_quota) => match track(subject, before, &shared.tracking) {
                    Ok(()) => (Way::Tracked, no_quota),
                    Err(no_tracking) => (Way::Walk, format!("{no_tracking}; {no_quota}")),
                },
            }
        };
        let layer = Self {
            volume: Arc::clone(volume),
            way,
            why,
        };
        let was_tracked = before.is_some_and(|before| matches!(before.way, Way::Tracked));
        if was_tracked && !matches!(layer.way, Way::Tracked) {
            shared.tracking.forget(subject.id);
        }
        layer
    }

    /// Has the kernel hold the tree to its limits, or no longer, where that is ours to say.
    pub(super) fn set_limits(&self, limits: &Limits) -> Result<(), String> {
        let (Way::Project { id, ours: true }, Ok(quota)) = (&self.way, &self.volume.quota) else {
            return Ok(());
        };
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

/// The project of a tree, and whether it is one of ours.
fn by_project(
    subject: &Subject,
    volume: &Volume,
    quota_use: &QuotaUse,
    ids: Option<&ProjectIds>,
) -> Result<(ProjectId, bool), String> {
    let quota = volume.quota.as_ref().map_err(Clone::clone)?;
    let own = membership(subject.root(), c".")
        .map_err(|errno| format!("its project cannot be read: {errno}"))?;
    let range = match quota_use {
        QuotaUse::Assign(range) => Some(range),
        QuotaUse::Off | QuotaUse::Observe => None,
    };
    if let Some(id) = own.project {
        let above = membership(subject.root(), c"..")
            .ok()
            .and_then(|above| above.project);
        let shared = above == Some(id);
        let ours = range.is_some_and(|range| range.contains(&id.get()));
        if !shared && own.inherits {
            return Ok((id, ours));
        }
        // A project of Mesos's own that the directory above has, too: the whole sandbox's, and not ours to change.
        if shared && !ours {
            return Err(format!(
                "project {id} is that of the directory above it, too"
            ));
        }
        if !own.inherits && !ours {
            return Err(format!("project {id} is not passed on to new files in it"));
        }
    }
    let Some(ids) = ids else {
        return Err("it has no project of its own".to_owned());
    };
    let id = ids
        .allocate(quota, subject.root())
        .map_err(|error| error_chain(&error))?;
    let assigned =
        assign(subject.root(), id, &subject.exclude).map_err(|error| error_chain(&error))?;
    if assigned.is_whole() {
        Ok((id, true))
    } else {
        Err(format!(
            "not all of its files could be put into project {id}"
        ))
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
