//! Which hierarchies the host has, and where ours hang in each.

mod controller;
mod own_v2;

use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::kernel_file::read;
use crate::mountinfo::{CgroupMount, Kind, cgroup_mounts};
use crate::own_cgroup::{OwnCgroup, own_cgroups};
use crate::version::Version;
pub use controller::Controller;

/// The directory, below the anchor of each hierarchy, that holds nothing but our executors'.
pub(crate) const TOP: &str = "mesos-sandbox-executor";

/// How the host mounts its hierarchies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// v1 hierarchies only.
    Legacy,
    /// v1 hierarchies, and a v2 one beside them that may or may not have controllers.
    Hybrid,
    /// One v2 hierarchy.
    Unified,
}

/// One hierarchy that serves us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    pub(crate) version: Version,
    /// Of those we use, the ones that this hierarchy has; not empty.
    pub(crate) controllers: Vec<Controller>,
    /// The existing cgroup that [`TOP`] goes into, by its path within the hierarchy: on v1 this
    /// process's own; on v2 its own when that was delegated to it, else the root.
    pub(crate) cgroup: PathBuf,
    /// The directory where that is seen.
    pub(crate) anchor: PathBuf,
    /// On v2 a cgroup with processes cannot hand controllers down: whoever of us is in the anchor
    /// goes here first.
    pub(crate) leaf: Option<PathBuf>,
}

impl Hierarchy {
    /// The directory of our executors.
    pub(crate) fn top(&self) -> PathBuf {
        self.anchor.join(TOP)
    }
}

/// Which controllers the host has, in which hierarchy, and where ours hang.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    mode: Mode,
    hierarchies: Vec<Hierarchy>,
    /// This process's own cgroup on v2.
    own_v2: Option<PathBuf>,
}

impl Host {
    /// Reads `proc/self/mountinfo`, `proc/self/cgroup` and, for v2, `cgroup.controllers` under
    /// `root` (`/`, but for tests).
    ///
    /// # Errors
    /// A file that cannot be read or understood; [`Error::NoHierarchy`] when nothing is mounted
    /// that could limit anything.
    pub fn detect(root: &Path) -> Result<Host, Error> {
        let path = root.join("proc/self/mountinfo");
        let mounts = cgroup_mounts(&path, &read(&path)?)?;
        let path = root.join("proc/self/cgroup");
        let own = own_cgroups(&path, &read(&path)?)?;

        let mut hierarchies: Vec<Hierarchy> = Vec::new();
        for mount in &mounts {
            let Some(hierarchy) = usable(root, mount, &own)? else {
                continue;
            };
            // The same hierarchy can be mounted twice: the first mount that serves is enough.
            let is_new = |c: &&Controller| !hierarchies.iter().any(|h| h.controllers.contains(c));
            let controllers: Vec<_> = hierarchy
                .controllers
                .iter()
                .filter(is_new)
                .copied()
                .collect();
            if !controllers.is_empty() {
                hierarchies.push(Hierarchy {
                    controllers,
                    ..hierarchy
                });
            }
        }
        if hierarchies.is_empty() {
            return Err(Error::NoHierarchy {
                root: root.to_owned(),
            });
        }
        let has_v2 = mounts.iter().any(|mount| mount.kind == Kind::V2);
        let has_v1 = hierarchies
            .iter()
            .any(|hierarchy| hierarchy.version == Version::V1);
        let mode = match (has_v1, has_v2) {
            (true, false) => Mode::Legacy,
            (true, true) => Mode::Hybrid,
            (false, _) => Mode::Unified,
        };
        let own_v2 = own.iter().find(|line| line.controllers.is_empty());
        Ok(Host {
            mode,
            hierarchies,
            own_v2: own_v2.map(|line| line.path.clone()),
        })
    }

