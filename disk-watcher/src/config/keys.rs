//! Every key there is, once: the file, the flags and the environment are read by this table.

/// A setting with one value.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file: table and name.
    pub(super) path: &'static str,
    /// What a value looks like, in `--help`.
    pub(super) value: &'static str,
    /// What it does, in `--help`.
    pub(super) help: &'static str,
}

impl Key {
    /// The flag, without its dashes.
    pub(super) fn flag(&self) -> String {
        self.path.replace(['.', '_'], "-")
    }

    /// The variable of the environment.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.path.replace('.', "_").to_uppercase())
    }
}

/// What all of our variables begin with.
pub(super) const PREFIX: &str = "MESOS_DISK_WATCHER_";
/// The one that names the file itself.
pub(crate) const FILE_VARIABLE: &str = "MESOS_DISK_WATCHER_CONFIG";

macro_rules! keys {
    ($($name:ident = $path:literal, $value:literal, $help:literal;)*) => {
        $(pub(super) const $name: &Key = &Key { path: $path, value: $value, help: $help };)*
        /// All of them, in the order of `--help`.
        pub(super) const ALL: &[&Key] = &[$($name),*];
    };
}

keys! {
    WORK_DIR = "work_dir", "DIR", "The agent's --work_dir, often /var/lib/mesos";
    INTERVAL = "interval", "DURATION", "How often the agent is asked for its containers [default: 5secs]";
    LOG = "log", "LEVEL", "What to log on stderr: error, warn, info or debug [default: info]";
    AGENT_ADDRESS = "agent.address", "URL", "The agent, http://HOST:PORT or https://HOST:PORT; without it limits come from its checkpoints, and nothing is enforced";
    AGENT_CREDENTIAL_FILE = "agent.credential_file", "FILE", "Principal and secret for the agent, as Mesos's --credential has them";
    AGENT_CA_FILE = "agent.ca_file", "FILE", "Certificates in PEM that vouch for an https agent";
    MODE_DEFAULT = "mode.default", "MODE", "What is done about a breach where no rule says otherwise: observe, warn or enforce [default: observe]";
    LIMIT_DEFAULT = "limit.default", "BYTES", "The limit of containers without a disk resource, such as 10GB [default: none]";
    LIMIT_INODES = "limit.inodes", "COUNT", "How many files and directories a sandbox may have [default: any number]";
    LIMIT_SOFT_SHARE = "limit.soft_share", "SHARE", "The share of its limit at which a sandbox is warned of, over 0 and under 1; 0: never [default: 0.9]";
    LIMIT_GRACE = "limit.grace", "DURATION", "How long a confirmed breach may last before it is ended [default: 0secs]";
    COUNT_DELETED = "count.deleted", "BOOL", "Count what is deleted and still held open [default: true]";
    COUNT_MOUNTS = "count.mounts", "BOOL", "Count what is mounted below a sandbox [default: false]";
    COUNT_DU_COMPATIBLE = "count.du_compatible", "BOOL", "Count exactly as Mesos's disk/du does: mounts, but nothing deleted [default: false]";
    ENGINE_TRACKING = "engine.tracking", "BOOL", "Follow changes by fanotify; costs every writer of the file system a little [default: true]";
    ENGINE_QUOTA = "engine.quota", "USE", "Project quotas: off; observe those there are; assign our own [default: observe]";
    ENGINE_PROJECT_IDS = "engine.project_ids", "FROM-TO", "The project ids to assign, never those of the agent's own --xfs_project_range [default: 20000-29999]";
    ENGINE_IN_KERNEL = "engine.in_kernel", "BOOL", "Have the kernel refuse writes beyond a limit, by project quota [default: false]";
    ENGINE_CPU_BUDGET = "engine.cpu_budget", "CORES", "The most processor time that measuring takes [default: 0.2]";
    ENGINE_THREADS = "engine.threads", "COUNT", "Threads that walk, 1 to 64 [default: 2]";
    ENFORCE_METHODS = "enforce.methods", "LIST", "How a container may be ended, in this order: executor, agent, processes; none: never [default: all]";
    OUTPUT_EVENTS = "output.events", "FILE", "Append events there, a line of JSON each";
    OUTPUT_PROMETHEUS = "output.prometheus", "IP:PORT", "Serve metrics to Prometheus there";
    OUTPUT_GRAPHITE = "output.graphite", "URL", "Ship metrics to carbon, tcp://HOST:PORT";
    OUTPUT_GRAPHITE_PREFIX = "output.graphite_prefix", "PATH", "What Graphite's paths begin with, before this host's name [default: mesos]";
    OUTPUT_HOST = "output.host", "NAME", "This host's name in Graphite's paths [default: that of the system]";
    OUTPUT_SOCKET = "output.socket", "FILE", "Serve figures on this socket, to top and to mesos-stats-collector [default: in RUNTIME_DIRECTORY]";
}

/// The tables of the file.
pub(super) fn is_table(name: &str) -> bool {
    ALL.iter().any(|key| {
        key.path
            .split_once('.')
            .is_some_and(|(table, _)| table == name)
    })
}

/// The key of this path.
pub(super) fn find(path: &str) -> Option<&'static Key> {
    ALL.iter().find(|key| key.path == path).copied()
}

/// What somebody may have meant who wrote `written`: the nearest of `known`, if any is near.
pub(super) fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let most = written.chars().count().div_ceil(3).max(1);
    known
        .map(|key| (distance(written, key), key))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, key)| key.to_owned())
}

/// How many characters have to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, here) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, there) in other.iter().enumerate() {
            let changed = diagonal + usize::from(here != *there);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_suggested_and_nothing_far_off() {
        let known = || ALL.iter().map(|key| key.path);
        assert_eq!(nearest("intervall", known()).as_deref(), Some("interval"));
        let near = nearest("limit.soft-share", known());
        assert_eq!(near.as_deref(), Some("limit.soft_share"));
        assert_eq!(nearest("wholly.different.thing", known()), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }

    #[test]
    fn flags_and_variables_follow_from_the_key() {
        assert_eq!(LIMIT_SOFT_SHARE.flag(), "limit-soft-share");
        let variable = LIMIT_SOFT_SHARE.variable();
        assert_eq!(variable, "MESOS_DISK_WATCHER_LIMIT_SOFT_SHARE");
        let mut flags: Vec<String> = ALL.iter().map(|key| key.flag()).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), ALL.len(), "no two keys have one flag");
    }
}
