//! The command line.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};
use mesos_proto::MesosDuration;
use settings::Sources;

use crate::config::SCHEMA;
use crate::top::{self, Column, TopSettings};

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
    /// Prints the manual's page of every number.
    Reference,
    /// Shows the agent on a terminal.
    Top {
        /// Where the configuration is said.
        sources: Sources,
        /// How it is shown.
        settings: TopSettings,
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
        Some(("top", matches)) => Task::Top {
            sources: sources(matches),
            settings: top(matches),
        },
        _ if matches.get_flag("metrics-reference") => Task::Reference,
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
        .arg(
            flag(
                "metrics-reference",
                "Print what each number is, with its unit and its formula",
            )
            .display_order(0),
        )
        .subcommand(top_command())
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

fn top(matches: &ArgMatches) -> TopSettings {
    let columns = matches.get_many::<Column>("columns");
    TopSettings {
        interval: *matches.get_one("every").unwrap_or(&Duration::from_secs(2)),
        sort: *matches.get_one("sort").unwrap_or(&Column::Cpu),
        filter: matches.get_one("filter").cloned().unwrap_or_default(),
        columns: columns.map_or_else(top::all_columns, |some| some.copied().collect()),
        batch: matches.get_one("batch").copied(),
        rows: matches.get_one("rows").copied(),
    }
}

fn top_command() -> Command {
    let option = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name)
            .long(name)
            .value_name(value)
            .display_order(0)
            .help(help)
    };
    configured(Command::new("top"))
        .about("Show the agent's containers and tasks on a terminal, live")
        .after_help(TOP_HELP)
        .arg(
            option("every", "DURATION", "Time from look to look, at least 100ms [default: 2secs]")
                .value_parser(every),
        )
        .arg(option("sort", "COLUMN", "What comes first [default: cpu]").value_parser(column))
        .arg(option("filter", "TEXT", "Only what has this in its name, framework, kind or container id"))
        .arg(
            option("columns", "LIST", "Which columns there are [default: all]")
                .value_delimiter(',')
                .value_parser(column),
        )
        .arg(
            option("batch", "ROUNDS", "Print so many rounds as plain text, and exit; one, where the output is no terminal")
                .value_parser(clap::value_parser!(u64).range(1..)),
        )
        .arg(
            option("rows", "COUNT", "At most so many rows of plain text")
                .value_parser(clap::value_parser!(usize)),
        )
}

fn column(text: &str) -> Result<Column, String> {
    Column::named(text).ok_or_else(|| {
        let all: Vec<&str> = top::all_columns().into_iter().map(Column::name).collect();
        format!("want one of {}", all.join(", "))
    })
}

fn every(text: &str) -> Result<Duration, String> {
    let duration: MesosDuration = text.parse().map_err(|error| format!("{error}"))?;
    let duration = duration.to_std();
    let duration = duration.filter(|every| *every >= Duration::from_millis(100));
    duration.ok_or_else(|| "must be at least 100ms".to_owned())
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
       mesos-stats-collector check-config [--config FILE] [--connect] [FLAGS]
       mesos-stats-collector top [--agent URL] [--every DURATION] [--sort COLUMN] [--batch ROUNDS] [FLAGS]";

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

const TOP_HELP: &str = "\
It needs the agent alone, and finds the one that runs on this machine. With --work-dir it shows the
tasks of mesos-sandbox-executor as well, with --disk-watcher what that has measured. Of the other
flags those of the agent count.

On a terminal: q quits, s sorts by the next column, r turns the order round, / filters, ? shows the
other keys. Plain text has no escape sequence. With NO_COLOR set there is no colour. '-' is what the
agent does not tell.

Examples:
  mesos-stats-collector top
  mesos-stats-collector top --agent http://agent-7:5051 --sort memory --filter marathon
  mesos-stats-collector top --batch 1 --columns cpu,throttled,name | head

Exit code: 0, or 1 if the agent cannot be asked.";

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
