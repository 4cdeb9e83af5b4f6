//! The configuration of the disk watcher: its file, then, behind a byte that no UTF-8 has, variables of the environment
//! with `=` between name and value.

use std::path::Path;

use disk_watcher::config::Sources;

use crate::input::{pieces, text};

/// Whatever it is, it is a configuration, or everything that is wrong is told, each on lines of its own.
pub(crate) fn run(bytes: &[u8]) {
    let mut pieces = pieces(bytes).map(text);
    let file = pieces.next().unwrap_or_default();
    let variables = pieces.filter_map(|piece| {
        let (name, value) = piece.split_once('=')?;
        Some((format!("MESOS_DISK_WATCHER_{name}"), value.to_owned()))
    });
    let path = Path::new("/watcher.toml");
    if let Err(errors) = Sources::default().load_from((path, &file), variables) {
        assert!(!errors.to_string().is_empty());
    }
}
