//! Every key there is, once: the file, the flags and the environment are read by this table.

use settings::{List, Schema};

/// Everything that may be said to the program.
pub(crate) static SCHEMA: Schema = Schema {
    prefix: "MESOS_STATS_COLLECTOR_",
    keys: ALL,
    lists: &[DESTINATIONS, KINDS],
};

/// Carbons, each with what is its own.
pub(super) const DESTINATIONS: &List = &List {
    path: "graphite.destination",
    keys: OF_DESTINATIONS,
};

/// What is otherwise for one kind of subject.
pub(super) const KINDS: &List = &List {
    path: "kind",
    keys: OF_KINDS,
};

settings::keys! {
    pub(super) ALL:
    INTERVAL = "interval", "DURATION", "10secs", "Time from scrape to scrape, in whole seconds; make it carbon's finest retention";
    TIMEOUT = "timeout", "DURATION", "5secs, or the interval if that is less", "The most time for one answer of the agent, for connecting to carbon and for one write to it";
    LOG = "log", "LEVEL", "info", "What to log on stderr: error, warn, info or debug";
    STATE_DIR = "state_dir", "DIR", "STATE_DIRECTORY, which systemd sets", "Where slots and spools are kept across restarts; without it neither is";
    WORK_DIR = "work_dir", "DIR", "", "The agent's --work_dir, often /var/lib/mesos: also ship what mesos-sandbox-executor publishes of each task; needs the rights to read there, which is root's", short "work-dir";
    DISK_WATCHER = "disk_watcher", "SOCKET", "", "The socket of mesos-disk-watcher, often /run/mesos-disk-watcher/figures.sock: also ship what it knows of each sandbox's disk; needs the rights to connect, which are root's and its group's", short "disk-watcher";
    MACHINE = "machine", "BOOL", "true", "Also the machine itself: processors, memory, load, pressure, disks, network";
    AGENT_ADDRESS = "agent.address", "URL", "the one that runs on this machine, by its own flags", "The agent, http://HOST:PORT or https://HOST:PORT", short "agent";
    AGENT_CREDENTIAL_FILE = "agent.credential_file", "FILE", "", "Principal and secret for the agent, as Mesos's --credential has them, or one token; of mode 0600, read at each question";
    AGENT_CA_FILE = "agent.ca_file", "FILE", "", "Certificates in PEM that vouch for an https agent";
    AGENT_CERTIFICATE_FILE = "agent.certificate_file", "FILE", "", "Our own certificate in PEM, for an agent that wants one";
    AGENT_KEY_FILE = "agent.key_file", "FILE", "", "The private key of agent.certificate_file in PEM; of mode 0600";
    AGENT_API = "agent.api", "VERSION", "v1", "Which of the agent's APIs lists containers: v1; or v0, /containers, which has neither nested nor standalone ones";
    AGENT_NESTED = "agent.nested", "BOOL", "true", "Also containers within others: tasks of pods, debug sessions";
    AGENT_STANDALONE = "agent.standalone", "BOOL", "true", "Also containers that no framework launched";
    AGENT_METRICS = "agent.metrics", "BOOL", "true", "Also the agent's own metrics";
    AGENT_UNKNOWN_FIELDS = "agent.unknown_fields", "BOOL", "false", "Also numbers of containers that this version does not know, as the agent calls them";
    AGENT_REFRESH = "agent.refresh", "DURATION", "5mins", "How often the agent's state is read for names and labels, when nothing unknown appears meanwhile; at least 10secs";
    GRAPHITE_ADDRESS = "graphite.address", "LIST", "", "Carbon, tcp://HOST:PORT; several with commas between them, each tcp, tls or udp, with pickle+ before it for carbon's other protocol, and :INSTANCE behind it in a ring", short "graphite";
    GRAPHITE_ROUTE = "graphite.route", "ROUTE", "all", "Which carbons a point goes to: all; failover, the first that can be reached; or by the series' name as carbon_ch, fnv1a_ch or jump_fnv1a_ch";
    GRAPHITE_REPLICATION = "graphite.replication", "COUNT", "1", "How many carbons of a ring get each point";
    GRAPHITE_DIVERSE_REPLICAS = "graphite.diverse_replicas", "BOOL", "true, as carbon has it; false with jump_fnv1a_ch", "Never two of them on the same host";
    GRAPHITE_CA_FILE = "graphite.ca_file", "FILE", "", "Certificates in PEM that vouch for carbons by tls";
    GRAPHITE_CERTIFICATE_FILE = "graphite.certificate_file", "FILE", "", "Our own certificate in PEM, for carbons that want one";
    GRAPHITE_KEY_FILE = "graphite.key_file", "FILE", "", "The private key of graphite.certificate_file in PEM; of mode 0600";
    GRAPHITE_QUEUE = "graphite.queue", "BYTES", "32MB", "The most memory for points that wait for one carbon that is away or slow; beyond it they go to the spool, or the oldest are dropped", short "queue";
    GRAPHITE_SPOOL = "graphite.spool.size", "BYTES", "2GB", "The most disk for points that wait for one carbon, below state_dir; the oldest are dropped beyond it; 0B: no spool";
    GRAPHITE_SPOOL_REPLAY = "graphite.spool.replay", "COUNT", "10000", "How many points a second go from the spool to a carbon at most, beside live ones";
    GRAPHITE_SPOOL_HOLD = "graphite.spool.hold", "DURATION", "10secs", "How long a point may wait in memory for a carbon that is slow before it goes to the spool; as much is lost when the program is killed";
    GRAPHITE_SPOOL_SYNC = "graphite.spool.sync", "DURATION", "5secs", "How long the spool may lie in the kernel's memory alone; as much more is lost with the machine's power";
    OUTPUT_PROMETHEUS = "output.prometheus", "ADDRESS:PORT", "", "Where Prometheus is answered: GET /metrics, as text or OpenMetrics, without a password; a loopback address, if others are not to see";
    OUTPUT_JSON = "output.json", "FILE", "", "Where a line of JSON is written for each container, task and so on in each turn, or - for standard output";
    NAMES_PREFIX = "names.prefix", "PATH", "mesos", "What every series begins with; may have dots", short "prefix";
    NAMES_HOST = "names.host", "NAME", "the host of agent.address, unless that is of every machine, as 127.0.0.1 is; else the system's name", "The agent's name in series; dots become _", short "host";
    NAMES_FORM = "names.form", "FORM", "path", "path: <prefix>.<host>.<kind>.<app>.<slot>.<field>; tags: <prefix>.<kind>.<field>;host=...;app=..., for Graphite 1.1";
    NAMES_TAGS = "names.tags", "LIST", "host, app, slot, framework", "The tags that series have with names.form = \"tags\"";
    NAMES_LABELS = "names.labels", "LIST", "", "Labels of tasks and executors that may become tags and variables of templates, as KEY or KEY=TAG";
    NAMES_SLOT_REUSE_AFTER = "names.slot_reuse_after", "DURATION", "1mins", "How long a slot rests after its instance has gone";
    NAMES_MOST_SERIES = "names.most_series", "COUNT", "1000000", "The most series; what is over it is left out and told";
    FIELDS_ALLOW = "fields.allow", "LIST", "", "Patterns with * and ? of the fields there are; none: all";
    FIELDS_DENY = "fields.deny", "LIST", "", "Patterns of fields there are not";
}

