//! What a task may do beyond what its user may.

use serde::{Deserialize, Serialize};

use crate::capabilities::Capabilities;
use crate::identity::Identity;
use crate::seccomp::Profile;

/// What a task, and whatever runs beside it or in its place, may do beyond what its user may.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Privileges {
    /// Parts of root's rights.
    pub capabilities: Capabilities,
    /// No program gives it more rights than it has, be that one set-user-ID or with capabilities of its file
    /// (PR_SET_NO_NEW_PRIVS).
    pub no_new_privileges: bool,
    /// Which system calls it may make; `None` is all of them.
    pub seccomp: Option<Profile>,
}

impl Privileges {
    /// Whatever the executor has, without any filter.
    pub const UNCONFINED: Privileges = Privileges {
        capabilities: Capabilities::ALL,
        no_new_privileges: false,
        seccomp: None,
    };

    /// What a task gets that does not ask for anything: the short list of capabilities for root, none for anybody else;
    /// no new ones; and the default list of system calls.
    ///
    /// `identity` is who the task runs as, and `None` whoever the executor is.
    pub fn of_default(identity: Option<&Identity>) -> Privileges {
        let is_root = match identity {
            Some(identity) => identity.uid == 0,
            None => nix::unistd::geteuid().is_root(),
        };
        let capabilities = if is_root {
            Capabilities::OF_ROOT
        } else {
            Capabilities::NONE
        };
        Privileges {
            no_new_privileges: true,
            seccomp: Some(Profile::default_for(&capabilities)),
            capabilities,
        }
    }
}
