//! What many attempts are made of.

use std::ffi::CString;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;

use crate::outcome::Gain;
use crate::world::{PART_OF_SECRETS, World};

/// An attempt's end.
pub(crate) type Attempt = Result<Gain, Errno>;

pub(crate) fn errno(error: &io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(libc::EIO))
}

pub(crate) fn c_string(path: &Path) -> CString {
    CString::new(path.as_os_str().as_bytes()).expect("no NUL in a path of ours")
}

/// Opens it for writing and writes nothing.
pub(crate) fn open_to_write(path: impl AsRef<Path>) -> Attempt {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    options.write(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|error| errno(&error))?;
    Gain::escape(format!("{} is open for writing", path.display()))
}

/// Makes a file of the world's mark in a directory. It stays, for whoever looks from outside.
pub(crate) fn create_in(directory: impl AsRef<Path>, world: &World) -> Attempt {
    let path = directory.as_ref().join(&world.mark);
    let created = OpenOptions::new().write(true).create_new(true).open(&path);
    created.map_err(|error| errno(&error))?;
    Gain::escape(format!("made {}", path.display()))
}

/// Opens it for reading.
pub(crate) fn open_to_read(path: impl AsRef<Path>) -> Attempt {
    let path = path.as_ref();
    let mut options = OpenOptions::new();
    options.read(true).custom_flags(libc::O_NONBLOCK);
    options.open(path).map_err(|error| errno(&error))?;
    Gain::escape(format!("{} is open for reading", path.display()))
}

/// Reads what must be empty, if it is there at all.
pub(crate) fn read_all(path: impl AsRef<Path>) -> Attempt {
    let path = path.as_ref();
    let mut start = [0; 256];
    let length = File::open(path)
        .and_then(|mut file| io::Read::read(&mut file, &mut start))
        .map_err(|error| errno(&error))?;
    if length == 0 {
        return Gain::contained("empty");
    }
    Gain::escape(format!("read of {}", path.display()))
}

/// Lists what must be empty, if it is there at all.
pub(crate) fn list(path: impl AsRef<Path>) -> Attempt {
    let path = path.as_ref();
    let mut entries = fs::read_dir(path).map_err(|error| errno(&error))?;
    match entries.next() {
        None => Gain::contained("empty"),
        Some(entry) => {
            let entry = entry.map_err(|error| errno(&error))?;
            Gain::escape(format!("{} is there", entry.path().display()))
        }
    }
}

/// Every one of them has to be refused, and the first that is not is the outcome; else the last.
pub(crate) fn all<T>(
    things: impl IntoIterator<Item = T>,
    attempt: impl Fn(T) -> Attempt,
) -> Attempt {
    let mut outcome = Gain::contained("there was nothing to try");
    for thing in things {
        outcome = attempt(thing);
        if let Ok(Gain::Escape(_)) = outcome {
            break;
        }
    }
    outcome
}

/// Whether a secret of the world's is in there.
pub(crate) fn holds_secret(content: &[u8], world: &World) -> bool {
    let secret = format!("{PART_OF_SECRETS}{}", world.mark);
    let secret = secret.as_bytes();
    content.windows(secret.len()).any(|window| window == secret)
}

/// The ids of the processes that are to be seen.
pub(crate) fn processes() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| name.parse().ok()).collect()
}
