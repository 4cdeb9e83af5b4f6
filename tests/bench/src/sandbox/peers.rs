//! Others that put a program into namespaces and cgroups: util-linux's unshare, Debian's crun, systemd-run.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::bundle::Bundle;

/// A shell that starts them, each as a child of its own, where no cgroup v2 is mounted beside v1: crun takes no mixture.
pub(super) struct Peers {
    shell: Child,
    orders: ChildStdin,
    answers: BufReader<ChildStdout>,
    bundle: Bundle,
}

impl Peers {
    pub(super) fn start() -> Self {
        let bundle = Bundle::new();
        let mut shell = Command::new("unshare")
            .args(["--mount", "sh"])
            .current_dir(bundle.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("unshare");
        let mut peers = Self {
            orders: shell.stdin.take().expect("a pipe"),
            answers: BufReader::new(shell.stdout.take().expect("a pipe")),
            shell,
            bundle,
        };
        // It is not there on every host.
        peers.ask("[ ! -e /sys/fs/cgroup/cpu ] || umount /sys/fs/cgroup/unified 2>/dev/null; true");
        peers
    }

    /// What is measured, by name, and the line that runs `program` so.
    pub(super) fn lines(&mut self, program: &str) -> Vec<(&'static str, String)> {
        self.bundle.write(&[program]);
        let namespaces = "--mount --pid --fork --ipc --uts --cgroup --mount-proc";
        let mut lines = vec![
            (
                "`unshare`: the namespaces and `/proc`, no more",
                format!("unshare {namespaces} {program}"),
            ),
            (
                "`crun` with an equal bundle, without cgroups",
                "crun --cgroup-manager=disabled run bench".to_owned(),
            ),
            ("`crun` with an equal bundle", "crun run bench".to_owned()),
        ];
        if Self::has_systemd() {
            let properties = "-p PrivateTmp=yes -p ProtectSystem=strict -p PrivateDevices=yes -p NoNewPrivileges=yes \
                              -p MemoryMax=64M -p TasksMax=8192";
            lines.push((
                "`systemd-run --wait`, similar",
                format!("systemd-run --wait --collect --quiet {properties} {program}"),
            ));
        }
        lines
    }

    pub(super) fn has_systemd() -> bool {
        Path::new("/run/systemd/system").exists()
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it fails.
    pub(super) fn run(&mut self, line: &str) -> Duration {
        let begin = Instant::now();
        let status = self.ask(line);
        assert_eq!(status, "0", "{line}");
        begin.elapsed()
    }

    /// Its exit status.
    pub(super) fn ask(&mut self, line: &str) -> String {
        // What they say of themselves is no figure.
        writeln!(
            self.orders,
            "{{ {line} ; }} >/dev/null 2>&1 </dev/null; echo $?"
        )
        .expect("a shell");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("a shell");
        answer.trim().to_owned()
    }

    /// The bundle that crun runs.
    pub(super) fn bundle(&mut self) -> &mut Bundle {
        &mut self.bundle
    }
}

impl Drop for Peers {
    fn drop(&mut self) {
        // It may have ended, which is as well.
        let _ = self.shell.kill();
        let _ = self.shell.wait();
        self.bundle.remove_cgroups();
    }
}