    /// The hierarchies in which what is made for `container` lies below its own cgroup, when Mesos
    /// has given it one (the linux launcher, which always does so in the freezer; Mesos:
    /// src/slave/containerizer/mesos/linux_launcher.cpp). With the container the agent kills and
    /// removes what is there, our own processes included, and never looks anywhere else: cgroups
    /// of the other hierarchies would stay for ever. Their controllers become
    /// [`Host::missing`].
    ///
    /// Without such a cgroup nothing is left out.
    pub fn within(mut self, container: &str) -> Host {
        let is_within = |hierarchy: &Hierarchy| {
            let mut components = hierarchy.cgroup.components();
            components.any(|component| component.as_os_str() == container)
        };
        let has_cgroup = self.hierarchies.iter().any(|hierarchy| {
            hierarchy.version == Version::V1
                && hierarchy.controllers.contains(&Controller::Freezer)
                && is_within(hierarchy)
        });
        if has_cgroup {
            self.hierarchies.retain(is_within);
        }
        self
    }

    /// Whether the agent itself manages v2 and has put `container` there: its processes are then in the cgroup `leaf` of
    /// the container's own (Mesos: src/slave/containerizer/mesos/paths.cpp). Cgroups of ours would take tasks out of
    /// what that agent accounts for, limits and kills.
    pub fn agent_manages_v2(&self, container: &str) -> bool {
        let own = self.own_v2.as_deref();
        own.is_some_and(|own| own.ends_with(Path::new(container).join("leaf")))
    }

    /// The hierarchies of v1 alone. The controllers of v2 become [`Host::missing`].
    pub fn without_v2(mut self) -> Host {
        self.hierarchies
            .retain(|hierarchy| hierarchy.version == Version::V1);
        self
    }

    /// How the hierarchies are mounted.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Whether `controller`'s limits can be enforced here. What is missing is left out of a
    /// cgroup without an error, so that a task runs with what can be had.
    pub fn has(&self, controller: Controller) -> bool {
        self.hierarchies
            .iter()
            .any(|hierarchy| hierarchy.controllers.contains(&controller))
    }

    /// The controllers among cpu, memory and pids that the host lacks.
    pub fn missing(&self) -> Vec<Controller> {
        let needed = [Controller::Cpu, Controller::Memory, Controller::Pids];
        let lacks = |controller: &Controller| !self.has(*controller);
        needed.into_iter().filter(lacks).collect()
    }

    pub(crate) fn hierarchies(&self) -> &[Hierarchy] {
        &self.hierarchies
    }
}

/// What `mount` can do for us; `None` when it has none of our controllers or our own cgroup is
/// not to be seen there.
fn usable(root: &Path, mount: &CgroupMount, own: &[OwnCgroup]) -> Result<Option<Hierarchy>, Error> {
    let directory = below(root, &mount.mount_point);
    match &mount.kind {
        Kind::V1 { options } => {
            let controllers = controller::of_v1_mount(options);
            let Some(first) = options.iter().find(|option| controller::is_v1(option)) else {
                return Ok(None);
            };
            let ours = own.iter().find(|line| line.controllers.contains(first));
            let Some(ours) = ours else {
                return Ok(None);
            };
            let anchor = visible(&ours.path, &mount.root);
            Ok(anchor.map(|anchor| Hierarchy {
                version: Version::V1,
                controllers,
                cgroup: ours.path.clone(),
                anchor: below(&directory, &anchor),
                leaf: None,
            }))
        }
        Kind::V2 => own_v2::usable(root, mount, &directory, own),
    }
}

/// Where the cgroup `own` appears below a mount that shows the hierarchy from `mount_root` on.
fn visible(own: &Path, mount_root: &Path) -> Option<PathBuf> {
    // A cgroup outside the cgroup namespace reads `/../x`.
    if own
        .components()
        .any(|component| component == Component::ParentDir)
    {
        return None;
    }
    own.strip_prefix(mount_root).ok().map(Path::to_owned)
}

/// `path` below `root`, whether it is absolute or not, without a slash at the end.
fn below(root: &Path, path: &Path) -> PathBuf {
    let relative = path.strip_prefix("/").unwrap_or(path);
    if relative.as_os_str().is_empty() {
        root.to_owned()
    } else {
        root.join(relative)
    }
}

#[cfg(test)]
mod tests;
