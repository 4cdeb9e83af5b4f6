//! The network of the task: a new one with its loopback, or one that is there already.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sched::{CloneFlags, setns};
use nix::sys::stat::Mode;
use nix::sys::statfs::{FsType, fstatfs};

use super::{errno_of, failed, failed_at};
use crate::namespaces::Network;
use crate::report::{Failure, Step};
use crate::sys;

/// Linux: include/uapi/linux/magic.h, `NSFS_MAGIC`
const NAMESPACES: FsType = FsType(0x6e73_6673);

/// To be called while the host's paths are to be seen.
pub(super) fn set_up(network: &Network) -> Result<(), Failure> {
    match network {
        Network::Host => Ok(()),
        Network::Own => sys::network::raise_loopback().map_err(failed(Step::MakeNetwork)),
        Network::Join(path) => join(path).map_err(failed_at(Step::MakeNetwork, path)),
    }
}

fn join(path: &Path) -> Result<(), Errno> {
    // Whatever is there, looking at it does not open it: that could have effects, or block.
    let looked_at = open(path, OFlag::O_PATH | OFlag::O_CLOEXEC, Mode::empty())?;
    if fstatfs(&looked_at)?.filesystem_type() != NAMESPACES {
        return Err(Errno::EINVAL);
    }
    let link = format!("/proc/self/fd/{}", looked_at.as_raw_fd());
    let namespace = File::open(link).map_err(|error| errno_of(&error))?;
    // A namespace of another kind is refused.
    setns(namespace, CloneFlags::CLONE_NEWNET)
}
