use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// What somebody has who was not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Gain {
    /// Something beyond the sandbox.
    Escape(String),
    /// What looked like it, and is the sandbox's own.
    Contained(String),
}

impl Gain {
    /// Something beyond the sandbox.
    ///
    /// # Errors
    /// Never: an attempt ends with it.
    pub(crate) fn escape(what: impl Into<String>) -> Result<Gain, Errno> {
        Ok(Gain::Escape(what.into()))
    }

    /// What is the sandbox's own.
    ///
    /// # Errors
    /// Never: an attempt ends with it.
    pub(crate) fn contained(what: impl Into<String>) -> Result<Gain, Errno> {
        Ok(Gain::Contained(what.into()))
    }
}

/// What came of one attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The kernel said no, with this error number.
    Refused(i32),
    /// It worked, and what was gained is the sandbox's own.
    Contained(String),
    /// It worked.
    Escaped(String),
    /// It died of a signal.
    Killed(i32),
    /// It did not come to an end.
    Hung,
    /// The program that tries is at fault.
    Broken(String),
}

impl Outcome {
    pub(crate) fn of(attempt: Result<Gain, Errno>) -> Outcome {
        match attempt {
            Ok(Gain::Escape(what)) => Outcome::Escaped(what),
            Ok(Gain::Contained(what)) => Outcome::Contained(what),
            Err(errno) => Outcome::Refused(errno as i32),
        }
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Outcome::Refused(errno) => write!(formatter, "{:?}", Errno::from_raw(*errno)),
            Outcome::Contained(what) => write!(formatter, "contained: {what}"),
            Outcome::Escaped(what) => write!(formatter, "ESCAPED: {what}"),
            Outcome::Killed(signal) => write!(formatter, "killed by signal {signal}"),
            Outcome::Hung => formatter.write_str("no end"),
            Outcome::Broken(why) => write!(formatter, "not tried: {why}"),
        }
    }
}

/// What is to come of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// One of these error numbers. There are several where a kernel that lacks the call says so, or where the order in
    /// which the kernel looks differs between its versions.
    Refused(&'static [Errno]),
    /// It works, and reaches the sandbox's own alone.
    Contained,
    /// One of these error numbers, or as [`Expected::Contained`].
    RefusedOrContained(&'static [Errno]),
    /// One of these error numbers, or it dies of a system call that it may not make.
    RefusedOrKilled(&'static [Errno]),
}

impl Expected {
    /// Whether this is it.
    pub fn holds(&self, outcome: &Outcome) -> bool {
        let refused = |errnos: &[Errno]| {
            let mut errnos = errnos.iter();
            matches!(outcome, Outcome::Refused(errno) if errnos.any(|one| *one as i32 == *errno))
        };
        let contained = matches!(outcome, Outcome::Contained(_));
        match self {
            Expected::Refused(errnos) => refused(errnos),
            Expected::Contained => contained,
            Expected::RefusedOrContained(errnos) => contained || refused(errnos),
            Expected::RefusedOrKilled(errnos) => {
                *outcome == Outcome::Killed(libc::SIGSYS) || refused(errnos)
            }
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Expected::Refused(errnos) => write!(formatter, "{errnos:?}"),
            Expected::Contained => formatter.write_str("contained"),
            Expected::RefusedOrContained(errnos) => write!(formatter, "{errnos:?} or contained"),
            Expected::RefusedOrKilled(errnos) => write!(formatter, "{errnos:?} or SIGSYS"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO: Expected = Expected::Refused(&[Errno::EPERM]);

    #[test]
    fn only_the_expected_error_is_a_refusal() {
        assert!(NO.holds(&Outcome::Refused(libc::EPERM)));
        for other in [
            Outcome::Refused(libc::EINVAL),
            Outcome::Contained(String::new()),
            Outcome::Escaped(String::new()),
            Outcome::Killed(libc::SIGSYS),
            Outcome::Hung,
            Outcome::Broken(String::new()),
        ] {
            assert!(!NO.holds(&other), "{other}");
        }
    }

    #[test]
    fn an_escape_is_never_expected() {
        let escape = Outcome::of(Gain::escape("out"));
        for expected in [
            NO,
            Expected::Contained,
            Expected::RefusedOrContained(&[Errno::EPERM]),
            Expected::RefusedOrKilled(&[Errno::EPERM]),
        ] {
            assert!(!expected.holds(&escape), "{expected}");
        }
    }
}
