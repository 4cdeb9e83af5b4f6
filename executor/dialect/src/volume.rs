//! Volumes (Mesos: docs/container-volume.md, and docs/persistent-volume.md for those that are resources).

use mesos_proto::v1::Resource;
use mesos_proto::v1::resource::disk_info::source::Type as DiskType;
use mesos_proto::v1::volume::source::sandbox_path::Type as SandboxPathType;
use mesos_proto::v1::volume::source::{HostPath, SandboxPath, Type as SourceType};
use mesos_proto::v1::volume::{Mode, Source};
use mesos_proto::v1::{MountPropagation, Volume, mount_propagation};

use crate::field::Field;
use crate::{CommandError, PersistentVolume, VolumeRoot, VolumeSource, VolumeWish};

const ABSOLUTE: &str = "an absolute path without '..'";
const RELATIVE: &str = "a relative path without '..'";
const TARGET: &str = "a path without '..' that is neither empty nor the root itself";

/// The volumes of a list that is at `field`.
pub(crate) fn of_list(volumes: &[Volume], field: &Field) -> Result<Vec<VolumeWish>, CommandError> {
    let volumes = volumes.iter().enumerate();
    let wishes = volumes.map(|(index, volume)| one(volume, &field.index(index)));
    wishes.collect()
}

/// The volumes of a task in the command executor's place, into whose container the agent has put them already.
pub(crate) fn mounted_by_agent(
    volumes: &[Volume],
    field: &Field,
) -> Result<Vec<VolumeWish>, CommandError> {
    let volumes = volumes.iter().enumerate();
    let wishes = volumes.map(|(index, volume)| {
        let field = field.index(index);
        Ok(VolumeWish {
            source: VolumeSource::Agents(target(volume, &field)?),
            target: target(volume, &field)?,
            read_only: read_only(volume, &field)?,
        })
    });
    wishes.collect()
}

/// The persistent volumes among the resources of a task or an executor, in their order: one for each resource that is
/// one.
///
/// # Errors
/// One of them makes no sense, or holds no files.
pub fn persistent_volumes(resources: &[Resource]) -> Result<Vec<VolumeWish>, CommandError> {
    let mut wishes = Vec::new();
    for (index, resource) in resources.iter().enumerate() {
        let disk = resource.disk.as_ref();
        let parts = disk.and_then(|disk| Some((disk.persistence.as_ref()?, disk.volume.as_ref()?)));
        let Some((persistence, volume)) = parts else {
            continue;
        };
        let field = Field::of_task("resources").index(index).at("disk");
        let source = disk.and_then(|disk| disk.source.as_ref());
        let root = match source.map(|source| (source.r#type(), source)) {
            None => VolumeRoot::WorkDirectory,
            Some((DiskType::Path, source)) => {
                let root = source.path.as_ref().and_then(|path| path.root.clone());
                VolumeRoot::Path(root.ok_or_else(|| field.at("source").at("path").missing())?)
            }
            Some((DiskType::Mount, source)) => {
                let root = source.mount.as_ref().and_then(|mount| mount.root.clone());
                VolumeRoot::Mount(root.ok_or_else(|| field.at("source").at("mount").missing())?)
            }
            Some((DiskType::Block | DiskType::Raw | DiskType::Unknown, _)) => {
                let field = field.at("source").at("type");
                return Err(field.unsupported("only PATH and MOUNT disks hold files"));
            }
        };
        if !is_one_name(&persistence.id) {
            let field = field.at("persistence").at("id");
            return Err(field.must_be("a name that can be a directory's"));
        }
        let field = field.at("volume");
        // Mesos's master takes no others (Mesos: src/master/validation.cpp, `validateDiskInfo`).
        let at = target(volume, &field)?;
        if at.starts_with('/') {
            return Err(field.at("container_path").must_be(RELATIVE));
        }
        wishes.push(VolumeWish {
            source: VolumeSource::Persistent(PersistentVolume {
                container_path: at.clone(),
                id: persistence.id.clone(),
                role: role(resource),
                root,
            }),
            target: at,
            read_only: read_only(volume, &field)?,
        });
    }
    Ok(wishes)
}

/// Whom a resource is reserved for, in the format before and after Mesos 1.4 (Mesos: src/common/resources.cpp,
/// `Resources::reservationRole`).
fn role(resource: &Resource) -> String {
    let innermost = resource.reservations.last();
    innermost
        .and_then(|reservation| reservation.role.clone())
        .unwrap_or_else(|| resource.role().to_owned())
}

/// Two volumes at one place: which one would be seen?
pub(crate) fn no_target_twice(
    volumes: &[VolumeWish],
    field: impl Fn() -> Field,
) -> Result<(), CommandError> {
    let mut seen: Vec<&str> = Vec::new();
    for volume in volumes {
        if seen.contains(&volume.target.as_str()) {
            return Err(field().at("container_path").twice());
        }
        seen.push(&volume.target);
    }
    Ok(())
}

fn one(volume: &Volume, field: &Field) -> Result<VolumeWish, CommandError> {
    if volume.image.is_some() {
        return Err(field.at("image").unsupported("unpack it by a URI"));
    }
    let source = match (&volume.host_path, &volume.source) {
        (Some(_), Some(_)) => {
            return Err(field
                .at("host_path")
                .unsupported("'source' is there as well"));
        }
        (Some(path), None) => host(path, false, &field.at("host_path"))?,
        (None, Some(source)) => of_source(source, &field.at("source"))?,
        (None, None) => return Err(field.at("source").missing()),
    };
    Ok(VolumeWish {
        source,
        target: target(volume, field)?,
        read_only: read_only(volume, field)?,
    })
}

fn of_source(source: &Source, field: &Field) -> Result<VolumeSource, CommandError> {
    match source.r#type() {
        SourceType::HostPath => {
            let field = field.at("host_path");
            let Some(HostPath {
                path,
                mount_propagation,
            }) = &source.host_path
            else {
                return Err(field.missing());
            };
            let receives = receives_mounts(mount_propagation.as_ref(), &field)?;
            host(path, receives, &field.at("path"))
        }
        SourceType::SandboxPath => {
            let field = field.at("sandbox_path");
            let Some(SandboxPath { path, .. }) = &source.sandbox_path else {
                return Err(field.missing());
            };
            let relative = match is_clean(path) && !path.starts_with('/') {
                true => path.trim_end_matches('/').to_owned(),
                false => return Err(field.at("path").must_be(RELATIVE)),
            };
            match source.sandbox_path.as_ref().map(SandboxPath::r#type) {
                Some(SandboxPathType::Parent) => Ok(VolumeSource::ExecutorSandbox(relative)),
                Some(SandboxPathType::Self_) => Ok(VolumeSource::TaskSandbox(relative)),
                Some(SandboxPathType::Unknown) | None => {
                    Err(field.at("type").must_be("SELF or PARENT"))
                }
            }
        }
        SourceType::DockerVolume => Err(field
            .at("docker_volume")
            .unsupported("its drivers are the agent's")),
        SourceType::Secret => Err(field
            .at("secret")
            .unsupported("only the agent resolves secrets")),
        SourceType::CsiVolume => Err(field
            .at("type")
            .unsupported("only the agent mounts CSI volumes")),
        SourceType::Unknown => Err(field.at("type").must_be("HOST_PATH or SANDBOX_PATH")),
    }
}

