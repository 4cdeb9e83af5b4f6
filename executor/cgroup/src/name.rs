//! Directory names from ids that others chose.

/// The longest name given out: short of the kernel's 255 so that a suffix still fits.
const MAXIMUM: usize = 160;

/// File names that a cgroup directory of some version holds beside those with a controller's
/// prefix, and `mesos`, which the agent reads as the mark of a nested container of its own and
/// would destroy (Mesos: src/slave/containerizer/mesos/paths.cpp, `CGROUP_SEPARATOR`).
const TAKEN: [&str; 4] = ["mesos", "notify_on_release", "release_agent", "tasks"];

/// What stands before the first dot in the control files of a cgroup directory.
const CONTROLLERS: [&str; 20] = [
    "blkio",
    "cgroup",
    "cpu",
    "cpuacct",
    "cpuset",
    "debug",
    "devices",
    "dmem",
    "freezer",
    "hugetlb",
    "io",
    "irq",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
    "rdma",
    "zswap",
];

/// A directory name for `id`, safe in any cgroup hierarchy and file system: the id itself when it
/// is harmless, else a readable remainder and `~` with a hash of the whole id.
///
/// Harmless is at most 160 bytes of ASCII letters, digits, `_`, `-` and `.`, not starting with a
/// dot, and no name that cgroupfs uses itself. Since `~` is not harmless, a changed name never
/// equals an unchanged one.
pub fn safe_name(id: &str) -> String {
    if is_harmless(id) {
        return id.to_owned();
    }
    let readable: String = id
        .chars()
        .map(|c| if is_safe(c) { c } else { '_' })
        .take(MAXIMUM - "~0123456789abcdef".len())
        .collect();
    // A dot or a controller in front would be as harmful with the suffix as without.
    let readable = readable.replace('.', "_");
    format!("{readable}~{:016x}", fnv1a(id.as_bytes()))
}

fn is_safe(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

fn is_harmless(id: &str) -> bool {
    let prefix = id.split('.').next().unwrap_or_default();
    let is_control_file = prefix.len() < id.len() && CONTROLLERS.contains(&prefix);
    (1..=MAXIMUM).contains(&id.len())
        && id.chars().all(is_safe)
        && !id.starts_with('.')
        && !TAKEN.contains(&id)
        && !is_control_file
}

/// The 64-bit FNV-1a hash: stable over releases, which the standard library's is not. That it can
/// be collided on purpose does no harm: the second directory of a name is refused.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_id_is_its_own_name() {
        for id in [
            "oom-cmd",
            "web.instance-9b2c._app.1",
            "a",
            "765c8db8-a37e-424f-84c2-701c0cc3eb9c",
        ] {
            assert_eq!(safe_name(id), id);
        }
    }

    #[test]
    fn a_hostile_id_becomes_one_plain_component() {
        let long = "x".repeat(255);
        let wide = "é".repeat(127);
        for id in [
            "",
            ".",
            "..",
            "a/b",
            "a|b|c",
            "mesos",
            "tasks",
            "memory.max",
            "a\0b",
            &long,
            &wide,
        ] {
            let name = safe_name(id);
            assert!(name.len() <= MAXIMUM, "{name}");
            assert!(!name.contains(['/', '\0', '.', '|']), "{name}");
            assert!(name.contains('~'), "{id:?} -> {name}");
        }
    }

    #[test]
    fn ids_that_read_alike_keep_different_names() {
        assert_ne!(safe_name("a|b"), safe_name("a:b"));
        let (one, two) = ("x".repeat(200), "x".repeat(201));
        assert_ne!(safe_name(&one), safe_name(&two));
    }

    #[test]
    fn a_name_given_out_cannot_be_claimed_by_another_id() {
        let given = safe_name("a|b");
        assert_ne!(safe_name(&given), given);
    }
}
