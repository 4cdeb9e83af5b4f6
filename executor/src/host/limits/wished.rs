//! The limits that a task asks for beside its resources.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use cgroup::{Cpuset, Device, DeviceKind, DeviceRule, Devices, Io, IoCeiling};
use dialect::{DeviceWish, IoDeviceWish, LimitWishes};
use executor_core::{Fault, StartFailure};
use mesos_proto::Bytes;
use nix::sys::stat::{major, minor};

use super::TaskLimits;

impl TaskLimits {
    /// These, as `wishes` change them. Blocks for as long as the file system does, which knows the numbers of devices.
    pub(crate) fn with(mut self, wishes: &LimitWishes) -> Result<Self, StartFailure> {
        let limits = &mut self.cgroup;
        limits.cpu_quota = wishes.cpu_hard_millis.map(|millis| millis as f64 / 1000.0);
        if let Some(memory) = wishes.memory {
            limits.memory = Some(memory);
            self.memory = Some(Bytes::new(memory));
        }
        limits.memory_soft = wishes.memory_soft;
        limits.swap = wishes.swap;
        limits.oom_group = wishes.oom_group;
        if let Some(pids) = wishes.pids {
            // What the dialect compares is the resource; an option may ask for less still.
            limits.pids = limits.pids.map_or(Some(pids), |most| Some(most.min(pids)));
        }
        self.of_disk = wishes.disk;
        limits.cpuset = Cpuset {
            cpus: wishes.cpuset.clone(),
            mems: None,
        };
        let ceilings = wishes.io.devices.iter().map(ceiling);
        limits.io = Io {
            weight: wishes
                .io
                .weight
                .and_then(|weight| u16::try_from(weight).ok()),
            ceilings: ceilings.collect::<Result<_, _>>()?,
        };
        if !wishes.devices.is_empty() {
            let rules: Result<Vec<DeviceRule>, _> = wishes.devices.iter().map(rule).collect();
            limits.devices = Devices::standard(rules?);
        }
        Ok(self)
    }
}

fn ceiling(wish: &IoDeviceWish) -> Result<IoCeiling, StartFailure> {
    let numbers = wish.device.split_once(':');
    let numbers = numbers.and_then(|(major, minor)| {
        Some(Device {
            major: major.parse().ok()?,
            minor: minor.parse().ok()?,
        })
    });
    let device = match numbers {
        Some(device) => device,
        None => match node(&wish.device)? {
            (DeviceKind::Block, device) => device,
            (DeviceKind::Character, _) => return Err(no_device(&wish.device, "it is no disk")),
        },
    };
    Ok(IoCeiling {
        device,
        read_bytes: wish.read_bytes,
        write_bytes: wish.write_bytes,
        read_operations: wish.read_operations,
        write_operations: wish.write_operations,
    })
}

fn rule(wish: &DeviceWish) -> Result<DeviceRule, StartFailure> {
    let (kind, Device { major, minor }) = node(&wish.path)?;
    Ok(DeviceRule {
        kind,
        major,
        minor: Some(minor),
        read: wish.read,
        write: wish.write,
        make: false,
    })
}

fn node(path: &str) -> Result<(DeviceKind, Device), StartFailure> {
    let found = fs::metadata(path).map_err(|error| no_device(path, &error))?;
    let kind = found.file_type();
    let kind = match (kind.is_char_device(), kind.is_block_device()) {
        (true, _) => DeviceKind::Character,
        (_, true) => DeviceKind::Block,
        (false, false) => return Err(no_device(path, "it is no device")),
    };
    let numbers = found.rdev();
    // The kernel's own have 12 and 20 bits.
    let small = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    let device = Device {
        major: small(major(numbers)),
        minor: small(minor(numbers)),
    };
    Ok((kind, device))
}

fn no_device(path: &str, why: impl std::fmt::Display) -> StartFailure {
    StartFailure {
        fault: Fault::Task,
        message: format!("The task asks for the device {path}: {why}"),
    }
}

#[cfg(test)]
mod tests {
    use mesos_proto::v1::TaskInfoFields;

    use super::*;

    fn with(wishes: &LimitWishes) -> Result<TaskLimits, StartFailure> {
        TaskLimits::of(&TaskInfoFields::default(), Some(50)).with(wishes)
    }

    #[test]
    fn what_is_asked_for_is_what_the_cgroup_gets() {
        let limits = with(&LimitWishes {
            cpu_hard_millis: Some(1500),
            memory: Some(8 << 20),
            memory_soft: Some(4 << 20),
            swap: Some(1 << 20),
            cpuset: Some("0-1".into()),
            oom_group: true,
            pids: Some(10),
            ..LimitWishes::default()
        });
        let limits = limits.unwrap();
        assert_eq!(limits.cgroup.cpu_quota, Some(1.5));
        assert_eq!(limits.cgroup.memory, Some(8 << 20));
        assert_eq!(limits.memory, Some(Bytes::new(8 << 20)));
        assert_eq!(limits.cgroup.memory_soft, Some(4 << 20));
        assert_eq!(limits.cgroup.swap, Some(1 << 20));
        assert_eq!(limits.cgroup.cpuset.cpus.as_deref(), Some("0-1"));
        assert!(limits.cgroup.oom_group);
        assert_eq!(limits.cgroup.pids, Some(10));
        assert_eq!(limits.cgroup.devices, Devices::Any);
    }

    #[test]
    fn the_stricter_of_two_limits_of_processes_counts() {
        let wishes = LimitWishes {
            pids: Some(60),
            ..LimitWishes::default()
        };
        assert_eq!(with(&wishes).unwrap().cgroup.pids, Some(50));
    }

    #[test]
    fn a_device_is_found_by_its_node_and_is_one_more_than_the_standard_ones() {
        let wish = |path: &str| LimitWishes {
            devices: vec![DeviceWish {
                path: path.into(),
                read: true,
                write: false,
            }],
            ..LimitWishes::default()
        };
        let Devices::Only(rules) = with(&wish("/dev/null")).unwrap().cgroup.devices else {
            panic!("any device may be used");
        };
        let last = rules.last().unwrap();
        assert_eq!(
            (last.kind, last.major, last.minor, last.write),
            (DeviceKind::Character, 1, Some(3), false)
        );
        for none in ["/dev/no-such-device", "/dev/fd"] {
            let failure = with(&wish(none)).unwrap_err();
            assert_eq!(failure.fault, Fault::Task);
            assert!(failure.message.contains(none), "{}", failure.message);
        }
    }

    #[test]
    fn a_ceiling_is_for_a_disk_by_its_numbers_or_its_node() {
        let wish = |device: &str| LimitWishes {
            io: dialect::IoWishes {
                weight: Some(7),
                devices: vec![IoDeviceWish {
                    device: device.into(),
                    read_bytes: Some(1),
                    write_bytes: None,
                    read_operations: None,
                    write_operations: Some(2),
                }],
            },
            ..LimitWishes::default()
        };
        let io = with(&wish("8:16")).unwrap().cgroup.io;
        assert_eq!(io.weight, Some(7));
        let expected = Device {
            major: 8,
            minor: 16,
        };
        assert_eq!(io.ceilings[0].device, expected);
        assert_eq!(io.ceilings[0].write_operations, Some(2));
        with(&wish("/dev/null")).unwrap_err();
    }
}
