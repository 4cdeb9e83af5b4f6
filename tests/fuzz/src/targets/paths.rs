//! Paths that somebody else chose: in an archive, in a URI, of a sandbox.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Component, Path};

use fetch::{Inside, Source, file_name, redacted, source};
use mesos_proto::paths::SandboxPath;

use crate::input::{pieces, text};

/// A path is refused or stays inside; a URI's name is one, too; what is shown of a URI holds no password; a sandbox's
/// path is the one that was read.
pub(crate) fn run(bytes: &[u8]) {
    if let Ok(inside) = Inside::parse(bytes) {
        stays(&inside);
    }
    let path = Path::new(OsStr::from_bytes(bytes));
    if let Ok(sandbox) = SandboxPath::parse(path) {
        assert_eq!(
            sandbox.directory().components().collect::<Vec<_>>(),
            path.components().collect::<Vec<_>>()
        );
    }

    let mut pieces = pieces(bytes).map(text);
    let uri = pieces.next().unwrap_or_default();
    if let Ok(name) = file_name(&uri, pieces.next().as_deref()) {
        assert!(!name.is_root());
        stays(&name);
    }
    if let Ok(Source::Local(path)) = source(&uri) {
        assert!(path.starts_with('/'));
    }
    shows_no_password(&uri);
}

fn stays(inside: &Inside) {
    for component in inside.components() {
        let parts: Vec<_> = Path::new(component).components().collect();
        assert_eq!(parts, [Component::Normal(component)], "{inside}");
        assert!(!component.as_bytes().contains(&0), "{inside}");
    }
}

/// Puts a password where one belongs; it must be gone.
fn shows_no_password(uri: &str) {
    const PASSWORD: &str = "sesame-9f3c";
    if let Some((scheme, rest)) = uri.split_once("://")
        && !scheme.contains(['/', '?', '#'])
        && !uri.contains(PASSWORD)
    {
        let with = format!("{scheme}://me:{PASSWORD}@{rest}");
        assert!(!redacted(&with).contains(PASSWORD), "{with}");
    }
    assert!(
        !redacted(&format!("{uri}?key={PASSWORD}")).contains(PASSWORD) || uri.contains(PASSWORD),
        "{uri}"
    );
}
