//! `mesos-disk-watcher top`: the largest and the fastest growing, again and again.

mod feed;
mod screen;

use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use clap::{Args, ValueEnum};
use mesos_proto::MesosDuration;

use crate::{Outcome, complain};
use feed::Feed;
use screen::Size;

/// Where the daemon listens that the unit file starts.
pub(crate) const DAEMON_SOCKET: &str = "/run/mesos-disk-watcher/figures.sock";

#[derive(Args, Debug)]
#[command(after_help = TOP_HELP)]
pub(crate) struct TopArgs {
    /// The agent's work directory, measured by walks of its own where no daemon answers
    #[arg(value_name = "WORK_DIR")]
    work_dir: Option<PathBuf>,
    /// The daemon's socket
    #[arg(long, value_name = "SOCKET", default_value = DAEMON_SOCKET)]
    socket: PathBuf,
    /// What comes first
    #[arg(long, value_name = "COLUMN", value_enum, default_value_t = Sort::Used)]
    sort: Sort,
    /// Time from one round to the next, as Mesos writes durations
    #[arg(long, value_name = "DURATION", default_value = "2secs", value_parser = interval)]
    interval: Duration,
    /// At most so many rows; as many as the terminal has otherwise
    #[arg(long, value_name = "COUNT")]
    rows: Option<usize>,
    /// Print so many rounds as plain text, and exit; one, where the output is no terminal
    #[arg(long, value_name = "ROUNDS")]
    batch: Option<u64>,
}

/// What comes first: the largest of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Sort {
    /// Bytes.
    Used,
    /// The part of its limit.
    Share,
    /// Bytes a second.
    Growth,
    /// Files and directories.
    Inodes,
    /// Bytes that are deleted but still open.
    Deleted,
}

const TOP_HELP: &str = "\
The figures are the daemon's, if it runs; walks of the work directory otherwise,
as --once makes them, which know nothing of what is deleted but still open, and
of growth from the second round on. '-' is what is not known; '>=' a lower bound.

Examples:
  mesos-disk-watcher top
  mesos-disk-watcher top --sort growth
  mesos-disk-watcher top /var/lib/mesos --sort share --rows 10 --batch 1";

fn interval(text: &str) -> Result<Duration, String> {
    let duration: MesosDuration = text.parse().map_err(|error| format!("{error}"))?;
    let duration = duration.to_std().filter(|duration| !duration.is_zero());
    duration.ok_or_else(|| "must be more than nothing".to_owned())
}

/// Shows round after round.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(args: &TopArgs, out: &mut impl Write) -> io::Result<Outcome> {
    let is_screen = args.batch.is_none() && io::stdout().is_terminal();
    let rounds = match args.batch {
        Some(rounds) => Some(rounds),
        None => (!is_screen).then_some(1),
    };
    let mut feed = Feed::new(args.socket.clone(), args.work_dir.clone());
    let mut round = 0;
    let mut outcome = Outcome::Clean;
    loop {
        let seen = match feed.next() {
            Ok(seen) => seen,
            Err(error) => {
                complain(&error);
                return Ok(Outcome::Flawed);
            }
        };
        if seen.is_flawed {
            outcome = Outcome::Flawed;
        }
        let size = if is_screen {
            Size::of_terminal()
        } else {
            Size::any()
        };
        let size = size.with_rows(args.rows);
        let text = screen::render(&seen.report, seen.origin, args.sort, &size);
        if is_screen {
            screen::repaint(&text, out)?;
        } else {
            if round > 0 {
                writeln!(out)?;
            }
            out.write_all(text.as_bytes())?;
        }
        out.flush()?;
        round += 1;
        if rounds.is_some_and(|rounds| round >= rounds) {
            return Ok(outcome);
        }
        sleep(args.interval);
    }
}
