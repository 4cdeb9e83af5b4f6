//! Opening what lies below a directory whose content may be anybody's: no way out of it, neither by a link nor by `..`.
//!
//! Each component is opened by itself, and links are followed by ourselves. The kernel could do it (`openat2` with
//! `RESOLVE_IN_ROOT`), but not before Linux 5.6, and one way that is tested everywhere is better than two.

use std::ffi::{OsStr, OsString};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Component, Path};

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, openat, readlinkat};
use nix::sys::stat::{Mode, SFlag, fstatat, mkdirat};

/// As many links as the kernel follows (path_resolution(7)).
const MOST_LINKS: u32 = 40;

/// For a name only, which needs no right to what it names and does not wake it, as a device or a pipe.
pub(super) const NAME: OFlag = OFlag::O_PATH
    .union(OFlag::O_NOFOLLOW)
    .union(OFlag::O_CLOEXEC);

/// What is made where something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Directory,
    File,
}

impl Kind {
    /// What something of this type can be laid over.
    pub(super) fn like(kind: SFlag) -> Kind {
        match kind {
            SFlag::S_IFDIR => Kind::Directory,
            _ => Kind::File,
        }
    }
}

/// A directory, and what lies below it.
#[derive(Debug)]
pub(super) struct Tree {
    root: OwnedFd,
    links: Links,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Links {
    /// As from a root directory: an absolute one begins there.
    Followed,
    Refused,
}

impl Tree {
    /// Links in it lead somewhere in it.
    pub(super) fn new(root: OwnedFd) -> Tree {
        Tree {
            root,
            links: Links::Followed,
        }
    }

    /// A link in it is an error, `ELOOP`.
    pub(super) fn without_links(root: OwnedFd) -> Tree {
        Tree {
            root,
            links: Links::Refused,
        }
    }

    pub(super) fn root(&self) -> BorrowedFd<'_> {
        self.root.as_fd()
    }

    /// What is at `path`, by name only, with what is mounted on it.
    pub(super) fn open(&self, path: &Path) -> Result<OwnedFd, Errno> {
        self.walk(path, None)
    }

    /// The same, made with all above it when it is not there. Where nothing can be made it is `ENOENT`.
    pub(super) fn open_or_make(&self, path: &Path, kind: Kind) -> Result<OwnedFd, Errno> {
        self.walk(path, Some(kind))
    }

    fn walk(&self, path: &Path, make: Option<Kind>) -> Result<OwnedFd, Errno> {
        // `..` goes back to what was come from, whatever has been moved meanwhile.
        let mut above: Vec<OwnedFd> = Vec::new();
        let mut todo = backwards(path);
        let mut links = 0;
        while let Some(name) = todo.pop() {
            let here = above.last().map_or(self.root.as_fd(), AsFd::as_fd);
            if name == ".." {
                above.pop();
                continue;
            }
            match openat(here, &*name, NAME | OFlag::O_DIRECTORY, Mode::empty()) {
                Ok(directory) => above.push(directory),
                Err(Errno::ENOENT) if make.is_some() => {
                    let is_last = todo.is_empty();
                    let kind = make.filter(|_| is_last).unwrap_or(Kind::Directory);
                    make_one(here, &name, kind)?;
                    todo.push(name);
                }
                Err(Errno::ENOTDIR | Errno::ELOOP) => match readlinkat(here, &*name) {
                    Ok(_) if self.links == Links::Refused => return Err(Errno::ELOOP),
                    Ok(target) => {
                        links += 1;
                        if links > MOST_LINKS {
                            return Err(Errno::ELOOP);
                        }
                        let target = Path::new(&target);
                        if target.has_root() {
                            above.clear();
                        }
                        todo.extend(backwards(target));
                    }
                    // No link.
                    Err(Errno::EINVAL) if todo.is_empty() => return file(here, &name),
                    Err(Errno::EINVAL) => return Err(Errno::ENOTDIR),
                    Err(errno) => return Err(errno),
                },
                Err(errno) => return Err(errno),
            }
        }
        match above.pop() {
            Some(found) => Ok(found),
            None => openat(&self.root, ".", NAME | OFlag::O_DIRECTORY, Mode::empty()),
        }
    }
}

/// The names of a path, the last one first.
fn backwards(path: &Path) -> Vec<OsString> {
    let names = path.components().filter_map(|component| match component {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        Component::RootDir | Component::CurDir | Component::Prefix(_) => None,
    });
    let mut names: Vec<OsString> = names.collect();
    names.reverse();
    names
}

fn file(here: BorrowedFd<'_>, name: &OsStr) -> Result<OwnedFd, Errno> {
    let file = openat(here, name, NAME, Mode::empty())?;
    // Should it have become one meanwhile.
    if kind_of(&file)? == SFlag::S_IFLNK {
        return Err(Errno::ELOOP);
    }
    Ok(file)
}

