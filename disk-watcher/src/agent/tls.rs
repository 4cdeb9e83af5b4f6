//! TLS to an agent: 1.2 and 1.3, and only with a certificate that an authority of the operator's choice vouches for.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Why there can be no TLS.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error("an agent with https needs a file of certificate authorities to trust")]
    NoAuthority,
    #[error("cannot read certificate authorities from {path:?}")]
    Authorities { path: PathBuf, source: pem::Error },
    #[error("cannot trust a certificate authority in {path:?}")]
    Authority {
        path: PathBuf,
        source: rustls::Error,
    },
    #[error("there is no certificate authority in {path:?}")]
    Empty { path: PathBuf },
    #[error("cannot set up TLS")]
    Setup(#[from] rustls::Error),
}

/// What makes connections to an agent into TLS ones. Trusts the authorities in `ca_file`, in PEM, and nobody else.
pub(super) fn connector(ca_file: Option<&Path>) -> Result<TlsConnector, TlsError> {
    let path = ca_file.ok_or(TlsError::NoAuthority)?;
    let unread = |source| TlsError::Authorities {
        path: path.to_owned(),
        source,
    };
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path).map_err(unread)? {
        let added = roots.add(certificate.map_err(unread)?);
        added.map_err(|source| TlsError::Authority {
            path: path.to_owned(),
            source,
        })?;
    }
    if roots.is_empty() {
        return Err(TlsError::Empty {
            path: path.to_owned(),
        });
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

/// The handshake with an agent whose certificate has to be valid for `host`.
pub(super) async fn handshake(
    connector: &TlsConnector,
    host: &str,
    stream: TcpStream,
) -> io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
    connector.connect(name, stream).await
}
