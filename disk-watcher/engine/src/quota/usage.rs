//! What a file system knows of one project.

use crate::sys::quota::{BASIC_BLOCK, DiskQuota, RawLimits};

/// What a project uses, exactly and at once: written data that has no place on disk yet counts, and files that are
/// deleted but still open do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectUsage {
    /// Allocated bytes, as `du -B1` counts them.
    pub bytes: u64,
    /// Inodes of every kind. 0 says that no file of the project is left, not even a directory.
    pub inodes: u64,
    /// What it is held to.
    pub limits: ProjectLimits,
}

/// What a project is held to; `None` is no limit.
///
/// XFS refuses a write beyond `hard` with `ENOSPC`, ext4 with `EDQUOT`. On ext4 a process with `CAP_SYS_RESOURCE`
/// (root, outside of a sandbox that takes it away) writes on past it; on XFS nobody does.
///
/// A soft limit is the kernel's: it is told of ([`Warnings`](crate::quota::Warnings)), and whoever stays above it for the
/// file system's grace time, a week unless it was set, is refused as by the hard one. The same for both is safe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProjectLimits {
    /// Bytes beyond which the kernel warns.
    pub soft: Option<u64>,
    /// Bytes beyond which the kernel refuses to write.
    pub hard: Option<u64>,
    /// Inodes beyond which the kernel warns.
    pub soft_inodes: Option<u64>,
    /// Inodes beyond which the kernel refuses to make one.
    pub hard_inodes: Option<u64>,
}

impl ProjectLimits {
    /// No limit at all.
    pub const NONE: Self = Self {
        soft: None,
        hard: None,
        soft_inodes: None,
        hard_inodes: None,
    };

    /// Whether a soft limit lies above its hard one: XFS would drop such a pair without a word.
    pub(super) fn are_upside_down(&self) -> bool {
        let above = |soft: Option<u64>, hard: Option<u64>| matches!((soft, hard), (Some(soft), Some(hard)) if soft > hard);
        above(self.soft, self.hard) || above(self.soft_inodes, self.hard_inodes)
    }

    /// In the kernel's units, rounded up. A limit of 0 is none to the kernel: the least that it knows takes its place.
    pub(super) fn raw(&self) -> RawLimits {
        let blocks =
            |bytes: Option<u64>| bytes.map_or(0, |bytes| bytes.div_ceil(BASIC_BLOCK).max(1));
        let inodes = |inodes: Option<u64>| inodes.map_or(0, |inodes| inodes.max(1));
        RawLimits {
            block_hard: blocks(self.hard),
            block_soft: blocks(self.soft),
            inode_hard: inodes(self.hard_inodes),
            inode_soft: inodes(self.soft_inodes),
        }
    }
}

impl From<DiskQuota> for ProjectUsage {
    fn from(raw: DiskQuota) -> Self {
        let bytes = |blocks: u64| blocks.saturating_mul(BASIC_BLOCK);
        let limit = |limit: u64| (limit > 0).then_some(limit);
        Self {
            bytes: bytes(raw.blocks),
            inodes: raw.inodes,
            limits: ProjectLimits {
                soft: limit(bytes(raw.block_soft_limit)),
                hard: limit(bytes(raw.block_hard_limit)),
                soft_inodes: limit(raw.inode_soft_limit),
                hard_inodes: limit(raw.inode_hard_limit),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_rounded_up_to_the_kernels_blocks_and_none_is_zero() {
        let limits = ProjectLimits {
            soft: Some(10 << 20),
            hard: Some((10 << 20) + 1),
            soft_inodes: None,
            hard_inodes: Some(7),
        };
        let raw = RawLimits {
            block_hard: 20_481,
            block_soft: 20_480,
            inode_hard: 7,
            inode_soft: 0,
        };
        assert_eq!(limits.raw(), raw);
    }

    #[test]
    fn a_limit_of_nothing_is_not_taken_for_no_limit() {
        let limits = ProjectLimits {
            hard: Some(0),
            hard_inodes: Some(0),
            ..ProjectLimits::NONE
        };
        assert_eq!((limits.raw().block_hard, limits.raw().inode_hard), (1, 1));
    }

    #[test]
    fn a_soft_limit_above_the_hard_one_is_noticed() {
        let limits = |soft, hard| ProjectLimits {
            soft,
            hard,
            ..ProjectLimits::NONE
        };
        assert!(limits(Some(2), Some(1)).are_upside_down());
        assert!(!limits(Some(1), Some(1)).are_upside_down());
        assert!(!limits(Some(2), None).are_upside_down());
        let inodes = ProjectLimits {
            soft_inodes: Some(2),
            hard_inodes: Some(1),
            ..ProjectLimits::NONE
        };
        assert!(inodes.are_upside_down());
    }
}
