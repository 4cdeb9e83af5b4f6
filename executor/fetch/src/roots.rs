//! The certificates that servers' certificates must lead to.

use std::io;
use std::path::{Path, PathBuf};

use ureq::tls::{Certificate, PemItem, parse_pem};

/// Where distributions keep them: Debian and Alpine, Fedora and Red Hat, SUSE, Red Hat again, others.
const BUNDLES: [&str; 6] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// Why there are no certificates.
#[derive(Debug, thiserror::Error)]
pub enum RootsError {
    /// This host has them in none of the usual places.
    #[error("this host has certificates of authorities in none of {}", BUNDLES.join(", "))]
    Missing,
    /// The file could not be read.
    #[error("read the certificates of authorities, {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The file holds none.
    #[error("no certificate of an authority in {}", path.display())]
    None {
        /// The file.
        path: PathBuf,
    },
}

/// The file in which this host keeps the certificates of the authorities that it trusts; none when it is in none of the
/// usual places.
pub fn bundle_of_host() -> Option<&'static Path> {
    let mut places = BUNDLES.into_iter().map(Path::new);
    places.find(|path| path.exists())
}

/// Those of `bundle`, else of the host.
pub(crate) fn load(bundle: Option<&Path>) -> Result<Vec<Certificate<'static>>, RootsError> {
    let path = match bundle {
        Some(path) => path,
        None => bundle_of_host().ok_or(RootsError::Missing)?,
    };
    let pem = std::fs::read(path).map_err(|source| RootsError::Read {
        path: path.to_owned(),
        source,
    })?;
    // What is no certificate, or a damaged one, does not take the others' authority away.
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(RootsError::None {
            path: path.to_owned(),
        });
    }
    Ok(certificates)
}
