//! From what a task asks of its sandbox, and what this executor gives to each, to what its plan says.

use std::path::{Path, PathBuf};

use dialect::{
    CapabilityWishes, DeviceWish, NetworkWish, RlimitWish, RootWish, SandboxWishes, SeccompWish,
};
use executor_core::{Fault, StartFailure};
use mesos_proto::v1::capability_info;
use mesos_proto::v1::r_limit_info::r_limit::Type as RlimitType;
use nix::unistd::{getegid, geteuid};
use sandbox::identity::Identity;
use sandbox::seccomp::{Profile, Profiles};
use sandbox::{
    Bound, Capabilities, Capability, CapabilitySet, Filesystem, IdMap, IdRange, Network, Plan,
    PrivateFiles, Privileges, Propagation, Resource, Rlimit, Root, Shm, Source, Volume,
};

use super::failure;
use super::host_files::HostFiles;
use super::volumes::Places;

/// Where a task with a root directory of its own has its sandbox (Mesos: the agent's flag `sandbox_directory`).
pub(super) const SANDBOX_IN_ROOT: &str = "/mnt/mesos/sandbox";

/// Where a root directory that is fetched is unpacked, in the task's own directory: it counts there.
pub(super) const FETCHED_ROOT: &str = ".root";

/// Where a task is.
pub(super) struct Ground<'a> {
    /// What all tasks of the executor see.
    pub(super) files: &'a HostFiles,
    /// The executor's sandbox.
    pub(super) executor: &'a Path,
    /// The task's directory on the host.
    pub(super) sandbox: &'a Path,
    /// The image that the agent has made for it, and where the task sees its sandbox in it.
    pub(super) image: Option<(&'a Path, &'a Path)>,
    /// Who it runs as, when that is not who the executor is.
    pub(super) identity: Option<&'a Identity>,
    /// The devices that it has beside the usual ones.
    pub(super) devices: &'a [DeviceWish],
    /// The soft limit of open descriptors that it has when it asks for none.
    pub(super) descriptor_limit: Option<u64>,
    /// Lists of system calls that have a name.
    pub(super) profiles: &'a Profiles,
}

/// What a plan says of a task's isolation.
pub(super) struct Isolation {
    filesystem: Filesystem,
    network: Network,
    users: Option<IdMap>,
    privileges: Privileges,
    privileges_for_fetching: Privileges,
    rlimits: Vec<Rlimit>,
    umask: u32,
    oom_score_adjustment: i32,
    hostname: Option<String>,
}

impl Isolation {
    /// What `wishes` come to on this ground. Blocks for as long as the file system does.
    pub(super) fn of(wishes: &SandboxWishes, ground: &Ground<'_>) -> Result<Self, StartFailure> {
        let places = ground.places();
        let users = match wishes.users_mapped {
            true => Some(map_of(ground.identity)?),
            false => None,
        };
        let filesystem = match ground.files.private {
            true => ground.private(wishes, &places)?,
            false => ground.hosts_as_it_is(wishes)?,
        };
        Ok(Self {
            filesystem,
            network: match &wishes.network {
                None | Some(NetworkWish::Host) => Network::Host,
                Some(NetworkWish::Own) => Network::Own,
                Some(NetworkWish::Join(path)) => Network::Join(path.into()),
            },
            privileges: ground.privileges(wishes, users.is_some())?,
            privileges_for_fetching: Privileges::of_default(ground.identity),
            users,
            rlimits: rlimits(&wishes.rlimits, ground.descriptor_limit),
            umask: wishes.umask.unwrap_or(UMASK),
            oom_score_adjustment: wishes.oom_score.map_or(OOM_SCORE_ADJUSTMENT, i32::from),
            hostname: wishes.hostname.clone(),
        })
    }

    /// Where the task sees its directory.
    pub(super) fn sandbox_inside(&self) -> Option<&Path> {
        match &self.filesystem {
            Filesystem::Host => None,
            Filesystem::Private(files) => Some(&files.sandbox_inside),
        }
    }

    /// The plan of the task itself.
    pub(super) fn of_task(&self, plan: Plan) -> Plan {
        Plan {
            filesystem: self.filesystem.clone(),
            network: self.network.clone(),
            users: self.users.clone(),
            privileges: self.privileges.clone(),
            rlimits: self.rlimits.clone(),
            umask: self.umask,
            oom_score_adjustment: self.oom_score_adjustment,
            hostname: self.hostname.clone(),
            ..plan
        }
    }

    /// The plan of what fetches the task's files: this program alone, from the host's files and network, where the
    /// framework says that they are, with the rights that the task's user has to them.
    pub(super) fn of_fetching(&self, plan: Plan) -> Plan {
        Plan {
            filesystem: Filesystem::Host,
            privileges: self.privileges_for_fetching.clone(),
            oom_score_adjustment: self.oom_score_adjustment,
            ..plan
        }
    }
}