fn make_one(here: BorrowedFd<'_>, name: &OsStr, kind: Kind) -> Result<(), Errno> {
    let made = match kind {
        Kind::Directory => mkdirat(here, name, Mode::from_bits_truncate(0o755)),
        Kind::File => {
            let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
            openat(here, name, flags, Mode::from_bits_truncate(0o644)).map(drop)
        }
    };
    match made {
        // Somebody was faster; it is opened as whatever it is.
        Ok(()) | Err(Errno::EEXIST) => Ok(()),
        // That it is not there says more.
        Err(Errno::EROFS) => Err(Errno::ENOENT),
        Err(errno) => Err(errno),
    }
}

/// The type of what is open.
pub(super) fn kind_of(what: &impl AsFd) -> Result<SFlag, Errno> {
    let found = fstatat(what, "", AtFlags::AT_EMPTY_PATH)?;
    Ok(SFlag::from_bits_truncate(found.st_mode) & SFlag::S_IFMT)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    use super::*;

    fn tree(directory: &Path) -> Tree {
        Tree::new(fs::File::open(directory).unwrap().into())
    }

    fn strict(directory: &Path) -> Tree {
        Tree::without_links(fs::File::open(directory).unwrap().into())
    }

    /// The number of the file that is found.
    fn found(tree: &Tree, path: &str) -> Result<u64, Errno> {
        let found = tree.open(Path::new(path))?;
        Ok(fstatat(&found, "", AtFlags::AT_EMPTY_PATH).unwrap().st_ino)
    }

    fn number(path: &Path) -> u64 {
        fs::metadata(path).unwrap().ino()
    }

    #[test]
    fn links_lead_nowhere_but_into_the_tree() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("etc")).unwrap();
        fs::create_dir(outside.path().join("etc")).unwrap();
        symlink("/etc", root.join("a/absolute")).unwrap();
        symlink("../../../../etc", root.join("a/climbing")).unwrap();
        symlink("b", root.join("a/beside")).unwrap();
        let tree = tree(&root);
        let etc = number(&root.join("etc"));
        for path in [
            "a/absolute",
            "/a/climbing",
            "../etc",
            "a/beside/../../etc",
            "/etc",
        ] {
            assert_eq!(found(&tree, path), Ok(etc), "{path}");
        }
        assert_eq!(found(&tree, "a/beside"), Ok(number(&root.join("a/b"))));
        assert_eq!(found(&tree, "/"), Ok(number(&root)));
        assert_eq!(found(&tree, "no/where"), Err(Errno::ENOENT));
    }

    #[test]
    fn links_in_a_circle_come_to_an_end() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        assert_eq!(found(&tree(root.path()), "a"), Err(Errno::ELOOP));
    }

    #[test]
    fn where_links_are_refused_each_is_an_error() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("real")).unwrap();
        symlink("real", root.path().join("link")).unwrap();
        let tree = strict(root.path());
        assert!(found(&tree, "real").is_ok());
        assert_eq!(found(&tree, "link"), Err(Errno::ELOOP));
        let below = Path::new("link/below");
        assert_eq!(
            tree.open_or_make(below, Kind::Directory).unwrap_err(),
            Errno::ELOOP
        );
        assert_eq!(fs::read_dir(root.path().join("real")).unwrap().count(), 0);
    }

    #[test]
    fn what_is_missing_is_made_and_what_is_there_is_found() {
        let root = tempfile::tempdir().unwrap();
        let tree = tree(root.path());
        for _ in 0..2 {
            let made = tree.open_or_make(Path::new("/a/b/c"), Kind::File).unwrap();
            assert_eq!(kind_of(&made), Ok(SFlag::S_IFREG));
            let made = tree.open_or_make(Path::new("/a/d"), Kind::Directory);
            assert_eq!(kind_of(&made.unwrap()), Ok(SFlag::S_IFDIR));
        }
        assert!(root.path().join("a/b/c").is_file());
        let below_a_file = tree.open_or_make(Path::new("a/b/c/d"), Kind::Directory);
        assert_eq!(below_a_file.unwrap_err(), Errno::ENOTDIR);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_not_made_true_outside() {
        let outside = tempfile::tempdir().unwrap();
        let root = outside.path().join("root");
        fs::create_dir(&root).unwrap();
        symlink("../made", root.join("link")).unwrap();
        tree(&root)
            .open_or_make(Path::new("link"), Kind::Directory)
            .unwrap();
        assert!(!outside.path().join("made").exists());
        assert!(root.join("made").is_dir());
    }
}
