//! Which project ids are whose, on a whole host.
//!
//! An id is given to a directory once, and stays its own until the directory is gone and nothing of the project is left
//! on disk. It is on record before anything is put into the project, and nobody is ever given an id that has a record or
//! a file; so a process that is killed at any moment leaves at worst an id that is free again once its directory is gone.

use std::ops::RangeInclusive;
use std::os::fd::BorrowedFd;
use std::path::Path;

use crate::quota::records::{Locked, Record, Records, RecordsError};
use crate::quota::{ProjectId, ProjectLimits, ProjectQuota, ProjectUsage, QuotaError};

/// The ids that Mesos's `disk/xfs` gives out unless it is told otherwise (Mesos: src/slave/flags.cpp,
/// `--xfs_project_range`). Ours to use where the agent does not run it.
pub const MESOS_PROJECT_RANGE: RangeInclusive<u32> = 5_000..=10_000;

/// The ids to use where it does. Below what container engines and the kubelet take (from 100,000 and from 1,048,577 on).
pub const PROJECT_RANGE_BESIDE_MESOS: RangeInclusive<u32> = 10_001..=19_999;

/// Gives out ids of a range, as one of any number of processes that share a directory of records.
#[derive(Debug)]
pub struct ProjectIds {
    records: Records,
    range: RangeInclusive<u32>,
    forbidden: Vec<RangeInclusive<u32>>,
}

/// Why an id could not be given out or taken back.
#[derive(Debug, thiserror::Error)]
pub enum IdsError {
    /// The directory is not on the file system that was given.
    #[error("the directory lies on another file system than its quota")]
    Elsewhere,
    /// Every id is taken.
    #[error("no project id from {} to {} is free", range.start(), range.end())]
    NoneLeft {
        /// Of these.
        range: RangeInclusive<u32>,
    },
    /// Of the records.
    #[error(transparent)]
    Records(#[from] RecordsError),
    /// Of the file system.
    #[error(transparent)]
    Quota(#[from] QuotaError),
}

/// What a file system is asked of ids: a [`ProjectQuota`], or a test's.
trait Account {
    fn device(&self) -> u64;
    fn usage(&self, id: ProjectId) -> Result<ProjectUsage, QuotaError>;
    fn clear(&self, id: ProjectId) -> Result<(), QuotaError>;
}

impl Account for ProjectQuota {
    fn device(&self) -> u64 {
        self.device()
    }

    fn usage(&self, id: ProjectId) -> Result<ProjectUsage, QuotaError> {
        self.usage(id)
    }

    fn clear(&self, id: ProjectId) -> Result<(), QuotaError> {
        self.set_limits(id, ProjectLimits::NONE)
    }
}

impl ProjectIds {
    /// Ids of `range`, but none of `forbidden`. `directory` keeps the records; it is made if there is none, and every
    /// process that gives out ids on this host must use the same. It may be one that a restart of the host empties, such
    /// as in /run: an id that has files is given to nobody, on record or not.
    ///
    /// # Errors
    /// When the directory cannot be used, or others could write to it.
    pub fn open(
        directory: &Path,
        range: RangeInclusive<u32>,
        forbidden: Vec<RangeInclusive<u32>>,
    ) -> Result<Self, RecordsError> {
        Ok(Self {
            records: Records::open(directory)?,
            range,
            forbidden,
        })
    }

    /// The id of the directory `root`: the one that it was given before, or one that nobody has. It has no limits unless
    /// it had them before. To be followed by [`assign()`](crate::quota::assign()).
    ///
    /// # Errors
    /// When there is none left, or the records or quotas cannot be read.
    pub fn allocate(
        &self,
        quota: &ProjectQuota,
        root: BorrowedFd<'_>,
    ) -> Result<ProjectId, IdsError> {
        self.allocate_from(quota, root)
    }

    /// Whether `id` is of this range, and on record as given to the directory `root`. That the directory is of the project
    /// does not say so: its owner may have put it into another's.
    ///
    /// # Errors
    /// When the record cannot be read.
    pub fn is_given(&self, id: ProjectId, root: BorrowedFd<'_>) -> Result<bool, IdsError> {
        if !self.range.contains(&id.get()) {
            return Ok(false);
        }
        let directory = Record::of(root)?.directory;
        let given = self.records.find(id)?;
        Ok(given.is_some_and(|given| given.directory == directory))
    }

    /// Takes back the ids of directories that are gone and of which nothing is left on the file system of `quota`, and
    /// lifts their limits. XFS counts a file that is gone for a moment more: what is not free now will be next time.
    ///
    /// # Errors
    /// When the records or quotas cannot be read or changed.
    pub fn reclaim(&self, quota: &ProjectQuota) -> Result<Vec<ProjectId>, IdsError> {
        reclaim_from(&self.records.lock()?, quota)
    }

    fn allocate_from(
        &self,
        account: &impl Account,
        root: BorrowedFd<'_>,
    ) -> Result<ProjectId, IdsError> {
        let record = Record::of(root)?;
        if record.directory.id.dev != account.device() {
            return Err(IdsError::Elsewhere);
        }
        let locked = self.records.lock()?;
        let mut taken = locked.all()?;
        let own = |(_, other): &&(ProjectId, Option<Record>)| {
            other
                .as_ref()
                .is_some_and(|other| other.directory == record.directory)
        };
        if let Some((id, _)) = taken.iter().find(own) {
            return Ok(*id);
        }
        let id = match self.first_free(account, &taken)? {
            Some(id) => id,
            None => {
                let free = reclaim_from(&locked, account)?;
                taken.retain(|(id, _)| !free.contains(id));
                self.first_free(account, &taken)?
                    .ok_or_else(|| IdsError::NoneLeft {
                        range: self.range.clone(),
                    })?
            }
        };
        locked.write(id, &record)?;
        Ok(id)
    }

    fn first_free(
        &self,
        account: &impl Account,
        taken: &[(ProjectId, Option<Record>)],
    ) -> Result<Option<ProjectId>, IdsError> {
        for id in self.range.clone().filter_map(ProjectId::new) {
            let is_forbidden = self.forbidden.iter().any(|range| range.contains(&id.get()));
            let has_record = || taken.binary_search_by_key(&id, |(id, _)| *id).is_ok();
            if is_forbidden || has_record() {
                continue;
            }
            let usage = account.usage(id)?;
            if !is_unused(&usage) {
                continue;
            }
            if usage.limits != ProjectLimits::NONE {
                // Of somebody whose records are lost, or whose end came between the two steps of giving it back.
                account.clear(id)?;
            }
            return Ok(Some(id));
        }
        Ok(None)
    }
}

fn reclaim_from(locked: &Locked<'_>, account: &impl Account) -> Result<Vec<ProjectId>, IdsError> {
    let mut free = Vec::new();
    for (id, record) in locked.all()? {
        let Some(record) = record else { continue };
        let may_be = record.directory.id.dev == account.device() && record.is_gone();
        if !may_be {
            continue;
        }
        let usage = account.usage(id)?;
        // A directory that was only moved is itself a file of the project.
        if is_unused(&usage) {
            if usage.limits != ProjectLimits::NONE {
                account.clear(id)?;
            }
            locked.remove(id)?;
            free.push(id);
        }
    }
    Ok(free)
}

fn is_unused(usage: &ProjectUsage) -> bool {
    usage.bytes == 0 && usage.inodes == 0
}

#[cfg(test)]
mod tests;
