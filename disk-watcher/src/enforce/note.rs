//! The reason in the sandbox itself, where the framework's people look first.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;

use rustix::fs::{Mode, OFlags, openat};
use rustix::io::Errno;

/// What it is called; with a number where the name is taken.
const NAME: &str = "disk-watcher.txt";
/// Who takes more names than this has none.
const MOST: usize = 10;

/// Why there is no note.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoteError {
    #[error("all names for a note in the sandbox are taken")]
    Taken,
    #[error("cannot write a note into the sandbox")]
    Write(#[from] io::Error),
}

/// Writes `text` into a new file of the sandbox and tells the file's name. A name that something has already is left
/// alone: a task may have made it, and a link of that name is not followed.
///
/// # Errors
/// When there is no free name, or the file cannot be written, as on a full disk.
pub(crate) fn write(sandbox: impl AsFd, text: &str) -> Result<String, NoteError> {
    let flags = OFlags::WRONLY
        | OFlags::CREATE
        | OFlags::EXCL
        | OFlags::NOFOLLOW
        | OFlags::CLOEXEC
        | OFlags::NONBLOCK;
    for number in 1..=MOST {
        let name = match number {
            1 => NAME.to_owned(),
            number => NAME.replace('.', &format!(".{number}.")),
        };
        match openat(&sandbox, &name, flags, Mode::from_raw_mode(0o644)) {
            Ok(file) => {
                File::from(file).write_all(text.as_bytes())?;
                return Ok(name);
            }
            Err(Errno::EXIST) => {}
            Err(errno) => return Err(io::Error::from(errno).into()),
        }
    }
    Err(NoteError::Taken)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_note_is_a_new_file_whatever_a_task_has_put_in_its_place() {
        let dir = tempfile::tempdir().unwrap();
        let victim = dir.path().join("victim");
        std::fs::write(&victim, "precious").unwrap();
        let sandbox = dir.path().join("sandbox");
        std::fs::create_dir(&sandbox).unwrap();
        symlink(&victim, sandbox.join(NAME)).unwrap();
        symlink("nowhere", sandbox.join("disk-watcher.2.txt")).unwrap();
        std::fs::create_dir(sandbox.join("disk-watcher.3.txt")).unwrap();
        let root = File::open(&sandbox).unwrap();
        assert_eq!(write(&root, "why").unwrap(), "disk-watcher.4.txt");
        let note = std::fs::read_to_string(sandbox.join("disk-watcher.4.txt"));
        assert_eq!(note.unwrap(), "why");
        assert_eq!(std::fs::read_to_string(victim).unwrap(), "precious");
        for number in 5..=MOST {
            write(&root, "again").unwrap();
            assert!(sandbox.join(format!("disk-watcher.{number}.txt")).exists());
        }
        assert!(matches!(write(&root, "more"), Err(NoteError::Taken)));
    }
}
