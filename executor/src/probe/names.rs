//! From a check's target to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use fetch::ResolveError;
use tokio::task::JoinError;

use super::{blocking, turn};

/// A name is looked for no longer than this, whatever the check's timeout.
const PATIENCE: Duration = Duration::from_secs(20);

/// Why a target has no address.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NameError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error("look for the address: {0}")]
    Thread(#[from] JoinError),
}

/// The addresses of `host`, in the order to try them in; never none. Names are the executor's, also where the task's
/// network is another.
pub(super) async fn addresses(host: &str) -> Result<Vec<IpAddr>, NameError> {
    if let Ok(address) = host.parse() {
        return Ok(vec![address]);
    }
    // Whatever the hosts file says: a server may listen on either.
    if host.eq_ignore_ascii_case("localhost") {
        return Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    let host = host.to_owned();
    let turn = turn().await;
    let until = Instant::now() + PATIENCE;
    Ok(blocking(turn, move || fetch::resolve(&host, Some(until))).await??)
}
