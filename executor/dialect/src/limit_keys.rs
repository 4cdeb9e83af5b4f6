//! The key `limits` of data, and the label of that name: what a task asks of its limits beside its resources, as JSON.
//!
//! ```json
//! { "cpu_hard": 1.5, "memory": "48MB", "memory_soft": "32MB", "swap": "16MB", "cpuset": "0-1", "pids": 100,
//!   "oom_group": true, "disk_soft": "80MB", "disk_in_kernel": true, "inodes": 10000,
//!   "io": { "weight": 50, "devices": [ { "device": "/dev/sda", "read_bytes": "10MB", "write_bytes": "5MB",
//!                                        "read_operations": 100, "write_operations": 100 } ] },
//!   "devices": [ { "path": "/dev/fuse", "read": true, "write": true } ] }
//! ```
//!
//! What other tasks would have to go without is never more than the task's resources give it.

use mesos_proto::v1::TaskInfoFields;
use mesos_proto::{Bytes, resources};

use crate::field::Field;
use crate::json::{Element, JsonError, Keys};
use crate::sandbox_keys::size;
use crate::{CommandError, DeviceWish, DiskWishes, IoDeviceWish, IoWishes, LimitWishes, Place};

/// The key, and the end of the label's name.
pub(crate) const KEY: &str = "limits";

/// More cpus than any host has.
const MOST_CPUS: f64 = 1e6;

/// The highest weight of both versions of cgroups (Linux: Documentation/admin-guide/cgroup-v2.rst).
const HIGHEST_WEIGHT: u64 = 10_000;

/// The limits of `TaskInfo.limits`, which count before those of a key of our own (Mesos: include/mesos/v1/mesos.proto).
/// That of memory takes the place of the resource, and is looked up where the resource is.
pub(crate) fn of_task(
    task: &TaskInfoFields,
    ours: LimitWishes,
) -> Result<LimitWishes, CommandError> {
    let field = Field::of_task("limits");
    let mut wishes = ours;
    for (name, limit) in &task.limits {
        let field = field.at(name);
        // Infinite is a number here: no limit.
        if limit.value.is_nan() || limit.value <= 0.0 {
            return Err(field.must_be("a number above 0"));
        }
        match name.as_str() {
            "mem" => {}
            "cpus" if limit.value.is_infinite() => wishes.cpu_hard_millis = None,
            "cpus" => wishes.cpu_hard_millis = Some(millis(limit.value, &field)?),
            _ => return Err(field.unsupported("only cpus and mem have limits of their own")),
        }
    }
    Ok(wishes)
}

/// Reads the object, which is at `place`, of a task with these resources.
pub(crate) fn read(
    mut keys: Keys,
    task: &TaskInfoFields,
    place: Place,
) -> Result<LimitWishes, CommandError> {
    let json = |source| CommandError::Json { place, source };
    let field = Field::of_key(place, KEY);
    let mut sizes = |key: &str| {
        let text = keys.text(key).map_err(json)?;
        text.map(|text| size(&text, &field.at(key))).transpose()
    };
    let memory = sizes("memory")?;
    let memory_soft = sizes("memory_soft")?;
    let swap = sizes("swap")?;
    let offered = most_memory(task);
    if beyond(memory, offered) {
        let wanted = "no more than the memory that the task has";
        return Err(field.at("memory").must_be(wanted));
    }
    if beyond(memory_soft, memory.or(offered)) {
        let wanted = "no more than the memory that the task has";
        return Err(field.at("memory_soft").must_be(wanted));
    }
    let pids = keys.count("pids").map_err(json)?;
    let offered = resources::scalar(&task.resources, "pids").filter(|pids| *pids > 0.0);
    if pids == Some(0) || beyond(pids, offered.map(|pids| pids.ceil() as u64)) {
        let wanted = "at least 1, and no more than the task's resource of that name";
        return Err(field.at("pids").must_be(wanted));
    }
    let cpu_hard = keys.number("cpu_hard").map_err(json)?;
    let disk = disk(&mut keys, task, json, &field)?;
    let wishes = LimitWishes {
        disk,
        cpu_hard_millis: cpu_hard
            .map(|cpus| millis(cpus, &field.at("cpu_hard")))
            .transpose()?,
        memory,
        memory_soft,
        swap,
        cpuset: keys
            .text("cpuset")
            .map_err(json)?
            .map(|list| cpuset(list, &field.at("cpuset")))
            .transpose()?,
        io: match keys.object("io").map_err(json)? {
            Some(inner) => io(inner, json, &field.at("io"))?,
            None => IoWishes::default(),
        },
        oom_group: keys.flag("oom_group").map_err(json)?.unwrap_or_default(),
        devices: keys
            .list("devices")
            .map_err(json)?
            .into_iter()
            .enumerate()
            .map(|(index, element)| device(element, json, &field.at("devices").index(index)))
            .collect::<Result<_, _>>()?,
        pids,
    };
    keys.end().map_err(json)?;
    Ok(wishes)
}

/// The memory that the task's resources and limits give it; none is without limit.
fn most_memory(task: &TaskInfoFields) -> Option<u64> {
    let limit = task.limits.get("mem").map(|limit| limit.value);
    let megabytes = limit.or_else(|| resources::scalar(&task.resources, "mem"));
    megabytes
        .filter(|megabytes| megabytes.is_finite() && *megabytes > 0.0)
        .map(|megabytes| Bytes::from_megabytes(megabytes.max(1.0)).as_u64())
}

