//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Args, Command as Clap, FromArgMatches, Parser, Subcommand};
use mesos_agent::AgentAddress;

use crate::config::Sources;
use crate::explain::ExplainArgs;
use crate::top::{DAEMON_SOCKET, TopArgs};

/// Disk usage of the sandboxes of a Mesos agent.
#[derive(Debug, Parser)]
#[command(
    name = "mesos-disk-watcher",
    version,
    about = "Measures the disk usage of Mesos sandboxes, as du counts it",
    override_usage = USAGE,
    after_help = SURVEY_HELP,
    arg_required_else_help = true,
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
    #[command(flatten)]
    pub(crate) survey: SurveyArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print the allocated bytes of each PATH and everything below it, like `du -s -B1`
    Usage(UsageArgs),
    /// Watch the sandboxes of an agent, and end what breaks its limit
    Run(RunArgs),
    /// Show the largest and the fastest growing sandboxes, again and again
    Top(TopArgs),
    /// Tell where the bytes of a container's sandbox, or of any directory, are
    Explain(ExplainArgs),
}

/// The daemon's, whose flags are the keys of its configuration.
#[derive(Debug)]
pub(crate) struct RunArgs {
    pub(crate) sources: Sources,
    /// Only say what is wrong with the configuration.
    pub(crate) is_check: bool,
}

impl Args for RunArgs {
    fn augment_args(command: Clap) -> Clap {
        let config = Arg::new("config")
            .long("config")
            .value_name("FILE")
            .value_parser(clap::value_parser!(PathBuf))
            .help("The configuration, in TOML");
        let check = Arg::new("check")
            .long("check")
            .action(ArgAction::SetTrue)
            .help("Only check the configuration: exit with 0 if it is right, tell all that is wrong if not");
        command
            .arg(config)
            .arg(check)
            .args(Sources::arguments())
            .after_help(RUN_HELP)
    }

    fn augment_args_for_update(command: Clap) -> Clap {
        Self::augment_args(command)
    }
}

impl FromArgMatches for RunArgs {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let file = matches.get_one::<PathBuf>("config").cloned();
        Ok(Self {
            sources: Sources::new(file, matches),
            is_check: matches.get_flag("check"),
        })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

#[derive(Args, Debug)]
#[command(after_help = USAGE_HELP)]
pub(crate) struct UsageArgs {
    /// Files or directories to measure; a link is measured itself, not what it leads to
    #[arg(required = true, value_name = "PATH")]
    pub(crate) paths: Vec<PathBuf>,
    /// Count what is mounted below a PATH, too, as du does unless told otherwise
    #[arg(long)]
    pub(crate) cross_mounts: bool,
}

#[derive(Args, Debug)]
pub(crate) struct SurveyArgs {
    /// Measure every sandbox below the agent's work directory once, and print each against its limit
    #[arg(long = "once", value_name = "WORK_DIR")]
    pub(crate) work_dir: Option<PathBuf>,
    /// Ask this agent for the limits; without it they come from the agent's checkpoints alone
    #[arg(long, value_name = "http://HOST:PORT", requires = "work_dir")]
    pub(crate) agent: Option<AgentAddress>,
    /// Print a JSON array instead of a table
    #[arg(long, requires = "work_dir")]
    pub(crate) json: bool,
    /// Show what earlier agents left in this work directory, too, not only the newest
    #[arg(long, requires = "work_dir")]
    pub(crate) all_agents: bool,
    /// The socket of a daemon that runs, which tells more of each sandbox
    #[arg(long, value_name = "SOCKET", requires = "work_dir", default_value = DAEMON_SOCKET)]
    pub(crate) socket: PathBuf,
}

const RUN_HELP: &str = "\
A flag comes before the environment, that before the file. Each flag is a key of
the file (--limit-soft-share is soft_share in [limit]) and a variable of the
environment (MESOS_DISK_WATCHER_LIMIT_SOFT_SHARE; the file itself is
MESOS_DISK_WATCHER_CONFIG). Rules are in the file alone, the first that fits:

  [[rule]]
  framework = \"marathon*\"   # its name; also role, and label = \"KEY=VALUE\"
  mode = \"enforce\"

SIGHUP reads all of it again; what is wrong then changes nothing. SIGTERM ends it.

Exit code: 0 after SIGTERM, 1 if it cannot go on, 2 if the configuration is wrong.";

const USAGE: &str = "mesos-disk-watcher run --config FILE [--check] [FLAGS]
       mesos-disk-watcher top [WORK_DIR] [--sort COLUMN] [--rows COUNT] [--batch ROUNDS]
       mesos-disk-watcher explain CONTAINER|PATH [--work-dir DIR] [--depth LEVELS]
       mesos-disk-watcher usage [--cross-mounts] PATH...
       mesos-disk-watcher --once WORK_DIR [--agent http://HOST:PORT] [--json] [--all-agents]";

const USAGE_HELP: &str = "\
Agrees with GNU du to the byte, but for two things: it stops at mount points, of
which it tells on standard error, unless --cross-mounts is given; and a file
that vanishes meanwhile is no error. Hard links count once, in the first PATH
that has them.

Exit code: 0, or 1 if a PATH could not be measured in full; the others are
printed all the same.

Examples:
  mesos-disk-watcher usage /var/lib/mesos
  mesos-disk-watcher usage --cross-mounts sandbox1 sandbox2";

const SURVEY_HELP: &str = "\
With --once, a row is a container's sandbox, with everything in it; or, as part
of that, the directory of a nested container or of one task. The fullest come
first.

The limit is what Mesos's disk/du isolator holds a container to: the disk of its
executor and of its tasks, without volumes. With --agent the agent tells it, as
it sees it now; otherwise it is read from the agent's checkpoints, which exist
for frameworks with checkpointing only. Where neither tells, and for runs that
have ended, the limit is unknown: '-', or null.

Which directory is whose, and limits that neither tells, are also taken from what
mesos-sandbox-executor publishes in its sandbox, for its own tasks alone.

Where the daemon runs, it tells what is deleted but still open, how fast a sandbox
grows, by what it is watched, and of persistent volumes.

A usage marked '>=' is a lower bound: something could not be read, as standard
error tells.

Exit code: 0, or 1 if something could not be measured in full, or a limit not
be read, or a run has more tasks and nested containers than are shown.

Examples:
  mesos-disk-watcher --once /var/lib/mesos
  mesos-disk-watcher --once /var/lib/mesos --agent http://127.0.0.1:5051
  mesos-disk-watcher --once /var/lib/mesos --json |
    jq '.[] | select(.limit_bytes and .used_bytes > .limit_bytes)'
  mesos-disk-watcher usage /var/lib/mesos/slaves";

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn json_without_a_work_directory_is_refused() {
        assert!(Cli::try_parse_from(["x", "--json"]).is_err());
    }

    #[test]
    fn an_agent_that_is_no_http_address_is_refused() {
        let parsed = Cli::try_parse_from(["x", "--once", "/w", "--agent", "localhost"]);
        assert!(parsed.is_err());
    }
}
