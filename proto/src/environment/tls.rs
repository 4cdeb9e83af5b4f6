//! TLS to the agent, as the variables of libprocess ask for it (Mesos: docs/ssl.md, and
//! 3rdparty/libprocess/src/openssl.cpp for how they are read).
//!
//! Each is `LIBPROCESS_SSL_<NAME>`, or `SSL_<NAME>` as before Mesos 1.0; the newer counts where both are set. Two
//! things are not as in libprocess. A certificate is verified unless the operator says explicitly that it is not to be,
//! where libprocess verifies only on request. And an executor needs no certificate of its own, where libprocess, which
//! also listens, does not start without.

use std::path::PathBuf;

use super::reader::{EnvironmentError, Reader};
use super::values::Kind;

/// What is asked of TLS to the agent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsSettings {
    /// `CA_FILE`: certificates of authorities, PEM.
    pub ca_file: Option<TlsFile>,
    /// `CA_DIR`: a directory of such files.
    pub ca_dir: Option<TlsFile>,
    /// `CERT_FILE` and `KEY_FILE`: what the executor shows an agent that asks for a certificate (its `REQUIRE_CERT`).
    pub identity: Option<TlsIdentity>,
    /// Whether the agent's certificate is verified. `false` only where `VERIFY_SERVER_CERT`, or `VERIFY_CERT` as before
    /// Mesos 1.10, says so, and neither of them nor `REQUIRE_CERT`, which implies it, says otherwise.
    pub verify: bool,
    /// `ENABLE_TLS_V1_2`; on unless switched off.
    pub tls12: bool,
    /// `ENABLE_TLS_V1_3`; on unless switched off, where libprocess wants it switched on.
    pub tls13: bool,
}

/// A certificate and its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsIdentity {
    /// The certificate, and those between it and its authority, PEM.
    pub certificate: TlsFile,
    /// The private key, PEM without a passphrase.
    pub key: TlsFile,
}

/// A path, and the variable that named it, for messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFile {
    /// The variable.
    pub variable: &'static str,
    /// Its value.
    pub path: PathBuf,
}

/// The two names of a variable, the newer first.
struct Names([&'static str; 2]);

const ENABLED: Names = Names(["LIBPROCESS_SSL_ENABLED", "SSL_ENABLED"]);
const CA_FILE: Names = Names(["LIBPROCESS_SSL_CA_FILE", "SSL_CA_FILE"]);
const CA_DIR: Names = Names(["LIBPROCESS_SSL_CA_DIR", "SSL_CA_DIR"]);
const CERT_FILE: Names = Names(["LIBPROCESS_SSL_CERT_FILE", "SSL_CERT_FILE"]);
const KEY_FILE: Names = Names(["LIBPROCESS_SSL_KEY_FILE", "SSL_KEY_FILE"]);
const TLS_V1_2: Names = Names(["LIBPROCESS_SSL_ENABLE_TLS_V1_2", "SSL_ENABLE_TLS_V1_2"]);
const TLS_V1_3: Names = Names(["LIBPROCESS_SSL_ENABLE_TLS_V1_3", "SSL_ENABLE_TLS_V1_3"]);
/// Those that ask for verification, in whatever words.
const VERIFY: [Names; 4] = [
    Names([
        "LIBPROCESS_SSL_VERIFY_SERVER_CERT",
        "SSL_VERIFY_SERVER_CERT",
    ]),
    Names(["LIBPROCESS_SSL_VERIFY_CERT", "SSL_VERIFY_CERT"]),
    Names([
        "LIBPROCESS_SSL_REQUIRE_CLIENT_CERT",
        "SSL_REQUIRE_CLIENT_CERT",
    ]),
    Names(["LIBPROCESS_SSL_REQUIRE_CERT", "SSL_REQUIRE_CERT"]),
];
/// How many of them say by `false` that nothing is to be verified; of the others that means nothing.
const REFUSING: usize = 2;

const SWITCH: Kind<bool> = Kind::new("true, 1, false or 0", |value| match value.to_str()? {
    "true" | "1" => Some(true),
    "false" | "0" => Some(false),
    _ => None,
});

const FILE: Kind<PathBuf> = Kind::new("the path of a file", |value| {
    (!value.is_empty()).then(|| PathBuf::from(value))
});

/// Reads the variables; `None` when TLS is not switched on. Nothing else is looked at then.
pub(super) fn read(reader: &mut Reader) -> Option<TlsSettings> {
    if !switch(reader, &ENABLED).unwrap_or(false) {
        return None;
    }
    let said: Vec<Option<bool>> = VERIFY.iter().map(|names| switch(reader, names)).collect();
    let refused = said[..REFUSING].contains(&Some(false));
    let tls12 = switch(reader, &TLS_V1_2).unwrap_or(true);
    let tls13 = switch(reader, &TLS_V1_3).unwrap_or(true);
    if !tls12 && !tls13 {
        let variable = set(reader, &TLS_V1_2);
        reader.complain(EnvironmentError::Invalid {
            variable,
            value: reader.get(variable).unwrap_or_default().to_owned(),
            wanted: "TLS 1.2 or TLS 1.3: older versions are not spoken here",
        });
    }
    Some(TlsSettings {
        ca_file: file(reader, &CA_FILE),
        ca_dir: file(reader, &CA_DIR),
        identity: identity(reader),
        verify: said.contains(&Some(true)) || !refused,
        tls12,
        tls13,
    })
}

fn identity(reader: &mut Reader) -> Option<TlsIdentity> {
    let [newer, older] = CERT_FILE.0;
    let with_key = KEY_FILE.0.iter().any(|name| reader.get(name).is_some());
    // Without a key `SSL_CERT_FILE` is not libprocess's variable but OpenSSL's: the authorities to trust.
    if !with_key && reader.get(newer).is_none() {
        return None;
    }
    // A key under its older name goes with a certificate under its older name.
    let old_key = set(reader, &KEY_FILE) == KEY_FILE.0[1];
    let wanted = if old_key && reader.get(newer).is_none() {
        older
    } else {
        set(reader, &CERT_FILE)
    };
    let certificate = reader.required(wanted, &FILE);
    let key_variable = set(reader, &KEY_FILE);
    let key = reader.required(key_variable, &FILE);
    Some(TlsIdentity {
        certificate: TlsFile {
            variable: wanted,
            path: certificate?,
        },
        key: TlsFile {
            variable: key_variable,
            path: key?,
        },
    })
}

/// The name that counts: the newer one unless only the older is set.
fn set(reader: &Reader, names: &Names) -> &'static str {
    let [newer, older] = names.0;
    match (reader.get(newer), reader.get(older)) {
        (None, Some(_)) => older,
        _ => newer,
    }
}

fn switch(reader: &mut Reader, names: &Names) -> Option<bool> {
    reader.optional(set(reader, names), &SWITCH)
}

fn file(reader: &mut Reader, names: &Names) -> Option<TlsFile> {
    let variable = set(reader, names);
    let path = reader.optional(variable, &FILE)?;
    Some(TlsFile { variable, path })
}
