//! TLS to what a check looks at.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring};
use rustls::crypto::{verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, InvalidDnsNameError, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Where distributions keep the authorities they trust: Debian, Red Hat, SUSE, Alpine.
const OF_THIS_HOST: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// Why there is no TLS connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum TlsError {
    #[error("this host keeps no list of certificate authorities in any of {}", OF_THIS_HOST.join(", "))]
    NoAuthorities,
    #[error("read the certificate authorities in {}: {source}", path.display())]
    Authorities { path: PathBuf, source: pem::Error },
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
        anybody()?
    };
    let connector = TlsConnector::from(Arc::new(config));
    let connected = connector.connect(name, stream).await;
    connected.map_err(|source| TlsError::Handshake {
        host: host.to_owned(),
        source,
    })
}

fn verifying(trust: &Trust) -> Result<ClientConfig, TlsError> {
    let of_this_host = || OF_THIS_HOST.map(PathBuf::from).into_iter();
    let path = match &trust.0 {
        Some(path) => path.clone(),
        None => of_this_host()
            .find(|path| path.exists())
            .ok_or(TlsError::NoAuthorities)?,
    };
    let unread = |source| TlsError::Authorities {
        path: path.clone(),
        source,
    };
    let certificates = CertificateDer::pem_file_iter(&path).map_err(unread)?;
    let certificates: Vec<_> = certificates.collect::<Result<_, _>>().map_err(unread)?;
    let mut roots = RootCertStore::empty();
    // One that is no authority's takes nothing away from the others.
    let _added = roots.add_parsable_certificates(certificates);
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    Ok(builder
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth())
}

fn anybody() -> Result<ClientConfig, TlsError> {
    let provider = Arc::new(ring::default_provider());
    let algorithms = provider.signature_verification_algorithms;
    Ok(ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Anybody(algorithms)))
        .with_no_client_auth())
}

/// Takes any certificate, as Mesos's executors do with curl's `-k` (Mesos: src/checks/checker_process.cpp): a task
/// that is asked on its own loopback seldom has one for that name.
#[derive(Debug)]
struct Anybody(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signature, &self.0)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signature, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}
