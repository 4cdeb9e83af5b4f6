//! Banning something for a tree of mounts one by one, on kernels that cannot do it at once (before Linux 5.12).

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};

use super::super::errno_of;
use super::mounts::{Bans, name, take_away};
use super::tree::Tree;

/// One line of `/proc/self/mountinfo` (proc_pid_mountinfo(5)).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Mount {
    pub(super) id: u64,
    parent: u64,
    /// Of the file system, as the kernel writes it.
    pub(super) device: Vec<u8>,
    /// What of the file system is mounted.
    pub(super) root: PathBuf,
    pub(super) point: PathBuf,
    flags: MsFlags,
}

/// See [`super::mounts::ban_below`]. A mount that cannot be changed, as of a server that is gone, is taken away: nothing
/// can be written to what is not there. One that is covered by another stays as it is: nobody gets to it.
pub(super) fn ban(top: &impl AsFd, bans: Bans) -> Result<(), Errno> {
    if bans == Bans::default() {
        return Ok(());
    }
    let (mounts, top_point) = tree_of(top)?;
    let tree = top.as_fd().try_clone_to_owned().map(Tree::new);
    let tree = tree.map_err(|error| errno_of(&error))?;
    for one in mounts {
        let inside = one.point.strip_prefix(&top_point).unwrap_or(&one.point);
        if inside == Path::new("") {
            change(&tree.root(), bans, one.flags)?;
            continue;
        }
        match tree.open(inside) {
            Ok(place) if id_of(&place)? == one.id => {
                if change(&place, bans, one.flags).is_err() {
                    take_away(&place)?;
                }
            }
            Ok(_) | Err(Errno::ENOENT | Errno::ENOTDIR) => {}
            // Whoever unmounts by path need not ask the server.
            Err(_) => {
                let path = Path::new(&name(top)).join(inside);
                umount2(&path, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW)?;
            }
        }
    }
    Ok(())
}

fn change(place: &impl AsFd, bans: Bans, has: MsFlags) -> Result<(), Errno> {
    let none = None::<&str>;
    let flags = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | bans.flags() | has;
    mount(none, &*name(place), none, flags, none)
}

/// The mount that is open as `top` and all below it, and where it is.
pub(super) fn tree_of(top: &impl AsFd) -> Result<(Vec<Mount>, PathBuf), Errno> {
    // Of this thread, should there be others.
    let text = fs::read("/proc/thread-self/mountinfo").map_err(|error| errno_of(&error))?;
    let lines = text.split(|byte| *byte == b'\n').filter_map(parse);
    Ok(below(lines.collect(), id_of(top)?))
}

/// The mount with this id and all below it, and where it is.
fn below(mounts: Vec<Mount>, top: u64) -> (Vec<Mount>, PathBuf) {
    // There may be thousands.
    let mut ids = HashSet::from([top]);
    let mut found = Vec::new();
    let mut start = PathBuf::new();
    let mut rest = mounts;
    // A parent need not come before its children: a mount can be moved.
    loop {
        let before = rest.len();
        let (mine, others): (Vec<_>, Vec<_>) = rest
            .into_iter()
            .partition(|one| one.id == top || ids.contains(&one.parent));
        for one in mine {
            if one.id == top {
                start.clone_from(&one.point);
            }
            ids.insert(one.id);
            found.push(one);
        }
        rest = others;
        if rest.len() == before {
            return (found, start);
        }
    }
}

/// The id of the mount that is open.
pub(super) fn id_of(what: &impl AsFd) -> Result<u64, Errno> {
    let number = what.as_fd().as_raw_fd();
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{number}"));
    let info = info.map_err(|error| errno_of(&error))?;
    let id = info.lines().find_map(|line| line.strip_prefix("mnt_id:"));
    id.and_then(|id| id.trim().parse().ok()).ok_or(Errno::EIO)
}

fn parse(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|byte| *byte == b' ');
    let mut number = || std::str::from_utf8(fields.next()?).ok()?.parse().ok();
    let (id, parent) = (number()?, number()?);
    let device = fields.next()?.to_vec();
    let (root, point) = (plain(fields.next()?), plain(fields.next()?));
    let flags = fields.next()?.split(|byte| *byte == b',').map(flag);
    Some(Mount {
        id,
        parent,
        device,
        root: root.into(),
        point: point.into(),
        flags: flags.collect(),
    })
}

fn flag(option: &[u8]) -> MsFlags {
    match option {
        b"ro" => MsFlags::MS_RDONLY,
        b"nosuid" => MsFlags::MS_NOSUID,
        b"nodev" => MsFlags::MS_NODEV,
        b"noexec" => MsFlags::MS_NOEXEC,
        b"noatime" => MsFlags::MS_NOATIME,
        b"nodiratime" => MsFlags::MS_NODIRATIME,
        b"relatime" => MsFlags::MS_RELATIME,
        _ => MsFlags::empty(),
    }
}

