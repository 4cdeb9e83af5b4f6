//! The command line, for people and for tasks of other executors.
//!
//! Under an agent every argument is the task's: Marathon and mesos-compose put its command there. One thing is told
//! apart: `run`, then an option or `--`, and a `--` somewhere, which is [`Command::Run`] inside of another executor's
//! task (Mesos's command executor gives its tasks the same environment that an executor has). A task's own command
//! of that form has to be spelled otherwise: `./run` or `exec run`.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use dialect::{NetworkWish, VolumeSource, VolumeWish};
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::{Bytes, BytesError, MesosDuration};

use crate::install::{Done, InstallError, install, uninstall};
use crate::run;

/// A Mesos executor that runs each task in a sandbox of its own.
#[derive(Debug, Parser)]
#[command(
    name = "mesos-sandbox-executor",
    version,
    about = ABOUT,
    after_help = FRAMEWORKS,
    arg_required_else_help = true,
    disable_help_subcommand = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

const ABOUT: &str = "\
A Mesos executor that runs each task in a sandbox of its own: in a cgroup and namespaces, held to its
disk quota, with the exact reason of its end.";

const FRAMEWORKS: &str = "\
There are three ways to use it:

1. As a custom executor. A framework names it as an executor URI; the Mesos agent starts it, without any
   of the above, and tells it everything by the environment:

     ExecutorInfo.command  { \"value\": \"./mesos-sandbox-executor\",
                             \"uris\": [{ \"value\": \"http://.../mesos-sandbox-executor\", \"executable\": true }] }
     TaskInfo.data         { \"version\": 1, \"command\": { \"value\": \"sleep 1000\" } }

2. In the place of Mesos's command executor, for every command task of every framework: see 'install'.
3. In front of a command, with no Mesos at all or in a task of another executor: see 'run'.

Environment beside Mesos's own:
  MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT  how long to stay after the last task (5secs)
  MESOS_SANDBOX_EXECUTOR_FETCH_TIMEOUT how long all URIs of a task may take (no limit but a minute's silence)
  MESOS_SANDBOX_EXECUTOR_FILESYSTEM    'host' to let tasks write to whatever their user can
  MESOS_SANDBOX_EXECUTOR_SECCOMP_PROFILES  the directory of the seccomp profiles that tasks can name
                                       (/etc/mesos/seccomp)
  MESOS_SANDBOX_EXECUTOR_DISK_QUOTA    project quotas of disk: observe (the default), off, assign or assign:FROM-TO
  MESOS_SANDBOX_EXECUTOR_DISK_TRACKING 1 to follow changes of files instead of walking through them
  MESOS_SANDBOX_EXECUTOR_LOG           error, warn, info (the default; warn for 'run'), debug or trace
  MESOS_SANDBOX_EXECUTOR_CGROUP2       'own' to give tasks cgroups of their own below an agent that manages
                                       cgroup v2 itself, which then neither counts nor limits them
  MESOS_SANDBOX_EXECUTOR_AGENT_NAME    what the agent's TLS certificate must be for, when that is neither
                                       its address nor a name of its host";

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a command in a sandbox, within limits
    Run(Box<Run>),
    /// Take the place of Mesos's command executor on this agent
    #[command(after_help = INSTALL)]
    Install(Launcher),
    /// Put Mesos's command executor back
    Uninstall(Launcher),
}

const INSTALL: &str = "\
This program becomes DIR/mesos-executor; the original is kept as DIR/mesos-executor.mesos. The agent need
not be restarted: it starts the program anew for each command task. Do it again after each upgrade of the
mesos package, and after each of this program.";

#[derive(Args, Debug)]
pub(crate) struct Launcher {
    /// The agent's --launcher_dir, often /usr/libexec/mesos
    #[arg(long, value_name = "DIR")]
    pub(crate) launcher_dir: PathBuf,
}

#[derive(Args, Debug)]
#[command(
    override_usage = "mesos-sandbox-executor run [OPTIONS] -- COMMAND [ARGUMENT]...",
    after_help = RUN
)]
pub(crate) struct Run {
    /// How much memory it may use: 64MB. It is ended when it needs more
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub(crate) memory: Option<Bytes>,
    /// Its share of the processors when they are all busy: 0.5
    #[arg(long, value_name = "NUMBER", value_parser = cpus)]
    pub(crate) cpus: Option<f64>,
    /// How much disk everything in its directory may take: 10MB. It is ended when that is more
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub(crate) disk: Option<Bytes>,
    /// Warn in the log when it takes more than this: 8MB
    #[arg(long, value_name = "SIZE", value_parser = megabytes)]
    pub(crate) disk_soft: Option<Bytes>,
    /// Have the file system itself refuse to take more than --disk (XFS or ext4 with prjquota)
    #[arg(long, requires = "disk")]
    pub(crate) disk_in_kernel: bool,
    /// How many files and directories it may make. It is ended when there are more
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) inodes: Option<u64>,
    /// How many processes and threads it may have [default: 8192]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) pids: Option<u32>,
    /// Run it as this user, by name or number; only root can
    #[arg(long, value_name = "USER")]
    pub(crate) user: Option<String>,
    /// How long it may run: 10mins. Then it is told to end
    #[arg(long, value_name = "DURATION")]
    pub(crate) timeout: Option<MesosDuration>,
    /// From being told to end to being ended by force
    #[arg(long, value_name = "DURATION", default_value = "2secs")]
    pub(crate) kill_grace: MesosDuration,
    /// Where it runs, and what --disk measures [default: the current directory]
    #[arg(long, value_name = "DIR")]
    pub(crate) directory: Option<PathBuf>,
    /// The network it is in: host, none (a loopback alone), or the path of a network namespace
    #[arg(long, value_name = "NETWORK", default_value = "host", value_parser = network)]
    pub(crate) network: NetworkWish,
    /// Show it something of the host at a path of its own, as often as you like
    #[arg(long, value_name = "HOST_PATH:PATH[:ro]", value_parser = volume)]
    pub(crate) volume: Vec<VolumeWish>,
    /// Make this directory its root; its own directory is then /mnt/mesos/sandbox
    #[arg(long, value_name = "DIR")]
    pub(crate) root: Option<PathBuf>,
    /// Give it one more of root's rights than root has here: NET_RAW
    #[arg(long, value_name = "CAPABILITY", value_parser = capability)]
    pub(crate) cap_add: Vec<Capability>,
    /// Take one of them away: CHOWN
    #[arg(long, value_name = "CAPABILITY", value_parser = capability)]
    pub(crate) cap_drop: Vec<Capability>,
    /// Which system calls it may make: 'unconfined', or the name of a profile of this host
    #[arg(long, value_name = "PROFILE")]
    pub(crate) seccomp: Option<String>,
    /// The host name it sees
    #[arg(long, value_name = "NAME")]
    pub(crate) hostname: Option<String>,
    /// 'private': it can write to its directory alone; 'host': to whatever its user can
    #[arg(long, value_name = "FILES", value_parser = ["private", "host"], default_value = "private")]
    pub(crate) filesystem: String,
    /// Set a variable in its environment, as often as you like
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub(crate) env: Vec<(String, String)>,
    /// What to run; a program without a slash is looked for in PATH
    #[arg(required = true, last = true, value_name = "COMMAND")]
    pub(crate) command: Vec<String>,
}

