//! The last lines of what a task wrote to its standard error, for the message of its end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::fd::{AsRawFd, OwnedFd};

use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{SFlag, fstat, fstatat};

use crate::logs::Ending;

/// What a status can carry: the master keeps every one of them in memory.
const MOST_BYTES: u64 = 4096;

/// A task's standard error, to be read at its end. It is held from before the task has it, so that whatever the task puts
/// in its place later is never looked at.
#[derive(Debug)]
pub(crate) struct Tail {
    source: Source,
    /// What is before this offset is somebody else's.
    begin: u64,
}

#[derive(Debug)]
enum Source {
    File(File),
    /// Files that the executor itself writes and rotates.
    Log(Ending),
}

impl Tail {
    /// Of a file that the task has to itself, open for reading.
    pub(crate) fn of(file: File) -> Self {
        let source = Source::File(file);
        Self { source, begin: 0 }
    }

    /// Of a log that the executor holds.
    pub(crate) fn of_log(log: Ending) -> Self {
        let source = Source::Log(log);
        Self { source, begin: 0 }
    }

    /// Of this process's own standard error, which the task is about to share; none when that is not the file `stderr` in
    /// the sandbox, as under another container logger (Mesos: src/slave/container_loggers/logrotate.cpp).
    pub(crate) fn of_own_stderr(sandbox: &OwnedFd) -> io::Result<Option<Self>> {
        let stderr = io::stderr();
        let own = fstat(&stderr)?;
        let there = match fstatat(sandbox, "stderr", AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            found => found?,
        };
        let is_file = SFlag::from_bits_truncate(own.st_mode).contains(SFlag::S_IFREG);
        if !is_file || (own.st_dev, own.st_ino) != (there.st_dev, there.st_ino) {
            return Ok(None);
        }
        // It is open for writing alone. The link leads to the open file itself, not to its name.
        let mut tail = Self::of(File::open(format!("/proc/self/fd/{}", stderr.as_raw_fd()))?);
        tail.begin_here()?;
        Ok(Some(tail))
    }

    /// Of what the task writes from now on.
    pub(crate) fn again(&self) -> io::Result<Self> {
        let mut tail = match &self.source {
            Source::File(file) => Self::of(file.try_clone()?),
            Source::Log(log) => Self::of_log(log.clone()),
        };
        tail.begin_here()?;
        Ok(tail)
    }

    /// What is there until now is somebody else's.
    pub(crate) fn begin_here(&mut self) -> io::Result<()> {
        self.begin = match &self.source {
            Source::File(file) => file.metadata()?.len(),
            Source::Log(log) => log.written()?,
        };
        Ok(())
    }

    /// The last whole lines, [`MOST_BYTES`] at the most; a line that is longer than that loses its begin. Nothing when
    /// there is nothing but blanks.
    pub(crate) fn read(&self) -> io::Result<Option<String>> {
        // With the byte before, which tells whether a line begins here.
        let most = MOST_BYTES + 1;
        let (bytes, is_cut) = match &self.source {
            Source::File(file) => last_bytes(file, self.begin, most)?,
            Source::Log(log) => log.last(self.begin, most)?,
        };
        Ok(last_lines(&bytes, is_cut))
    }
}

/// The last bytes after the first `since` of a file, `most` at the most, and whether there are more.
fn last_bytes(mut file: &File, since: u64, most: u64) -> io::Result<(Vec<u8>, bool)> {
    let end = file.metadata()?.len();
    // The task may have truncated the file.
    let first = since.min(end);
    let from = end.saturating_sub(most).max(first);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(end - from).read_to_end(&mut bytes)?;
    Ok((bytes, from > first))
}

/// What is worth showing of the end of a text, which may begin in the middle of a line.
fn last_lines(bytes: &[u8], is_cut: bool) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let text = text.trim_end();
    let text = match text.split_once('\n') {
        Some((_, whole)) if is_cut => whole,
        Some(_) | None => text,
    };
    // A single long line may begin in the middle of a character.
    let text = text.trim_start_matches(char::REPLACEMENT_CHARACTER);
    Some(text.to_owned()).filter(|text| !text.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(content: &[u8]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stderr");
        std::fs::write(&path, content).unwrap();
        Tail::of(File::open(path).unwrap()).read().unwrap()
    }

    #[test]
    fn a_short_text_is_all_there() {
        assert_eq!(tail_of(b"one\ntwo\n").as_deref(), Some("one\ntwo"));
    }

    #[test]
    fn nothing_and_blanks_are_no_tail() {
        assert_eq!(tail_of(b""), None);
        assert_eq!(tail_of(b" \n\n"), None);
    }

    #[test]
    fn of_a_long_text_only_whole_lines_are_shown() {
        let lines: Vec<String> = (0..1000).map(|n| format!("line {n}")).collect();
        let tail = tail_of(lines.join("\n").as_bytes()).unwrap();
        assert!(tail.len() <= 4096 && tail.len() > 4000, "{}", tail.len());
        assert!(tail.ends_with("\nline 999"));
        let first = tail.lines().next().unwrap().to_owned();
        assert!(lines.contains(&first), "{first}");
    }

    #[test]
    fn a_line_that_begins_just_at_the_bound_is_whole() {
        let line = "x".repeat(4095);
        let tail = tail_of(format!("before\n{line}\n").as_bytes());
        assert_eq!(tail, Some(line));
    }

    #[test]
    fn a_line_without_end_loses_its_begin() {
        let tail = tail_of("ä".repeat(5000).as_bytes()).unwrap();
        assert!(tail.chars().all(|letter| letter == 'ä'), "{tail}");
        assert!(tail.len() > 4000);
    }

    #[test]
    fn bytes_that_are_no_text_are_replaced() {
        assert_eq!(
            tail_of(b"bad \xff byte").as_deref(),
            Some("bad \u{fffd} byte")
        );
    }

    #[test]
    fn what_was_there_before_the_task_is_not_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stderr");
        std::fs::write(&path, "the executor's\nthe task's\n").unwrap();
        let file = File::open(&path).unwrap();
        let source = Source::File(file);
        let tail = Tail { source, begin: 15 };
        assert_eq!(tail.read().unwrap().as_deref(), Some("the task's"));
        std::fs::write(&path, "less").unwrap();
        assert_eq!(tail.read().unwrap(), None);
    }

    #[test]
    fn a_file_in_the_place_of_the_tasks_is_not_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("stderr");
        std::fs::write(&path, "its own").unwrap();
        let tail = Tail::of(File::open(&path).unwrap());
        std::fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", &path).unwrap();
        assert_eq!(tail.read().unwrap().as_deref(), Some("its own"));
    }
}