settings::keys! {
    pub(super) OF_DESTINATIONS:
    DESTINATION_ADDRESS = "graphite.destination.address", "URL", "", "As in graphite.address, one";
    DESTINATION_SERVER_NAME = "graphite.destination.server_name", "NAME", "the host of address", "Whose certificate a carbon by tls has to show";
    DESTINATION_CA_FILE = "graphite.destination.ca_file", "FILE", "graphite.ca_file", "Certificates in PEM that vouch for it";
    DESTINATION_CERTIFICATE_FILE = "graphite.destination.certificate_file", "FILE", "graphite.certificate_file", "Our own certificate for it";
    DESTINATION_KEY_FILE = "graphite.destination.key_file", "FILE", "graphite.key_file", "Its private key";
}

settings::keys! {
    pub(super) OF_KINDS:
    KIND_NAME = "kind.name", "KIND", "", "Which: containers, nested, standalone, tasks, disk.containers, disk.nested, disk.tasks, disk.volumes, apps, agent, host, disk.watcher or collector";
    KIND_TEMPLATE = "kind.template", "TEMPLATE", "", "Another path for its series, before the field";
    KIND_ALLOW = "kind.allow", "LIST", "fields.allow", "In place of fields.allow";
    KIND_DENY = "kind.deny", "LIST", "", "Besides fields.deny";
}