const RUN: &str = "\
The command gets this environment, input and output, less what an executor keeps to itself. SIGTERM, SIGINT
and SIGHUP are passed on to every process of it, and what is left is killed after the grace. Nothing that it
starts outlives it. The last line on standard error says how it ended.

  mesos-sandbox-executor run --memory 64MB --disk 10MB -- ./server --port 8080
  mesos-sandbox-executor run --timeout 1mins --user nobody -- sh -c 'make && make test'

It sees the host's files read-only, but for the directory that it runs in, in which .private is what it has
as /tmp, /var/tmp and /dev/shm; of /run and /dev it sees next to nothing. It has none of root's rights that
reach beyond that, gains none by set-user-ID programs, and cannot make system calls that no program needs.

  mesos-sandbox-executor run --network none --volume /srv/data:/srv/data:ro -- ./report /srv/data

Exit status: the command's own; 128 and the number of the signal that ended it; and
  122  it broke --memory
  123  it broke --disk or --inodes
  124  it ran longer than --timeout
  125  the sandbox could not be made, or an option is wrong
  126  the command could not be started: no such program, directory or user

Without root there are no memory and process limits, and what the kernel does not give an ordinary user is
told in the log; --disk and --timeout hold.";

/// Does what the command line asks for; nothing when the program was started as an executor.
pub(crate) fn dispatch(arguments: &[OsString]) -> Option<ExitCode> {
    let under_agent = std::env::var_os("MESOS_EXECUTOR_ID").is_some();
    let is_for_us = match under_agent {
        true => is_run_in_a_task(arguments),
        false => arguments.len() > 1,
    };
    is_for_us.then(|| match Cli::try_parse_from(arguments) {
        Ok(cli) => carry_out(cli.command),
        Err(error) => refuse(arguments, &error),
    })
}

