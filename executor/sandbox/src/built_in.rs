//! Functions of this very program that run as a task would, instead of a program.

use crate::line;
use std::os::fd::AsFd;

/// A function that runs in a task's place: as its user, in its sandbox, its cgroup and its directory,
/// with its output, alone and with one thread. It is given the argument of [`crate::Command::BuiltIn`].
///
/// The environment is that of the program, which is empty, and not the plan's.
pub type BuiltIn = fn(argument: &str) -> Answer;

/// What a [`BuiltIn`] ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The exit status (0 to 255).
    pub status: i32,
    /// What the executor is told ([`crate::Process::answer`]): 32 KiB at the most, the rest is cut off.
    pub text: String,
}

/// The built-in functions of a program, by their names.
pub(crate) type Table<'a> = &'a [(&'a str, BuiltIn)];

/// As long as an answer can be; well below what a socket takes at once (net.core.wmem_default).
const MOST: usize = 32 * 1024;

pub(crate) fn find(table: Table<'_>, name: &str) -> Option<BuiltIn> {
    let entry = table.iter().find(|(known, _)| *known == name);
    entry.map(|(_, function)| *function)
}

impl Answer {
    /// Tells the executor, and never waits for it.
    pub(crate) fn tell(&self, line: &impl AsFd) {
        let text = &self.text[..self.text.floor_char_boundary(MOST)];
        // Nobody may want to know it.
        let _ = line::tell(line, text.as_bytes());
    }

    /// What was told.
    pub(crate) fn hear(line: &impl AsFd) -> Option<String> {
        let text = line::hear_now(line, MOST)?;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(text: String) -> Option<String> {
        let (here, there) = line::pair().unwrap();
        Answer { status: 0, text }.tell(&there);
        Answer::hear(&here)
    }

    #[test]
    fn an_answer_is_heard_as_it_was_told() {
        assert_eq!(heard("{\"ä\": 1}".into()).unwrap(), "{\"ä\": 1}");
    }

    #[test]
    fn one_that_is_too_long_is_cut_between_two_characters() {
        let answer = heard("x".to_owned() + &"ä".repeat(MOST)).unwrap();
        assert_eq!(answer.len(), MOST - 1);
        assert!(answer.ends_with('ä'));
    }

    #[test]
    fn where_none_was_told_there_is_none_and_nobody_waits_for_it() {
        let (here, _there) = line::pair().unwrap();
        assert_eq!(Answer::hear(&here), None);
    }
}
