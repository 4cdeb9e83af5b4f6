//! What the task's process keeps of root's rights. The bounding set goes first, while it still may be changed; the others
//! after the process became its user, which takes all that is not asked to be kept.

use nix::errno::Errno;
use nix::sys::prctl::set_keepcaps;

use super::{failed, failed_at};
use crate::capabilities::{Capabilities, Capability, CapabilitySet};
use crate::privileges::Privileges;
use crate::report::{Failure, Step};
use crate::sys::rights::{self, OwnCapabilities};

/// What is to be done, found before anything is.
pub(super) struct Rights {
    wanted: Capabilities,
    /// What this process has to give.
    has: CapabilitySet,
    can_give: bool,
    is_root: bool,
    /// The kernel gives a program of root's whatever the bounding set has. Where that is more than it is to have, root
    /// is made a user as any other, who has what is in the ambient set.
    is_root_curbed: bool,
    /// A filter of system calls takes rights where new ones can be had by executing a program.
    needs_rights_to_filter: bool,
}

impl Rights {
    /// Takes away what no program of the task's is ever to have. The answer of a kernel, or of an executor without rights,
    /// that leaves the bounding set as it is comes beside it.
    ///
    /// Without `can_give` the rights of this process are not the executor's: they are those over a user namespace, in
    /// which the task is not to have them.
    pub(super) fn bound(
        privileges: &Privileges,
        uid: u32,
        can_give: bool,
    ) -> Result<(Rights, Option<Errno>), Failure> {
        let failed = failed(Step::SetCapabilities);
        let wanted = privileges.capabilities;
        let own = rights::own_capabilities().map_err(&failed)?;
        let rights = Rights {
            wanted,
            has: if can_give {
                own.permitted
            } else {
                CapabilitySet::NONE
            },
            can_give,
            is_root: uid == 0,
            is_root_curbed: uid == 0 && wanted.effective != wanted.bounding,
            needs_rights_to_filter: privileges.seccomp.is_some() && !privileges.no_new_privileges,
        };
        if rights.is_all() {
            return Ok((rights, None));
        }
        let mut refused = None;
        for number in 0..u64::BITS as u8 {
            if wanted.bounding.bits() & (1 << number) != 0 {
                continue;
            }
            match rights::drop_from_bounding(number) {
                Ok(()) => {}
                // It was the last that this kernel has.
                Err(Errno::EINVAL) => break,
                Err(Errno::EPERM) if !own.effective.contains(Capability::SETPCAP) => {
                    refused = Some(Errno::EPERM);
                    break;
                }
                Err(errno) => return Err(failed(errno)),
            }
        }
        if rights.is_root_curbed {
            rights::make_root_a_user().map_err(&failed)?;
        }
        if rights.needs_rights_to_filter || rights.kept() != CapabilitySet::NONE {
            // It ends with exec.
            set_keepcaps(true).map_err(&failed)?;
        }
        // Without a way to more rights the bounding set is without meaning to all but root.
        let refused = refused.filter(|_| uid == 0 || !privileges.no_new_privileges);
        Ok((rights, refused))
    }

    /// Becoming another user has put them to rest.
    pub(super) fn wake(&self) -> Result<(), Failure> {
        let own = rights::own_capabilities().map_err(failed(Step::SetCapabilities))?;
        let awake = OwnCapabilities {
            effective: own.permitted,
            ..own
        };
        rights::set_own_capabilities(awake).map_err(failed(Step::SetCapabilities))
    }

    /// Keeps what is to be kept, and no more.
    pub(super) fn take(&self) -> Result<(), Failure> {
        if self.is_all() {
            return Ok(());
        }
        let ambient = self.ambient();
        for capability in Capability::all().filter(|each| ambient.contains(*each)) {
            if !self.has.contains(capability) {
                let name = capability.to_string();
                return Err(failed_at(Step::SetCapabilities, name)(Errno::EPERM));
            }
        }
        let kept = self.kept();
        let own = OwnCapabilities {
            effective: kept,
            permitted: kept,
            // As ambient ones have to be.
            inheritable: ambient,
        };
        rights::set_own_capabilities(own).map_err(failed(Step::SetCapabilities))?;
        for capability in Capability::all().filter(|each| ambient.contains(*each)) {
            rights::raise_ambient(capability)
                .map_err(failed_at(Step::SetCapabilities, capability.to_string()))?;
        }
        Ok(())
    }

    /// Whether everything is to stay as it is, and a user that is not root has none.
    fn is_all(&self) -> bool {
        self.wanted == Capabilities::ALL && self.can_give && !self.needs_rights_to_filter
    }

    fn ambient(&self) -> CapabilitySet {
        if self.is_root_curbed {
            let effective = self.wanted.effective.and(self.has);
            effective.or(self.wanted.ambient)
        } else {
            self.wanted.ambient
        }
    }

    /// To a user that is not root exec leaves the ambient ones; a built-in function, which is not executed, is to have
    /// no more.
    fn kept(&self) -> CapabilitySet {
        if !self.is_root {
            return self.ambient();
        }
        let effective = self.wanted.effective.and(self.wanted.bounding);
        effective.and(self.has).or(self.ambient())
    }
}
