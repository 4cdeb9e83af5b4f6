//! Who we are to an agent that wants to know.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use base64::Engine;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use serde::Deserialize;

/// A token is some kilobytes long at most.
const LARGEST: u64 = 64 << 10;

/// Why a credential cannot be used. Says nothing of what is in the file.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CredentialError {
    #[error("cannot read credential file {path:?}")]
    Read { path: PathBuf, source: io::Error },
    #[error(
        "credential file {path:?} is open to others than its owner, want mode 0600: it has {mode:04o}"
    )]
    Open { path: PathBuf, mode: u32 },
    #[error("credential file {path:?} is longer than {LARGEST} bytes")]
    TooLong { path: PathBuf },
    #[error(
        "credential file {path:?} holds neither a principal and a secret, as JSON or two words, nor one token"
    )]
    NotACredential { path: PathBuf },
    #[error("credential file {path:?} holds what cannot be sent in a header")]
    NotAHeader {
        path: PathBuf,
        source: InvalidHeaderValue,
    },
}

/// Mesos's own format (Mesos: docs/authentication.md).
#[derive(Deserialize)]
struct Principal {
    principal: String,
    secret: String,
}

/// The value of the header `Authorization` from a credential file, which is read each time: tokens are renewed.
///
/// A principal and its secret, as JSON or as two words, are `Basic`; a single word is a token and `Bearer`.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds something else.
pub(crate) fn authorization(path: &Path) -> Result<HeaderValue, CredentialError> {
    let text = read(path)?;
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let value = match (serde_json::from_str::<Principal>(text), words.as_slice()) {
        (Ok(Principal { principal, secret }), _) => basic(&principal, &secret),
        (Err(_), [principal, secret]) if !text.starts_with('{') => basic(principal, secret),
        (Err(_), [token]) if !text.starts_with('{') => format!("Bearer {token}"),
        (Err(_), _) => {
            return Err(CredentialError::NotACredential {
                path: path.to_owned(),
            });
        }
    };
    let mut header =
        HeaderValue::try_from(value).map_err(|source| CredentialError::NotAHeader {
            path: path.to_owned(),
            source,
        })?;
    header.set_sensitive(true);
    Ok(header)
}

fn basic(principal: &str, secret: &str) -> String {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{principal}:{secret}"));
    format!("Basic {encoded}")
}

fn read(path: &Path) -> Result<String, CredentialError> {
    let error = |source| CredentialError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(error)?;
    let mode = file.metadata().map_err(error)?.mode() & 0o7777;
    if mode & 0o077 != 0 {
        return Err(CredentialError::Open {
            path: path.to_owned(),
            mode,
        });
    }
    let mut text = String::new();
    file.take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(error)?;
    if text.len() as u64 > LARGEST {
        return Err(CredentialError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(content: &str, mode: u32) -> Result<HeaderValue, CredentialError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credential");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        authorization(&path)
    }

    #[test]
    fn a_principal_with_a_secret_is_basic_and_a_token_bearer() {
        for content in ["p s", "p s\n", r#"{"principal": "p", "secret": "s"}"#] {
            assert_eq!(of(content, 0o600).unwrap(), "Basic cDpz");
        }
        assert_eq!(of("abc.def\n", 0o400).unwrap(), "Bearer abc.def");
    }

    #[test]
    fn a_header_is_never_shown_where_headers_are() {
        let header = of("p secret", 0o600).unwrap();
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let error = of("p s", 0o640).unwrap_err().to_string();
        assert!(error.contains("0640"), "{error}");
    }

    #[test]
    fn what_is_no_credential_is_refused_and_not_shown() {
        for content in ["", "a b hush", r#"{"principal": "hush"}"#, "{hush"] {
            let error = of(content, 0o600).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
        }
    }
}
