//! Which of root's rights are kept, each for its reason. What a feature that is off would need is given up as well.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, CapabilitySets, capabilities, clear_ambient_capability_set,
    remove_capability_from_bounding_set, set_capabilities, set_no_new_privs,
};

use crate::config::{Config, Method, Quota};

/// A right, and what is not possible without it.
struct Right {
    capability: CapabilitySet,
    name: &'static str,
    without: &'static str,
}

/// Why rights could not be given up.
#[derive(Debug, thiserror::Error)]
pub(super) enum RightsError {
    #[error("cannot read the capabilities of this process")]
    Read(#[source] Errno),
    #[error("cannot set the capabilities of this process")]
    Set(#[source] Errno),
    #[error("cannot give up new privileges for good")]
    NoNewPrivileges(#[source] Errno),
}

/// What the settings need.
fn needed(config: &Config) -> Vec<Right> {
    let right = |capability, name, without| Right {
        capability,
        name,
        without,
    };
    let mut needed = vec![right(
        CapabilitySet::DAC_READ_SEARCH,
        "CAP_DAC_READ_SEARCH",
        "sandboxes of other users are measured in part only",
    )];
    if config.engine.tracking {
        // fanotify marks of a whole file system.
        needed.push(right(
            CapabilitySet::SYS_ADMIN,
            "CAP_SYS_ADMIN",
            "changes cannot be tracked (engine.tracking): directories are walked",
        ));
    } else if config.engine.quota != Quota::Off {
        // quotactl of projects.
        needed.push(right(
            CapabilitySet::SYS_ADMIN,
            "CAP_SYS_ADMIN",
            "project quotas cannot be used (engine.quota)",
        ));
    }
    if matches!(config.engine.quota, Quota::Assign(_)) {
        // The project of a file is for its owner to set.
        needed.push(right(
            CapabilitySet::FOWNER,
            "CAP_FOWNER",
            "files of other users cannot be given a project (engine.quota)",
        ));
    }
    // Also while nothing is enforced: the next reload may say otherwise, and what is given up is gone.
    let enforces = config.agent.is_some() && !config.methods.is_empty();
    if config.count.deleted || enforces {
        // /proc/PID/fd and /proc/PID/ns of other users' processes.
        needed.push(right(
            CapabilitySet::SYS_PTRACE,
            "CAP_SYS_PTRACE",
            "deleted files that are still open are counted in part only (count.deleted)",
        ));
    }
    if enforces {
        // To write the reason into a sandbox, and to connect to an executor's socket there.
        needed.push(right(
            CapabilitySet::DAC_OVERRIDE,
            "CAP_DAC_OVERRIDE",
            "neither is the reason written into sandboxes of other users, nor their executor told",
        ));
        if config.methods.contains(&Method::Processes) {
            needed.push(right(
                CapabilitySet::KILL,
                "CAP_KILL",
                "processes of other users cannot be killed (enforce.methods)",
            ));
        }
    }
    needed
}

/// What cannot be done for want of rights.
pub(super) fn missing(config: &Config) -> Vec<String> {
    // Who cannot read them has none.
    let has = capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let missing = needed(config).into_iter();
    let missing = missing.filter(|right| !has.contains(right.capability));
    missing
        .map(|right| format!("without {}: {}", right.name, right.without))
        .collect()
}

/// Gives up all rights but those that are needed, for this thread and all that it starts, and for good.
pub(super) fn keep_only(config: &Config) -> Result<(), RightsError> {
    let keep = needed(config)
        .into_iter()
        .fold(CapabilitySet::empty(), |all, right| all | right.capability);
    let has = capabilities(None).map_err(RightsError::Read)?;
    for capability in CapabilitySet::all()
        .iter()
        .filter(|one| !keep.contains(*one))
    {
        match remove_capability_from_bounding_set(capability) {
            // An older kernel does not know it; who is not root may not, and has no set-user-id program to fear
            // after the next step.
            Ok(()) | Err(Errno::INVAL | Errno::PERM) => {}
            Err(errno) => return Err(RightsError::Set(errno)),
        }
    }
    match clear_ambient_capability_set() {
        Ok(()) | Err(Errno::INVAL) => {}
        Err(errno) => return Err(RightsError::Set(errno)),
    }
    let kept = has.permitted & keep;
    let sets = CapabilitySets {
        effective: kept,
        permitted: kept,
        inheritable: CapabilitySet::empty(),
    };
    set_capabilities(None, sets).map_err(RightsError::Set)?;
    set_no_new_privs(true).map_err(RightsError::NoNewPrivileges)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Sources;

    fn config(text: &str) -> Config {
        let text = format!("work_dir = '/w'\nagent.address = 'http://localhost:5051'\n{text}");
        let sources = Sources::default();
        sources
            .load_from((Path::new("f"), &text), std::iter::empty())
            .unwrap()
    }

    fn names(text: &str) -> Vec<&'static str> {
        needed(&config(text))
            .iter()
            .map(|right| right.name)
            .collect()
    }

    #[test]
    fn each_right_is_kept_for_a_feature_alone() {
        const READ: &str = "CAP_DAC_READ_SEARCH";
        const ADMIN: &str = "CAP_SYS_ADMIN";
        const PTRACE: &str = "CAP_SYS_PTRACE";
        let least = "engine.tracking = false\nengine.quota = 'off'\ncount.deleted = false\n";
        let nobody = "enforce.methods = []\n";
        assert_eq!(names(&format!("{least}{nobody}")), [READ]);
        assert_eq!(names(nobody), [READ, ADMIN, PTRACE]);
        let quota = "engine.tracking = false\ncount.deleted = false\nengine.quota = 'assign'\n";
        let quota = format!("{quota}{nobody}");
        assert_eq!(names(&quota), [READ, ADMIN, "CAP_FOWNER"]);
        let all = [READ, PTRACE, "CAP_DAC_OVERRIDE", "CAP_KILL"];
        assert_eq!(names(least), all);
        let agent = format!("{least}enforce.methods = ['agent']");
        assert_eq!(names(&agent), all[..3]);
    }

    /// On a thread of its own, whose rights are its own.
    #[test]
    fn what_is_not_needed_is_gone_for_good() {
        let config = config(
            "engine.tracking = false\nengine.quota = 'off'\ncount.deleted = false\n\
             enforce.methods = []",
        );
        let checked = std::thread::spawn(move || {
            let before = capabilities(None).unwrap().permitted;
            keep_only(&config).unwrap();
            let sets = capabilities(None).unwrap();
            let kept = before & CapabilitySet::DAC_READ_SEARCH;
            assert_eq!(sets.permitted, kept);
            assert_eq!(sets.effective, kept);
            assert!(sets.inheritable.is_empty());
            assert!(rustix::thread::no_new_privs().unwrap());
            let has = before.contains(CapabilitySet::DAC_READ_SEARCH);
            assert_eq!(missing(&config).is_empty(), has);
        });
        checked.join().unwrap();
    }
}