/// Mounts that a task makes never come to the host: it makes none.
fn receives_mounts(
    propagation: Option<&MountPropagation>,
    field: &Field,
) -> Result<bool, CommandError> {
    use mount_propagation::Mode;
    match propagation.map(MountPropagation::mode) {
        None | Some(Mode::Unknown) => Ok(false),
        Some(Mode::HostToContainer) => Ok(true),
        Some(Mode::Bidirectional) => {
            let field = field.at("mount_propagation").at("mode");
            Err(field.unsupported("a task's mounts never reach the host"))
        }
    }
}

fn host(path: &str, receives_mounts: bool, field: &Field) -> Result<VolumeSource, CommandError> {
    let path = absolute(path, field)?;
    Ok(VolumeSource::Host {
        path,
        receives_mounts,
    })
}

fn read_only(volume: &Volume, field: &Field) -> Result<bool, CommandError> {
    match Mode::try_from(volume.mode) {
        Ok(Mode::Ro) => Ok(true),
        Ok(Mode::Rw) => Ok(false),
        Err(_) => Err(field.at("mode").must_be("RO or RW")),
    }
}

fn target(volume: &Volume, field: &Field) -> Result<String, CommandError> {
    let path = volume.container_path.trim_end_matches('/');
    match !path.is_empty() && is_clean(path) {
        true => Ok(path.to_owned()),
        false => Err(field.at("container_path").must_be(TARGET)),
    }
}

/// An absolute path that its text keeps from leading elsewhere.
pub(crate) fn absolute(path: &str, field: &Field) -> Result<String, CommandError> {
    match path.starts_with('/') && is_clean(path) {
        true => Ok(path.to_owned()),
        false => Err(field.clone().must_be(ABSOLUTE)),
    }
}

fn is_clean(path: &str) -> bool {
    let climbs = path.split('/').any(|part| part == ".." || part == ".");
    !path.is_empty() && !path.contains('\0') && !climbs
}

fn is_one_name(name: &str) -> bool {
    is_clean(name) && !name.contains('/')
}
