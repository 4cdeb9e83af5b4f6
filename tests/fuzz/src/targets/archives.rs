//! An archive that is fetched into a sandbox: a byte for the kind that its name says, then the archive.

use std::fs::{self, File};
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::Duration;

use dialect::Uri;
use fetch::{Order, Proxies, fetch};
use tempfile::TempDir;

const NAMES: [&str; 3] = ["archive.tar", "archive.zip", "content.gz"];
const QUOTA: u64 = 1 << 20;
const UNTOUCHED: &str = "untouched";

/// Whatever it is, nothing beside the sandbox changes, the quota holds, nothing is left that has no name of its own, and
/// no file has a set-user-id bit.
pub(crate) fn run(bytes: &[u8]) {
    let Some((kind, content)) = bytes.split_first() else {
        return;
    };
    // In memory where there is such a place: what counts is how many are tried.
    let memory = Path::new("/dev/shm");
    let around = if memory.is_dir() {
        TempDir::new_in(memory)
    } else {
        TempDir::new()
    }
    .expect("make a directory");
    let source = around.path().join(NAMES[usize::from(*kind) % NAMES.len()]);
    fs::write(&source, content).expect("write the archive");
    let sandbox = around.path().join("sandbox");
    let secret = around.path().join("secret");
    fs::create_dir(&sandbox).expect("make the sandbox");
    fs::write(&secret, UNTOUCHED).expect("write beside the sandbox");
    // What a hostile archive hopes for.
    std::os::unix::fs::symlink(around.path(), sandbox.join("out")).expect("make a link");

    let order = Order {
        uris: vec![Uri {
            value: source.to_string_lossy().into_owned(),
            executable: false,
            extract: true,
            output_file: None,
            checksum: None,
        }],
        quota: Some(QUOTA),
        stall_timeout: Duration::from_secs(1),
        timeout: Some(Duration::from_secs(10)),
        proxies: Proxies::default(),
        ca_bundle: None,
    };
    let directory = File::open(&sandbox).expect("open the sandbox");
    let result = fetch(&order, directory.as_fd(), &mut |progress| {
        drop(progress.to_string());
    });
    if let Err(error) = result {
        assert!(!error.to_string().is_empty());
    }
    let mut beside: Vec<_> = names(around.path());
    beside.sort();
    let mut expected = vec![
        source.file_name().expect("a name").to_owned(),
        "sandbox".into(),
        "secret".into(),
    ];
    expected.sort();
    assert_eq!(beside, expected, "something is beside the sandbox");
    assert_eq!(
        fs::read(&secret).expect("read beside the sandbox"),
        UNTOUCHED.as_bytes()
    );
    let used = sound(&sandbox);
    assert!(used <= QUOTA, "{used} bytes");
}

fn names(directory: &Path) -> Vec<std::ffi::OsString> {
    let entries = fs::read_dir(directory).expect("list a directory");
    entries
        .map(|entry| entry.expect("list a directory").file_name())
        .collect()
}

/// What all below `directory` takes, in bytes; the directory itself was there before.
fn sound(directory: &Path) -> u64 {
    let mut used = 0;
    for name in names(directory) {
        let path = directory.join(&name);
        let metadata = path.symlink_metadata().expect("look at a file");
        assert!(
            metadata.mode() & 0o6000 == 0,
            "{} has a set-id bit",
            path.display()
        );
        assert!(
            !name.to_string_lossy().starts_with(".fetching."),
            "{} stays",
            path.display()
        );
        used += metadata.blocks() * 512;
        if metadata.is_dir() {
            used += sound(&path);
        }
    }
    used
}