/// What files of a task are not open to: writing by others.
const UMASK: u32 = 0o022;

/// Well before the executor, and so before what reports a task's end, the agent, and most of the host.
const OOM_SCORE_ADJUSTMENT: i32 = 200;

impl Ground<'_> {
    pub(super) fn places(&self) -> Places<'_> {
        Places {
            executor: self.executor,
            task: self.sandbox,
            work_directory: self.files.work_directory.as_deref(),
            owner: self.identity,
        }
    }

    /// The host's files, of which the task can write to its directory alone.
    fn hosts(&self) -> PrivateFiles {
        let mut files = PrivateFiles::of_host(self.sandbox);
        // Its own directory is below one of these, or beside all of them.
        let is_above = |hidden: &PathBuf| !hidden.starts_with(self.sandbox);
        files.hidden.extend(
            self.files
                .hidden
                .iter()
                .filter(|one| is_above(one))
                .cloned(),
        );
        let fetched = self.files.fetched.iter();
        files
            .visible
            .extend(fetched.map(|name| self.executor.join(name)));
        files
    }

    fn private(
        &self,
        wishes: &SandboxWishes,
        places: &Places<'_>,
    ) -> Result<Filesystem, StartFailure> {
        let volumes = wishes.volumes.iter();
        let is_in_image = |wish: &&dialect::VolumeWish| {
            self.image.is_some() && matches!(wish.source, dialect::VolumeSource::Agents(_))
        };
        // What the agent has mounted in an image comes with the image.
        let volumes = volumes.filter(|wish| !is_in_image(wish));
        let devices = self.devices.iter().map(|wish| Ok(device(wish)));
        let volumes: Vec<Volume> = volumes
            .map(|wish| places.volume(wish))
            .chain(devices)
            .collect::<Result<_, _>>()?;
        let root = match (&wishes.root, self.image) {
            (None, None) => None,
            (None, Some((image, inside))) => Some((image.to_owned(), inside.to_owned(), true)),
            (Some(_), Some(_)) => {
                return Err(StartFailure {
                    fault: Fault::Framework,
                    message: "the task asks for a root directory, and has an image".to_owned(),
                });
            }
            (Some(RootWish::Directory(root)), None) => {
                Some((root.into(), SANDBOX_IN_ROOT.into(), false))
            }
            (Some(RootWish::Archive(_)), None) => {
                let root = self.sandbox.join(FETCHED_ROOT);
                Some((root, SANDBOX_IN_ROOT.into(), true))
            }
        };
        let mut files = match root {
            None => self.hosts(),
            Some((path, sandbox_inside, writable)) => PrivateFiles {
                root: Root::Directory { path, writable },
                sandbox_inside,
                hidden: Vec::new(),
                visible: Vec::new(),
                ..PrivateFiles::of_host(self.sandbox)
            },
        };
        if files.sandbox.parent().is_none() {
            return Err(StartFailure {
                fault: Fault::Task,
                message:
                    "the host's root directory cannot be a sandbox: nothing would be outside of it"
                        .to_owned(),
            });
        }
        files.hidden.extend(wishes.hidden.iter().map(PathBuf::from));
        files.volumes = volumes;
        if let Some(bytes) = wishes.shm_size {
            files.shm = Shm::Memory { bytes };
        }
        Ok(Filesystem::Private(files))
    }

    fn privileges(
        &self,
        wishes: &SandboxWishes,
        is_mapped: bool,
    ) -> Result<Privileges, StartFailure> {
        let default = Privileges::of_default(self.identity);
        let capabilities = match (&wishes.capabilities, is_mapped) {
            (Some(wish), _) => capabilities(wish),
            // Of its own namespace.
            (None, true) => Capabilities::OF_ROOT,
            (None, false) => default.capabilities,
        };
        let seccomp = match &wishes.seccomp {
            None => Some(Profile::default_for(&capabilities)),
            Some(SeccompWish::Unconfined) => None,
            Some(SeccompWish::Profile(name)) => {
                let profile = self.profiles.named(name, &capabilities);
                Some(profile.map_err(|error| failure(Fault::Host, &error))?)
            }
        };
        Ok(Privileges {
            capabilities,
            seccomp,
            ..default
        })
    }

    /// An image is entered all the same: it is what the task asked the agent for.
    fn hosts_as_it_is(&self, wishes: &SandboxWishes) -> Result<Filesystem, StartFailure> {
        let is_ours = |wish: &dialect::VolumeWish| {
            use dialect::VolumeSource::{Agents, ExecutorSandbox, Host, Persistent, TaskSandbox};
            match wish.source {
                Host { .. } | ExecutorSandbox(_) | TaskSandbox(_) => true,
                // They are where the agent has put them.
                Agents(_) | Persistent(_) => false,
            }
        };
        let asked = [
            (wishes.root.is_some(), "a root directory"),
            (wishes.volumes.iter().any(is_ours), "volumes"),
            (!wishes.hidden.is_empty(), "files to be hidden"),
            (wishes.shm_size.is_some(), "shared memory of a size"),
        ];
        if let Some((_, what)) = asked.into_iter().find(|(asked, _)| *asked) {
            return Err(StartFailure {
                fault: Fault::Task,
                message: HostFiles::not_private(what),
            });
        }
        Ok(match self.image {
            None => Filesystem::Host,
            Some((image, inside)) => Filesystem::Private(PrivateFiles {
                root: Root::Directory {
                    path: image.to_owned(),
                    writable: true,
                },
                sandbox_inside: inside.to_owned(),
                hidden: Vec::new(),
                visible: Vec::new(),
                ..PrivateFiles::of_host(self.sandbox)
            }),
        })
    }
}

