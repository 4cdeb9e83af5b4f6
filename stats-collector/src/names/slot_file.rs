//! Slots, kept in a file across restarts.
//!
//! ```text
//!   mesos-stats-collector slots 1
//!   ["containers","mesos.h.containers.web.",0,"<id>"]            one who is there
//!   ["containers","mesos.h.containers.web.",1,"<id>",1795253796] one who went then
//!   end <number of lines> <crc32 of all before>
//! ```
//!
//! It is replaced as a whole, so there is an old one or a new one at any moment. One that is broken, too large, of somebody
//! else's or no file at all is never read in parts: whoever asks is told why, and writes another.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Mode, OFlags, fsync, openat, renameat, unlinkat};

use crate::model::Kind;

const BEGIN: &str = "mesos-stats-collector slots 1";

/// More than a hundred thousand instances have.
const BYTES_MAX: u64 = 32 * 1024 * 1024;

/// No app has so many instances on one agent.
const SLOT_MAX: u32 = 1_000_000;

/// Who has which slot, and who had.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct SlotFile {
    pub(super) records: Vec<Record>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) kind: Kind,
    pub(super) pool: String,
    pub(super) slot: u32,
    pub(super) id: String,
    /// In seconds since the epoch; None for one who is there.
    pub(super) gone_since: Option<u64>,
}

/// Why slots could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SlotFileError {
    /// The file cannot be opened or read.
    #[error("reading slots from {path}: {source}")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A link, a directory, a device.
    #[error("slots are not read from {path}: it is no plain file")]
    NotAFile {
        /// What is no file.
        path: PathBuf,
    },
    /// More than this program ever writes.
    #[error("slots are not read from {path}: it has more than {BYTES_MAX} bytes")]
    TooLarge {
        /// The file.
        path: PathBuf,
    },
    /// Somebody else's.
    #[error("slots are not read from {path}: it is not a file of mesos-stats-collector's slots")]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// Not what was written.
    #[error("slots are not read from {path}: line {line} is damaged")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// From 1.
        line: usize,
    },
    /// The file cannot be made, written or put into its place.
    #[error("writing slots to {path}: {source}")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl SlotFile {
    /// Reads what was written; None if there is no file. Blocks.
    ///
    /// # Errors
    /// There is one, and it cannot be read or is not what was written.
    pub(crate) fn read(path: &Path) -> Result<Option<Self>, SlotFileError> {
        let failed = |source: io::Error| SlotFileError::Read {
            path: path.to_owned(),
            source,
        };
        // Without blocking, for it may be a pipe that nobody writes to.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let file = match openat(CWD, path, flags, Mode::empty()) {
            Ok(file) => File::from(file),
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(rustix::io::Errno::LOOP) => {
                return Err(SlotFileError::NotAFile {
                    path: path.to_owned(),
                });
            }
            Err(error) => return Err(failed(error.into())),
        };
        if !file.metadata().map_err(failed)?.is_file() {
            return Err(SlotFileError::NotAFile {
                path: path.to_owned(),
            });
        }
        let mut bytes = Vec::new();
        file.take(BYTES_MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.len() as u64 > BYTES_MAX {
            return Err(SlotFileError::TooLarge {
                path: path.to_owned(),
            });
        }
        match Self::parse(&bytes) {
            Ok(slots) => Ok(Some(slots)),
            Err(1) => Err(SlotFileError::Foreign {
                path: path.to_owned(),
            }),
            Err(line) => Err(SlotFileError::Damaged {
                path: path.to_owned(),
                line,
            }),
        }
    }

    /// Replaces the file, whatever it is; a link is replaced and not followed. Blocks until it is on the disk.
    ///
    /// # Errors
    /// It is what it was.
    pub(crate) fn write(&self, path: &Path) -> Result<(), SlotFileError> {
        self.put(path).map_err(|source| SlotFileError::Write {
            path: path.to_owned(),
            source,
        })
    }

    fn put(&self, path: &Path) -> io::Result<()> {
        let name = path.file_name().ok_or(io::ErrorKind::InvalidFilename)?;
        let parent = path
            .parent()
            .filter(|parent| !parent.as_os_str().is_empty());
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = openat(CWD, parent.unwrap_or(Path::new(".")), flags, Mode::empty())?;
        let mut new = name.to_owned();
        new.push(".new");
        // One that was killed may have left it. Whatever it is, only its name goes.
        match unlinkat(&directory, &new, AtFlags::empty()) {
            Ok(()) | Err(rustix::io::Errno::NOENT) => {}
            Err(error) => return Err(error.into()),
        }
        let flags =
            OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let mut file = File::from(openat(&directory, &new, flags, Mode::RUSR | Mode::WUSR)?);
        let written = file
            .write_all(self.text().as_bytes())
            .and_then(|()| file.sync_all())
            .and_then(|()| Ok(renameat(&directory, &new, &directory, name)?));
        if let Err(error) = written {
            // What counts is the first error; the next write removes what is left.
            let _ = unlinkat(&directory, &new, AtFlags::empty());
            return Err(error);
        }
        Ok(fsync(&directory)?)
    }

    fn text(&self) -> String {
        let mut text = format!("{BEGIN}\n");
        for record in &self.records {
            let mut line = vec![
                record.kind.dotted().into(),
                record.pool.as_str().into(),
                record.slot.into(),
                record.id.as_str().into(),
            ];
            line.extend(record.gone_since.map(serde_json::Value::from));
            // Writing to a string never fails.
            let _ = writeln!(text, "{}", serde_json::Value::Array(line));
        }
        let checksum = crc32fast::hash(text.as_bytes());
        let _ = writeln!(text, "end {} {checksum:08x}", self.records.len());
        text
    }

    /// What was written, or the first line that is not as it was.
    fn parse(bytes: &[u8]) -> Result<Self, usize> {
        let text = std::str::from_utf8(bytes).map_err(|error| {
            let before = &bytes[..error.valid_up_to()];
            1 + before.iter().filter(|byte| **byte == b'\n').count()
        })?;
        let mut lines = text.lines();
        if lines.next() != Some(BEGIN) {
            return Err(1);
        }
        let mut records = Vec::new();
        let mut number = 1;
        for line in lines {
            number += 1;
            if let Some(end) = line.strip_prefix("end ") {
                let before = text.len() - line.len() - 1;
                let checksum = crc32fast::hash(&bytes[..before]);
                let is_whole = end == format!("{} {checksum:08x}", records.len());
                let is_last = text.ends_with(&format!("{line}\n"));
                return if is_whole && is_last {
                    Ok(Self { records })
                } else {
                    Err(number)
                };
            }
            records.push(parse_record(line).ok_or(number)?);
        }
        Err(number + 1)
    }
}