fn carry_out(command: Command) -> ExitCode {
    match command {
        Command::Run(options) => run::run(*options),
        Command::Install(Launcher { launcher_dir }) => {
            let own = Path::new("/proc/self/exe");
            tell(&launcher_dir, install(&launcher_dir, own))
        }
        Command::Uninstall(Launcher { launcher_dir }) => {
            tell(&launcher_dir, uninstall(&launcher_dir))
        }
    }
}

fn tell(directory: &Path, outcome: Result<Done, InstallError>) -> ExitCode {
    // With nobody to read it the status still tells.
    match outcome {
        Ok(done) => {
            let _told = writeln!(io::stdout(), "{}", done.tell(directory));
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _told = writeln!(io::stderr(), "mesos-sandbox-executor: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Shows what was asked for, as `--help`, or what is wrong.
fn refuse(arguments: &[OsString], error: &clap::Error) -> ExitCode {
    // With nobody to read it there is nobody to tell.
    drop(error.print());
    if !error.use_stderr() {
        return ExitCode::SUCCESS;
    }
    match arguments.get(1) {
        // The other statuses are the command's.
        Some(first) if first == "run" => ExitCode::from(run::NO_SANDBOX),
        Some(_) | None => ExitCode::FAILURE,
    }
}

/// Whether the command line is for us when the program is started by an agent.
pub(crate) fn is_run_in_a_task(arguments: &[OsString]) -> bool {
    match arguments {
        [_, run, first, rest @ ..] if run == "run" => {
            let is_option = first.as_encoded_bytes().starts_with(b"-");
            let is_end = |argument: &OsString| argument == OsStr::new("--");
            is_option && (is_end(first) || rest.iter().any(is_end))
        }
        _ => false,
    }
}

fn cpus(text: &str) -> Result<f64, String> {
    let parsed = text.parse().ok();
    parsed
        .filter(|cpus: &f64| cpus.is_finite() && *cpus > 0.0)
        .ok_or_else(|| "must be a number above 0, such as 0.5".to_owned())
}

/// Limits are resources of Mesos, which counts them in megabytes.
fn megabytes(text: &str) -> Result<Bytes, String> {
    let bytes: Bytes = text
        .parse()
        .map_err(|error: BytesError| error.to_string())?;
    match bytes.as_u64() {
        0 => Err("must be 1MB or more".to_owned()),
        bytes if bytes % (1 << 20) != 0 => Err("must be whole megabytes, such as 64MB".to_owned()),
        _ => Ok(bytes),
    }
}

fn network(text: &str) -> Result<NetworkWish, String> {
    match text {
        "host" => Ok(NetworkWish::Host),
        "none" => Ok(NetworkWish::Own),
        path if path.starts_with('/') => Ok(NetworkWish::Join(path.to_owned())),
        _ => Err("must be host, none, or the absolute path of a network namespace".to_owned()),
    }
}

fn volume(text: &str) -> Result<VolumeWish, String> {
    let mut parts = text.split(':');
    let (path, target, mode) = (parts.next(), parts.next(), parts.next());
    let read_only = match mode {
        None | Some("rw") => false,
        Some("ro") => true,
        Some(_) => return Err("must end in :ro or :rw, if in anything".to_owned()),
    };
    let is_clean = |path: &str| !path.is_empty() && !path.split('/').any(|part| part == "..");
    match (path, target, parts.next()) {
        (Some(path), Some(target), None)
            if path.starts_with('/') && is_clean(path) && is_clean(target) =>
        {
            Ok(VolumeWish {
                source: VolumeSource::Host {
                    path: path.to_owned(),
                    receives_mounts: false,
                },
                target: target.to_owned(),
                read_only,
            })
        }
        _ => Err("must be HOST_PATH:PATH, two paths without '..', the first absolute".to_owned()),
    }
}

fn capability(text: &str) -> Result<Capability, String> {
    let name = text.to_ascii_uppercase();
    let name = name.strip_prefix("CAP_").unwrap_or(&name);
    let known = Capability::from_str_name(name).filter(|known| *known != Capability::Unknown);
    known.ok_or_else(|| "must be a capability, such as NET_RAW".to_owned())
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        Some(_) | None => Err("must be NAME=VALUE".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn is_run(line: &str) -> bool {
        let words = line.split(' ').map(OsString::from);
        let arguments: Vec<OsString> = words.collect();
        is_run_in_a_task(&arguments)
    }

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn in_a_task_run_counts_only_with_options_and_a_double_dash() {
        for (line, is_ours) in [
            ("mx run -- ./server", true),
            ("mx run --disk 10MB -- ./server", true),
            ("mx run --disk=10MB --memry 1 -- ./server -- x", true),
            ("mx run --help --", true),
            ("mx run", false),
            ("mx run --fast", false),
            ("mx run server -- x", false),
            ("mx ./run --fast -- x", false),
            ("mx exec run -- x", false),
            ("mx install --launcher-dir d", false),
            ("mx --help", false),
            ("mx", false),
        ] {
            assert_eq!(is_run(line), is_ours, "{line}");
        }
    }

    #[test]
    fn what_follows_the_double_dash_is_the_commands_own() {
        let line = "mx run --memory 64MB --env A=b=c -- ./server --memory 1 -- -x";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!(run.command, ["./server", "--memory", "1", "--", "-x"]);
        assert_eq!(run.env, [("A".to_owned(), "b=c".to_owned())]);
        assert_eq!(run.memory, Some(Bytes::new(64 << 20)));
        assert_eq!(run.kill_grace.to_string(), "2secs");
    }

    #[test]
    fn what_the_sandbox_is_like_is_said_as_elsewhere() {
        let line =
            "mx run --network none --volume /a:b:ro --cap-add cap_net_raw --cap-drop CHOWN -- x";
        let cli = Cli::try_parse_from(line.split(' ')).unwrap();
        let Command::Run(run) = cli.command else {
            panic!("{cli:?}");
        };
        assert_eq!(run.network, NetworkWish::Own);
        assert_eq!(run.cap_add, [Capability::NetRaw]);
        assert_eq!(run.cap_drop, [Capability::Chown]);
        assert_eq!(run.filesystem, "private");
        let [volume] = &*run.volume else {
            panic!("{:?}", run.volume);
        };
        assert!(volume.read_only);
        assert_eq!(volume.target, "b");
    }

    #[test]
    fn an_option_that_makes_no_sense_is_refused() {
        for options in [
            "--memory 64",
            "--memory 0MB",
            "--disk 1500KB",
            "--cpus 0",
            "--cpus nan",
            "--pids 0",
            "--timeout 5",
            "--env A",
            "--env =b",
            "--network blue",
            "--volume /srv",
            "--volume srv:/srv",
            "--volume /srv:/srv:rx",
            "--volume /srv:/../srv",
            "--cap-add FLY",
            "--filesystem none",
            "--unknown",
        ] {
            let line = format!("mx run {options} -- true");
            assert!(Cli::try_parse_from(line.split(' ')).is_err(), "{options}");
        }
        assert!(Cli::try_parse_from(["mx", "run", "true"]).is_err());
        assert!(Cli::try_parse_from(["mx", "run", "--"]).is_err());
    }
}
