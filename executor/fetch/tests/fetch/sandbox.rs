//! A sandbox to fetch into.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::time::Duration;

use dialect::Uri;
use fetch::{FetchError, Order, Progress, Proxies, Summary};
use tempfile::TempDir;

/// Longer than anything here takes.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct Sandbox {
    pub(crate) dir: TempDir,
    pub(crate) order: Order,
    pub(crate) log: Vec<String>,
}

impl Sandbox {
    pub(crate) fn new() -> Self {
        let order = Order {
            uris: Vec::new(),
            quota: None,
            stall_timeout: PATIENCE,
            timeout: Some(2 * PATIENCE),
            proxies: Proxies::default(),
            ca_bundle: None,
        };
        Self {
            dir: TempDir::new().unwrap(),
            order,
            log: Vec::new(),
        }
    }

    pub(crate) fn fetch(
        &mut self,
        uris: impl IntoIterator<Item = Uri>,
    ) -> Result<Summary, FetchError> {
        self.order.uris = uris.into_iter().collect();
        // As it goes to the process that fetches.
        let order: Order =
            serde_json::from_str(&serde_json::to_string(&self.order).unwrap()).unwrap();
        let directory = File::open(self.dir.path()).unwrap();
        let log = &mut self.log;
        fetch::fetch(&order, directory.as_fd(), &mut |progress: Progress| {
            log.push(progress.to_string());
        })
    }

    /// Fetches what must not be had; the message.
    pub(crate) fn refused(&mut self, uri: Uri) -> String {
        self.fetch([uri]).expect_err("it was fetched").to_string()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        String::from_utf8(std::fs::read(self.path(name)).unwrap()).unwrap()
    }

    pub(crate) fn mode(&self, name: &str) -> u32 {
        self.path(name)
            .symlink_metadata()
            .unwrap()
            .permissions()
            .mode()
            & 0o7777
    }

    /// Everything in the sandbox, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = std::fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .collect();
        names.sort();
        names
    }
}

pub(crate) fn uri(value: impl Into<String>) -> Uri {
    Uri {
        value: value.into(),
        executable: false,
        extract: true,
        output_file: None,
        checksum: None,
    }
}
