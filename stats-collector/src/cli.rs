//! The command line.

use std::path::PathBuf;

use clap::{Arg, ArgAction, ArgMatches, Command};
use settings::Sources;

use crate::config::SCHEMA;

/// What the program is told to do.
#[derive(Debug)]
pub(crate) enum Task {
    /// Scrapes and ships, again and again.
    Run(Run),
    /// Tells what is wrong with the configuration, or what holds.
    Check {
        /// Where it is said.
        sources: Sources,
        /// Whether the agent and the carbons are to be reached, too.
        is_connecting: bool,
    },
}

/// How to scrape and ship.
#[derive(Debug)]
pub(crate) struct Run {
    /// Where the configuration is said.
    pub(crate) sources: Sources,
    /// One turn, and the end.
    pub(crate) is_once: bool,
    /// What would be sent is printed, and nothing sent.
    pub(crate) is_dry: bool,
}

/// Reads the command line; does not return if it is wrong, or asks for help.
pub(crate) fn read() -> Task {
    task(&command().get_matches())
}

fn task(matches: &ArgMatches) -> Task {
    match matches.subcommand() {
        Some(("check-config", matches)) => Task::Check {
            sources: sources(matches),
            is_connecting: matches.get_flag("connect"),
        },
        _ => Task::Run(Run {
            sources: sources(matches),
            is_once: matches.get_flag("once"),
            is_dry: matches.get_flag("dry-run"),
        }),
    }
}

fn sources(matches: &ArgMatches) -> Sources {
    let file = matches.get_one::<PathBuf>("config").cloned();
    Sources::from_matches(&SCHEMA, file, matches)
}

/// The whole command line.
pub(crate) fn command() -> Command {
    configured(Command::new("mesos-stats-collector"))
        .version(env!("CARGO_PKG_VERSION"))
        .about(ABOUT)
        .after_help(EXAMPLES)
        .override_usage(USAGE)
        .args_conflicts_with_subcommands(true)
        .arg(
            flag(
                "once",
                "Ship one sample and exit: 0 if carbon has read all of it, 1 if not",
            )
            .display_order(0),
        )
        .arg(
            flag(
                "dry-run",
                "Print what carbon would be sent, and send nothing",
            )
            .display_order(0),
        )
        .subcommand(
            configured(Command::new("check-config"))
                .about(
                    "Tell all that is wrong with the configuration, or what holds and who says so",
                )
                .after_help(CHECK_HELP)
                .arg(
                    flag("connect", "Also ask the agent, and connect to each carbon")
                        .display_order(0),
                ),
        )
}

/// With flags for the file and for each key.
fn configured(command: Command) -> Command {
    let file = Arg::new("config")
        .long("config")
        .value_name("FILE")
        .value_parser(clap::value_parser!(PathBuf))
        .display_order(0)
        .help("The configuration, in TOML");
    command.arg(file).args(Sources::arguments(&SCHEMA))
}

fn flag(name: &'static str, help: &'static str) -> Arg {
    Arg::new(name)
        .long(name)
        .action(ArgAction::SetTrue)
        .help(help)
}

const USAGE: &str = "mesos-stats-collector [--config FILE] [--once] [--dry-run] [FLAGS]
       mesos-stats-collector check-config [--config FILE] [--connect] [FLAGS]";

const ABOUT: &str = "\
Ships what a Mesos agent knows of its containers to Graphite.

Asks one agent and writes every number that it tells, and the rates and shares that two samples
give, to carbon, or to who else is to have them:

  <prefix>.<host>.containers.<app>.<slot>.<field>    about each container; also nested, standalone
  <prefix>.<host>.tasks.<app>.<slot>.<field>         about each task of mesos-sandbox-executor
  <prefix>.<host>.disk.<kind>.<app>.<slot>.<field>   about each sandbox, of mesos-disk-watcher
  <prefix>.<host>.disk.watcher.<field>               about mesos-disk-watcher itself
  <prefix>.<host>.apps.<app>.<field>.{sum,max}       about all instances of an app together
  <prefix>.<host>.agent.<metric>                     about the agent itself, as it calls it
  <prefix>.<host>.host.<field>                       about the machine
  <prefix>.<host>.collector.<field>                  about this program

<app> is the readable part of the task's or executor's id, without UUIDs and running numbers; <slot>
is 0, 1, 2... for the instances of an app that run on the agent at the same time. A field that the
agent does not report has no point. The manual, stats-collector.md, has every field.";

const EXAMPLES: &str = "\
A flag comes before the environment, that before the file. Each flag is a key of the file
(--graphite-route is route in [graphite]; --agent is agent.address, --graphite graphite.address,
--queue graphite.queue, --prefix names.prefix and --host names.host) and a variable of the
environment (MESOS_STATS_COLLECTOR_GRAPHITE_ROUTE; the file itself is MESOS_STATS_COLLECTOR_CONFIG).
Lists have commas. No key holds a secret: those are in files that a key names.

Examples:
  Try it out:
    mesos-stats-collector --once --agent http://127.0.0.1:5051 --graphite tcp://127.0.0.1:2003
  On each agent, as a service:
    mesos-stats-collector --agent http://127.0.0.1:5051 --host \"$(hostname)\" \\
      --graphite tcp://graphite.example.com:2003

SIGTERM and SIGINT end it after the points at hand are delivered, and with exit code 0.

Carbon creates at most MAX_CREATES_PER_MINUTE new series a minute (50 as Debian ships it) and drops
the points of the others: raise it before the first start, a container has about 25 series.";

const CHECK_HELP: &str = "\
What holds is printed as the file would have it, each value with who says so.

Exit code: 0 if all is right, 2 if the configuration is wrong, 1 if somebody cannot be reached.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        command().debug_assert();
    }

    #[test]
    fn flags_of_the_first_version_are_still_there_and_no_two_are_one() {
        let command = command();
        for old in [
            "once",
            "agent",
            "graphite",
            "interval",
            "prefix",
            "host",
            "work-dir",
            "disk-watcher",
            "timeout",
            "queue",
            "log",
        ] {
            let mut flags = command.get_arguments().filter_map(Arg::get_long);
            assert!(flags.any(|flag| flag == old), "{old}");
        }
    }

    #[test]
    fn a_key_may_also_be_said_by_its_whole_path() {
        let matches = command()
            .try_get_matches_from(["x", "--agent-address=http://a:1", "--names-prefix=p"])
            .unwrap();
        let text = |key: &str| matches.get_one::<String>(key).cloned();
        assert_eq!(text("agent.address").as_deref(), Some("http://a:1"));
        assert_eq!(text("names.prefix").as_deref(), Some("p"));
    }
}
