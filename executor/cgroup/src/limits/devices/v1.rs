//! The list of v1's `devices` controller.

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{DeviceKind, DeviceRule, Devices, Place};
use crate::Error;
use crate::kernel_file::read;

/// The list of a cgroup that is not limited.
const ALL: &str = "a *:* rwm";

pub(super) fn write(devices: &Devices, place: Place<'_>) -> Result<(), Error> {
    let rules = match devices {
        Devices::Any if place.is_new => return Ok(()),
        // What the cgroup above has, which is the most that can be had.
        Devices::Any => return Control::open(place.directory, "devices.allow")?.say("a"),
        Devices::Only(rules) => rules,
    };
    let wanted: BTreeSet<String> = rules.iter().map(text).collect();
    let mut now = BTreeSet::new();
    if !place.is_new {
        let list = read(&place.directory.join("devices.list"))?;
        now = list.lines().map(str::to_owned).collect();
    }
    let mut deny = Control::open(place.directory, "devices.deny")?;
    if now.is_empty() || now.contains(ALL) {
        deny.say("a")?;
        now.clear();
    }
    // What it may have in both cases it has in between.
    let mut allow = Control::open(place.directory, "devices.allow")?;
    let mut outcome = Ok(());
    for rule in wanted.difference(&now) {
        // One that the cgroup above does not have must not cost the others.
        outcome = outcome.and(allow.say(rule));
    }
    for rule in now.difference(&wanted) {
        deny.say(rule)?;
    }
    outcome
}

/// `c 1:3 rw`, and `*` for each minor.
fn text(rule: &DeviceRule) -> String {
    let kind = match rule.kind {
        DeviceKind::Character => 'c',
        DeviceKind::Block => 'b',
    };
    let minor = rule.minor.map_or("*".to_owned(), |minor| minor.to_string());
    let all = [(rule.read, 'r'), (rule.write, 'w'), (rule.make, 'm')];
    let access: String = all.iter().filter(|(is, _)| *is).map(|(_, c)| c).collect();
    format!("{kind} {}:{minor} {access}", rule.major)
}

/// A file that takes one rule at each write.
struct Control {
    path: PathBuf,
    file: File,
}

impl Control {
    fn open(directory: &Path, name: &str) -> Result<Control, Error> {
        let path = directory.join(name);
        match OpenOptions::new().write(true).open(&path) {
            Ok(file) => Ok(Control { path, file }),
            Err(source) => Err(Error::Write {
                path,
                value: String::new(),
                source,
            }),
        }
    }

    fn say(&mut self, rule: &str) -> Result<(), Error> {
        let written = self.file.write_all(rule.as_bytes());
        written.map_err(|source| Error::Write {
            path: self.path.clone(),
            value: rule.to_owned(),
            source,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::version::Version;
    use std::fs;

    fn put(directory: &Path, devices: &Devices, is_new: bool) {
        let place = Place {
            version: Version::V1,
            directory,
            is_new,
        };
        write(devices, place).unwrap();
    }

    fn written(directory: &Path, file: &str) -> String {
        let path = directory.join(file);
        let text = fs::read_to_string(&path).unwrap();
        fs::write(path, "").unwrap();
        text
    }

    fn cgroup(list: &str) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (file, text) in [
            ("devices.allow", ""),
            ("devices.deny", ""),
            ("devices.list", list),
        ] {
            fs::write(directory.path().join(file), text).unwrap();
        }
        directory
    }

    const NULL: DeviceRule = DeviceRule::character(1, Some(3));
    const TERMINALS: DeviceRule = DeviceRule::character(136, None);

    #[test]
    fn all_are_denied_before_some_are_allowed() {
        let directory = cgroup("a *:* rwm\n");
        put(directory.path(), &Devices::Only(vec![NULL]), true);
        assert_eq!(written(directory.path(), "devices.deny"), "a");
        assert_eq!(written(directory.path(), "devices.allow"), "c 1:3 rw");
    }

    #[test]
    fn a_change_touches_only_what_is_different() {
        let directory = cgroup("c 1:3 rw\nb 8:0 r\n");
        let devices = Devices::Only(vec![NULL, TERMINALS]);
        put(directory.path(), &devices, false);
        assert_eq!(written(directory.path(), "devices.allow"), "c 136:* rw");
        assert_eq!(written(directory.path(), "devices.deny"), "b 8:0 r");
        put(directory.path(), &Devices::Any, false);
        assert_eq!(written(directory.path(), "devices.allow"), "a");
    }
}
