use std::fmt;
use std::path::{Component, Path, PathBuf};

use crate::Error;
use crate::kernel_file::{read, read_if_present};
use crate::mountinfo::{CgroupMount, Kind, cgroup_mounts};
use crate::own_cgroup::{OwnCgroup, own_cgroups};
use crate::version::Version;

/// The directory, below the anchor of each hierarchy, that holds nothing but our executors'.
pub(crate) const TOP: &str = "mesos-sandbox-executor";

/// A controller this crate uses. On v2 the freezer is part of every cgroup and no controller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Controller {
    /// Cpu time.
    Cpu,
    /// Memory.
    Memory,
    /// Number of processes and threads.
    Pids,
    /// Stopping every process at once (v1).
    Freezer,
    /// Counting cpu time; on v2 part of [`Controller::Cpu`].
    CpuAccounting,
    /// Where to run.
    Cpuset,
    /// Disks; `blkio` on v1.
    Io,
    /// Which devices can be opened; on v2 no controller but a program.
    Devices,
}

impl Controller {
    const ALL: [Controller; 4] = [
        Controller::Cpu,
        Controller::Memory,
        Controller::Pids,
        Controller::Freezer,
    ];

    /// The kernel's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Controller::Cpu => "cpu",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Freezer => "freezer",
            Controller::CpuAccounting => "cpuacct",
            Controller::Cpuset => "cpuset",
            Controller::Io => "io",
            Controller::Devices => "devices",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

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
    /// process's own, on v2 the root.
    pub(crate) cgroup: PathBuf,
    /// The directory where that is seen.
    pub(crate) anchor: PathBuf,
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
        Controller::ALL
            .into_iter()
            .filter(|controller| *controller != Controller::Freezer && !self.has(*controller))
            .collect()
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
            let has = |c: &Controller| options.iter().any(|option| option == c.name());
            let controllers: Vec<_> = Controller::ALL.into_iter().filter(has).collect();
            let Some(first) = controllers.first() else {
                return Ok(None);
            };
            let ours = own
                .iter()
                .find(|line| line.controllers.iter().any(|c| c == first.name()));
            let Some(ours) = ours else {
                return Ok(None);
            };
            let anchor = visible(&ours.path, &mount.root);
            Ok(anchor.map(|anchor| Hierarchy {
                version: Version::V1,
                controllers,
                cgroup: ours.path.clone(),
                anchor: below(&directory, &anchor),
            }))
        }
        Kind::V2 => {
            // Always the root: our own cgroup has a process, us, so that its children get no
            // controllers (the no-internal-process rule of cgroups(7)).
            let path = directory.join("cgroup.controllers");
            let available = read_if_present(&path)?.unwrap_or_default();
            let has = |c: &Controller| available.split_whitespace().any(|name| name == c.name());
            let controllers: Vec<_> = Controller::ALL.into_iter().filter(has).collect();
            Ok((!controllers.is_empty()).then_some(Hierarchy {
                version: Version::V2,
                controllers,
                cgroup: mount.root.clone(),
                anchor: directory,
            }))
        }
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
mod tests {
    use super::*;
    use std::fs;

    const V1_MOUNTS: &str = "\
        31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n\
        32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
        35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
        36 31 0:33 / /sys/fs/cgroup/devices rw - cgroup cgroup rw,devices\n\
        37 31 0:34 / /sys/fs/cgroup/freezer rw - cgroup cgroup rw,freezer\n\
        39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
        40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";
    const V2_BESIDE: &str = "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
    const V1_OWN: &str =
        "8:pids:/\n6:freezer:/mesos/c1\n4:memory:/mesos/c1\n1:cpu,cpuacct:/mesos/c1\n0::/\n";

