//! Where an agent is.

use std::net::IpAddr;
use std::str::FromStr;

use hyper::Uri;

/// The address of an agent: `http://HOST:PORT` or `https://HOST:PORT`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentAddress {
    host: String,
    port: u16,
    is_tls: bool,
}

/// Why a text is no [`AgentAddress`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AgentAddressError {
    /// Another form, another scheme, or a password in it.
    #[error("want http://HOST:PORT or https://HOST:PORT")]
    NotAnAddress,
    /// Nothing says which port.
    #[error("the port is missing, want http://HOST:PORT, as a rule port 5051")]
    NoPort,
    /// A path or a query.
    #[error("want nothing after the port: http://HOST:PORT")]
    HasPath,
}

impl AgentAddress {
    /// The address of this host, a name or an IP address without brackets, or `None` if it is neither.
    pub fn new(host: &str, port: u16, is_tls: bool) -> Option<Self> {
        let scheme = if is_tls { "https" } else { "http" };
        let host = match host.parse() {
            Ok(IpAddr::V6(address)) => format!("[{address}]"),
            Ok(IpAddr::V4(_)) | Err(_) => host.to_owned(),
        };
        format!("{scheme}://{host}:{port}").parse().ok()
    }

    /// As it stands in a URI: an IPv6 address has brackets.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.port)
    }

    /// The name or the address alone, without brackets.
    pub fn host(&self) -> &str {
        self.host.trim_start_matches('[').trim_end_matches(']')
    }

    /// Never left to a default.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is `https`.
    pub fn is_tls(&self) -> bool {
        self.is_tls
    }
}

impl FromStr for AgentAddress {
    type Err = AgentAddressError;

    fn from_str(text: &str) -> Result<Self, AgentAddressError> {
        let uri: Uri = text.parse().map_err(|_| AgentAddressError::NotAnAddress)?;
        let is_tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            Some(_) | None => return Err(AgentAddressError::NotAnAddress),
        };
        if uri
            .path_and_query()
            .is_some_and(|rest| rest.as_str() != "/")
        {
            return Err(AgentAddressError::HasPath);
        }
        let authority = uri.authority().ok_or(AgentAddressError::NotAnAddress)?;
        // A password in an address would be shown wherever the address is.
        if authority.as_str().contains('@') || authority.host().is_empty() {
            return Err(AgentAddressError::NotAnAddress);
        }
        let port = authority.port_u16().ok_or(AgentAddressError::NoPort)?;
        Ok(Self {
            host: authority.host().to_owned(),
            port,
            is_tls,
        })
    }
}

impl std::fmt::Display for AgentAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let scheme = if self.is_tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Result<AgentAddress, AgentAddressError> {
        text.parse()
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        for text in [
            "http://localhost:5051",
            "https://agent.example.com:5051",
            "http://10.0.0.1:5051/",
            "http://[::1]:5051",
        ] {
            assert_eq!(
                address(text).unwrap().to_string(),
                text.trim_end_matches('/')
            );
        }
        assert_eq!(address("http://[::1]:5051").unwrap().host(), "::1");
        assert!(address("https://a:1").unwrap().is_tls());
    }

    #[test]
    fn an_address_is_made_of_its_parts() {
        let made =
            |host, is_tls| AgentAddress::new(host, 5051, is_tls).map(|made| made.to_string());
        assert_eq!(made("::1", false).unwrap(), "http://[::1]:5051");
        assert_eq!(made("agent1", true).unwrap(), "https://agent1:5051");
        for host in ["", "a b", "a/b", "p@a", "[::1"] {
            assert_eq!(made(host, false), None, "{host:?}");
        }
    }

    #[test]
    fn what_is_no_address_is_refused_by_what_is_wrong_with_it() {
        for text in [
            "localhost",
            "ftp://localhost:5051",
            "http://:5051",
            "http://a:b@localhost:5051",
        ] {
            assert_eq!(
                address(text),
                Err(AgentAddressError::NotAnAddress),
                "{text}"
            );
        }
        assert_eq!(address("http://localhost"), Err(AgentAddressError::NoPort));
        assert_eq!(
            address("http://localhost:5051/state"),
            Err(AgentAddressError::HasPath)
        );
    }
}
