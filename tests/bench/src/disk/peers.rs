//! Programs that measure directories: GNU du, which Mesos's disk/du runs, and the fastest others that there are.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One of them, and how it is told to count allocated bytes with all the processors that it can use.
pub(super) struct Peer {
    pub(super) name: &'static str,
    program: PathBuf,
    arguments: &'static [&'static str],
}

/// GNU du first. Builds the others if they are not there.
pub(super) fn peers() -> Vec<Peer> {
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/../setup/disk-peers");
    let output = Command::new(setup).stderr(Stdio::inherit()).output();
    let output = output.expect("a script");
    assert!(output.status.success(), "{setup}: {}", output.status);
    let place = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let other = |name, file: &str, arguments| Peer {
        name,
        program: place.join(file),
        arguments,
    };
    vec![
        Peer {
            name: "GNU du",
            program: "du".into(),
            arguments: &["-k", "-s"],
        },
        other(
            "pdu",
            "pdu",
            &[
                "--quantity=block-size",
                "--max-depth=1",
                "--threads=max",
                "--silent-errors",
            ],
        ),
        other("diskus", "diskus", &[]),
        other("dua", "dua", &["aggregate"]),
    ]
}

impl Peer {
    /// Its version, as it says it itself.
    pub(super) fn version(&self) -> String {
        let output = Command::new(&self.program).arg("--version").output();
        let output = output.expect("a program");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let first = text.lines().next().unwrap_or_default();
        first.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    /// Measures `tree`. What it prints is read and dropped.
    ///
    /// # Panics
    /// When it does not say that it went well: what has given up is soon done.
    pub(super) fn run(&self, tree: &Path) {
        let mut command = Command::new(&self.program);
        let output = command.args(self.arguments).arg(tree).output();
        let output = output.expect("a program");
        let words = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {words}", self.name);
    }
}
