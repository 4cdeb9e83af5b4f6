//! The types of the variables' values, and what text makes one.

use std::ffi::OsStr;
use std::fmt;
use std::net::Ipv6Addr;
use std::path::{Path, PathBuf};

use crate::{MesosDuration, paths};

/// The host and the port of an agent. Prints as `host:port`, an IPv6 address in brackets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AgentEndpoint {
    /// An address or a name, without brackets.
    pub host: String,
    /// Not 0.
    pub port: u16,
}

impl fmt::Display for AgentEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// A text that no log and no message shows.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The agent's process: `slave(1)@10.0.0.1:5051` (Mesos: libprocess's `UPID`).
pub(super) struct AgentPid {
    pub(super) id: String,
    pub(super) endpoint: AgentEndpoint,
}

/// What a variable's value must be.
pub(super) struct Kind<T> {
    /// For the error message.
    pub(super) wanted: &'static str,
    /// `None` if the value is not what is wanted.
    pub(super) parse: fn(&OsStr) -> Option<T>,
    /// Whether the value must stay out of the error message.
    pub(super) secret: bool,
}

impl<T> Kind<T> {
    pub(super) const fn new(wanted: &'static str, parse: fn(&OsStr) -> Option<T>) -> Self {
        Self {
            wanted,
            parse,
            secret: false,
        }
    }
}

pub(super) const ID: Kind<String> = Kind::new(
    "an id: at most 255 bytes, no slash, no control character",
    |value| {
        paths::Id::new(value).ok()?;
        value.to_str().map(str::to_owned)
    },
);

pub(super) const ENDPOINT: Kind<AgentEndpoint> = Kind::new("a host:port", parse_endpoint);

pub(super) const AGENT_PID: Kind<AgentPid> = Kind::new("an id@host:port", |value| {
    let (id, endpoint) = value.to_str()?.split_once('@')?;
    let endpoint = parse_endpoint(OsStr::new(endpoint))?;
    // The id becomes part of a URL's path.
    let in_path = |byte: u8| byte.is_ascii_graphic() && !matches!(byte, b'/' | b'?' | b'#');
    (!id.is_empty() && id.bytes().all(in_path)).then(|| AgentPid {
        id: id.to_owned(),
        endpoint,
    })
});

pub(super) const DIRECTORY: Kind<PathBuf> = Kind::new("an absolute path", |value| {
    Path::new(value).is_absolute().then(|| PathBuf::from(value))
});

/// Not necessarily absolute: it is what the agent was started with.
pub(super) const SOCKET: Kind<PathBuf> = Kind::new("a path", |value| {
    (!value.is_empty()).then(|| PathBuf::from(value))
});

pub(super) const DURATION: Kind<MesosDuration> = Kind::new("a duration like 5secs", |value| {
    value.to_str()?.parse().ok()
});

/// What an HTTP header may carry: a line feed in it would start a header of its own.
pub(super) const TOKEN: Kind<Secret> = Kind {
    wanted: "visible ASCII characters",
    parse: |value| {
        let text = value.to_str()?;
        let sendable = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        sendable.then(|| Secret(text.to_owned()))
    },
    secret: true,
};

fn parse_endpoint(value: &OsStr) -> Option<AgentEndpoint> {
    let (host, port) = value.to_str()?.rsplit_once(':')?;
    // An address in brackets is IPv6; a zone does not belong in a URL.
    let host = match host.strip_prefix('[') {
        Some(bracketed) => {
            let address = bracketed.strip_suffix(']')?;
            address.parse::<Ipv6Addr>().ok()?;
            address
        }
        None => {
            let in_host = |byte: u8| byte.is_ascii_alphanumeric() || b".-_".contains(&byte);
            (!host.is_empty() && host.bytes().all(in_host)).then_some(host)?
        }
    };
    // Rust's parser would take a plus sign.
    let digits = port.bytes().all(|byte| byte.is_ascii_digit());
    let port = port.parse().ok().filter(|port| digits && *port != 0)?;
    Some(AgentEndpoint {
        host: host.to_owned(),
        port,
    })
}
