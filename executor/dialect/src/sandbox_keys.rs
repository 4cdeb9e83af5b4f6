//! The key `sandbox` of data, and the label of that name: what a task asks of its sandbox, as JSON. What Mesos has a
//! message for is written as Mesos's own API writes it.
//!
//! ```json
//! { "network": "own", "users": "mapped", "hostname": "db", "umask": "027", "shm_size": "64MB", "oom_score": 500,
//!   "root": { "directory": "/srv/debian" },
//!   "hidden": [ "/srv/secrets" ],
//!   "volumes": [
//!     { "mode": "RO", "container_path": "/data", "host_path": "/srv/data" },
//!     { "mode": "RW", "container_path": "shared",
//!       "source": { "type": "SANDBOX_PATH", "sandbox_path": { "type": "PARENT", "path": "shared" } } } ],
//!   "capabilities": { "effective": [ "NET_BIND_SERVICE" ], "bounding": [ "NET_BIND_SERVICE" ], "ambient": [] },
//!   "seccomp": { "unconfined": true },
//!   "rlimits": [ { "type": "RLMT_NOFILE", "soft": 1024, "hard": 4096 } ] }
//! ```
//!
//! `network` is `host`, `own` or the absolute path of a network namespace; `users` is `host` or `mapped`; `root` is
//! `{ "directory": ... }` or `{ "uri": { "value": ..., "checksum": ... } }`, a tar archive.

use mesos_proto::Bytes;
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::r_limit_info::{RLimit, r_limit::Type as RlimitType};
use mesos_proto::v1::volume::source::{
    HostPath, SandboxPath, Type as SourceType, sandbox_path::Type as SandboxPathType,
};
use mesos_proto::v1::volume::{Mode, Source};
use mesos_proto::v1::{MountPropagation, SeccompInfo, Volume, mount_propagation};

use crate::field::Field;
use crate::json::{Element, JsonError, Keys};
use crate::{
    CapabilityWishes, CommandError, FieldError, NetworkWish, Place, RootWish, SandboxWishes,
};
use crate::{command_info, container, data, linux, volume};

/// The key, and the end of the label's name.
pub(crate) const KEY: &str = "sandbox";

/// The highest that oom_score_adj goes (Linux: Documentation/filesystems/proc.rst).
const HIGHEST_OOM_SCORE: u64 = 1000;

/// Reads the object, which is at `place`.
pub(crate) fn read(mut keys: Keys, place: Place) -> Result<SandboxWishes, CommandError> {
    let json = |source| CommandError::Json { place, source };
    let field = Field::of_key(place, KEY);
    let volumes = keys.list("volumes").map_err(json)?;
    let volumes: Result<Vec<Volume>, JsonError> = volumes.into_iter().map(a_volume).collect();
    let volumes = volume::of_list(&volumes.map_err(json)?, &field.at("volumes"))?;
    volume::no_target_twice(&volumes, || field.at("volumes"))?;
    let rlimits = keys.list("rlimits").map_err(json)?;
    let rlimits: Result<Vec<RLimit>, JsonError> = rlimits.into_iter().map(an_rlimit).collect();
    let mut texts = |key| keys.text(key).map_err(json);
    let wishes = SandboxWishes {
        network: texts("network")?
            .map(|text| network(text, &field.at("network")))
            .transpose()?,
        users_mapped: texts("users")?
            .map(|text| users(&text, &field.at("users")))
            .transpose()?
            .unwrap_or_default(),
        hostname: texts("hostname")?
            .map(|name| container::hostname(&name, &field.at("hostname")))
            .transpose()?,
        umask: texts("umask")?
            .map(|text| umask(&text, &field.at("umask")))
            .transpose()?,
        shm_size: texts("shm_size")?
            .map(|text| size(&text, &field.at("shm_size")))
            .transpose()?,
        oom_score: keys
            .count("oom_score")
            .map_err(json)?
            .map(|score| oom_score(score, &field.at("oom_score")))
            .transpose()?,
        rlimits: linux::rlimits(&rlimits.map_err(json)?, &field.at("rlimits"))?,
        volumes,
        root: match keys.object("root").map_err(json)? {
            Some(inner) => Some(root(inner, json, &field.at("root"))?),
            None => None,
        },
        hidden: keys
            .texts("hidden")
            .map_err(json)?
            .iter()
            .enumerate()
            .map(|(index, path)| volume::absolute(path, &field.at("hidden").index(index)))
            .collect::<Result<_, _>>()?,
        capabilities: match keys.object("capabilities").map_err(json)? {
            Some(inner) => capabilities(inner, json, &field.at("capabilities"))?,
            None => None,
        },
        seccomp: match keys.object("seccomp").map_err(json)? {
            Some(inner) => {
                let info = seccomp(inner).map_err(json)?;
                Some(linux::seccomp(&info, &field.at("seccomp"))?)
            }
            None => None,
        },
    };
    keys.end().map_err(json)?;
    Ok(wishes)
}

/// A size such as 64MB, and more than nothing.
pub(crate) fn size(text: &str, field: &Field) -> Result<u64, CommandError> {
    let bytes = text.parse().map(Bytes::as_u64);
    let bytes = bytes.ok().filter(|bytes| *bytes > 0);
    bytes.ok_or_else(|| field.clone().must_be("a size, such as 64MB"))
}

fn network(text: String, field: &Field) -> Result<NetworkWish, CommandError> {
    match text.as_str() {
        "host" => Ok(NetworkWish::Host),
        "own" => Ok(NetworkWish::Own),
        path if path.starts_with('/') => Ok(NetworkWish::Join(volume::absolute(path, field)?)),
        _ => Err(field
            .clone()
            .must_be("host, own, or the absolute path of a network namespace")),
    }
}