fn disk(
    keys: &mut Keys,
    task: &TaskInfoFields,
    json: impl Fn(JsonError) -> CommandError,
    field: &Field,
) -> Result<DiskWishes, CommandError> {
    let offered = resources::sandbox_disk(&task.resources).filter(|megabytes| *megabytes > 0.0);
    let offered = offered.map(|megabytes| Bytes::from_megabytes(megabytes.max(1.0)).as_u64());
    let soft = keys.text("disk_soft").map_err(&json)?;
    let soft = soft.map(|text| size(&text, &field.at("disk_soft")));
    let wishes = DiskWishes {
        soft: soft.transpose()?,
        inodes: keys.count("inodes").map_err(&json)?,
        in_kernel: keys
            .flag("disk_in_kernel")
            .map_err(&json)?
            .unwrap_or_default(),
    };
    let soft_at_least = wishes.soft.map(|soft| soft.saturating_add(1));
    if beyond(soft_at_least, offered) {
        let wanted = "less than the disk that the task has";
        return Err(field.at("disk_soft").must_be(wanted));
    }
    if wishes.inodes == Some(0) {
        return Err(field.at("inodes").must_be("at least 1"));
    }
    if wishes.in_kernel && offered.is_none() {
        let wanted = "false where the task has no resource 'disk'";
        return Err(field.at("disk_in_kernel").must_be(wanted));
    }
    Ok(wishes)
}

fn beyond(asked: Option<u64>, most: Option<u64>) -> bool {
    matches!((asked, most), (Some(asked), Some(most)) if asked > most)
}

fn millis(cpus: f64, field: &Field) -> Result<u64, CommandError> {
    match cpus > 0.0 && cpus <= MOST_CPUS {
        true => Ok(((cpus * 1000.0).round() as u64).max(1)),
        false => Err(field.clone().must_be("a number of cpus above 0")),
    }
}

/// A list as the kernel writes it (Linux: Documentation/admin-guide/cgroup-v1/cpusets.rst).
fn cpuset(list: String, field: &Field) -> Result<String, CommandError> {
    let number = |text: &str| {
        let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        text.parse::<u16>().ok().filter(|_| is_number)
    };
    let is_part = |part: &str| match part.split_once('-') {
        None => number(part).is_some(),
        Some((from, to)) => {
            matches!((number(from), number(to)), (Some(from), Some(to)) if from <= to)
        }
    };
    match list.split(',').all(is_part) {
        true => Ok(list),
        false => Err(field.clone().must_be("a list of cpus, such as 0-2,7")),
    }
}

fn io(
    mut keys: Keys,
    json: impl Fn(JsonError) -> CommandError + Copy,
    field: &Field,
) -> Result<IoWishes, CommandError> {
    let weight = keys.count("weight").map_err(json)?;
    if weight.is_some_and(|weight| !(1..=HIGHEST_WEIGHT).contains(&weight)) {
        return Err(field.at("weight").must_be("from 1 to 10000"));
    }
    let mut devices: Vec<IoDeviceWish> = Vec::new();
    let listed = keys.list("devices").map_err(json)?;
    for (index, element) in listed.into_iter().enumerate() {
        let field = field.at("devices").index(index);
        let device = io_device(element, json, &field)?;
        if devices.iter().any(|other| other.device == device.device) {
            return Err(field.at("device").twice());
        }
        devices.push(device);
    }
    keys.end().map_err(json)?;
    Ok(IoWishes { weight, devices })
}

fn io_device(
    element: Element,
    json: impl Fn(JsonError) -> CommandError,
    field: &Field,
) -> Result<IoDeviceWish, CommandError> {
    let mut keys = element.keys().map_err(&json)?;
    let device = keys.text("device").map_err(&json)?;
    let device = keys.must("device", device).map_err(&json)?;
    let is_number = |text: &str| text.parse::<u32>().is_ok_and(|_| !text.starts_with('+'));
    let numbers = device.split_once(':');
    let are_numbers = numbers.is_some_and(|(major, minor)| is_number(major) && is_number(minor));
    if !are_numbers && !is_node(&device) {
        let wanted = "a path below /dev, or major:minor";
        return Err(field.at("device").must_be(wanted));
    }
    let mut sizes = |key: &str| {
        let text = keys.text(key).map_err(&json)?;
        text.map(|text| size(&text, &field.at(key))).transpose()
    };
    let (read_bytes, write_bytes) = (sizes("read_bytes")?, sizes("write_bytes")?);
    let mut counts = |key: &str| match keys.count(key).map_err(&json)? {
        Some(0) => Err(field.at(key).must_be("at least 1")),
        count => Ok(count),
    };
    let (read_operations, write_operations) =
        (counts("read_operations")?, counts("write_operations")?);
    keys.end().map_err(&json)?;
    Ok(IoDeviceWish {
        device,
        read_bytes,
        write_bytes,
        read_operations,
        write_operations,
    })
}

fn device(
    element: Element,
    json: impl Fn(JsonError) -> CommandError,
    field: &Field,
) -> Result<DeviceWish, CommandError> {
    let mut keys = element.keys().map_err(&json)?;
    let path = keys.text("path").map_err(&json)?;
    let path = keys.must("path", path).map_err(&json)?;
    if !is_node(&path) {
        return Err(field.at("path").must_be("a path below /dev"));
    }
    let read = keys.flag("read").map_err(&json)?.unwrap_or(true);
    let write = keys.flag("write").map_err(&json)?.unwrap_or(true);
    if !read && !write {
        return Err(field.at("read").must_be("true where 'write' is not"));
    }
    keys.end().map_err(&json)?;
    Ok(DeviceWish { path, read, write })
}

fn is_node(path: &str) -> bool {
    let inside = path.strip_prefix("/dev/");
    let is_clean = |part: &str| !matches!(part, "" | "." | "..");
    inside.is_some_and(|inside| !inside.contains('\0') && inside.split('/').all(is_clean))
}
