//! Where carbon listens, and how it wants to be spoken to.

use std::fmt;

use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// A host name, or an IP address (IPv6 without brackets).
    pub host: String,
    /// The port; carbon's are by default 2003 for [`Protocol::Plaintext`] and 2004 for [`Protocol::Pickle`].
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// How bytes travel.
#[derive(Clone, Default)]
pub enum Transport {
    /// A connection.
    #[default]
    Tcp,
    /// A connection that is encrypted, to whoever proves to have that name. carbon-c-relay has a listener for it; in
    /// front of carbon-cache something else must end TLS.
    Tls {
        /// Knows the authorities to trust, and the client's own certificate.
        connector: TlsConnector,
        /// Whose certificate it has to be.
        name: ServerName<'static>,
    },
    /// Datagrams of whole lines. Nobody knows what becomes of one: whatever is lost on the way, or while carbon is
    /// away, slow or restarting, is lost for good.
    Udp,
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp => f.write_str("Tcp"),
            Self::Tls { name, .. } => f.debug_struct("Tls").field("name", name).finish(),
            Self::Udp => f.write_str("Udp"),
        }
    }
}

/// What the bytes say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// A line a point.
    #[default]
    Plaintext,
    /// Some hundred points a message, as Python pickles them. To carbon it is neither faster nor smaller; there are
    /// receivers that take nothing else.
    Pickle,
}

/// One carbon, or whatever else speaks its protocol.
#[derive(Clone, Debug)]
pub struct Destination {
    /// Where it listens.
    pub address: Address,
    /// Its name among those of the same host, by which carbon's rings know it (carbon.conf: `DESTINATIONS`).
    pub instance: Option<String>,
    /// How bytes travel.
    pub transport: Transport,
    /// What they say.
    pub protocol: Protocol,
}

impl Destination {
    /// Lines over TCP, as carbon takes them without being told.
    #[must_use]
    pub fn plaintext(address: Address) -> Self {
        Self {
            address,
            instance: None,
            transport: Transport::Tcp,
            protocol: Protocol::Plaintext,
        }
    }
}

impl fmt::Display for Destination {
    /// As an operator would write it: `tcp://graphite:2003`, `pickle+tls://graphite:2004`, `udp://graphite:2003`, and
    /// behind it the instance, if there is one: `tcp://graphite:2003:a`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let protocol = match self.protocol {
            Protocol::Plaintext => "",
            Protocol::Pickle => "pickle+",
        };
        let transport = match self.transport {
            Transport::Tcp => "tcp",
            Transport::Tls { .. } => "tls",
            Transport::Udp => "udp",
        };
        write!(f, "{protocol}{transport}://{}", self.address)?;
        match &self.instance {
            Some(instance) => write!(f, ":{instance}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_destination_is_shown_as_it_is_configured() {
        let mut destination = Destination::plaintext(Address {
            host: "graphite".to_owned(),
            port: 2003,
        });
        assert_eq!(destination.to_string(), "tcp://graphite:2003");
        destination.instance = Some("a".to_owned());
        destination.address.host = "fe80::1".to_owned();
        destination.protocol = Protocol::Pickle;
        assert_eq!(destination.to_string(), "pickle+tcp://[fe80::1]:2003:a");
        destination.transport = Transport::Udp;
        destination.protocol = Protocol::Plaintext;
        assert_eq!(destination.to_string(), "udp://[fe80::1]:2003:a");
    }
}
