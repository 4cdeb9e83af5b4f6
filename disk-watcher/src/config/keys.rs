//! Every key there is, once: the file, the flags and the environment are read by this table.

use settings::{List, Schema};

/// Everything that may be said to the daemon.
pub(crate) static SCHEMA: Schema = Schema {
    prefix: "MESOS_DISK_WATCHER_",
    keys: ALL,
    lists: &[RULES],
};

/// What is done for whom, the first that fits.
pub(super) const RULES: &List = &List {
    path: "rule",
    keys: OF_RULES,
};

settings::keys! {
    pub(super) ALL:
    WORK_DIR = "work_dir", "DIR", "", "The agent's --work_dir, often /var/lib/mesos";
    INTERVAL = "interval", "DURATION", "5secs", "How often the agent is asked for its containers";
    LOG = "log", "LEVEL", "info", "What to log on stderr: error, warn, info or debug";
    AGENT_ADDRESS = "agent.address", "URL", "", "The agent, http://HOST:PORT or https://HOST:PORT; without it limits come from its checkpoints, and nothing is enforced";
    AGENT_CREDENTIAL_FILE = "agent.credential_file", "FILE", "", "Principal and secret for the agent, as Mesos's --credential has them";
    AGENT_CA_FILE = "agent.ca_file", "FILE", "", "Certificates in PEM that vouch for an https agent";
    MODE_DEFAULT = "mode.default", "MODE", "observe", "What is done about a breach where no rule says otherwise: observe, warn or enforce";
    LIMIT_DEFAULT = "limit.default", "BYTES", "none", "The limit of containers without a disk resource, such as 10GB";
    LIMIT_INODES = "limit.inodes", "COUNT", "any number", "How many files and directories a sandbox may have";
    LIMIT_SOFT_SHARE = "limit.soft_share", "SHARE", "0.9", "The share of its limit at which a sandbox is warned of, over 0 and under 1; 0: never";
    LIMIT_GRACE = "limit.grace", "DURATION", "0secs", "How long a confirmed breach may last before it is ended";
    COUNT_DELETED = "count.deleted", "BOOL", "true", "Count what is deleted and still held open";
    COUNT_MOUNTS = "count.mounts", "BOOL", "false", "Count what is mounted below a sandbox";
    COUNT_DU_COMPATIBLE = "count.du_compatible", "BOOL", "false", "Count exactly as Mesos's disk/du does: mounts, but nothing deleted";
    ENGINE_TRACKING = "engine.tracking", "BOOL", "true", "Follow changes by fanotify; costs every writer of the file system a little";
    ENGINE_QUOTA = "engine.quota", "USE", "observe", "Project quotas: off; observe those there are; assign our own";
    ENGINE_PROJECT_IDS = "engine.project_ids", "FROM-TO", "20000-29999", "The project ids to assign, never those of the agent's own --xfs_project_range";
    ENGINE_IN_KERNEL = "engine.in_kernel", "BOOL", "false", "Have the kernel refuse writes beyond a limit, by project quota";
    ENGINE_CPU_BUDGET = "engine.cpu_budget", "CORES", "0.2", "The most processor time that measuring takes";
    ENGINE_THREADS = "engine.threads", "COUNT", "2", "Threads that walk, 1 to 64";
    ENFORCE_METHODS = "enforce.methods", "LIST", "all", "How a container may be ended, in this order: executor, agent, processes; none: never";
    OUTPUT_EVENTS = "output.events", "FILE", "", "Append events there, a line of JSON each";
    OUTPUT_PROMETHEUS = "output.prometheus", "IP:PORT", "", "Serve metrics to Prometheus there";
    OUTPUT_GRAPHITE = "output.graphite", "URL", "", "Ship metrics to carbon, tcp://HOST:PORT";
    OUTPUT_GRAPHITE_PREFIX = "output.graphite_prefix", "PATH", "mesos", "What Graphite's paths begin with, before this host's name";
    OUTPUT_HOST = "output.host", "NAME", "that of the system", "This host's name in Graphite's paths";
    OUTPUT_SOCKET = "output.socket", "FILE", "in RUNTIME_DIRECTORY", "Serve figures on this socket, to top and to mesos-stats-collector";
}

settings::keys! {
    pub(super) OF_RULES:
    RULE_FRAMEWORK = "rule.framework", "PATTERN", "", "The framework's name";
    RULE_ROLE = "rule.role", "PATTERN", "", "The role of its resources";
    RULE_LABEL = "rule.label", "PATTERN", "", "A label of the task, KEY=VALUE";
    RULE_MODE = "rule.mode", "MODE", "", "What is done about a breach";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_and_variables_follow_from_the_key() {
        assert_eq!(LIMIT_SOFT_SHARE.flag(), "limit-soft-share");
        let variable = SCHEMA.variable(LIMIT_SOFT_SHARE);
        assert_eq!(variable, "MESOS_DISK_WATCHER_LIMIT_SOFT_SHARE");
        let mut flags: Vec<String> = ALL.iter().map(|key| key.flag()).collect();
        flags.sort();
        flags.dedup();
        assert_eq!(flags.len(), ALL.len(), "no two keys have one flag");
    }
}
