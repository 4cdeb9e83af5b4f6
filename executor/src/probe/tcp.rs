//! Connecting, and nothing more.

use std::net::SocketAddr;

use dialect::Target;
use executor_core::Probed;
use fetch::ResolveError;
use tokio::net::TcpStream;

use super::names::{NameError, addresses};
use super::netns::{Network, NetworkError};

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(super) enum TcpError {
    #[error(transparent)]
    Name(#[from] NameError),
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// A connection to the first address of a target that takes one.
pub(super) async fn connect(
    network: &Network,
    host: &str,
    port: u16,
) -> Result<TcpStream, TcpError> {
    let mut refusal = None;
    for address in addresses(host).await? {
        match network.connect(SocketAddr::new(address, port)).await {
            Ok(stream) => return Ok(stream),
            // The first address is the one that was meant.
            Err(error) => refusal = refusal.or(Some(error)),
        }
    }
    let host = host.to_owned();
    let no_address = || NameError::from(ResolveError::Unknown { host }).into();
    Err(refusal.map_or_else(no_address, TcpError::from))
}

/// Connects and hangs up.
pub(super) async fn look(network: &Network, target: &Target) -> Probed {
    match connect(network, &target.host, target.port).await {
        Ok(_) => Probed::Tcp {
            connected: true,
            detail: String::new(),
        },
        Err(TcpError::Network(NetworkError::Connect { source, .. })) => Probed::Tcp {
            connected: false,
            detail: source.to_string(),
        },
        Err(error) => Probed::Error {
            message: error.to_string(),
        },
    }
}
