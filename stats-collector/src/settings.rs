//! What a person chose, checked as a whole before anything is done.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use graphite::{MetricPath, PathError};
use hyper::Uri;
use mesos_proto::{Bytes, BytesError, DurationError, MesosDuration};
use tracing::level_filters::LevelFilter;

const INTERVAL: &str = "10secs";
const TIMEOUT: Duration = Duration::from_secs(5);

/// Less would drop whole scrapes of a large agent.
const QUEUE_MIN: u64 = 1024 * 1024;

const ABOUT: &str = "\
Ships a Mesos agent's container statistics to Graphite.

Reads GET /slave(1)/containers of one agent and writes every number in it, and the rates that two
samples give, to carbon's plaintext port:

  <prefix>.<host>.containers.<app>.<slot>.<field>    about each container
  <prefix>.<host>.tasks.<app>.<slot>.<field>         about each task of mesos-sandbox-executor
  <prefix>.<host>.disk.<kind>.<app>.<slot>.<field>   about each sandbox, of mesos-disk-watcher
  <prefix>.<host>.disk.watcher.<metric>              about mesos-disk-watcher itself
  <prefix>.<host>.collector.<metric>                 about this program

<app> is the readable part of the executor's id, without UUIDs and running numbers; <slot> is 0, 1,
2... for the instances of an app that run on the agent at the same time. A field that the agent
does not report has no point.

Tasks are there with --work-dir. <app> is then the readable part of the task's id; the fields are
cpus_used, restarts, disk_used_bytes, disk_limit_bytes, and what the executor publishes:
cpu_seconds, cpu_user_seconds, cpu_system_seconds, cpu_throttled_seconds, memory_bytes,
memory_anonymous_bytes, memory_peak_bytes, memory_limit_bytes, memory_shortages, processes,
process_limit, io_read_bytes, io_written_bytes, pressure_cpu_seconds, pressure_memory_seconds,
pressure_io_seconds, log_bytes and log_dropped_lines.

Disks are there with --disk-watcher. <kind> is containers, nested, tasks or volumes; <app> is the
readable part of the task's, the volume's or else the executor's id. The fields are used_bytes,
charged_bytes, limit_bytes, soft_limit_bytes, limit_share, growth_bytes_per_second, inodes,
inode_limit, deleted_bytes, deleted_files, mounts_skipped, at_least, source, age_seconds and
look_seconds; of the watcher itself uptime_seconds, subjects, subjects_over_limit, trees_quota,
trees_tracking, trees_walk, cpu_seconds, looks, walks, walked_inodes, deferred_looks,
looks_under_way, looks_hanging, tracked_directories, tracking_events, overflows, reconciles,
drift_bytes, quota_warnings, strayed_files, soft_limits, breaches, enforced, enforcement_failures,
agent_failures, events_written and events_lost. Its manual has what each of them means.";

/// The command line as it is written, unchecked.
#[derive(Debug, Parser)]
#[command(name = "mesos-stats-collector", version, about = ABOUT, after_help = EXAMPLES)]
pub struct Args {
    /// Ship one sample and exit: 0 if carbon has read all of it, 1 if not.
    #[arg(long)]
    once: bool,
    /// The agent, by name or address.
    #[arg(long, value_name = "http://HOST:PORT")]
    agent: Option<String>,
    /// Carbon's plaintext listener (LINE_RECEIVER_PORT in carbon.conf, usually 2003).
    #[arg(long, value_name = "tcp://HOST:PORT")]
    graphite: Option<String>,
    /// Time from scrape to scrape; make it carbon's finest retention. Whole seconds, as Mesos
    /// writes durations: 10secs, 1mins [default: 10secs].
    #[arg(long, value_name = "DURATION")]
    interval: Option<String>,
    /// What every metric path begins with; may have dots.
    #[arg(long, value_name = "PATH", default_value = "mesos")]
    prefix: String,
    /// The agent's name in metric paths; dots become "_" [default: the host of --agent].
    #[arg(long, value_name = "NAME")]
    host: Option<String>,
    /// The agent's --work_dir, often /var/lib/mesos: also ship what mesos-sandbox-executor publishes
    /// of each task. Needs the rights to read there, which is root's.
    #[arg(long, value_name = "DIR")]
    work_dir: Option<PathBuf>,
    /// The socket of mesos-disk-watcher, often /run/mesos-disk-watcher/figures.sock: also ship what
    /// it knows of each sandbox's disk. Needs the rights to connect, which are root's and its
    /// group's.
    #[arg(long, value_name = "SOCKET")]
    disk_watcher: Option<PathBuf>,
    /// The most time for one scrape, for connecting to carbon and for one write to it
    /// [default: 5secs, or the interval if that is less].
    #[arg(long, value_name = "DURATION")]
    timeout: Option<String>,
    /// The most memory for points that wait while carbon is down or slow; beyond it the oldest are
    /// dropped. At least 1MB.
    #[arg(long, value_name = "BYTES", default_value = "32MB")]
    queue: String,
    /// What to log on stderr: error, warn, info or debug.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log: String,
}

