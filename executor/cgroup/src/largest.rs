//! Which process of a cgroup has the most memory.

use std::collections::BTreeSet;
use std::fs;

/// A process, and its memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Largest {
    /// Its name: the process's own choice, of any characters.
    pub name: String,
    /// Bytes of memory that it had (its resident set); not known to the kernel's log yet, or not at
    /// all.
    pub bytes: Option<u64>,
}

/// How many processes are looked at: each costs a file.
const MOST: usize = 256;
/// Every x86-64 kernel has these.
const PAGE: u64 = 4096;

/// The largest of `processes`; `None` when none can be looked at.
pub(crate) fn largest(processes: &BTreeSet<u32>) -> Option<Largest> {
    let looked_at = processes.iter().take(MOST).filter_map(|pid| {
        let stat = fs::read(format!("/proc/{pid}/stat")).ok()?;
        of_stat(&String::from_utf8_lossy(&stat))
    });
    looked_at.max_by_key(|process| process.bytes)
}

/// `pid (name) state ...`, the 24th being pages (proc(5)).
fn of_stat(stat: &str) -> Option<Largest> {
    let (before, after) = stat.rsplit_once(") ")?;
    let (_, name) = before.split_once('(')?;
    let pages: u64 = after.split(' ').nth(21)?.parse().ok()?;
    Some(Largest {
        name: name.to_owned(),
        bytes: Some(pages.saturating_mul(PAGE)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_hold_what_looks_like_the_rest() {
        let stat = "7 (a) S 1 (b) R 1 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 4096 33 1 2";
        let expected = Largest {
            name: "a) S 1 (b".into(),
            bytes: Some(33 * PAGE),
        };
        assert_eq!(of_stat(stat), Some(expected));
    }

    #[test]
    fn one_that_has_ended_is_passed_over() {
        let us = std::process::id();
        let found = largest(&[us, 4_000_000].into()).unwrap();
        assert!(found.bytes > Some(PAGE), "{found:?}");
        assert_eq!(largest(&[4_000_000].into()), None);
    }
}