/// Without the octal escapes of space, tab, line feed and backslash.
fn plain(escaped: &[u8]) -> OsString {
    let mut bytes = Vec::with_capacity(escaped.len());
    let mut rest = escaped;
    while let Some((first, after)) = rest.split_first() {
        let digits = after
            .get(..3)
            .and_then(|digits| std::str::from_utf8(digits).ok());
        let octal = digits.and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal.filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    OsString::from_vec(bytes)
}

#[cfg(test)]
mod tests {
    use std::os::fd::OwnedFd;
    use std::thread;

    use nix::sched::{CloneFlags, unshare};

    use super::super::mounts::{self, bind};
    use super::*;

    fn open(path: &Path) -> OwnedFd {
        fs::File::open(path).unwrap().into()
    }

    fn lay(place: &Path, flags: MsFlags) {
        fs::create_dir_all(place).unwrap();
        mount(Some("x"), place, Some("tmpfs"), flags, None::<&str>).unwrap();
    }

    /// In a thread with mounts and a current directory of its own.
    fn with_own_mounts(test: impl FnOnce() + Send + 'static) {
        let thread = thread::spawn(|| {
            unshare(CloneFlags::CLONE_NEWNS).unwrap();
            let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
            mount(None::<&str>, "/", None::<&str>, private, None::<&str>).unwrap();
            mounts::begin().unwrap();
            test();
        });
        thread.join().unwrap();
    }

    #[test]
    fn each_mount_of_a_tree_is_banned_from_writing_and_no_other() {
        with_own_mounts(|| {
            let place = tempfile::tempdir().unwrap();
            let (host, copy) = (place.path().join("host"), place.path().join("copy"));
            lay(&host, MsFlags::empty());
            let deep = MsFlags::MS_NOSUID | MsFlags::MS_NOEXEC;
            for (name, flags) in [("a b", deep), ("a b/c", MsFlags::MS_NOATIME), ("d", deep)] {
                lay(&host.join(name), flags);
            }
            // Stacked, so that one of them is reached by nobody.
            lay(&host.join("d"), MsFlags::empty());
            fs::create_dir(&copy).unwrap();
            bind(&open(&host), &open(&copy)).unwrap();
            ban(&open(&copy), Bans::WRITING).unwrap();
            for name in ["it", "a b/it", "a b/c/it", "d/it"] {
                let error = fs::write(copy.join(name), "").unwrap_err();
                assert_eq!(error.raw_os_error(), Some(libc::EROFS), "{name}");
                fs::write(host.join(name), "").unwrap();
            }
        });
    }

    #[test]
    fn a_file_can_be_such_a_tree() {
        with_own_mounts(|| {
            let place = tempfile::tempdir().unwrap();
            let (file, copy) = (place.path().join("file"), place.path().join("copy"));
            for path in [&file, &copy] {
                fs::write(path, "").unwrap();
            }
            bind(&open(&file), &open(&copy)).unwrap();
            ban(&open(&copy), Bans::WRITING).unwrap();
            let error = fs::write(&copy, "").unwrap_err();
            assert_eq!(error.raw_os_error(), Some(libc::EROFS));
            fs::write(&file, "").unwrap();
        });
    }

    const LINES: [&str; 6] = [
        r"22 27 0:21 / /proc rw,nosuid,relatime - proc proc rw",
        r"40 39 0:40 / /root/deep\040er/x ro,noexec - tmpfs x rw",
        r"39 38 0:39 / /root/deep\040er rw,nodev,noatime shared:3 - tmpfs x rw",
        r"38 37 254:0 / /root rw,relatime - ext4 /dev/vda rw",
        r"27 1 254:0 / / rw,relatime - ext4 /dev/vda rw",
        r"nonsense",
    ];

    #[test]
    fn the_mounts_below_one_are_found_in_any_order_with_what_they_ban() {
        let mounts = LINES.iter().filter_map(|line| parse(line.as_bytes()));
        let (mut found, start) = below(mounts.collect(), 38);
        found.sort_by_key(|mount| mount.id);
        assert_eq!(start, Path::new("/root"));
        let points: Vec<_> = found.iter().map(|mount| mount.point.as_path()).collect();
        let expected = ["/root", "/root/deep er", "/root/deep er/x"];
        assert_eq!(points, expected.map(Path::new));
        assert_eq!(found[2].flags, MsFlags::MS_RDONLY | MsFlags::MS_NOEXEC);
        assert_eq!(found[1].flags, MsFlags::MS_NODEV | MsFlags::MS_NOATIME);
    }

    #[test]
    fn escapes_are_undone_and_what_is_none_stays() {
        assert_eq!(plain(br"/a\040b\134c"), OsString::from(r"/a b\c"));
        assert_eq!(plain(br"/a\9"), OsString::from(r"/a\9"));
    }
}
