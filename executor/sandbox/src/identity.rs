//! Who a task runs as, from `/etc/passwd` and `/etc/group`. The files are read by ourselves: the
//! static binary cannot load the C library's name services.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use nix::fcntl::{OFlag, open, openat};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

use crate::Fault;

/// The group of a numeric user whom no file knows: `nogroup`, which has no rights anywhere.
const NO_GROUP: u32 = 65534;

/// A user with the groups it is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Id of the primary group.
    pub gid: u32,
    /// Ids of all groups, the primary one first; each once.
    pub groups: Vec<u32>,
    /// The home directory; `None` for a numeric user without an entry.
    pub home: Option<PathBuf>,
}

/// Why a user could not be found.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// There is no such user.
    #[error("unknown user '{user}'")]
    Unknown {
        /// What was looked for.
        user: String,
    },
    /// A file could not be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
}

impl IdentityError {
    /// An unknown user is the task's fault, an unreadable file the host's.
    pub fn fault(&self) -> Fault {
        match self {
            IdentityError::Unknown { .. } => Fault::Task,
            IdentityError::Read { .. } => Fault::Host,
        }
    }
}

/// The user `user`, a name or, when no name is so, a number, by the files under `root`: `/`, or the root directory of an
/// image, of which nothing is believed: links in it are not followed, and nothing but plain files is read.
///
/// A number without an entry is a user all the same, with no group but `nogroup`. With `:` and the name or number of a
/// group behind it, the user is in that group and in no other. Lines that make no sense are passed over, as the C library
/// does.
///
/// # Errors
/// No such user or group, or a file that is there cannot be read.
pub fn lookup(root: &Path, user: &str) -> Result<Identity, IdentityError> {
    let unknown = || IdentityError::Unknown {
        user: user.to_owned(),
    };
    let (name, group) = match user.split_once(':') {
        Some((name, group)) => (name, Some(group)),
        None => (user, None),
    };
    let mut identity = lookup_user(root, name)?.ok_or_else(unknown)?;
    if let Some(group) = group {
        let gid = lookup_group(root, group)?.ok_or_else(unknown)?;
        identity.gid = gid;
        identity.groups = vec![gid];
    }
    Ok(identity)
}

fn lookup_user(root: &Path, user: &str) -> Result<Option<Identity>, IdentityError> {
    let passwd = read(root, "passwd")?;
    let entries = || passwd.lines().filter_map(Entry::parse);
    let entry = entries()
        .find(|entry| entry.name == user)
        .or_else(|| entries().find(|entry| Some(entry.uid) == number(user)));
    let Some(entry) = entry else {
        return Ok(number(user).map(|uid| Identity {
            uid,
            gid: NO_GROUP,
            groups: vec![NO_GROUP],
            home: None,
        }));
    };
    let mut groups = vec![entry.gid];
    let group = read(root, "group")?;
    let memberships = group
        .lines()
        .filter_map(|line| membership(line, entry.name));
    for gid in memberships {
        if !groups.contains(&gid) {
            groups.push(gid);
        }
    }
    Ok(Some(Identity {
        uid: entry.uid,
        gid: entry.gid,
        groups,
        home: Some(entry.home.into()),
    }))
}

fn lookup_group(root: &Path, group: &str) -> Result<Option<u32>, IdentityError> {
    let text = read(root, "group")?;
    let named = text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let is_it = !group.is_empty() && fields.next()? == group;
        is_it.then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    Ok(named.or_else(|| number(group)))
}

