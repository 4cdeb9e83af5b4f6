//! Names of spools.

use std::fmt::{self, Write as _};

use crate::Address;

/// The longest name that is spelt out; file systems take 255 bytes.
const LONGEST: usize = 200;

/// The name of a destination's spool: the same for the same destination for ever, another for every
/// other one, and a plain file name whatever the destination is called.
///
/// `graphite.example.com:2003`, with an instance `graphite.example.com:2003:a`. A host is taken in
/// lower case; a byte that is not a letter, a digit, `.`, `-` or `_` is written as `%` and two
/// hexadecimal digits, as is a first `.`; of what is too long the end is replaced by `~` and a
/// checksum of all of it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpoolName(String);

impl SpoolName {
    /// The name of the spool of the carbon at `address`. `instance` tells apart carbons of one host
    /// in a consistent-hash ring (carbon: `DESTINATIONS`, `host:port:instance`).
    #[must_use]
    pub fn of(address: &Address, instance: Option<&str>) -> Self {
        let mut name = String::new();
        escape(&mut name, &address.host.to_ascii_lowercase());
        let _ = write!(name, ":{}", address.port);
        if let Some(instance) = instance {
            name.push(':');
            escape(&mut name, instance);
        }
        if name.len() > LONGEST {
            let sum = fnv1a(name.as_bytes());
            name.truncate(LONGEST - 17);
            let _ = write!(name, "~{sum:016x}");
        }
        Self(name)
    }

    /// The file name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SpoolName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(out: &mut String, text: &str) {
    for (place, byte) in text.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        if plain || (byte == b'.' && place > 0) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02x}");
        }
    }
}

/// FNV-1a of 64 bits: chosen once, since a name must not change with a library's version.
fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn name(host: &str, port: u16, instance: Option<&str>) -> String {
        let host = host.to_owned();
        SpoolName::of(&Address { host, port }, instance).to_string()
    }

    #[test]
    fn an_ordinary_destination_is_readable_in_its_name() {
        assert_eq!(
            name("Graphite.example.com", 2003, None),
            "graphite.example.com:2003"
        );
        assert_eq!(name("10.0.0.1", 2103, Some("a")), "10.0.0.1:2103:a");
        assert_eq!(name("::1", 2003, None), "%3a%3a1:2003");
    }

    #[test]
    fn no_two_destinations_have_the_same_name_and_each_is_one_plain_file_name() {
        let long = "x".repeat(250);
        let longer = "x".repeat(251);
        let hosts = [
            "a", "a:1", "a%3a1", "..", ".", "", "a/b", "a.b", "~", &long, &longer,
        ];
        let instances = [
            None,
            Some(""),
            Some("a"),
            Some("1"),
            Some("a/../b"),
            Some(&*long),
        ];
        let mut names = BTreeSet::new();
        for host in hosts {
            for port in [1, 11] {
                for instance in instances {
                    let name = name(host, port, instance);
                    assert!(name.len() <= LONGEST, "{name}");
                    assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
                    assert!(names.insert(name.clone()), "{name} twice");
                }
            }
        }
    }
}
