//! TLS 1.2 and 1.3 as a client: only with who has a certificate that an authority of the operator's choice vouches for,
//! and, where that is asked for, with a certificate of our own.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

pub use tokio_rustls::TlsConnector;

use crate::private_file::{self, PrivateFileError};

/// A certificate of our own, for who wants to know the other end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The certificate in PEM, and behind it those that lead to an authority.
    pub certificate_file: PathBuf,
    /// Its private key in PEM; a file of mode 0600.
    pub key_file: PathBuf,
}

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// Nobody would be trusted.
    #[error("TLS needs a file of certificate authorities to trust")]
    NoAuthority,
    /// Not readable, or not PEM.
    #[error("cannot read certificates from {path:?}")]
    Certificates {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        source: pem::Error,
    },
    /// A certificate that cannot vouch for anybody.
    #[error("cannot trust a certificate authority in {path:?}")]
    Authority {
        /// Which.
        path: PathBuf,
        /// What rustls says.
        source: rustls::Error,
    },
    /// PEM, but no certificate in it.
    #[error("there is no certificate in {path:?}")]
    Empty {
        /// Which.
        path: PathBuf,
    },
    /// The file of our private key.
    #[error(transparent)]
    KeyFile(#[from] PrivateFileError),
    /// Says nothing of what is in the file.
    #[error("there is no private key in {path:?}")]
    NoKey {
        /// Which.
        path: PathBuf,
    },
    /// Certificate and key do not belong together, for example.
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// What makes TCP connections into TLS ones. Trusts the authorities in `ca_file`, in PEM, and nobody else. Blocks.
///
/// # Errors
/// When nobody is to be trusted, or a file cannot be read or does not hold what it is named for.
pub fn connector(
    ca_file: Option<&Path>,
    identity: Option<&Identity>,
) -> Result<TlsConnector, TlsError> {
    let path = ca_file.ok_or(TlsError::NoAuthority)?;
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        let added = roots.add(certificate);
        added.map_err(|source| TlsError::Authority {
            path: path.to_owned(),
            source,
        })?;
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots);
    let config = match identity {
        None => config.with_no_client_auth(),
        Some(identity) => {
            let chain = certificates(&identity.certificate_file)?;
            config.with_client_auth_cert(chain, private_key(&identity.key_file)?)?
        }
    };
    Ok(TlsConnector::from(Arc::new(config)))
}

/// At least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let unread = |source| TlsError::Certificates {
        path: path.to_owned(),
        source,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(unread)?;
    let found: Vec<_> = found.collect::<Result<_, _>>().map_err(unread)?;
    if found.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    Ok(found)
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = private_file::read(path)?;
    // What the parser says could show a piece of the key.
    PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| TlsError::NoKey {
        path: path.to_owned(),
    })
}

/// The handshake with who has to have a certificate that is valid for `host`, a name or an IP address.
///
/// # Errors
/// When the other end has no such certificate, or does not speak TLS.
pub async fn handshake(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    connector.connect(name, stream).await
}
