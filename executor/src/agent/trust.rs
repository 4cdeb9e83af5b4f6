//! Whose signature makes a certificate trusted: `CA_FILE` and `CA_DIR`, or else what this host trusts.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mesos_proto::environment::TlsSettings;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::{self, PemObject};

/// Why nobody's signature is trusted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    #[error("cannot read {variable}, the file {}: {source}", .path.display())]
    File {
        variable: &'static str,
        path: PathBuf,
        source: pem::Error,
    },
    #[error("cannot list {variable}, the directory {}: {source}", .path.display())]
    Directory {
        variable: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("{variable}: there is no certificate in {}", .path.display())]
    Empty {
        variable: &'static str,
        path: PathBuf,
    },
    #[error(
        "this host keeps no list of certificate authorities; SSL_CERT_FILE or, for the agent's, LIBPROCESS_SSL_CA_FILE \
         has to name one"
    )]
    NoSystem,
}

/// The trusted certificates.
pub(crate) struct Trust {
    pub(crate) certificates: Vec<CertificateDer<'static>>,
    /// For messages: where they are from.
    pub(super) origin: String,
}

/// Reads the trusted certificates.
pub(super) fn load(settings: &TlsSettings) -> Result<Trust, TrustError> {
    let (mut certificates, mut origins) = (Vec::new(), Vec::new());
    if let Some(file) = &settings.ca_file {
        certificates.extend(of_file(file.variable, &file.path)?);
        origins.push(format!("{} {}", file.variable, file.path.display()));
    }
    if let Some(directory) = &settings.ca_dir {
        certificates.extend(of_directory(directory.variable, &directory.path)?);
        origins.push(format!(
            "{} {}",
            directory.variable,
            directory.path.display()
        ));
    }
    if origins.is_empty() {
        return of_this_host();
    }
    Ok(Trust {
        certificates,
        origin: origins.join(" or "),
    })
}

/// As OpenSSL finds them, and libprocess with it: its two variables, then the distribution's list.
pub(crate) fn of_this_host() -> Result<Trust, TrustError> {
    let named = |variable| std::env::var_os(variable).map(PathBuf::from);
    let trust = |certificates, path: &Path| Trust {
        certificates,
        origin: format!("an authority in {}", path.display()),
    };
    if let Some(path) = named("SSL_CERT_FILE") {
        return Ok(trust(of_file("SSL_CERT_FILE", &path)?, &path));
    }
    if let Some(path) = named("SSL_CERT_DIR") {
        return Ok(trust(of_directory("SSL_CERT_DIR", &path)?, &path));
    }
    let path = fetch::bundle_of_host().ok_or(TrustError::NoSystem)?;
    Ok(trust(of_file("the system's list", path)?, path))
}

/// The certificates of a file, at least one.
pub(crate) fn of_file(
    variable: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let found = read(path).map_err(|source| TrustError::File {
        variable,
        path: path.to_owned(),
        source,
    })?;
    not_empty(found, variable, path)
}

/// Every certificate in a directory. Other files may stand beside them, as a private key often does.
fn of_directory(
    variable: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    let unlisted = |source| TrustError::Directory {
        variable,
        path: path.to_owned(),
        source,
    };
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(unlisted)? {
        let file = entry.map_err(unlisted)?.path();
        // What cannot be read, or is none, is no reason to distrust the others.
        found.extend(read(&file).unwrap_or_default());
    }
    not_empty(found, variable, path)
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_file_iter(path)?.collect()
}

fn not_empty(
    found: Vec<CertificateDer<'static>>,
    variable: &'static str,
    path: &Path,
) -> Result<Vec<CertificateDer<'static>>, TrustError> {
    if found.is_empty() {
        return Err(TrustError::Empty {
            variable,
            path: path.to_owned(),
        });
    }
    Ok(found)
}