    fn tree(mountinfo: &str, cgroup: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("proc/self")).unwrap();
        fs::write(root.path().join("proc/self/mountinfo"), mountinfo).unwrap();
        fs::write(root.path().join("proc/self/cgroup"), cgroup).unwrap();
        root
    }

    fn with_v2_controllers(root: &tempfile::TempDir, mount_point: &str, controllers: &str) {
        let directory = root.path().join(mount_point);
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("cgroup.controllers"), controllers).unwrap();
    }

    fn anchor_of(host: &Host, controller: Controller) -> &Path {
        let serves = |h: &&Hierarchy| h.controllers.contains(&controller);
        &host.hierarchies.iter().find(serves).unwrap().anchor
    }

    #[test]
    fn on_v1_ours_hang_below_the_executors_own_cgroup() {
        let root = tree(V1_MOUNTS, V1_OWN);
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.mode(), Mode::Legacy);
        assert_eq!(host.missing(), []);
        let mount = root.path().join("sys/fs/cgroup");
        assert_eq!(
            anchor_of(&host, Controller::Cpu),
            mount.join("cpu,cpuacct/mesos/c1")
        );
        assert_eq!(
            anchor_of(&host, Controller::Freezer),
            mount.join("freezer/mesos/c1")
        );
        assert_eq!(anchor_of(&host, Controller::Pids), mount.join("pids"));
    }

    #[test]
    fn beside_v1_a_v2_hierarchy_without_controllers_is_not_used() {
        let root = tree(&format!("{V1_MOUNTS}{V2_BESIDE}"), V1_OWN);
        with_v2_controllers(&root, "sys/fs/cgroup/unified", "\n");
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.mode(), Mode::Hybrid);
        assert!(
            host.hierarchies
                .iter()
                .all(|hierarchy| hierarchy.version == Version::V1)
        );
    }

    #[test]
    fn in_hybrid_mode_each_controller_is_taken_from_where_it_is() {
        let v1: String = V1_MOUNTS
            .lines()
            .filter(|l| !l.contains("pids"))
            .map(|l| format!("{l}\n"))
            .collect();
        let root = tree(&format!("{v1}{V2_BESIDE}"), V1_OWN);
        with_v2_controllers(&root, "sys/fs/cgroup/unified", "hugetlb pids\n");
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.missing(), []);
        assert_eq!(
            anchor_of(&host, Controller::Pids),
            root.path().join("sys/fs/cgroup/unified")
        );
        assert!(anchor_of(&host, Controller::Memory).ends_with("memory/mesos/c1"));
    }

    #[test]
    fn on_v2_ours_hang_below_the_root() {
        let root = tree(
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/system.slice/agent\n",
        );
        with_v2_controllers(&root, "sys/fs/cgroup", "cpuset cpu io memory pids\n");
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.mode(), Mode::Unified);
        assert_eq!(host.missing(), []);
        assert_eq!(
            anchor_of(&host, Controller::Memory),
            root.path().join("sys/fs/cgroup")
        );
    }

    #[test]
    fn a_controller_nowhere_mounted_is_missing() {
        let root = tree(
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "4:memory:/\n",
        );
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.missing(), [Controller::Cpu, Controller::Pids]);
    }

    #[test]
    fn a_mount_that_shows_only_our_part_of_the_hierarchy_is_followed() {
        let root = tree(
            "35 31 0:32 /docker/d1 /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            "4:memory:/docker/d1/job\n",
        );
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(
            anchor_of(&host, Controller::Memory),
            root.path().join("sys/fs/cgroup/memory/job")
        );
    }

    #[test]
    fn a_mount_that_does_not_show_our_own_cgroup_is_not_used() {
        for own in ["4:memory:/elsewhere\n", "4:memory:/docker/d1/../d2\n"] {
            let root = tree(
                "35 31 0:32 /docker/d1 /m rw - cgroup cgroup rw,memory\n",
                own,
            );
            assert!(
                matches!(Host::detect(root.path()), Err(Error::NoHierarchy { .. })),
                "{own}"
            );
        }
    }

    #[test]
    fn a_missing_file_is_named() {
        let root = tempfile::tempdir().unwrap();
        let error = Host::detect(root.path()).unwrap_err().to_string();
        assert!(
            error.contains("proc/self/mountinfo: No such file"),
            "{error}"
        );
    }

    #[test]
    fn only_hierarchies_that_have_the_containers_own_cgroup_are_within_it() {
        let root = tree(V1_MOUNTS, V1_OWN);
        let host = Host::detect(root.path()).unwrap().within("c1");
        assert_eq!(host.missing(), [Controller::Pids]);
        for controller in [Controller::Cpu, Controller::Memory, Controller::Freezer] {
            assert!(anchor_of(&host, controller).ends_with("mesos/c1"));
        }
    }

    #[test]
    fn a_v2_hierarchy_whose_root_ours_hang_below_is_not_within_a_container() {
        let v1 = V1_MOUNTS.replace("rw,pids", "rw,perf_event");
        let own = V1_OWN.replace("0::/", "0::/mesos/c1");
        let root = tree(&format!("{v1}{V2_BESIDE}"), &own);
        with_v2_controllers(&root, "sys/fs/cgroup/unified", "pids\n");
        let host = Host::detect(root.path()).unwrap();
        assert_eq!(host.missing(), []);
        assert_eq!(host.within("c1").missing(), [Controller::Pids]);
    }

    /// P-40.
    #[test]
    fn an_agent_that_manages_v2_itself_is_known_by_the_leaf_of_the_container() {
        for (own, manages) in [
            ("0::/mesos/c1/leaf\n", true),
            ("0::/mesos/c2/leaf\n", false),
            ("0::/mesos/c1\n", false),
            ("0::/system.slice/mesos-agent.service\n", false),
        ] {
            let root = tree("30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", own);
            with_v2_controllers(&root, "sys/fs/cgroup", "cpu memory pids\n");
            let host = Host::detect(root.path()).unwrap();
            assert_eq!(host.agent_manages_v2("c1"), manages, "{own}");
            let rest = host.without_v2();
            assert_eq!(
                rest.missing(),
                [Controller::Cpu, Controller::Memory, Controller::Pids]
            );
        }
    }

    #[test]
    fn without_a_freezer_cgroup_of_the_containers_own_no_hierarchy_is_left_out() {
        let of_another_launcher = V1_OWN.replace("freezer:/mesos/c1", "freezer:/");
        let v2_mounts = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";
        for (mounts, own, container) in [
            (V1_MOUNTS, V1_OWN, "c2"),
            (V1_MOUNTS, V1_OWN, "c"),
            (V1_MOUNTS, V1_OWN, "mesos/c1"),
            (V1_MOUNTS, &of_another_launcher, "c1"),
            (v2_mounts, "0::/mesos/c1\n", "c1"),
        ] {
            let root = tree(mounts, own);
            with_v2_controllers(&root, "sys/fs/cgroup", "cpu memory pids\n");
            let host = Host::detect(root.path()).unwrap();
            assert_eq!(host.clone().within(container), host, "{container} in {own}");
        }
    }
}
