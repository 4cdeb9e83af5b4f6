//! `mesos-disk-watcher usage PATH...`

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use disk_engine::{Completeness, Options, Series, Usage};
use terminal::escaped;

use crate::cli::UsageArgs;
use crate::{Outcome, complain};

/// Prints `bytes<TAB>path` for each path, the path as it was given, byte for byte.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(args: &UsageArgs, out: &mut impl Write) -> io::Result<Outcome> {
    let options = Options {
        cross_mounts: args.cross_mounts,
        ..Options::default()
    };
    // One path cannot meet itself twice: remembering every file is needed for several only.
    let mut series = (args.paths.len() > 1).then(Series::new);
    let mut outcome = Outcome::Clean;
    for path in &args.paths {
        match measure(path, &options, series.as_mut()) {
            Ok(Some(usage)) => {
                write!(out, "{}\t", usage.bytes)?;
                out.write_all(path.as_os_str().as_bytes())?;
                writeln!(out)?;
                outcome = outcome.and(remark(path, &usage));
            }
            Ok(None) => {}
            Err(error) => {
                complain(&error);
                outcome = Outcome::Flawed;
            }
        }
    }
    Ok(outcome)
}

fn measure(
    path: &Path,
    options: &Options,
    series: Option<&mut Series>,
) -> Result<Option<Usage>, disk_engine::Error> {
    let root = disk_engine::open_root(path)?;
    match series {
        Some(series) => series.measure(root.as_fd(), options),
        None => disk_engine::measure(root.as_fd(), options).map(Some),
    }
}

/// Tells on standard error what the number on standard output does not.
fn remark(path: &Path, usage: &Usage) -> Outcome {
    let name = escaped(path.as_os_str());
    if usage.mounts_skipped > 0 {
        let count = usage.mounts_skipped;
        eprintln!(
            "mesos-disk-watcher: note: mount points left out below '{name}': {count} (see --cross-mounts)"
        );
    }
    match &usage.completeness {
        Completeness::Complete => Outcome::Clean,
        Completeness::LowerBound(gaps) => {
            eprintln!("mesos-disk-watcher: '{name}' holds more than was counted: {gaps}");
            Outcome::Flawed
        }
    }
}
