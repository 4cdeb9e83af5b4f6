//! An answer as text: fit for any terminal, whatever tasks call their files.

use std::io::{self, Write};

use disk_engine::Completeness;
use disk_figures::Subject;
use terminal::escaped;
use terminal::units::{growth, in_units, percent};

use super::answer::Answer;

/// Writes it, of each list at most so many rows.
pub(super) fn write(answer: &Answer, rows: usize, out: &mut impl Write) -> io::Result<()> {
    head(answer, out)?;
    if let Some(told) = &answer.told {
        daemon(told, out)?;
    }
    tree(answer, rows, out)?;
    largest(answer, out)?;
    deleted(answer, out)?;
    mounts(answer, out)?;
    as_du(answer, out)
}

fn head(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let usage = &answer.explanation.usage;
    writeln!(out, "{}", escaped(answer.path.as_os_str()))?;
    let at_least = match &usage.completeness {
        Completeness::Complete => String::new(),
        Completeness::LowerBound(gaps) => format!(", at least: {gaps}"),
    };
    let bytes = in_units(usage.bytes);
    let limit = answer.limit_bytes.map_or_else(String::new, |limit| {
        let share = usage.bytes as f64 / limit as f64;
        format!(", {} of its limit of {}", percent(share), in_units(limit))
    });
    writeln!(
        out,
        "{bytes} ({} bytes) in {} files and directories{limit}{at_least}",
        usage.bytes, usage.inodes
    )
}

fn daemon(told: &Subject, out: &mut impl Write) -> io::Result<()> {
    let Some(measured) = &told.measured else {
        return writeln!(out, "watched by the daemon, which has not looked at it yet");
    };
    let rate = measured.growth_bytes_per_second;
    let rate = rate.map_or_else(String::new, |rate| format!(", growing by {}", growth(rate)));
    let mode = told.mode.map_or("", disk_figures::Mode::name);
    writeln!(
        out,
        "watched by the daemon ({mode}): {} charged, by {}, {:.1} s ago{rate}",
        in_units(measured.charged_bytes),
        measured.source.name(),
        measured.age_seconds
    )
}

fn tree(answer: &Answer, rows: usize, out: &mut impl Write) -> io::Result<()> {
    let directories = &answer.explanation.directories;
    let whole = answer.explanation.usage.bytes;
    // The largest so many, with every directory that one of them is in, in the order of the tree.
    let mut by_size: Vec<usize> = (0..directories.len()).collect();
    by_size.sort_by_key(|index| (std::cmp::Reverse(directories[*index].total.bytes), *index));
    by_size.truncate(rows.max(1));
    by_size.sort_unstable();
    writeln!(
        out,
        "\nby directory:\n{:>10}  {:>6}  {:>8}",
        "BYTES", "PART", "INODES"
    )?;
    for index in &by_size {
        let directory = &directories[*index];
        let name = match directory.depth {
            0 => ".".to_owned(),
            depth => format!("{}{}/", "  ".repeat(depth), escaped(&directory.name)),
        };
        let part = if whole > 0 {
            percent(directory.total.bytes as f64 / whole as f64)
        } else {
            "-".to_owned()
        };
        writeln!(
            out,
            "{:>10}  {part:>6}  {:>8}  {name}",
            in_units(directory.total.bytes),
            directory.total.inodes
        )?;
    }
    match directories.len() - by_size.len() {
        0 => Ok(()),
        left => writeln!(out, "{:>28}{left} smaller directories are not shown", ""),
    }
}

fn largest(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    writeln!(out, "\nmost of it is in:")?;
    for one in &answer.largest {
        let path = match one.path.as_os_str() {
            path if path.is_empty() => ".".to_owned(),
            path => escaped(path),
        };
        let what = match (one.is_directory, one.inodes) {
            (false, _) => String::new(),
            (true, inodes) => format!("/  ({inodes} files and directories)"),
        };
        writeln!(out, "{:>10}  {path}{what}", in_units(one.bytes))?;
    }
    Ok(())
}

fn deleted(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let deleted = &answer.deleted;
    let at_least = if deleted.at_least { "at least " } else { "" };
    if deleted.files == 0 {
        let known = if deleted.at_least {
            "none known"
        } else {
            "none"
        };
        return writeln!(out, "\ndeleted but still open: {known}");
    }
    writeln!(
        out,
        "\ndeleted but still open: {at_least}{} in {} files, which come on top",
        in_units(deleted.bytes),
        deleted.files
    )?;
    for holder in &answer.holders {
        writeln!(
            out,
            "{:>10}  {} files of process {} ({})",
            in_units(holder.deleted.bytes),
            holder.deleted.files,
            holder.pid,
            escaped(&holder.name)
        )?;
    }
    Ok(())
}

fn mounts(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    if !answer.mounts.is_empty() || !answer.volumes.is_empty() {
        writeln!(out, "\nnot counted, with a price of its own:")?;
    }
    for mount in &answer.mounts {
        writeln!(
            out,
            "  mount   {}  (of {})",
            escaped(mount.point.as_os_str()),
            escaped(mount.root.as_os_str())
        )?;
    }
    for volume in &answer.volumes {
        writeln!(
            out,
            "  volume  {} -> {}",
            escaped(&volume.name),
            escaped(volume.target.as_os_str())
        )?;
    }
    Ok(())
}

/// What Mesos's disk/du would find, and why.
fn as_du(answer: &Answer, out: &mut impl Write) -> io::Result<()> {
    let ours = answer.explanation.usage.bytes;
    let kib = |bytes: u64| bytes.div_ceil(1024);
    let (du, ours_in_kib) = (kib(answer.as_du), kib(ours));
    writeln!(
        out,
        "\ndu -s -k counts {du} KiB, this program {ours_in_kib} KiB"
    )?;
    let skipped = answer.explanation.usage.mounts_skipped;
    if skipped > 0 {
        let more = in_units(answer.as_du.saturating_sub(ours));
        writeln!(
            out,
            "  du counts what is mounted ({skipped} mount points): {more} more"
        )?;
    }
    if answer.deleted.files > 0 {
        let bytes = in_units(answer.deleted.bytes);
        writeln!(
            out,
            "  neither counts what is deleted but still open; a limit does: {bytes}"
        )?;
    }
    Ok(())
}
