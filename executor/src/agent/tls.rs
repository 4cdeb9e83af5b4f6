//! TLS to the agent: from libprocess's settings (see [`TlsSettings`]) to a connector, and from its errors to words that
//! name the setting to change.
//!
//! What is spoken is TLS 1.2 and 1.3 with forward secrecy and authenticated encryption alone: ECDHE with AES-GCM or
//! ChaCha20. Libprocess's own default list of ciphers for TLS 1.2 has none of these (Mesos:
//! 3rdparty/libprocess/src/openssl.cpp), which is why the message of a failed handshake names the agent's settings.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use mesos_proto::environment::{TlsFile, TlsIdentity, TlsSettings};
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{AlertDescription, CertificateError, ClientConfig, SupportedProtocolVersion};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::names::{self, BadName};
use super::trust::{self, TrustError};
use super::verifier::{AgentVerifier, NoVerification};

/// Why there can be no TLS to the agent as the settings have it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TlsError {
    #[error(transparent)]
    Trust(#[from] TrustError),
    #[error("cannot read {variable}, the private key {}: {source}", .path.display())]
    Key {
        variable: &'static str,
        path: PathBuf,
        source: pem::Error,
    },
    #[error("{variable}: {} holds a key with a passphrase, which there is nobody to ask for", .path.display())]
    EncryptedKey {
        variable: &'static str,
        path: PathBuf,
    },
    #[error("{} {} and {} {} make no identity: {source}",
        .identity.certificate.variable, .identity.certificate.path.display(),
        .identity.key.variable, .identity.key.path.display())]
    Identity {
        identity: Box<TlsIdentity>,
        source: rustls::Error,
    },
    #[error(transparent)]
    Name(#[from] BadName),
    #[error("TLS to the agent cannot be set up: {0}")]
    Setup(#[from] rustls::Error),
    #[error("the agent's certificate cannot be verified: {0}")]
    Verifier(#[from] rustls::client::VerifierBuilderError),
}

/// Makes connections into TLS ones.
pub(super) struct Tls {
    connector: TlsConnector,
    /// What the agent is asked for by name.
    server: ServerName<'static>,
    /// For messages: what its certificate may be valid for, and whom it may be signed by.
    expected: String,
    pub(super) verifies: bool,
}

impl Tls {
    /// `host` is the agent's as its endpoint has it. `name`, where the operator gave one, is what the certificate must
    /// be valid for; otherwise that is `host`, or a name of this host, on which the agent runs.
    pub(super) fn new(
        settings: &TlsSettings,
        host: &str,
        name: Option<&str>,
    ) -> Result<Self, TlsError> {
        let names = names::of_agent(host, name)?;
        let provider = Arc::new(ring::default_provider());
        let versions = versions(settings);
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&versions)?
            .dangerous();
        let texts: Vec<_> = names.iter().map(ServerName::to_str).collect();
        let mut expected = format!("expected is one for {}", texts.join(" or "));
        let builder = if settings.verify {
            let trust = trust::load(settings)?;
            expected.push_str(", signed by ");
            expected.push_str(&trust.origin);
            let verifier = AgentVerifier::new(trust.certificates, names.clone(), &provider)?;
            builder.with_custom_certificate_verifier(Arc::new(verifier))
        } else {
            builder.with_custom_certificate_verifier(Arc::new(NoVerification::new(&provider)))
        };
        let mut config = match &settings.identity {
            Some(identity) => with_identity(builder, identity)?,
            None => builder.with_no_client_auth(),
        };
        // Two connections an attempt do not need what a session would save.
        config.resumption = rustls::client::Resumption::disabled();
        Ok(Self {
            connector: TlsConnector::from(Arc::new(config)),
            server: first(names),
            expected,
            verifies: settings.verify,
        })
    }

    /// The handshake.
    pub(super) async fn connect(&self, stream: TcpStream) -> io::Result<TlsStream<TcpStream>> {
        let connected = self.connector.connect(self.server.clone(), stream).await;
        connected.map_err(|error| io::Error::new(error.kind(), self.explain(&error)))
    }

    /// The error, with what an operator can do about it.
    pub(super) fn explain(&self, error: &io::Error) -> String {
        use rustls::Error::{AlertReceived, InvalidCertificate, InvalidMessage, PeerIncompatible};
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
        let advice = match inner {
            Some(InvalidCertificate(CertificateError::ExpiredContext { .. })) | None => {
                return error.to_string();
            }
            Some(InvalidCertificate(_)) => self.expected.as_str(),
            Some(InvalidMessage(_)) => {
                "what answers does not speak TLS, as LIBPROCESS_SSL_ENABLED says it does"
            }
            Some(
                AlertReceived(
                    AlertDescription::HandshakeFailure | AlertDescription::ProtocolVersion,
                )
                | PeerIncompatible(_),
            ) => {
                "the agent has no version or cipher in common with this executor: it needs \
                 LIBPROCESS_SSL_ENABLE_TLS_V1_3=1, or ECDHE ciphers with AES-GCM in LIBPROCESS_SSL_CIPHERS"
            }
            Some(AlertReceived(_)) => {
                "the agent has turned this executor's certificate down, or the lack of one: \
                 LIBPROCESS_SSL_CERT_FILE and LIBPROCESS_SSL_KEY_FILE"
            }
            Some(_) => return error.to_string(),
        };
        format!("{error} ({advice})")
    }
}

fn first(names: Vec<ServerName<'static>>) -> ServerName<'static> {
    let mut names = names.into_iter();
    // `names::of_agent` gives the host itself, at least.
    names.next().unwrap_or(ServerName::IpAddress(
        std::net::IpAddr::from(std::net::Ipv4Addr::LOCALHOST).into(),
    ))
}

fn versions(settings: &TlsSettings) -> Vec<&'static SupportedProtocolVersion> {
    let all = [(settings.tls12, &TLS12), (settings.tls13, &TLS13)];
    let wanted = all.into_iter().filter(|(wanted, _)| *wanted);
    wanted.map(|(_, version)| version).collect()
}

type Verified = rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert>;

fn with_identity(builder: Verified, identity: &TlsIdentity) -> Result<ClientConfig, TlsError> {
    let certificate = &identity.certificate;
    let certificates = trust::of_file(certificate.variable, &certificate.path)?;
    let key = private_key(&identity.key)?;
    builder
        .with_client_auth_cert(certificates, key)
        .map_err(|source| TlsError::Identity {
            identity: Box::new(identity.clone()),
            source,
        })
}

fn private_key(file: &TlsFile) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(&file.path).map_err(|source| {
        let (variable, path) = (file.variable, file.path.clone());
        // Its label is another one, and what it holds is no key yet.
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        if text.contains("ENCRYPTED") {
            TlsError::EncryptedKey { variable, path }
        } else {
            TlsError::Key {
                variable,
                path,
                source,
            }
        }
    })
}