fn parse_record(line: &str) -> Option<Record> {
    type Fields = (String, String, u32, String);
    let fields: Result<(String, String, u32, String, u64), _> = serde_json::from_str(line);
    let ((kind, pool, slot, id), gone_since) = match fields {
        Ok((kind, pool, slot, id, since)) => ((kind, pool, slot, id), Some(since)),
        Err(_) => (serde_json::from_str::<Fields>(line).ok()?, None),
    };
    let kind = Kind::of_dotted(&kind).filter(|kind| kind.has_instances())?;
    (slot < SLOT_MAX).then_some(Record {
        kind,
        pool,
        slot,
        id,
        gone_since,
    })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn some() -> SlotFile {
        let record = |id: &str, slot, gone_since| Record {
            kind: Kind::DiskVolume,
            pool: "mesos.h.\"web\"\n.".to_owned(),
            slot,
            id: id.to_owned(),
            gone_since,
        };
        SlotFile {
            records: vec![
                record("a", 0, None),
                record("b\n\u{0}\u{202e}end 1 2", 7, Some(1_795_253_796)),
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again_for_root_s_eyes_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        assert_eq!(SlotFile::read(&path).unwrap(), None);
        for slots in [some(), SlotFile::default()] {
            slots.write(&path).unwrap();
            assert_eq!(SlotFile::read(&path).unwrap(), Some(slots));
        }
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_cut_anywhere_or_changed_anywhere_is_refused_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        let whole = some().text().into_bytes();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(SlotFile::read(&path).is_err(), "{length} bytes");
            let mut changed = whole.clone();
            changed[length] ^= 1;
            fs::write(&path, &changed).unwrap();
            assert!(SlotFile::read(&path).is_err(), "byte {length}");
        }
        fs::write(&path, [&whole[..], b"more\n"].concat()).unwrap();
        assert!(SlotFile::read(&path).is_err());
        some().write(&path).unwrap();
        assert_eq!(SlotFile::read(&path).unwrap(), Some(some()));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        let told = |text: &str| {
            fs::write(&path, text).unwrap();
            let error = SlotFile::read(&path).unwrap_err().to_string();
            error.replace(&path.display().to_string(), "F")
        };
        assert_eq!(
            told("[network]\n"),
            "slots are not read from F: it is not a file of mesos-stats-collector's slots"
        );
        let line = |line: &str| told(&format!("{BEGIN}\n{line}\n"));
        let damaged = "slots are not read from F: line 2 is damaged";
        assert_eq!(line("[\"containers\",\"p\",4000000000,\"a\"]"), damaged);
        assert_eq!(line("[\"agent\",\"p\",0,\"a\"]"), damaged);
        assert_eq!(line("{}"), damaged);
    }

    #[test]
    fn a_link_is_neither_read_through_nor_written_through() {
        let directory = tempfile::tempdir().unwrap();
        let (path, target) = (
            directory.path().join("slots"),
            directory.path().join("target"),
        );
        some().write(&target).unwrap();
        for link in [&path, &directory.path().join("slots.new")] {
            symlink(&target, link).unwrap();
        }
        assert!(matches!(
            SlotFile::read(&path),
            Err(SlotFileError::NotAFile { .. })
        ));
        SlotFile::default().write(&path).unwrap();
        assert!(fs::symlink_metadata(&path).unwrap().is_file());
        assert_eq!(SlotFile::read(&path).unwrap(), Some(SlotFile::default()));
        assert_eq!(SlotFile::read(&target).unwrap(), Some(some()));
    }

    #[test]
    fn a_pipe_and_a_directory_are_told_and_hold_nothing_up() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        rustix::fs::mknodat(CWD, &path, rustix::fs::FileType::Fifo, Mode::RWXU, 0).unwrap();
        assert!(matches!(
            SlotFile::read(&path),
            Err(SlotFileError::NotAFile { .. })
        ));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(matches!(
            SlotFile::read(&path),
            Err(SlotFileError::NotAFile { .. })
        ));
        assert!(matches!(
            some().write(&path),
            Err(SlotFileError::Write { .. })
        ));
        assert_eq!(
            fs::read_dir(directory.path()).unwrap().count(),
            1,
            "nothing is left beside it"
        );
    }
}
