//! Directories by handle: below a work directory, tasks own what there is, so every name is opened below the handle
//! of its parent and no link is followed.

use std::ffi::{CString, OsStr, OsString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, FileType, Mode, OFlags};
use rustix::io::Errno;

/// The most bytes read from one file: far more than a checkpoint has.
const LARGEST_FILE: u64 = 16 << 20;

/// An open directory, and the path that it had, for messages.
#[derive(Debug)]
pub(crate) struct Directory {
    fd: OwnedFd,
    path: PathBuf,
}

/// What was attempted in vain.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DirectoryError {
    #[error("cannot open directory {path:?}")]
    Open { path: PathBuf, source: io::Error },
    #[error("cannot list directory {path:?}")]
    List { path: PathBuf, source: io::Error },
    #[error("cannot read file {path:?}")]
    Read { path: PathBuf, source: io::Error },
    #[error("file {path:?} is longer than {LARGEST_FILE} bytes")]
    TooLong { path: PathBuf },
    #[error("cannot read link {path:?}")]
    Link { path: PathBuf, source: io::Error },
}

impl Directory {
    /// Opens a directory that the operator named: links in the path are followed.
    pub(crate) fn open(path: &Path) -> Result<Self, DirectoryError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        match rustix::fs::open(path, flags, Mode::empty()) {
            Ok(fd) => Ok(Self {
                fd,
                path: path.to_owned(),
            }),
            Err(errno) => Err(DirectoryError::Open {
                path: path.to_owned(),
                source: errno.into(),
            }),
        }
    }

    /// Opens the directory `name` in this one; `None` if there is none of that name.
    pub(crate) fn enter(&self, name: impl AsRef<Path>) -> Result<Option<Self>, DirectoryError> {
        let name = name.as_ref();
        let flags = OFlags::RDONLY
            | OFlags::DIRECTORY
            | OFlags::NOFOLLOW
            | OFlags::CLOEXEC
            | OFlags::NONBLOCK;
        let path = self.path.join(name);
        match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => Ok(Some(Self { fd, path })),
            Err(errno) if is_absent(errno) => Ok(None),
            Err(errno) => Err(DirectoryError::Open {
                path,
                source: errno.into(),
            }),
        }
    }

    /// Enters the directories of `path` one after another; `None` if one is not there, or `path` is empty.
    pub(crate) fn enter_all(&self, path: impl AsRef<Path>) -> Result<Option<Self>, DirectoryError> {
        let mut here: Option<Self> = None;
        for name in path.as_ref() {
            here = here.as_ref().unwrap_or(self).enter(name)?;
            if here.is_none() {
                break;
            }
        }
        Ok(here)
    }

    /// The names of the directories in this one, sorted, at most `most` of them. Links to directories are not
    /// directories.
    pub(crate) fn subdirectories(&self, most: usize) -> Result<Vec<OsString>, DirectoryError> {
        let error = |errno: Errno| DirectoryError::List {
            path: self.path.clone(),
            source: errno.into(),
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::read_from(&self.fd).map_err(error)? {
            let entry = entry.map_err(error)?;
            let name = entry.file_name();
            let is_directory = match entry.file_type() {
                FileType::Unknown => self.is_directory(name),
                file_type => file_type.is_dir(),
            };
            if is_directory && name != c"." && name != c".." {
                names.push(OsString::from_vec(name.to_bytes().to_vec()));
                if names.len() == most {
                    break;
                }
            }
        }
        names.sort_unstable();
        Ok(names)
    }

    /// The content of the file `name`; `None` if there is none. Links and devices are no files here.
    pub(crate) fn read(&self, name: impl AsRef<Path>) -> Result<Option<Vec<u8>>, DirectoryError> {
        let name = name.as_ref();
        let path = self.path.join(name);
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK;
        let file = match rustix::fs::openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => File::from(fd),
            Err(errno) if is_absent(errno) => return Ok(None),
            Err(errno) => {
                return Err(DirectoryError::Read {
                    path,
                    source: errno.into(),
                });
            }
        };
        let mut content = Vec::new();
        match file.take(LARGEST_FILE + 1).read_to_end(&mut content) {
            Ok(_) if content.len() as u64 > LARGEST_FILE => Err(DirectoryError::TooLong { path }),
            Ok(_) => Ok(Some(content)),
            Err(source) => Err(DirectoryError::Read { path, source }),
        }
    }

    /// Where the link `name` leads, as it is written in it; `None` if there is no such link.
    pub(crate) fn link(&self, name: &str) -> Result<Option<PathBuf>, DirectoryError> {
        match rustix::fs::readlinkat(&self.fd, name, Vec::new()).map(CString::into_bytes) {
            Ok(target) => Ok(Some(PathBuf::from(OsString::from_vec(target)))),
            // EINVAL: it is something other than a link.
            Err(errno) if is_absent(errno) || errno == Errno::INVAL => Ok(None),
            Err(errno) => Err(DirectoryError::Link {
                path: self.path.join(name),
                source: errno.into(),
            }),
        }
    }

    /// For messages, and for those who use the program to find the directory again.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    fn is_directory(&self, name: &std::ffi::CStr) -> bool {
        rustix::fs::statat(
            &self.fd,
            OsStr::from_bytes(name.to_bytes()),
            AtFlags::SYMLINK_NOFOLLOW,
        )
        .is_ok_and(|found| FileType::from_raw_mode(found.st_mode).is_dir())
    }
}

impl AsFd for Directory {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Not there, or something else than was asked for.
fn is_absent(errno: Errno) -> bool {
    matches!(
        errno,
        Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::STALE
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn links_are_neither_entered_nor_listed_nor_read() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("real")).unwrap();
        std::fs::write(dir.path().join("file"), "x").unwrap();
        symlink("real", dir.path().join("latest")).unwrap();
        symlink("file", dir.path().join("link")).unwrap();
        let here = Directory::open(dir.path()).unwrap();
        assert_eq!(here.subdirectories(10).unwrap(), ["real"]);
        assert!(here.enter("latest").unwrap().is_none());
        assert!(here.enter("real").unwrap().is_some());
        assert_eq!(here.read("link").unwrap(), None);
        assert_eq!(here.read("file").unwrap().unwrap(), b"x");
        assert_eq!(here.link("latest").unwrap().unwrap(), Path::new("real"));
        assert_eq!(here.link("file").unwrap(), None);
    }

    #[test]
    fn an_absent_directory_is_none_and_an_absent_work_directory_an_error_with_its_path() {
        let dir = tempfile::tempdir().unwrap();
        let here = Directory::open(dir.path()).unwrap();
        assert!(here.enter("gone").unwrap().is_none());
        assert!(here.enter_all("a/b").unwrap().is_none());
        std::fs::create_dir_all(dir.path().join("b/c")).unwrap();
        assert!(here.enter_all("b/gone").unwrap().is_none());
        let entered = here.enter_all("b/c").unwrap().unwrap();
        assert_eq!(entered.path(), dir.path().join("b/c"));
        assert_eq!(here.read("gone").unwrap(), None);
        let error = Directory::open(&dir.path().join("gone")).unwrap_err();
        assert!(error.to_string().contains("gone"), "{error}");
    }

    #[test]
    fn a_listing_ends_at_the_most_names_wanted() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["a", "b", "c"] {
            std::fs::create_dir(dir.path().join(name)).unwrap();
        }
        assert_eq!(
            Directory::open(dir.path())
                .unwrap()
                .subdirectories(2)
                .unwrap()
                .len(),
            2
        );
    }
}
