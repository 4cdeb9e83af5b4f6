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

const V2_MOUNT: &str = "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n";

/// A host with v2 alone, on which we are in the cgroup `own` together with `processes`.
fn v2(own: &str, processes: &str) -> (tempfile::TempDir, PathBuf) {
    let root = tree(V2_MOUNT, &format!("0::/{own}\n"));
    let mount = root.path().join("sys/fs/cgroup");
    with_v2_controllers(&root, "sys/fs/cgroup", "cpuset cpu io memory pids\n");
    let own = mount.join(own);
    fs::create_dir_all(&own).unwrap();
    fs::write(own.join("cgroup.controllers"), "memory pids\n").unwrap();
    fs::write(own.join("cgroup.procs"), processes).unwrap();
    (root, own)
}

fn delegate(own: &Path) {
    let create = rustix::fs::XattrFlags::empty();
    rustix::fs::setxattr(own, "user.delegate", b"1", create).unwrap();
}

fn us() -> String {
    format!("{}\n", std::process::id())
}

#[test]
fn a_delegated_cgroup_with_nobody_else_in_it_is_ours() {
    let (root, own) = v2("system.slice/run-1.service", &us());
    delegate(&own);
    let host = Host::detect(root.path()).unwrap();
    assert_eq!(anchor_of(&host, Controller::Memory), own);
    assert_eq!(host.missing(), [Controller::Cpu], "it was not delegated");
    let hierarchy = &host.hierarchies[0];
    assert_eq!(hierarchy.cgroup, Path::new("/system.slice/run-1.service"));
    assert_eq!(hierarchy.leaf, Some(own.join(own_v2::LEAF)));
}

#[test]
fn a_cgroup_that_was_not_delegated_is_not_touched() {
    let (root, _) = v2("system.slice/run-1.service", &us());
    let host = Host::detect(root.path()).unwrap();
    let mount = root.path().join("sys/fs/cgroup");
    assert_eq!(anchor_of(&host, Controller::Memory), mount);
    assert_eq!(host.hierarchies[0].leaf, None);
}

#[test]
fn a_delegated_cgroup_in_which_others_are_is_theirs() {
    // The one who started us; a process that nobody knows any more; one outside our pid namespace.
    let parent = nix::unistd::getppid();
    for other in [parent.to_string(), "4000000".to_owned(), "0".to_owned()] {
        let (root, own) = v2("system.slice/agent.service", &format!("{}{other}\n", us()));
        delegate(&own);
        let host = Host::detect(root.path()).unwrap();
        let mount = root.path().join("sys/fs/cgroup");
        assert_eq!(anchor_of(&host, Controller::Memory), mount, "{other}");
    }
}

#[test]
fn what_we_have_started_counts_as_ours() {
    let (root, own) = v2("system.slice/run-1.service", &format!("{}70\n71\n", us()));
    delegate(&own);
    let us = std::process::id();
    for (pid, name, parent) in [(70, "a) S 1 (b", us), (71, "sleep", 70)] {
        let process = root.path().join(format!("proc/{pid}"));
        fs::create_dir_all(&process).unwrap();
        let stat = format!("{pid} ({name}) S {parent} {pid} 0 0\n");
        fs::write(process.join("stat"), stat).unwrap();
    }
    let host = Host::detect(root.path()).unwrap();
    assert_eq!(anchor_of(&host, Controller::Memory), own);
}

#[test]
fn who_starts_in_the_leaf_finds_what_was_delegated() {
    let (root, own) = v2(&format!("run-1.service/{}", own_v2::LEAF), "1\n2\n");
    let delegated = own.parent().unwrap();
    fs::write(delegated.join("cgroup.controllers"), "memory\n").unwrap();
    let host = Host::detect(root.path()).unwrap();
    assert_eq!(anchor_of(&host, Controller::Memory), delegated);
}

#[test]
fn in_a_container_the_root_that_is_seen_is_one_like_any_other() {
    let (root, own) = v2("", &us());
    fs::write(own.join("cgroup.type"), "domain\n").unwrap();
    let host = Host::detect(root.path()).unwrap();
    assert_eq!(host.hierarchies[0].leaf, Some(own.join(own_v2::LEAF)));
}
