//! What fetching may still take: disk space, members of archives, time.

use std::time::{Duration, Instant};

/// What `du` counts in, on the file systems that matter.
const BLOCK: u64 = 4096;
/// An archive may always unpack to this much, and beyond it to so many times its own size. Text packs a hundredfold at
/// the very best; what is above is made to fill disks.
const ALWAYS: u64 = 1 << 30;
const RATIO: u64 = 200;
/// Every member costs an inode, however empty.
const MEMBERS: u64 = 500_000;

/// What is used up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BudgetError {
    /// The task's disk quota.
    #[error("more than the {quota} bytes of disk that the task may use")]
    Quota {
        /// In bytes.
        quota: u64,
    },
    /// A file is announced to be larger than what is left of the quota.
    #[error(
        "{size} bytes, which do not fit the {left} bytes left of the {quota} that the task may use"
    )]
    TooLarge {
        /// The file's, in bytes.
        size: u64,
        /// Not used yet, in bytes.
        left: u64,
        /// In bytes.
        quota: u64,
    },
    /// An archive of a size that only a bomb has.
    #[error("an archive of {packed} bytes that unpacks to more than {allowed} bytes")]
    Bomb {
        /// The archive's size in bytes.
        packed: u64,
        /// How much it was allowed to unpack to.
        allowed: u64,
    },
    /// An archive of more members than are allowed.
    #[error("an archive of more than {MEMBERS} members")]
    Members,
    /// The time for everything.
    #[error("not done after {} s", timeout.as_secs_f64())]
    Time {
        /// How long it was allowed to take.
        timeout: Duration,
    },
}

/// What is used of what is allowed.
#[derive(Debug)]
pub(crate) struct Budget {
    quota: Option<u64>,
    used: u64,
    deadline: Option<(Instant, Duration)>,
    unpacking: Option<Unpacking>,
}

#[derive(Debug)]
struct Unpacking {
    packed: u64,
    bytes: u64,
    members: u64,
}

impl Budget {
    pub(crate) fn new(quota: Option<u64>, timeout: Option<Duration>) -> Self {
        let deadline =
            timeout.and_then(|timeout| Some((Instant::now().checked_add(timeout)?, timeout)));
        Self {
            quota,
            used: 0,
            deadline,
            unpacking: None,
        }
    }

    /// Until when everything must be done.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.deadline.map(|(deadline, _)| deadline)
    }

    /// Whether a file that is announced to have `size` bytes can fit, before any of it is fetched.
    pub(crate) fn announce(&self, size: u64) -> Result<(), BudgetError> {
        match self.quota {
            Some(quota) if size > quota - self.used => Err(BudgetError::TooLarge {
                size,
                left: quota - self.used,
                quota,
            }),
            _ => Ok(()),
        }
    }

    /// Takes the blocks that a file needs to grow from `from` to `to` bytes.
    pub(crate) fn grow(&mut self, from: u64, to: u64) -> Result<(), BudgetError> {
        self.time()?;
        let blocks = to.div_ceil(BLOCK).saturating_sub(from.div_ceil(BLOCK));
        self.take(blocks.saturating_mul(BLOCK))?;
        let Some(unpacking) = &mut self.unpacking else {
            return Ok(());
        };
        unpacking.bytes = unpacking.bytes.saturating_add(to.saturating_sub(from));
        let allowed = ALWAYS.max(unpacking.packed.saturating_mul(RATIO));
        if unpacking.bytes > allowed {
            return Err(BudgetError::Bomb {
                packed: unpacking.packed,
                allowed,
            });
        }
        Ok(())
    }

    /// Takes what a directory or a link needs.
    pub(crate) fn entry(&mut self) -> Result<(), BudgetError> {
        self.take(BLOCK)
    }

    /// An archive of `packed` bytes is about to be unpacked.
    pub(crate) fn unpack(&mut self, packed: u64) {
        self.unpacking = Some(Unpacking {
            packed,
            bytes: 0,
            members: 0,
        });
    }

    /// One more member of it.
    pub(crate) fn member(&mut self) -> Result<(), BudgetError> {
        self.time()?;
        if let Some(unpacking) = &mut self.unpacking {
            unpacking.members += 1;
            if unpacking.members > MEMBERS {
                return Err(BudgetError::Members);
            }
        }
        Ok(())
    }

    /// It is unpacked: how many members, how many bytes.
    pub(crate) fn unpacked(&mut self) -> (u64, u64) {
        self.unpacking
            .take()
            .map_or((0, 0), |unpacking| (unpacking.members, unpacking.bytes))
    }

    fn time(&self) -> Result<(), BudgetError> {
        match self.deadline {
            Some((deadline, timeout)) if Instant::now() >= deadline => {
                Err(BudgetError::Time { timeout })
            }
            _ => Ok(()),
        }
    }

    fn take(&mut self, bytes: u64) -> Result<(), BudgetError> {
        let used = self.used.saturating_add(bytes);
        if let Some(quota) = self.quota.filter(|quota| used > *quota) {
            return Err(BudgetError::Quota { quota });
        }
        self.used = used;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn space_is_counted_in_whole_blocks() {
        let mut budget = Budget::new(Some(2 * BLOCK), None);
        budget.grow(0, 1).unwrap();
        budget.grow(1, BLOCK).unwrap();
        assert_eq!(
            budget.announce(BLOCK + 1).unwrap_err().to_string(),
            "4097 bytes, which do not fit the 4096 bytes left of the 8192 that the task may use"
        );
        budget.grow(BLOCK, BLOCK + 1).unwrap();
        assert_eq!(budget.entry(), Err(BudgetError::Quota { quota: 2 * BLOCK }));
    }

    #[test]
    fn an_archive_may_unpack_to_a_gibibyte_or_two_hundred_times_its_size() {
        let mut budget = Budget::new(None, None);
        budget.unpack(100);
        budget.grow(0, ALWAYS).unwrap();
        assert_eq!(
            budget.grow(0, 1),
            Err(BudgetError::Bomb {
                packed: 100,
                allowed: ALWAYS
            })
        );
        budget.unpack(ALWAYS);
        budget.grow(0, ALWAYS * RATIO).unwrap();
        assert!(matches!(budget.grow(0, 1), Err(BudgetError::Bomb { .. })));
    }

    #[test]
    fn members_and_time_come_to_an_end() {
        let mut budget = Budget::new(None, None);
        budget.unpack(1);
        for _ in 0..MEMBERS {
            budget.member().unwrap();
        }
        assert_eq!(budget.member(), Err(BudgetError::Members));
        let mut late = Budget::new(None, Some(Duration::ZERO));
        assert_eq!(
            late.member(),
            Err(BudgetError::Time {
                timeout: Duration::ZERO
            })
        );
        assert_eq!(
            late.grow(0, 1),
            Err(BudgetError::Time {
                timeout: Duration::ZERO
            })
        );
    }
}
