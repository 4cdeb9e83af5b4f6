//! Certificates for tests: an authority, and what it signs.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, SupportedProtocolVersion};
use tempfile::TempDir;

/// An authority of its own, with files for all that is to be read from one.
pub(crate) struct Authority {
    directory: TempDir,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A certificate and its key, PEM, in files as well.
pub(crate) struct Issued {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        // Each is another: an issuer is found by its name.
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("authority {number}");
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("ca.pem"), issuer.pem()).unwrap();
        Self { directory, issuer }
    }

    /// The file for `CA_FILE`, alone in the directory for `CA_DIR` but for what it has issued.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("ca.pem")
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// A certificate for names or addresses.
    pub(crate) fn issue(&self, names: &[&str]) -> Issued {
        let key = KeyPair::generate().unwrap();
        let signed = params(names).signed_by(&key, &self.issuer).unwrap();
        self.write("issued", &signed.pem(), &key)
    }

    /// A certificate that nobody but its own key has signed, an authority's by its form.
    pub(crate) fn self_signed(&self, names: &[&str], expired: bool) -> Issued {
        let key = KeyPair::generate().unwrap();
        let mut params = params(names);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        if expired {
            params.not_after = date_time_ymd(2020, 1, 1);
        }
        let signed = params.self_signed(&key).unwrap();
        self.write("self-signed", &signed.pem(), &key)
    }

    fn write(&self, name: &str, certificate: &str, key: &KeyPair) -> Issued {
        let issued = Issued {
            certificate: self.directory.path().join(format!("{name}.pem")),
            key: self.directory.path().join(format!("{name}.key")),
        };
        fs::write(&issued.certificate, certificate).unwrap();
        fs::write(&issued.key, key.serialize_pem()).unwrap();
        issued
    }

    /// A server that shows this certificate.
    pub(crate) fn server(&self, issued: &Issued) -> ServerConfig {
        self.configure(issued, rustls::ALL_VERSIONS, false)
    }

    /// The same of one version of TLS.
    pub(crate) fn server_of(
        &self,
        version: &'static SupportedProtocolVersion,
        issued: &Issued,
    ) -> ServerConfig {
        self.configure(issued, &[version], false)
    }

    /// A server that wants a certificate of this authority's, too.
    pub(crate) fn strict_server(&self, issued: &Issued) -> ServerConfig {
        self.configure(issued, rustls::ALL_VERSIONS, true)
    }

    fn configure(
        &self,
        issued: &Issued,
        versions: &[&'static SupportedProtocolVersion],
        strict: bool,
    ) -> ServerConfig {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(versions)
            .unwrap();
        let builder = if strict {
            let mut roots = RootCertStore::empty();
            roots.add(self.issuer.der().clone()).unwrap();
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().unwrap())
        } else {
            builder.with_no_client_auth()
        };
        let certificate = CertificateDer::from_pem_file(&issued.certificate).unwrap();
        let key = PrivateKeyDer::from_pem_file(&issued.key).unwrap();
        builder.with_single_cert(vec![certificate], key).unwrap()
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    CertificateParams::new(names).unwrap()
}
