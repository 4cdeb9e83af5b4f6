//! How the machine is put together and started.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// What `tests/vm/setup` has made: at once when it was there.
///
/// # Panics
/// When it cannot be made.
fn machine_directory() -> PathBuf {
    let setup = Path::new(env!("CARGO_MANIFEST_DIR")).join("setup");
    let output = Command::new(&setup)
        .stderr(Stdio::inherit())
        .output()
        .unwrap_or_else(|error| panic!("cannot run {}: {error}", setup.display()));
    assert!(
        output.status.success(),
        "{} failed: run `make setup`, which installs what it needs",
        setup.display()
    );
    PathBuf::from(String::from_utf8_lossy(&output.stdout).trim())
}

/// An ext4 image of `directory` at `image`.
///
/// # Panics
/// When it cannot be made.
pub(crate) fn make_image(directory: &Path, image: &Path) {
    let output = Command::new("mke2fs")
        .args(["-q", "-t", "ext4", "-m", "0", "-d"])
        .args([directory, image])
        .arg("512M")
        .output()
        .expect("mke2fs");
    assert!(
        output.status.success(),
        "mke2fs: {}",
        String::from_utf8_lossy(&output.stderr)
    );
}

/// Starts the machine with the file system `programs` as its second drive. Its second serial line is the standard input
/// and output of the process; its console, and what QEMU itself complains of, is appended to `console`.
///
/// No drive is ever written to: what the machine writes is kept in a file without a name, and goes with it. The machine
/// is killed when the thread that started it ends.
///
/// # Panics
/// When it cannot be started.
pub(crate) fn start(programs: &Path, console: File) -> Child {
    let machine = machine_directory();
    let file = |name: &str| {
        machine
            .join(name)
            .to_str()
            .expect("a plain path")
            .to_owned()
    };
    let drive = |path: &str, id: &str| {
        [
            "-drive".to_owned(),
            format!("file={path},if=none,id={id},format=raw,snapshot=on"),
            "-device".to_owned(),
            format!("nvme,drive={id},serial={id}"),
        ]
    };
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "qemu-system-x86_64"])
        // A guest under KVM hangs on some hosts, and others have none.
        .args(["-accel", "tcg,thread=multi", "-smp", "2", "-m", "2048"])
        .args(["-nodefaults", "-display", "none", "-no-reboot"])
        .args(["-chardev", "file,id=console,path=/dev/stderr,append=on"])
        .args(["-serial", "chardev:console"])
        .args(["-chardev", "stdio,id=channel,signal=off"])
        .args(["-serial", "chardev:channel"])
        .args(drive(&file("root.img"), "root"))
        .args(drive(programs.to_str().expect("a plain path"), "programs"))
        .args(["-kernel", &file("vmlinuz"), "-append"])
        // A kernel whose processors are stuck for 40 s gives up, and QEMU with it, having told where they are.
        .arg(
            "console=ttyS0 root=/dev/nvme0n1 rw loglevel=5 panic=-1 watchdog_thresh=20 softlockup_panic=1 \
             softlockup_all_cpu_backtrace=1",
        )
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(console)
        .spawn()
        .expect("setpriv")
}