fn users(text: &str, field: &Field) -> Result<bool, CommandError> {
    match text {
        "host" => Ok(false),
        "mapped" => Ok(true),
        _ => Err(field.clone().must_be("host or mapped")),
    }
}

fn umask(text: &str, field: &Field) -> Result<u32, CommandError> {
    let is_octal = !text.is_empty() && text.bytes().all(|byte| matches!(byte, b'0'..=b'7'));
    let mask = u32::from_str_radix(text, 8).ok();
    mask.filter(|mask| is_octal && *mask <= 0o777)
        .ok_or_else(|| field.clone().must_be("octal digits, such as \"027\""))
}

fn oom_score(score: u64, field: &Field) -> Result<u16, CommandError> {
    let score = u16::try_from(score).ok();
    score
        .filter(|score| u64::from(*score) <= HIGHEST_OOM_SCORE)
        .ok_or_else(|| field.clone().must_be("from 0 to 1000"))
}

fn root(
    mut keys: Keys,
    json: impl Fn(JsonError) -> CommandError,
    field: &Field,
) -> Result<RootWish, CommandError> {
    let directory = keys.text("directory").map_err(&json)?;
    let uri = keys.object("uri").map_err(&json)?;
    keys.end().map_err(&json)?;
    match (directory, uri) {
        (Some(directory), None) => {
            let directory = volume::absolute(&directory, &field.at("directory"))?;
            Ok(RootWish::Directory(directory))
        }
        (None, Some(uri)) => {
            let (info, checksum) = data::uri(uri).map_err(&json)?;
            let archive = command_info::uri(&info).and_then(|uri| {
                let checksum = checksum.as_deref().map(command_info::checksum);
                Ok(crate::Uri {
                    checksum: checksum.transpose()?,
                    ..uri
                })
            });
            let archive = archive.map_err(|source| CommandError::Field {
                field: field.at("uri").to_string(),
                source: FieldError::Uri(source),
            })?;
            Ok(RootWish::Archive(archive))
        }
        (Some(_), Some(_)) => Err(field.at("uri").unsupported("'directory' is there as well")),
        (None, None) => Err(field.clone().must_be("a 'directory' or a 'uri'")),
    }
}

fn capabilities(
    mut keys: Keys,
    json: impl Fn(JsonError) -> CommandError,
    field: &Field,
) -> Result<Option<CapabilityWishes>, CommandError> {
    let mut list = |key: &str| match keys.has(key) {
        true => {
            let names = keys.texts(key).map_err(&json)?;
            let known = names.iter().map(|name| Capability::from_str_name(name));
            linux::capabilities(known, &field.at(key)).map(Some)
        }
        false => Ok(None),
    };
    let (effective, bounding) = (list("effective")?, list("bounding")?);
    let ambient = list("ambient")?;
    keys.end().map_err(&json)?;
    linux::within(effective, bounding, ambient, &field.at("effective"))
}

fn seccomp(mut keys: Keys) -> Result<SeccompInfo, JsonError> {
    let info = SeccompInfo {
        profile_name: keys.text("profile_name")?,
        unconfined: keys.flag("unconfined")?,
    };
    keys.end()?;
    Ok(info)
}

/// An enumeration's name as a number; one that nobody knows is as good as `UNKNOWN`.
fn number<T: Into<i32>>(name: Option<String>, known: fn(&str) -> Option<T>) -> Option<i32> {
    const UNKNOWN: i32 = 0;
    name.map(|name| known(&name).map_or(UNKNOWN, Into::into))
}

fn an_rlimit(element: Element) -> Result<RLimit, JsonError> {
    let mut keys = element.keys()?;
    let limit = RLimit {
        r#type: number(keys.text("type")?, RlimitType::from_str_name),
        hard: keys.count("hard")?,
        soft: keys.count("soft")?,
    };
    keys.end()?;
    Ok(limit)
}

fn a_volume(element: Element) -> Result<Volume, JsonError> {
    let mut keys = element.keys()?;
    let container_path = keys.text("container_path")?;
    let mode = keys.text("mode")?;
    let volume = Volume {
        container_path: keys.must("container_path", container_path)?,
        mode: number(Some(keys.must("mode", mode)?), Mode::from_str_name).unwrap_or_default(),
        host_path: keys.text("host_path")?,
        source: keys.object("source")?.map(a_source).transpose()?,
        ..Volume::default()
    };
    keys.end()?;
    Ok(volume)
}

fn a_source(mut keys: Keys) -> Result<Source, JsonError> {
    let source = Source {
        r#type: number(keys.text("type")?, SourceType::from_str_name),
        host_path: keys.object("host_path")?.map(a_host_path).transpose()?,
        sandbox_path: keys
            .object("sandbox_path")?
            .map(a_sandbox_path)
            .transpose()?,
        ..Source::default()
    };
    keys.end()?;
    Ok(source)
}

fn a_host_path(mut keys: Keys) -> Result<HostPath, JsonError> {
    let path = keys.text("path")?;
    let path = keys.must("path", path)?;
    let mount_propagation = match keys.object("mount_propagation")? {
        Some(mut inner) => {
            let mode = number(inner.text("mode")?, mount_propagation::Mode::from_str_name);
            inner.end()?;
            Some(MountPropagation { mode })
        }
        None => None,
    };
    keys.end()?;
    Ok(HostPath {
        path,
        mount_propagation,
    })
}

fn a_sandbox_path(mut keys: Keys) -> Result<SandboxPath, JsonError> {
    let path = keys.text("path")?;
    let sandbox_path = SandboxPath {
        r#type: number(keys.text("type")?, SandboxPathType::from_str_name),
        path: keys.must("path", path)?,
    };
    keys.end()?;
    Ok(sandbox_path)
}
