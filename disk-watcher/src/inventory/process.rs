//! Processes, told apart from others of the same number.

use std::fs;

use super::subject::Process;

impl Process {
    /// The process that has this number now, if any has.
    pub(crate) fn of(pid: u32) -> Option<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The second field is the program's name in parentheses, and may have any in it.
        let (_, fields) = stat.rsplit_once(')')?;
        // The first of these is the third of the file; the start is the 22nd.
        let started = fields.split_ascii_whitespace().nth(22 - 3)?.parse().ok()?;
        Some(Self { pid, started })
    }

    /// Whether it is there still.
    pub(crate) fn is_there(self) -> bool {
        Self::of(self.pid) == Some(self)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn a_process_is_itself_until_it_has_ended() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let process = Process::of(child.id()).unwrap();
        assert!(process.is_there());
        assert!(process.started > 0);
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(!process.is_there());
    }

    #[test]
    fn a_process_of_the_same_number_that_started_at_another_time_is_another() {
        let own = Process::of(std::process::id()).unwrap();
        let other = Process {
            started: own.started + 1,
            ..own
        };
        assert!(own.is_there());
        assert!(!other.is_there());
    }
}
