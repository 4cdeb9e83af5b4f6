//! From a check's target to addresses.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A target that is no address.
#[derive(Debug, thiserror::Error)]
#[error("'{host}' is neither an address nor localhost")]
pub(crate) struct BadHost {
    host: String,
}

impl BadHost {
    pub(super) fn of(host: &str) -> Self {
        let host = host.to_owned();
        Self { host }
    }
}

/// The addresses of `host`, in the order to try them in; never none.
pub(super) fn addresses(host: &str) -> Result<Vec<IpAddr>, BadHost> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    if let Ok(address) = bare.parse() {
        Ok(vec![address])
    } else if host.eq_ignore_ascii_case("localhost") {
        Ok(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()])
    } else {
        Err(BadHost::of(host))
    }
}
