//! What is to be fetched, and within which bounds.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use dialect::Uri;
use serde::{Deserialize, Serialize};

/// What is to be fetched, in this order, and within which bounds. Goes to the fetching process as JSON.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Order {
    /// What to fetch, one after the other.
    pub uris: Vec<Uri>,
    /// The most bytes of disk, in whole blocks as `du` counts them, that all of it may take; none means no bound but
    /// the one against archives that unpack to a multiple of themselves.
    pub quota: Option<u64>,
    /// How long a server may take to accept a connection, and from one byte to the next (Mesos: the agent's flag
    /// `fetcher_stall_timeout`, a minute).
    pub stall_timeout: Duration,
    /// How long all of it may take.
    pub timeout: Option<Duration>,
    /// The way to HTTP servers.
    pub proxies: Proxies,
    /// PEM file of the certificates that servers' certificates must lead to; none means the host's own.
    pub ca_bundle: Option<PathBuf>,
}

/// Proxies, as libcurl and with it Mesos's fetcher take them from the environment.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// URL of the proxy for `http:`.
    pub http: Option<String>,
    /// URL of the proxy for `https:`.
    pub https: Option<String>,
    /// Hosts to go to directly: `example.com` is that name and all below it, `*` is every host.
    pub except: Vec<String>,
}

impl Proxies {
    /// From variables of the environment: `http_proxy`, `https_proxy` and `HTTPS_PROXY`, `all_proxy` and `ALL_PROXY`,
    /// `no_proxy` and `NO_PROXY`. `HTTP_PROXY` is left alone as libcurl leaves it.
    pub fn from_environment(variable: impl Fn(&str) -> Option<String>) -> Self {
        let first = |names: &[&str]| {
            names
                .iter()
                .filter_map(|name| variable(name))
                .find(|value| !value.is_empty())
        };
        Self {
            http: first(&["http_proxy", "all_proxy", "ALL_PROXY"]),
            https: first(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"]),
            except: first(&["no_proxy", "NO_PROXY"])
                .unwrap_or_default()
                .split([',', ' '])
                .filter(|host| !host.is_empty())
                .map(str::to_owned)
                .collect(),
        }
    }
}

/// Without the passwords that the URLs may hold.
impl fmt::Debug for Proxies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxies")
            .field("http", &self.http.as_deref().map(crate::redacted))
            .field("https", &self.https.as_deref().map(crate::redacted))
            .field("except", &self.except)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_taken_from_the_environment_as_libcurl_takes_them() {
        let environment = |name: &str| match name {
            "HTTP_PROXY" => Some("http://never:1".to_owned()),
            "https_proxy" => Some(String::new()),
            "ALL_PROXY" => Some("http://user:secret@all:2".to_owned()),
            "no_proxy" => Some("localhost, .internal".to_owned()),
            _ => None,
        };
        let proxies = Proxies::from_environment(environment);
        assert_eq!(proxies.http.as_deref(), Some("http://user:secret@all:2"));
        assert_eq!(proxies.https, proxies.http);
        assert_eq!(proxies.except, ["localhost", ".internal"]);
        assert!(!format!("{proxies:?}").contains("secret"), "{proxies:?}");
    }
}
