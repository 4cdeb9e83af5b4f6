//! TLS to what a check looks at.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::pki_types::{InvalidDnsNameError, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::agent::trust::{TrustError, of_file, of_this_host};
use crate::agent::verifier::NoVerification;

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("'{host}' can stand in no certificate: {source}")]
    Name {
        host: String,
        source: InvalidDnsNameError,
    },
    #[error("set TLS up: {0}")]
    Setup(#[from] rustls::Error),
    #[error("set TLS up: {0}")]
    Thread(#[from] tokio::task::JoinError),
    #[error("TLS with {host}: {source}")]
    Handshake { host: String, source: io::Error },
}

/// Whose signature makes a certificate valid: the authorities in this file, or those that this host trusts.
#[derive(Clone, Debug, Default)]
pub(crate) struct Trust(pub(super) Option<PathBuf>);

impl Trust {
    /// As OpenSSL, and with it curl, is told of another file: by `SSL_CERT_FILE`.
    pub(crate) fn of_environment() -> Self {
        Self(std::env::var_os("SSL_CERT_FILE").map(PathBuf::from))
    }
}

/// Speaks TLS with `host` on `stream`. Without `verify` any certificate will do.
pub(super) async fn connect(
    stream: TcpStream,
    host: &str,
    verify: bool,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, TlsError> {
    let name = ServerName::try_from(host.to_owned()).map_err(|source| TlsError::Name {
        host: host.to_owned(),
        source,
    })?;
    let config = if verify {
        let trust = trust.clone();
        // Read anew each time, as authorities come and go while an executor lives.
        spawn_blocking(move || verifying(&trust)).await??
    } else {
        trusting()?
    };
    let connector = TlsConnector::from(Arc::new(config));
    let connected = connector.connect(name, stream).await;
    connected.map_err(|source| TlsError::Handshake {
        host: host.to_owned(),
        source,
    })
}

fn verifying(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let certificates = match &trust.0 {
        Some(file) => of_file("SSL_CERT_FILE", file)?,
        None => of_this_host()?.certificates,
    };
    let mut roots = RootCertStore::empty();
    // One that is no authority's takes nothing away from the others.
    let _added = roots.add_parsable_certificates(certificates);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

/// Takes any certificate, as Mesos's executors do with curl's `-k` (Mesos: src/checks/checker_process.cpp): a task that is
/// asked on its own loopback seldom has one for that name.
fn trusting() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let anyone = NoVerification::new(&provider);
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(anyone))
        .with_no_client_auth())
}
