//! The files of one stream: `stdout`, and before it `stdout.1`, `stdout.2` and so on, the highest the oldest.
//!
//! They lie in a directory that belongs to the task, which may rename, remove, replace and truncate whatever it likes
//! there, at any moment. So names are used in two ways alone: a file is renamed or removed by its name in the directory
//! that was opened before the task had it, and a new one is made under a name that must be free. Whatever is written
//! goes to a descriptor. A task that puts something else in the place of its logs loses its logs, and nobody anything else.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;
use std::sync::Arc;

use nix::errno::Errno;
use nix::fcntl::renameat;
use nix::unistd::{UnlinkatFlags, unlinkat};
use sandbox::directory::{self, DirectoryError};
use sandbox::identity::Identity;

/// A file goes beyond its size to hold the end of its last line, by so much at the most; a line that needs more is cut.
pub(super) const LONGEST_REST: u64 = 64 << 10;

/// Where the files of one stream are.
#[derive(Debug)]
pub(super) struct Place {
    /// The task's directory.
    pub(super) directory: Arc<OwnedFd>,
    /// Its path, for messages.
    pub(super) path: PathBuf,
    /// The file's name in it.
    pub(super) name: &'static str,
    /// Whose the files are, when they are not the executor's.
    pub(super) owner: Option<Identity>,
}

/// What of an appending did not get to a file.
#[derive(Debug)]
pub(super) struct Unwritten {
    /// How many bytes did.
    pub(super) written: usize,
    pub(super) error: WriteError,
}

/// Why nothing can be appended.
#[derive(Debug, thiserror::Error)]
pub(super) enum WriteError {
    #[error("write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error(transparent)]
    NewFile(#[from] DirectoryError),
}

/// The files of one stream.
#[derive(Debug)]
pub(super) struct Files {
    place: Place,
    max_size: u64,
    max_files: u32,
    /// The one that is written to; none when it has become useless and there is no new one yet.
    current: Option<File>,
    /// The one before it, for [`Files::last`]. Only `stderr` is asked for its end.
    previous: Option<File>,
    /// Of the current one.
    size: u64,
    /// Its last byte is no end of a line.
    in_line: bool,
    /// Bytes, to all files together.
    written: u64,
}

impl Files {
    /// Goes on in `current`, open for reading and appending, which lies at `place`.
    pub(super) fn new(place: Place, current: File, max_size: u64, max_files: u32) -> Self {
        Self {
            place,
            max_size,
            max_files,
            current: Some(current),
            previous: None,
            size: 0,
            in_line: false,
            written: 0,
        }
    }

    /// Whether the last thing written has no end of line.
    pub(super) fn in_line(&self) -> bool {
        self.in_line
    }

    /// Bytes, to all files together.
    pub(super) fn written(&self) -> u64 {
        self.written
    }

    /// What others did to the file meanwhile: how large it is, and whether it still has a name. Once before each batch.
    pub(super) fn look(&mut self) {
        let Some(current) = &self.current else {
            return;
        };
        match current.metadata() {
            // Nobody would find what is written to it.
            Ok(metadata) if metadata.nlink() == 0 => self.current = None,
            Ok(metadata) => self.size = metadata.len(),
            // Writing will tell.
            Err(_) => {}
        }
    }

