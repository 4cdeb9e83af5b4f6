//! `mesos-disk-watcher explain CONTAINER|PATH`: where the bytes are, and why somebody else may count others.

mod answer;
mod place;
mod print;

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::top::DAEMON_SOCKET;
use crate::{Outcome, complain};
use answer::Answer;

/// A daemon that is well answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Args, Debug)]
#[command(after_help = EXPLAIN_HELP)]
pub(crate) struct ExplainArgs {
    /// The id of a container, or as much of its beginning as no other has; or a directory, with a '/' in it
    #[arg(value_name = "CONTAINER|PATH")]
    what: String,
    /// The agent's work directory, where containers are looked for
    #[arg(long, value_name = "DIR", default_value = "/var/lib/mesos")]
    work_dir: PathBuf,
    /// How far down directories are told apart
    #[arg(long, value_name = "LEVELS", default_value_t = 3)]
    depth: usize,
    /// How many directories, and how many of the largest paths, are shown
    #[arg(long, value_name = "COUNT", default_value_t = 20)]
    rows: usize,
    /// The socket of a daemon that runs, which tells the limit and the growth
    #[arg(long, value_name = "SOCKET", default_value = DAEMON_SOCKET)]
    socket: PathBuf,
}

const EXPLAIN_HELP: &str = "\
Shows the tree by directories, larger ones first; the paths that hold most of it,
as few as can be; files that are deleted but still open, and by whom; what is
mounted in it, and volumes; and what du would say, with the reasons why that is
another number.

Deleted files are found through the processes of this host: run it as root.

Examples:
  mesos-disk-watcher explain 1b7c0f6e
  mesos-disk-watcher explain /var/lib/mesos/slaves/.../runs/latest/. --depth 5";

/// Answers one question.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(args: &ExplainArgs, out: &mut impl Write) -> io::Result<Outcome> {
    let found = place::find(&args.what, &args.work_dir).map_err(Box::<dyn std::error::Error>::from);
    let answer = found.and_then(|found| {
        let mut answer = Answer::of(&found, args.depth, args.rows)?;
        // Without a daemon, what only one that watches can know is not known.
        let told = disk_figures::read(&args.socket, PATIENCE).ok();
        answer.add_told(told, &found);
        Ok(answer)
    });
    match answer {
        Ok(answer) => {
            print::write(&answer, args.rows, out)?;
            Ok(answer.outcome())
        }
        Err(error) => {
            complain(&*error);
            Ok(Outcome::Flawed)
        }
    }
}

#[cfg(test)]
mod tests;
