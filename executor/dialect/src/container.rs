//! `TaskInfo.container`: it is obeyed in all that a sandbox has, and refused by name in all that it has not. To run a task
//! in something else than it asks for would be worse than not to run it.

use mesos_proto::TaskInfo;
use mesos_proto::v1::container_info::Type;
use mesos_proto::v1::{ContainerInfo, LinuxInfo, NetworkInfo};

use crate::field::Field;
use crate::{CommandError, RlimitWish, SandboxWishes, linux, volume};

/// What Mesos's own fields of a task ask of its sandbox. The container of a command task is the agent's to make, so what is
/// left is what the task has in common with that container, and what only the task itself can have.
pub(crate) fn of(task: &TaskInfo, is_command_task: bool) -> Result<SandboxWishes, CommandError> {
    let field = Field::of_task("container");
    let container = task.container.as_ref();
    let mut wishes = match (container, is_command_task) {
        (None, _) => SandboxWishes::default(),
        (Some(container), true) => of_command_task(container, &field)?,
        (Some(container), false) => of_task(container, &field)?,
    };
    wishes
        .volumes
        .extend(volume::persistent_volumes(&task.resources)?);
    Ok(wishes)
}

fn of_command_task(
    container: &ContainerInfo,
    field: &Field,
) -> Result<SandboxWishes, CommandError> {
    let wishes = process(container, field, linux::of_process)?;
    let volumes = field.at("volumes");
    Ok(SandboxWishes {
        volumes: volume::mounted_by_agent(&container.volumes, &volumes)?,
        ..wishes
    })
}

fn of_task(container: &ContainerInfo, field: &Field) -> Result<SandboxWishes, CommandError> {
    if container.docker.is_some() || container.r#type() == Type::Docker {
        return Err(field
            .at("docker")
            .unsupported("Docker's images are the agent's"));
    }
    let mesos = container.mesos.as_ref();
    if mesos.is_some_and(|mesos| mesos.image.is_some()) {
        let field = field.at("mesos").at("image");
        return Err(field.unsupported("images are the agent's: name a root directory or archive"));
    }
    // One that says nothing is the host's.
    let is_host = |network: &NetworkInfo| *network == NetworkInfo::default();
    if !container.network_infos.iter().all(is_host) {
        let why = "only an agent joins networks: a task is in its executor's, in none, or in one by its path";
        return Err(field.at("network_infos").unsupported(why));
    }
    if container.tty_info.is_some() {
        let field = field.at("tty_info");
        return Err(field.unsupported("a task has no terminal"));
    }
    let wishes = process(container, field, linux::of_task)?;
    Ok(SandboxWishes {
        volumes: volume::of_list(&container.volumes, &field.at("volumes"))?,
        hostname: container
            .hostname
            .as_deref()
            .map(|name| hostname(name, &field.at("hostname")))
            .transpose()?,
        ..wishes
    })
}

fn process(
    container: &ContainerInfo,
    field: &Field,
    linux: fn(&LinuxInfo, &Field) -> Result<SandboxWishes, CommandError>,
) -> Result<SandboxWishes, CommandError> {
    let info = container.linux_info.as_ref();
    let limits = container.rlimit_info.as_ref();
    let wishes = info.map_or_else(
        || Ok(SandboxWishes::default()),
        |info| linux(info, &field.at("linux_info")),
    )?;
    let field = field.at("rlimit_info").at("rlimits");
    Ok(SandboxWishes {
        rlimits: limits.map_or(Ok(Vec::new()), |info| linux::rlimits(&info.rlimits, &field))?,
        ..wishes
    })
}

/// What sethostname(2) takes, and what cannot be mistaken for something else where it is printed.
pub(crate) fn hostname(name: &str, field: &Field) -> Result<String, CommandError> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_');
    match (1..=64).contains(&name.len()) && name.bytes().all(is_plain) {
        true => Ok(name.to_owned()),
        false => {
            let wanted = "a name of at most 64 letters, digits, dots and hyphens";
            Err(field.clone().must_be(wanted))
        }
    }
}

/// What Mesos's own fields say, and where they are silent what a key of our own says.
pub(crate) fn over(
    mesos: SandboxWishes,
    ours: SandboxWishes,
) -> Result<SandboxWishes, CommandError> {
    let mut volumes = mesos.volumes;
    volumes.extend(ours.volumes);
    volume::no_target_twice(&volumes, || Field::of_task("container").at("volumes"))?;
    let mut rlimits = mesos.rlimits;
    let is_new = |limit: &RlimitWish| !rlimits.iter().any(|said| said.kind == limit.kind);
    let more: Vec<RlimitWish> = ours.rlimits.into_iter().filter(is_new).collect();
    rlimits.extend(more);
    Ok(SandboxWishes {
        volumes,
        rlimits,
        hostname: mesos.hostname.or(ours.hostname),
        shm_size: mesos.shm_size.or(ours.shm_size),
        capabilities: mesos.capabilities.or(ours.capabilities),
        seccomp: mesos.seccomp.or(ours.seccomp),
        ..ours
    })
}
