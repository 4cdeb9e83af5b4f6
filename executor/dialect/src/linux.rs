//! Rights and limits of processes (Mesos: `LinuxInfo` and `RLimitInfo`).

use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::linux_info::IpcMode;
use mesos_proto::v1::r_limit_info::RLimit;
use mesos_proto::v1::r_limit_info::r_limit::Type as RlimitType;
use mesos_proto::v1::{CapabilityInfo, LinuxInfo, SeccompInfo};

use crate::field::Field;
use crate::{CapabilityWishes, CommandError, RlimitWish, SandboxWishes, SeccompWish};

/// What `info` asks for of a task that is one of several of its executor: what it would share with the executor, it would
/// share with the executor's other tasks, and that is refused.
pub(crate) fn of_task(info: &LinuxInfo, field: &Field) -> Result<SandboxWishes, CommandError> {
    if info.share_pid_namespace() {
        let field = field.at("share_pid_namespace");
        return Err(field.unsupported("a task sees its own processes alone"));
    }
    if info.share_cgroups == Some(true) {
        let field = field.at("share_cgroups");
        return Err(field.unsupported("each task is held to its own limits"));
    }
    match info.ipc_mode.map(IpcMode::try_from) {
        None | Some(Ok(IpcMode::Private)) => {}
        Some(Ok(IpcMode::ShareParent)) => {
            let why =
                "a task has its own shared memory; tasks share files by a volume of SANDBOX_PATH";
            return Err(field.at("ipc_mode").unsupported(why));
        }
        Some(Ok(IpcMode::Unknown) | Err(_)) => {
            return Err(field.at("ipc_mode").must_be("PRIVATE"));
        }
    }
    of_process(info, field)
}

/// What `info` asks for that one process can have, whoever else there is.
pub(crate) fn of_process(info: &LinuxInfo, field: &Field) -> Result<SandboxWishes, CommandError> {
    // The one is the other's old name.
    let (effective, name) = match (&info.effective_capabilities, &info.capability_info) {
        (Some(_), Some(_)) => return Err(field.at("capability_info").twice()),
        (Some(effective), None) => (Some(effective), "effective_capabilities"),
        (None, old) => (old.as_ref(), "capability_info"),
    };
    let read = |info: &CapabilityInfo, name| {
        let listed = info.capabilities.iter();
        let listed = listed.map(|number| Capability::try_from(*number).ok());
        capabilities(listed, &field.at(name).at("capabilities"))
    };
    let effective = effective.map(|info| read(info, name)).transpose()?;
    let bounding = info
        .bounding_capabilities
        .as_ref()
        .map(|info| read(info, "bounding_capabilities"))
        .transpose()?;
    Ok(SandboxWishes {
        capabilities: within(effective, bounding, None, &field.at(name))?,
        seccomp: info
            .seccomp
            .as_ref()
            .map(|info| seccomp(info, &field.at("seccomp")))
            .transpose()?,
        shm_size: info.shm_size.map(|megabytes| u64::from(megabytes) << 20),
        ..SandboxWishes::default()
    })
}

/// Capabilities of a list; one that nobody knows is none.
pub(crate) fn capabilities(
    listed: impl Iterator<Item = Option<Capability>>,
    field: &Field,
) -> Result<Vec<Capability>, CommandError> {
    let listed = listed.enumerate().map(|(index, capability)| {
        let known = capability.filter(|capability| *capability != Capability::Unknown);
        known.ok_or_else(|| field.index(index).must_be("a capability, such as NET_RAW"))
    });
    listed.collect()
}

/// As Mesos completes what is not said: what a program has is what it may have, and the other way round; and a program
/// that is not root keeps it (Mesos: src/slave/containerizer/mesos/isolators/linux/capabilities.cpp and launch.cpp).
/// `field` is that of what must be within the bounds.
pub(crate) fn within(
    effective: Option<Vec<Capability>>,
    bounding: Option<Vec<Capability>>,
    ambient: Option<Vec<Capability>>,
    field: &Field,
) -> Result<Option<CapabilityWishes>, CommandError> {
    let (effective, bounding) = match (effective, bounding) {
        (None, None) => match ambient {
            Some(_) => return Err(field.clone().missing()),
            None => return Ok(None),
        },
        (Some(effective), None) => (effective.clone(), effective),
        (None, Some(bounding)) => (bounding.clone(), bounding),
        (Some(effective), Some(bounding)) => (effective, bounding),
    };
    let ambient = ambient.unwrap_or_else(|| effective.clone());
    let is_bounded = |capability: &Capability| bounding.contains(capability);
    if !effective.iter().all(is_bounded) || !ambient.iter().all(|one| effective.contains(one)) {
        return Err(field
            .clone()
            .must_be("within the capabilities that bound it"));
    }
    Ok(Some(CapabilityWishes {
        bounding,
        effective,
        ambient,
    }))
}

pub(crate) fn seccomp(info: &SeccompInfo, field: &Field) -> Result<SeccompWish, CommandError> {
    match (info.unconfined(), &info.profile_name) {
        (true, None) => Ok(SeccompWish::Unconfined),
        (true, Some(_)) => Err(field.at("profile_name").unsupported("it is unconfined")),
        (false, Some(name)) if !name.is_empty() => Ok(SeccompWish::Profile(name.clone())),
        (false, Some(_) | None) => Err(field.at("profile_name").missing()),
    }
}

/// Limits of a list.
pub(crate) fn rlimits(limits: &[RLimit], field: &Field) -> Result<Vec<RlimitWish>, CommandError> {
    let mut wishes: Vec<RlimitWish> = Vec::new();
    for (index, limit) in limits.iter().enumerate() {
        let wish = rlimit(limit, &field.index(index))?;
        if wishes.iter().any(|other| other.kind == wish.kind) {
            return Err(field.index(index).at("type").twice());
        }
        wishes.push(wish);
    }
    Ok(wishes)
}

/// Both numbers or neither, and then there is no limit (Mesos: src/common/validation.cpp, `validateContainerInfo`, and
/// src/posix/rlimits.cpp).
fn rlimit(limit: &RLimit, field: &Field) -> Result<RlimitWish, CommandError> {
    let kind = match limit.r#type.map(RlimitType::try_from) {
        Some(Ok(kind)) if kind != RlimitType::Unknown => kind,
        Some(Ok(_) | Err(_)) | None => {
            return Err(field.at("type").must_be("a limit, such as RLMT_NOFILE"));
        }
    };
    match (limit.soft, limit.hard) {
        (Some(_), None) => Err(field.at("hard").missing()),
        (None, Some(_)) => Err(field.at("soft").missing()),
        (Some(soft), Some(hard)) if soft > hard => {
            Err(field.at("soft").must_be("no more than 'hard'"))
        }
        (soft, hard) => Ok(RlimitWish { kind, hard, soft }),
    }
}
