//! Addresses of hosts, by `/etc/hosts` and DNS.
//!
//! Not by the C library: `getaddrinfo` of a static program loads whatever `/etc/nsswitch.conf` names into it, which
//! works with the library's very own version only.

mod config;
mod dns;

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Instant;

pub(crate) use config::Config;

/// Why a host has no address.
#[derive(Debug, thiserror::Error)]
pub enum ResolveError {
    /// Neither the hosts file nor DNS knows it.
    #[error("no address of host '{host}'")]
    Unknown {
        /// Its name.
        host: String,
    },
    /// No server of DNS gave an answer.
    #[error("no answer from DNS about host '{host}': {last}")]
    NoAnswer {
        /// Its name.
        host: String,
        /// What the last server that was asked did.
        last: Box<ResolveError>,
    },
    /// There was no time left to ask.
    #[error("no time left")]
    Late,
    /// A server could not be asked.
    #[error("ask {server}: {source}")]
    Ask {
        /// Its address.
        server: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A server answered with an error.
    #[error("{server} answered {code}")]
    Refused {
        /// Its address.
        server: SocketAddr,
        /// Its answer.
        code: String,
    },
    /// A server answered in no form that is known.
    #[error("{server} gave an answer that cannot be understood")]
    Garbled {
        /// Its address.
        server: SocketAddr,
    },
    /// A name that DNS has no form for.
    #[error("'{host}' is no name of a host")]
    Name {
        /// The name.
        host: String,
    },
    /// The hosts file or the resolver's configuration could not be read.
    #[error("read {path}: {source}")]
    Read {
        /// The file.
        path: &'static str,
        /// Why not.
        source: io::Error,
    },
}

const HOSTS: &str = "/etc/hosts";
const RESOLV_CONF: &str = "/etc/resolv.conf";

/// The addresses of `host`, at least one: its own when it is one, else by `/etc/hosts` and DNS. Blocks, at the longest to
/// `until`.
///
/// # Errors
/// It has none, or nobody said so in time.
pub fn resolve(host: &str, until: Option<Instant>) -> Result<Vec<IpAddr>, ResolveError> {
    if let Some(address) = literal(host) {
        return Ok(vec![address]);
    }
    let host = host.trim_end_matches('.');
    let known = config::hosts(&read(HOSTS)?, host);
    if !known.is_empty() {
        return Ok(known);
    }
    // RFC 6761: these never leave the host.
    if host.eq_ignore_ascii_case("localhost") || host.to_ascii_lowercase().ends_with(".localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    dns::resolve(host, &Config::parse(&read(RESOLV_CONF)?), until)
}

/// An address in the place of a name, a version 6 one in brackets.
fn literal(host: &str) -> Option<IpAddr> {
    let bare = host
        .strip_prefix('[')
        .and_then(|host| host.strip_suffix(']'))
        .unwrap_or(host);
    bare.parse().ok()
}

fn read(path: &'static str) -> Result<String, ResolveError> {
    match std::fs::read(Path::new(path)) {
        Ok(bytes) => Ok(String::from_utf8_lossy(&bytes).into_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(String::new()),
        Err(source) => Err(ResolveError::Read { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_its_own_answer_and_localhost_needs_no_dns() {
        assert_eq!(
            resolve("127.0.0.9", None).unwrap(),
            ["127.0.0.9".parse::<IpAddr>().unwrap()]
        );
        assert_eq!(
            resolve("[::1]", None).unwrap(),
            [IpAddr::from(Ipv6Addr::LOCALHOST)]
        );
        assert!(
            resolve("LocalHost.", None)
                .unwrap()
                .iter()
                .all(IpAddr::is_loopback)
        );
        assert!(
            resolve("app.localhost", None)
                .unwrap()
                .iter()
                .all(IpAddr::is_loopback)
        );
    }
}