    /// Appends, and begins new files where that is due, between two lines.
    pub(super) fn append(&mut self, mut bytes: &[u8]) -> Result<(), Unwritten> {
        let mut written = 0;
        while !bytes.is_empty() {
            if self.current.is_none() {
                self.begin_new().map_err(|error| Unwritten {
                    written,
                    error: error.into(),
                })?;
            }
            let piece = next_piece(self.size, self.in_line, self.max_size, bytes);
            let (now, later) = bytes.split_at(piece.length);
            if let Err(unwritten) = self.write(now) {
                return Err(Unwritten {
                    written: written + unwritten.written,
                    ..unwritten
                });
            }
            written += now.len();
            bytes = later;
            if piece.then_rotate {
                self.rotate();
            }
        }
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), Unwritten> {
        let mut rest = bytes;
        while let (Some(mut file), false) = (self.current.as_ref(), rest.is_empty()) {
            match file.write(rest) {
                Ok(count @ 1..) => {
                    self.size += count as u64;
                    self.written += count as u64;
                    self.in_line = rest.get(count - 1) != Some(&b'\n');
                    rest = &rest[count..];
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                failed => {
                    let source = failed.err().unwrap_or(io::ErrorKind::WriteZero.into());
                    return Err(Unwritten {
                        written: bytes.len() - rest.len(),
                        error: WriteError::Write {
                            path: self.place.path.join(self.place.name),
                            source,
                        },
                    });
                }
            }
        }
        Ok(())
    }

    /// Each file gets the next number, the last one goes. A new one is begun when there is something to write to it.
    fn rotate(&mut self) {
        let name = self.place.name;
        let numbered = |number: u32| match number {
            0 => name.to_owned(),
            number => format!("{name}.{number}"),
        };
        for number in (1..self.max_files).rev() {
            self.shift(&numbered(number - 1), &numbered(number));
        }
        // With a single file, or where the task has made shifting impossible: what cannot be kept goes, as all that
        // the files may take is bounded.
        self.remove(name);
        // One that has no name any more must not take room for long.
        self.previous = self.current.take().filter(|_| self.max_files > 1);
    }

    fn shift(&self, from: &str, to: &str) {
        let directory = &self.place.directory;
        if let Err(Errno::EISDIR | Errno::ENOTDIR | Errno::ENOTEMPTY | Errno::EEXIST) =
            renameat(directory, from, directory, to)
        {
            // The task has put a directory where a file belongs. One that is empty makes way.
            let _ = unlinkat(directory, to, UnlinkatFlags::RemoveDir);
            let _ = renameat(directory, from, directory, to);
        }
    }

    fn remove(&self, name: &str) {
        // Mostly it is not there any more; whatever else keeps it is seen when the new one is made.
        let _ = unlinkat(&self.place.directory, name, UnlinkatFlags::NoRemoveDir);
    }

    fn begin_new(&mut self) -> Result<(), DirectoryError> {
        let Place {
            directory,
            path,
            name,
            owner,
        } = &self.place;
        let file = match directory::log_file(directory, path, name, owner.as_ref()) {
            // The name is taken: by what the task put there after it had removed the file, or by what could not be
            // shifted.
            Err(DirectoryError::Create { source, .. })
                if source.kind() == io::ErrorKind::AlreadyExists =>
            {
                self.remove(name);
                directory::log_file(directory, path, name, owner.as_ref())?
            }
            made => made?,
        };
        self.current = Some(file);
        self.size = 0;
        self.in_line = false;
        Ok(())
    }

    /// The last bytes of what was written after the first `since`, `most` at the most, and whether there were more.
    pub(super) fn last(&self, since: u64, most: u64) -> io::Result<(Vec<u8>, bool)> {
        let wanted = self.written.saturating_sub(since);
        let mut left = wanted.min(most);
        let mut parts = Vec::new();
        for file in [&self.current, &self.previous].into_iter().flatten() {
            // The task may have truncated it.
            let length = file.metadata()?.len();
            let mut bytes = vec![0; left.min(length) as usize];
            let begin = length - bytes.len() as u64;
            let count = file.read_at(&mut bytes, begin)?;
            bytes.truncate(count);
            left -= bytes.len() as u64;
            parts.push(bytes);
            if begin > 0 {
                break;
            }
        }
        parts.reverse();
        Ok((parts.concat(), wanted > most))
    }
}

/// What of a text goes into the current file.
#[derive(Debug, PartialEq)]
struct Piece {
    length: usize,
    then_rotate: bool,
}

/// The begin of `text` that goes into a file of `size` bytes, which is to grow to `max_size`, and whose last line is open
/// when it is `in_line`. It is empty, or ends with a line, unless that is longer than a line may be.
fn next_piece(size: u64, in_line: bool, max_size: u64, text: &[u8]) -> Piece {
    let room = max_size.saturating_sub(size);
    if text.len() as u64 <= room {
        return Piece {
            length: text.len(),
            then_rotate: false,
        };
    }
    let within = |room: u64| &text[..(room.min(text.len() as u64)) as usize];
    let is_end = |byte: &u8| *byte == b'\n';
    if let Some(at) = within(room).iter().rposition(is_end) {
        return Piece {
            length: at + 1,
            then_rotate: true,
        };
    }
    if !in_line && size > 0 {
        return Piece {
            length: 0,
            then_rotate: true,
        };
    }
    let allowed = (max_size + LONGEST_REST).saturating_sub(size);
    match within(allowed).iter().position(is_end) {
        Some(at) => Piece {
            length: at + 1,
            then_rotate: true,
        },
        None => Piece {
            length: within(allowed).len(),
            then_rotate: text.len() as u64 > allowed,
        },
    }
}

#[cfg(test)]
mod tests;
