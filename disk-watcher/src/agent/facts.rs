//! How the agent itself treats disks, by its flags (Mesos: docs/configuration/agent.md).

use std::ops::RangeInclusive;
use std::path::PathBuf;

use serde::Deserialize;

/// Mesos's default of `--xfs_project_range`.
const PROJECT_RANGE: RangeInclusive<u32> = 5000..=10_000;

/// What the agent's flags tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Facts {
    pub(crate) work_dir: Option<PathBuf>,
    pub(crate) isolation: Isolation,
    /// Whether the agent itself ends what goes beyond its quota, or has the kernel refuse the write.
    pub(crate) enforces: bool,
    /// Where containers that the linux launcher starts have their cgroups.
    pub(crate) cgroups_root: Option<PathBuf>,
    pub(crate) has_linux_launcher: bool,
}

/// The isolator that looks at disks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Isolation {
    /// None does.
    Nobody,
    /// `disk/du`, by its old name `posix/disk`.
    Du,
    /// `disk/xfs`: project ids of this range are the agent's.
    Xfs { project_ids: RangeInclusive<u32> },
}

/// Reads the answer to `GET_FLAGS`.
pub(super) fn parse(body: &[u8]) -> Result<Facts, serde_json::Error> {
    let reply: Reply = serde_json::from_slice(body)?;
    let flags = reply.get_flags.flags;
    let value = |name: &str| {
        let flag = flags.iter().find(|flag| flag.name == name);
        flag.and_then(|flag| flag.value.as_deref())
    };
    let isolators: Vec<&str> = value("isolation").unwrap_or_default().split(',').collect();
    let isolation = if isolators
        .iter()
        .any(|name| matches!(*name, "disk/xfs" | "xfs/disk"))
    {
        let project_ids = value("xfs_project_range")
            .and_then(range)
            .unwrap_or(PROJECT_RANGE);
        Isolation::Xfs { project_ids }
    } else if isolators
        .iter()
        .any(|name| matches!(*name, "disk/du" | "posix/disk"))
    {
        Isolation::Du
    } else {
        Isolation::Nobody
    };
    Ok(Facts {
        work_dir: value("work_dir").map(Into::into),
        enforces: isolation != Isolation::Nobody
            && value("enforce_container_disk_quota") == Some("true"),
        isolation,
        cgroups_root: value("cgroups_root").map(Into::into),
        has_linux_launcher: value("launcher") == Some("linux"),
    })
}

/// `[5000-10000]`
fn range(text: &str) -> Option<RangeInclusive<u32>> {
    let inner = text.trim().strip_prefix('[')?.strip_suffix(']')?;
    let (begin, end) = inner.split_once('-')?;
    Some(begin.trim().parse().ok()?..=end.trim().parse().ok()?)
}

#[derive(Deserialize)]
struct Reply {
    get_flags: GetFlags,
}

#[derive(Deserialize)]
struct GetFlags {
    #[serde(default)]
    flags: Vec<Flag>,
}

#[derive(Deserialize)]
struct Flag {
    name: String,
    value: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(flags: &[(&str, &str)]) -> Facts {
        let flags: Vec<_> = flags
            .iter()
            .map(|(name, value)| serde_json::json!({"name": name, "value": value}))
            .collect();
        let body = serde_json::json!({"type": "GET_FLAGS", "get_flags": {"flags": flags}});
        parse(body.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_agent_with_disk_du_that_enforces_is_known() {
        let facts = of(&[
            ("isolation", "posix/cpu,posix/mem,disk/du"),
            ("enforce_container_disk_quota", "true"),
            ("work_dir", "/var/lib/mesos"),
        ]);
        assert_eq!(facts.isolation, Isolation::Du);
        assert!(facts.enforces);
        assert_eq!(facts.work_dir, Some("/var/lib/mesos".into()));
    }

    #[test]
    fn the_project_ids_of_disk_xfs_are_the_agents() {
        let isolation = |flags: &[(&str, &str)]| of(flags).isolation;
        let xfs = |project_ids| Isolation::Xfs { project_ids };
        assert_eq!(isolation(&[("isolation", "disk/xfs")]), xfs(5000..=10_000));
        let flags = [("isolation", "a,disk/xfs"), ("xfs_project_range", "[7-9]")];
        assert_eq!(isolation(&flags), xfs(7..=9));
    }

    #[test]
    fn a_quota_that_no_isolator_looks_at_is_enforced_by_nobody() {
        let facts = of(&[
            ("isolation", "posix/cpu"),
            ("enforce_container_disk_quota", "true"),
        ]);
        assert_eq!(facts.isolation, Isolation::Nobody);
        assert!(!facts.enforces);
    }
}
