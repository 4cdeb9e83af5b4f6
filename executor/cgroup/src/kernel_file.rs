//! Reading and writing the small text files of procfs and cgroupfs, with the path in every error.

use std::fs;
use std::io;
use std::path::Path;

use crate::Error;

/// The whole file.
pub(crate) fn read(path: &Path) -> Result<String, Error> {
    fs::read_to_string(path).map_err(|source| Error::Read {
        path: path.to_owned(),
        source,
    })
}

/// The whole file; `None` when this kernel does not have it.
pub(crate) fn read_if_present(path: &Path) -> Result<Option<String>, Error> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(source) => Err(Error::Read {
            path: path.to_owned(),
            source,
        }),
    }
}

/// A file that holds one number.
pub(crate) fn read_number(path: &Path) -> Result<u64, Error> {
    let text = read(path)?;
    text.trim()
        .parse()
        .map_err(|_| malformed(path, 1, text.trim()))
}

/// A file that holds one number; `None` when this kernel does not have it, or when it says `max`.
pub(crate) fn read_number_if_present(path: &Path) -> Result<Option<u64>, Error> {
    match read_if_present(path)?.as_deref().map(str::trim) {
        None | Some("max") => Ok(None),
        Some(text) => text.parse().map(Some).map_err(|_| malformed(path, 1, text)),
    }
}

/// The value of `key` in a file of `key value` lines; `None` when the key is absent.
pub(crate) fn read_keyed(path: &Path, key: &str) -> Result<Option<u64>, Error> {
    Keyed {
        path,
        text: read(path)?,
    }
    .get(key)
}

/// A file of `key value` lines, read once for several keys.
pub(crate) struct Keyed<'a> {
    path: &'a Path,
    text: String,
}

impl Keyed<'_> {
    /// An absent file has no keys.
    pub(crate) fn read_if_present(path: &Path) -> Result<Keyed<'_>, Error> {
        let text = read_if_present(path)?.unwrap_or_default();
        Ok(Keyed { path, text })
    }

    /// The value of `key`; `None` when it is absent.
    pub(crate) fn get(&self, key: &str) -> Result<Option<u64>, Error> {
        for (index, line) in self.text.lines().enumerate() {
            if let Some((name, value)) = line.split_once(' ')
                && name == key
            {
                return value
                    .parse()
                    .map(Some)
                    .map_err(|_| malformed(self.path, index + 1, line));
            }
        }
        Ok(None)
    }
}

/// Writes to a file that exists; never creates one.
pub(crate) fn write(path: &Path, value: &str) -> Result<(), Error> {
    use std::io::Write;
    fs::OpenOptions::new()
        .write(true)
        .open(path)
        .and_then(|mut file| file.write_all(value.as_bytes()))
        .map_err(|source| Error::Write {
            path: path.to_owned(),
            value: value.to_owned(),
            source,
        })
}

/// Writes to a file that not every kernel has: nothing where it is absent.
pub(crate) fn write_if_present(path: &Path, value: &str) -> Result<(), Error> {
    match write(path, value) {
        Err(Error::Write { source, .. }) if source.kind() == io::ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// An error that points at one line.
pub(crate) fn malformed(path: &Path, line: usize, text: &str) -> Error {
    Error::Malformed {
        path: path.to_owned(),
        line,
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_and_an_absent_one_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.events");
        fs::write(&path, "low 0\noom 2\noom_kill 1\n").unwrap();
        assert_eq!(read_keyed(&path, "oom").unwrap(), Some(2));
        assert_eq!(read_keyed(&path, "oom_group_kill").unwrap(), None);
    }

    #[test]
    fn a_value_that_is_no_number_names_the_path_and_the_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("memory.events");
        fs::write(&path, "low 0\noom many\n").unwrap();
        let error = read_keyed(&path, "oom").unwrap_err().to_string();
        assert!(
            error.contains("memory.events line 2: 'oom many'"),
            "{error}"
        );
    }

    #[test]
    fn writing_never_creates_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("cgroup.kill");
        assert!(write(&path, "1").is_err());
        assert!(!path.exists());
    }
}