/// An id in digits alone. 2^32-1 means "leave as it is" to the kernel.
fn number(text: &str) -> Option<u32> {
    let number = text.parse().ok().filter(|id| *id != u32::MAX);
    number.filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// The text of a file in `/etc`, whatever bytes its comments hold; empty when there is none, as in a container that was
/// made from a single binary.
fn read(root: &Path, name: &str) -> Result<String, IdentityError> {
    let path = root.join("etc").join(name);
    let bytes = if root == Path::new("/") {
        fs::read(&path)
    } else {
        read_carefully(root, name)
    };
    match bytes {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(IdentityError::Read { path, source }),
    }
}

/// More than any such file has that was not made to hold us up.
const MOST: u64 = 16 << 20;

fn read_carefully(root: &Path, name: &str) -> io::Result<Vec<u8>> {
    let directory = OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root = open(root, directory, Mode::empty())?;
    let etc = openat(&root, "etc", directory | OFlag::O_NOFOLLOW, Mode::empty())?;
    // A pipe would have us wait, a link lead out.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK | OFlag::O_CLOEXEC;
    let file = File::from(openat(&etc, name, flags, Mode::empty())?);
    if !file.metadata()?.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

struct Entry<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

impl<'a> Entry<'a> {
    /// `name:password:uid:gid:comment:home:shell` (passwd(5)).
    fn parse(line: &'a str) -> Option<Entry<'a>> {
        let mut fields = line.split(':');
        let name = fields
            .next()
            .filter(|name| !name.is_empty() && !name.starts_with(['#', '+', '-']))?;
        let uid = fields.nth(1)?.parse().ok()?;
        let gid = fields.next()?.parse().ok()?;
        let home = fields.nth(1)?;
        Some(Entry {
            name,
            uid,
            gid,
            home,
        })
    }
}

/// The group's id when `user` is among its members: `name:password:gid:member,...` (group(5)).
fn membership(line: &str, user: &str) -> Option<u32> {
    let mut fields = line.split(':').skip(2);
    let gid = fields.next()?.parse().ok()?;
    fields
        .next()?
        .split(',')
        .any(|member| member == user)
        .then_some(gid)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(passwd: &str, group: &str) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("etc")).unwrap();
        fs::write(root.path().join("etc/passwd"), passwd).unwrap();
        fs::write(root.path().join("etc/group"), group).unwrap();
        root
    }

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nann:x:1000:100:Ann:/home/ann:/bin/sh\n";
    const GROUP: &str = "root:x:0:\nusers:x:100:ann\ndisk:x:6:bob,ann\naudio:x:29:anna\n";

    #[test]
    fn a_name_gives_its_ids_and_every_group_it_is_a_member_of_once() {
        let root = root(PASSWD, GROUP);
        let identity = lookup(root.path(), "ann").unwrap();
        let home = Some(PathBuf::from("/home/ann"));
        assert_eq!(
            identity,
            Identity {
                uid: 1000,
                gid: 100,
                groups: vec![100, 6],
                home
            }
        );
    }

    #[test]
    fn a_number_is_the_user_who_has_it() {
        let root = root(PASSWD, GROUP);
        assert_eq!(
            lookup(root.path(), "1000").unwrap(),
            lookup(root.path(), "ann").unwrap()
        );
    }

    #[test]
    fn a_name_made_of_digits_goes_before_the_number() {
        let root = root("1000:x:7:7::/:/\nann:x:1000:100::/:/\n", "");
        assert_eq!(lookup(root.path(), "1000").unwrap().uid, 7);
    }

    #[test]
    fn a_number_nobody_has_is_a_user_without_rights() {
        let none = tempfile::tempdir().unwrap();
        let identity = lookup(none.path(), "4711").unwrap();
        assert_eq!((identity.uid, identity.groups), (4711, vec![NO_GROUP]));
    }

    #[test]
    fn what_is_neither_is_unknown_and_the_tasks_fault() {
        let root = root(PASSWD, GROUP);
        for user in [
            "nope",
            "",
            "-1",
            "+5",
            "root:x",
            "root:",
            ":users",
            "root:users:x",
            "root:-1",
            "4294967295",
            "4294967296",
            "#",
        ] {
            let error = lookup(root.path(), user).unwrap_err();
            assert_eq!(error.to_string(), format!("unknown user '{user}'"));
            assert_eq!(error.fault(), Fault::Task);
        }
    }

    #[test]
    fn a_group_behind_it_is_the_only_one() {
        let root = root(PASSWD, GROUP);
        for (user, uid, gid) in [
            ("ann:disk", 1000, 6),
            ("1000:29", 1000, 29),
            ("4711:users", 4711, 100),
            ("0:4712", 0, 4712),
        ] {
            let identity = lookup(root.path(), user).unwrap();
            assert_eq!((identity.uid, identity.gid), (uid, gid), "{user}");
            assert_eq!(identity.groups, [gid], "{user}");
        }
    }

    #[test]
    fn an_image_has_its_own_users_and_no_link_in_it_is_followed() {
        let (image, other) = (root(PASSWD, GROUP), root("eve:x:0:0::/:/\n", ""));
        let passwd = image.path().join("etc/passwd");
        assert_eq!(lookup(image.path(), "ann").unwrap().uid, 1000);
        fs::remove_file(&passwd).unwrap();
        std::os::unix::fs::symlink(other.path().join("etc/passwd"), &passwd).unwrap();
        let error = lookup(image.path(), "eve").unwrap_err();
        assert_eq!(error.fault(), Fault::Host);
        // A pipe that nobody writes to holds nobody up.
        fs::remove_file(&passwd).unwrap();
        nix::unistd::mkfifo(&passwd, Mode::S_IRWXU).unwrap();
        assert!(lookup(image.path(), "eve").is_err());
        fs::remove_dir_all(image.path().join("etc")).unwrap();
        std::os::unix::fs::symlink(other.path().join("etc"), image.path().join("etc")).unwrap();
        assert!(lookup(image.path(), "eve").is_err());
    }

    #[test]
    fn broken_lines_and_foreign_bytes_are_passed_over() {
        let root = root(
            "nonsense\n:x:0:0::/:/\n+::::::\nann:x:abc:1::/:/\n",
            "users:x\n",
        );
        fs::write(
            root.path().join("etc/passwd"),
            b"x:x:0\nann:x:q:1::/:/\nann:x:5:6:\xff\xfe:/:/\n",
        )
        .unwrap();
        assert_eq!(lookup(root.path(), "ann").unwrap().uid, 5);
    }

    #[test]
    fn a_file_that_cannot_be_read_is_the_hosts_fault() {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("etc/passwd")).unwrap();
        let error = lookup(root.path(), "ann").unwrap_err();
        assert!(error.to_string().contains("etc/passwd"), "{error}");
        assert_eq!(error.fault(), Fault::Host);
    }
}
