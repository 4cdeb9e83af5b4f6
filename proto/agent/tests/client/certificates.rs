//! Certificates that vouch for themselves.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use mesos_agent::tls::Identity;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use tokio_rustls::TlsAcceptor;

use crate::server::private_file;

/// A certificate for one name, in files and in memory.
pub(crate) struct Certificate {
    pub(crate) file: PathBuf,
    pub(crate) key_file: PathBuf,
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    /// For this name, in this directory.
    pub(crate) fn of(directory: &Path, name: &str) -> Self {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([name.to_owned()]).unwrap();
        let file = directory.join(format!("{name}.pem"));
        std::fs::write(&file, cert.pem()).unwrap();
        let key_name = format!("{name}.key");
        Self {
            file,
            key_file: private_file(directory, &key_name, &signing_key.serialize_pem()),
            der: cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der())),
        }
    }

    /// As our own.
    pub(crate) fn identity(&self) -> Identity {
        Identity {
            certificate_file: self.file.clone(),
            key_file: self.key_file.clone(),
        }
    }

    /// What serves with it, and takes clients that this other one vouches for alone, if there is one.
    pub(crate) fn acceptor(&self, clients: Option<&Certificate>) -> TlsAcceptor {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                let mut roots = RootCertStore::empty();
                roots.add(clients.der.clone()).unwrap();
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                builder.with_client_cert_verifier(verifier.build().unwrap())
            }
        };
        let chain = vec![self.der.clone()];
        let config = builder.with_single_cert(chain, self.key.clone_key());
        TlsAcceptor::from(Arc::new(config.unwrap()))
    }
}