const EXAMPLES: &str = "\
Examples:
  Try it out:
    mesos-stats-collector --once --agent http://127.0.0.1:5051 --graphite tcp://127.0.0.1:2003
  On each agent, as a service:
    mesos-stats-collector --agent http://127.0.0.1:5051 --host \"$(hostname)\" \\
      --graphite tcp://graphite.example.com:2003

SIGTERM and SIGINT end it after the points at hand are delivered, and with exit code 0.

Carbon creates at most MAX_CREATES_PER_MINUTE new series a minute (50 as Debian ships it) and drops
the points of the others: raise it before the first start, a container has about 25 series.";

/// Everything in its final form.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// How often.
    pub mode: Mode,
    /// Where to scrape.
    pub agent: HostPort,
    /// Where to ship to.
    pub carbon: graphite::Address,
    /// What metric paths begin with.
    pub prefix: MetricPath,
    /// The component of metric paths behind it.
    pub host: String,
    /// The agent's work directory, when tasks are to be shipped as well.
    pub work_dir: Option<PathBuf>,
    /// The socket of mesos-disk-watcher, when disks are to be shipped as well.
    pub disk_watcher: Option<PathBuf>,
    /// For one scrape, one connection attempt, one write.
    pub timeout: Duration,
    /// What may wait for carbon.
    pub queue_bytes: usize,
    /// What to log.
    pub log: LevelFilter,
}

/// How often to scrape.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Once.
    Once,
    /// At this interval, in whole seconds.
    Every(Duration),
}

/// A host name or IP address (IPv6 without brackets), and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostPort {
    /// Never empty.
    pub host: String,
    /// TCP.
    pub port: u16,
}

impl fmt::Display for HostPort {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// What is wrong with one option.
#[derive(Debug, PartialEq, thiserror::Error)]
pub enum SettingError {
    /// A required option is not there.
    #[error("--{option} is missing")]
    Missing {
        /// Which.
        option: &'static str,
    },
    /// Not a place to connect to.
    #[error("--{option}: {cause}")]
    Url {
        /// Which.
        option: &'static str,
        /// Why not.
        cause: UrlError,
    },
    /// Not a duration.
    #[error("--{option}: {cause}")]
    Duration {
        /// Which.
        option: &'static str,
        /// Why not.
        cause: DurationError,
    },
    /// A duration of zero.
    #[error("--{option} must be more than zero")]
    Zero {
        /// Which.
        option: &'static str,
    },
    /// Points have times in whole seconds.
    #[error("--interval must be a whole number of seconds")]
    Interval,
    /// One scrape gets in another's way.
    #[error("--timeout must not be longer than --interval")]
    TimeoutOverInterval,
    /// There is no interval with --once.
    #[error("--interval has no meaning with --once")]
    IntervalOnce,
    /// Not a metric path.
    #[error("--prefix: {0}")]
    Prefix(PathError),
    /// No name.
    #[error("--host is empty")]
    Host,
    /// Not a size.
    #[error("--queue: {0}")]
    Queue(BytesError),
    /// A queue that holds next to nothing, or more than there can be.
    #[error("--queue must be at least 1MB, and what memory can hold")]
    QueueSize,
    /// Not a level.
    #[error("--log: {0:?} is none of error, warn, info, debug")]
    Log(String),
}

/// Why a URL is none of ours. None of these shows the URL, for it may hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Not a URL, or more than scheme, host and port.
    #[error("not of the form {scheme}://HOST:PORT")]
    Form {
        /// The scheme wanted.
        scheme: &'static str,
    },
    /// Another scheme.
    #[error("only {scheme}:// is supported")]
    Scheme {
        /// The scheme wanted.
        scheme: &'static str,
    },
    /// User name or password.
    #[error("user name and password in a URL are not supported")]
    UserInfo,
}

