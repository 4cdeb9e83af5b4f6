use std::fmt;

/// How a task ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// By itself, with this status (0 to 255).
    Exited(i32),
    /// By a signal.
    Signaled {
        /// The signal's number.
        signal: i32,
        /// Whether it left a core dump.
        core_dumped: bool,
    },
}

impl Exit {
    /// Of a status as wait(2) gives it; `None` when it is not that of an end (stopped, continued).
    pub fn from_wait_status(status: i32) -> Option<Exit> {
        if libc::WIFEXITED(status) {
            Some(Exit::Exited(libc::WEXITSTATUS(status)))
        } else if libc::WIFSIGNALED(status) {
            let signal = libc::WTERMSIG(status);
            Some(Exit::Signaled {
                signal,
                core_dumped: libc::WCOREDUMP(status),
            })
        } else {
            None
        }
    }

    /// `exited with status N`, `terminated with signal X`, `... (core dumped)`: what Mesos's
    /// command executor puts behind `Command ` in a status message (Mesos:
    /// 3rdparty/stout/include/stout/os/wait.hpp, `WSTRINGIFY`).
    pub fn describe(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Exited(status) => write!(f, "exited with status {status}"),
            Exit::Signaled {
                signal,
                core_dumped,
            } => {
                write!(f, "terminated with signal {}", SignalText(*signal))?;
                if *core_dumped {
                    f.write_str(" (core dumped)")
                } else {
                    Ok(())
                }
            }
        }
    }
}

/// The text of glibc's strsignal(3) in the C locale, which Mesos prints. A table of our own: the C
/// function is not safe with threads, and another C library says it differently.
struct SignalText(i32);

/// glibc keeps the first two real-time signals for itself.
const FIRST_REAL_TIME: i32 = 34;
const LAST_REAL_TIME: i32 = 64;

impl fmt::Display for SignalText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.0 {
            1 => "Hangup",
            2 => "Interrupt",
            3 => "Quit",
            4 => "Illegal instruction",
            5 => "Trace/breakpoint trap",
            6 => "Aborted",
            7 => "Bus error",
            8 => "Floating point exception",
            9 => "Killed",
            10 => "User defined signal 1",
            11 => "Segmentation fault",
            12 => "User defined signal 2",
            13 => "Broken pipe",
            14 => "Alarm clock",
            15 => "Terminated",
            16 => "Stack fault",
            17 => "Child exited",
            18 => "Continued",
            19 => "Stopped (signal)",
            20 => "Stopped",
            21 => "Stopped (tty input)",
            22 => "Stopped (tty output)",
            23 => "Urgent I/O condition",
            24 => "CPU time limit exceeded",
            25 => "File size limit exceeded",
            26 => "Virtual timer expired",
            27 => "Profiling timer expired",
            28 => "Window changed",
            29 => "I/O possible",
            30 => "Power failure",
            31 => "Bad system call",
            signal @ FIRST_REAL_TIME..=LAST_REAL_TIME => {
                return write!(f, "Real-time signal {}", signal - FIRST_REAL_TIME);
            }
            signal => return write!(f, "Unknown signal {signal}"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_are_those_of_mesos() {
        let status = |code| Exit::from_wait_status(code).unwrap().describe();
        assert_eq!(status(0), "exited with status 0");
        assert_eq!(status(3 << 8), "exited with status 3");
        assert_eq!(status(9), "terminated with signal Killed");
        assert_eq!(status(15), "terminated with signal Terminated");
        assert_eq!(
            status(11 | 0x80),
            "terminated with signal Segmentation fault (core dumped)"
        );
    }

    #[test]
    fn every_text_is_that_of_this_machines_c_library() {
        let texts = crate::sys::tests::strsignal_of_every_signal();
        assert_eq!(texts.len(), 64);
        for (signal, text) in texts {
            assert_eq!(SignalText(signal).to_string(), text, "signal {signal}");
        }
    }

    #[test]
    fn a_stopped_process_has_not_ended() {
        assert_eq!(Exit::from_wait_status(0x137f), None);
    }
}
