//! In which way a tree is measured: the best that its file system, the settings and the tree itself allow.

use std::sync::Arc;

use super::sample::Source;
use super::settings::QuotaUse;
use super::subject::Subject;
use super::tree::Limits;
use super::volume::{Volume, membership};
use crate::quota::{ProjectId, ProjectIds, ProjectLimits, assign};

/// A way of measuring one tree, and why it is no better one.
#[derive(Clone, Debug)]
pub(super) struct Layer {
    pub(super) way: Way,
    /// Empty where there is no better one.
    pub(super) why: String,
}

#[derive(Clone, Debug)]
pub(super) enum Way {
    /// By the account of this project, which has nothing in it but the tree.
    Project {
        volume: Arc<Volume>,
        id: ProjectId,
        /// Whether its limits are ours to set.
        ours: bool,
    },
    /// By a walk.
    Walk,
}

impl Layer {
    pub(super) fn walk(why: String) -> Self {
        Self {
            way: Way::Walk,
            why,
        }
    }

    pub(super) fn source(&self) -> Source {
        match self.way {
            Way::Project { .. } => Source::ProjectQuota,
            Way::Walk => Source::Walk,
        }
    }

    /// Chooses for a tree. With [`QuotaUse::Assign`] this may put all of it into a project, which takes a walk.
    pub(super) fn choose(
        subject: &Subject,
        volume: &Arc<Volume>,
        quota: &QuotaUse,
        ids: Option<&ProjectIds>,
    ) -> Self {
        if subject.cross_mounts {
            return Self::walk("what is mounted inside it is to be counted".to_owned());
        }
        match by_project(subject, volume, quota, ids) {
            Ok((id, ours)) => Self {
                way: Way::Project {
                    volume: Arc::clone(volume),
                    id,
                    ours,
                },
                why: String::new(),
            },
            Err(why) => Self::walk(why),
        }
    }

    /// Has the kernel hold the tree to its limits, or no longer, where that is ours to say.
    pub(super) fn set_limits(&self, limits: &Limits) -> Result<(), String> {
        let Way::Project {
            volume,
            id,
            ours: true,
        } = &self.way
        else {
            return Ok(());
        };
        let Ok(quota) = &volume.quota else {
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