/// A device's node, from the host's `/dev` to the task's own.
fn device(wish: &DeviceWish) -> Volume {
    Volume {
        source: Source::Host(wish.path.clone().into()),
        target: wish.path.clone().into(),
        read_only: !wish.write,
        propagation: Propagation::Private,
    }
}

/// Root inside, and the task's user outside.
fn map_of(identity: Option<&Identity>) -> Result<IdMap, StartFailure> {
    let (uid, gid) = identity.map_or_else(
        || (geteuid().as_raw(), getegid().as_raw()),
        |identity| (identity.uid, identity.gid),
    );
    if uid == 0 {
        return Err(StartFailure {
            fault: Fault::Task,
            message: "the task asks for users of its own and runs as root, who would still be root outside: name a user"
                .to_owned(),
        });
    }
    let one = |inside, outside| IdRange {
        inside,
        outside,
        count: 1,
    };
    // Only root can map more than his own.
    let others = identity.map_or(&[][..], |identity| &identity.groups);
    let others = others.iter().filter(|other| **other != gid && **other != 0);
    Ok(IdMap {
        users: vec![one(0, uid)],
        groups: std::iter::once(one(0, gid))
            .chain(others.map(|other| one(*other, *other)))
            .collect(),
    })
}

fn capabilities(wish: &CapabilityWishes) -> Capabilities {
    let set = |list: &[capability_info::Capability]| -> CapabilitySet {
        // Both know the same names.
        let known = list
            .iter()
            .filter_map(|one| Capability::named(one.as_str_name()));
        known.collect()
    };
    Capabilities {
        bounding: set(&wish.bounding),
        effective: set(&wish.effective),
        ambient: set(&wish.ambient),
    }
}

fn rlimits(wishes: &[RlimitWish], descriptors: Option<u64>) -> Vec<Rlimit> {
    let bound = |number: Option<u64>| number.map_or(Bound::Unlimited, Bound::At);
    let asked = wishes.iter().filter_map(|wish| {
        Some(Rlimit {
            resource: resource(wish.kind)?,
            soft: bound(wish.soft),
            hard: bound(wish.hard),
        })
    });
    let mut limits: Vec<Rlimit> = asked.collect();
    let is_files = |limit: &Rlimit| limit.resource == Resource::OpenFiles;
    if let Some(soft) = descriptors
        && !limits.iter().any(is_files)
    {
        limits.push(descriptor_limit(soft));
    }
    limits
}

/// A soft limit of open descriptors, or the hard one when that is lower.
pub(super) fn descriptor_limit(soft: u64) -> Rlimit {
    Rlimit {
        resource: Resource::OpenFiles,
        soft: Bound::At(soft),
        hard: Bound::Inherited,
    }
}

fn resource(kind: RlimitType) -> Option<Resource> {
    Some(match kind {
        RlimitType::RlmtAs => Resource::AddressSpace,
        RlimitType::RlmtCore => Resource::Core,
        RlimitType::RlmtCpu => Resource::Cpu,
        RlimitType::RlmtData => Resource::Data,
        RlimitType::RlmtFsize => Resource::FileSize,
        RlimitType::RlmtLocks => Resource::Locks,
        RlimitType::RlmtMemlock => Resource::LockedMemory,
        RlimitType::RlmtMsgqueue => Resource::MessageQueues,
        RlimitType::RlmtNice => Resource::Nice,
        RlimitType::RlmtNofile => Resource::OpenFiles,
        RlimitType::RlmtNproc => Resource::Processes,
        RlimitType::RlmtRss => Resource::ResidentSet,
        RlimitType::RlmtRtprio => Resource::RealtimePriority,
        RlimitType::RlmtRttime => Resource::RealtimeTime,
        RlimitType::RlmtSigpending => Resource::PendingSignals,
        RlimitType::RlmtStack => Resource::Stack,
        // The dialect has refused it.
        RlimitType::Unknown => return None,
    })
}
