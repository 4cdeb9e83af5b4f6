//! Who we are to an agent that wants to know.

use std::path::{Path, PathBuf};

use base64::Engine;
use hyper::header::{HeaderValue, InvalidHeaderValue};
use serde::Deserialize;

use crate::private_file::{self, PrivateFileError};

/// Why a credential cannot be used. Says nothing of what is in the file.
#[derive(Debug, thiserror::Error)]
pub enum CredentialError {
    /// The file itself.
    #[error(transparent)]
    File(#[from] PrivateFileError),
    /// Neither form.
    #[error(
        "credential file {path:?} holds neither a principal and a secret, as JSON or two words, nor one token"
    )]
    NotACredential {
        /// Which.
        path: PathBuf,
    },
    /// Control characters, for example.
    #[error("credential file {path:?} holds what cannot be sent in a header")]
    NotAHeader {
        /// Which.
        path: PathBuf,
        /// What hyper says.
        source: InvalidHeaderValue,
    },
}

/// Mesos's own format (Mesos: docs/authentication.md, the flag `--credential`).
#[derive(Deserialize)]
struct Principal {
    principal: String,
    secret: String,
}

/// What is sent to an agent, and what of it must be shown nowhere.
pub(crate) struct Authorization {
    /// The value of the header `Authorization`, marked as sensitive.
    pub(crate) header: HeaderValue,
    /// The secret itself, and as it stands in the header.
    secrets: Vec<String>,
}

impl Authorization {
    /// The longest text that must not be shown.
    pub(crate) fn longest_secret(&self) -> usize {
        self.secrets.iter().map(String::len).max().unwrap_or(0)
    }

    /// The text up to where a secret begins.
    pub(crate) fn without_secrets<'t>(&self, text: &'t str) -> &'t str {
        let begins = self.secrets.iter().filter_map(|secret| text.find(secret));
        begins.min().map_or(text, |begin| &text[..begin])
    }
}

/// What a credential file says, which is read each time: tokens are renewed. Blocks.
///
/// A principal and its secret, as JSON or as two words, are `Basic`; a single word is a token and `Bearer`.
///
/// # Errors
/// When the file cannot be read, is open to others, or holds something else.
pub(crate) fn authorization(path: &Path) -> Result<Authorization, CredentialError> {
    let text = private_file::read(path)?;
    let text = text.trim();
    let words: Vec<&str> = text.split_whitespace().collect();
    let (scheme, sent, secret) = match (serde_json::from_str::<Principal>(text), words.as_slice()) {
        (Ok(Principal { principal, secret }), _) => basic(&principal, &secret),
        (Err(_), [principal, secret]) if !text.starts_with('{') => basic(principal, secret),
        (Err(_), [token]) if !text.starts_with('{') => {
            ("Bearer", (*token).to_owned(), (*token).to_owned())
        }
        (Err(_), _) => {
            return Err(CredentialError::NotACredential {
                path: path.to_owned(),
            });
        }
    };
    let header = HeaderValue::try_from(format!("{scheme} {sent}"));
    let mut header = header.map_err(|source| CredentialError::NotAHeader {
        path: path.to_owned(),
        source,
    })?;
    header.set_sensitive(true);
    let mut secrets = vec![sent, secret];
    secrets.retain(|secret| !secret.is_empty());
    Ok(Authorization { header, secrets })
}

fn basic(principal: &str, secret: &str) -> (&'static str, String, String) {
    let encoded = base64::engine::general_purpose::STANDARD.encode(format!("{principal}:{secret}"));
    ("Basic", encoded, secret.to_owned())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn of(content: &str, mode: u32) -> Result<Authorization, CredentialError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("credential");
        std::fs::write(&path, content).unwrap();
        std::fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
        authorization(&path)
    }

    fn error_of(content: &str, mode: u32) -> CredentialError {
        let refused = of(content, mode).map(|_| ());
        refused.unwrap_err()
    }

    #[test]
    fn a_principal_with_a_secret_is_basic_and_a_token_bearer() {
        for content in ["p s", "p s\n", r#"{"principal": "p", "secret": "s"}"#] {
            assert_eq!(of(content, 0o600).unwrap().header, "Basic cDpz");
        }
        assert_eq!(of("abc.def\n", 0o400).unwrap().header, "Bearer abc.def");
    }

    #[test]
    fn a_header_is_never_shown_where_headers_are() {
        let header = of("p secret", 0o600).unwrap().header;
        assert_eq!(format!("{header:?}"), "Sensitive");
    }

    #[test]
    fn a_text_is_shown_up_to_the_first_form_of_the_secret() {
        let credential = of("p hush", 0o600).unwrap();
        for text in ["no: hush, cDpodXNo", "no: cDpodXNo, hush"] {
            assert_eq!(credential.without_secrets(text), "no: ");
        }
        assert_eq!(credential.without_secrets("just no"), "just no");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let error = error_of("p s", 0o640).to_string();
        assert!(error.contains("0640"), "{error}");
    }

    #[test]
    fn what_is_no_credential_is_refused_and_not_shown() {
        for content in [
            "",
            "a b hush",
            r#"{"principal": "hush"}"#,
            "{hush",
            "h\0ush",
        ] {
            let error = error_of(content, 0o600);
            let shown = format!("{error} {error:?}");
            assert!(
                !shown.contains("hush") && !shown.contains("ush\""),
                "{shown}"
            );
        }
    }
}