impl Args {
    /// Checks everything.
    ///
    /// # Errors
    /// All that is wrong.
    pub fn check(self) -> Result<Settings, Vec<SettingError>> {
        let mut errors = Vec::new();
        let mut keep = |error| errors.push(error);

        let agent = url("agent", self.agent, "http").map_err(&mut keep).ok();
        let carbon = url("graphite", self.graphite, "tcp")
            .map_err(&mut keep)
            .ok();
        let mode = mode(self.once, self.interval.as_deref())
            .map_err(&mut keep)
            .ok();
        let timeout = timeout(self.timeout.as_deref(), mode)
            .map_err(&mut keep)
            .ok();
        let prefix = MetricPath::parse(&self.prefix)
            .map_err(|cause| keep(SettingError::Prefix(cause)))
            .ok();
        let host = match self.host {
            Some(name) if name.is_empty() => {
                keep(SettingError::Host);
                None
            }
            Some(name) => Some(name),
            None => agent.as_ref().map(|agent| agent.host.clone()),
        };
        let queue_bytes = queue_bytes(&self.queue).map_err(&mut keep).ok();
        let log = level(self.log).map_err(&mut keep).ok();

        // Any `None` has left its error.
        let settings = (|| {
            let HostPort { host: carbon, port } = carbon?;
            Some(Settings {
                mode: mode?,
                agent: agent?,
                carbon: graphite::Address { host: carbon, port },
                prefix: prefix?,
                host: host?,
                work_dir: self.work_dir,
                disk_watcher: self.disk_watcher,
                timeout: timeout?,
                queue_bytes: queue_bytes?,
                log: log?,
            })
        })();
        match settings {
            Some(settings) if errors.is_empty() => Ok(settings),
            _ => Err(errors),
        }
    }
}

fn url(
    option: &'static str,
    text: Option<String>,
    scheme: &'static str,
) -> Result<HostPort, SettingError> {
    let text = text.ok_or(SettingError::Missing { option })?;
    host_port(&text, scheme).map_err(|cause| SettingError::Url { option, cause })
}

/// Takes `scheme://HOST:PORT`, with or without a slash behind it.
fn host_port(text: &str, scheme: &'static str) -> Result<HostPort, UrlError> {
    let form = UrlError::Form { scheme };
    let uri: Uri = text.parse().map_err(|_| form)?;
    match uri.scheme_str() {
        Some(given) if given == scheme => {}
        Some(_) => return Err(UrlError::Scheme { scheme }),
        None => return Err(form),
    }
    let authority = uri.authority().ok_or(form)?;
    if authority.as_str().contains('@') {
        return Err(UrlError::UserInfo);
    }
    let has_more = uri.query().is_some() || !matches!(uri.path(), "" | "/") || text.contains('#');
    let host = authority.host().trim_matches(['[', ']']);
    match authority.port_u16() {
        Some(port) if port > 0 && !host.is_empty() && !has_more => Ok(HostPort {
            host: host.to_owned(),
            port,
        }),
        _ => Err(form),
    }
}

fn duration(option: &'static str, text: &str) -> Result<Duration, SettingError> {
    let duration: MesosDuration = text
        .parse()
        .map_err(|cause| SettingError::Duration { option, cause })?;
    match duration.to_std() {
        Some(duration) if !duration.is_zero() => Ok(duration),
        _ => Err(SettingError::Zero { option }),
    }
}

fn mode(once: bool, interval: Option<&str>) -> Result<Mode, SettingError> {
    match (once, interval) {
        (true, None) => Ok(Mode::Once),
        (true, Some(_)) => Err(SettingError::IntervalOnce),
        (false, interval) => {
            let interval = duration("interval", interval.unwrap_or(INTERVAL))?;
            if interval.subsec_nanos() > 0 {
                return Err(SettingError::Interval);
            }
            Ok(Mode::Every(interval))
        }
    }
}

/// `mode` is `None` if it is wrong itself.
fn timeout(text: Option<&str>, mode: Option<Mode>) -> Result<Duration, SettingError> {
    let longest = match mode {
        Some(Mode::Every(interval)) => interval,
        Some(Mode::Once) | None => Duration::MAX,
    };
    let Some(text) = text else {
        return Ok(TIMEOUT.min(longest));
    };
    match duration("timeout", text)? {
        timeout if timeout > longest => Err(SettingError::TimeoutOverInterval),
        timeout => Ok(timeout),
    }
}

fn queue_bytes(text: &str) -> Result<usize, SettingError> {
    let bytes: Bytes = text.parse().map_err(SettingError::Queue)?;
    usize::try_from(bytes.as_u64())
        .ok()
        .filter(|_| bytes.as_u64() >= QUEUE_MIN)
        .ok_or(SettingError::QueueSize)
}

fn level(name: String) -> Result<LevelFilter, SettingError> {
    match name.as_str() {
        "error" => Ok(LevelFilter::ERROR),
        "warn" => Ok(LevelFilter::WARN),
        "info" => Ok(LevelFilter::INFO),
        "debug" => Ok(LevelFilter::DEBUG),
        _ => Err(SettingError::Log(name)),
    }
}

#[cfg(test)]
mod tests;
