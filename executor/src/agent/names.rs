//! What the agent may be called in its certificate.
//!
//! The agent tells an executor an address, and certificates are mostly made out to names. Mesos's library asks the DNS
//! for the address's name, which whoever controls that answers as he likes. Here the names come from this host, which
//! is the agent's as well: its own name, and what its /etc/hosts calls the address.

use std::fs;
use std::net::IpAddr;

use rustls::pki_types::{InvalidDnsNameError, ServerName};

use crate::settings::AGENT_NAME;

/// What should name the agent cannot.
#[derive(Debug, thiserror::Error)]
#[error("'{name}' is neither a host name nor an address, as {variable} must be: {source}")]
pub(crate) struct BadName {
    variable: &'static str,
    name: String,
    source: InvalidDnsNameError,
}

/// The names that a certificate may be valid for, never none: `given` alone where the operator has given one, else the
/// host of the agent's endpoint, and if that is an address, this host's names.
pub(super) fn of_agent(
    host: &str,
    given: Option<&str>,
) -> Result<Vec<ServerName<'static>>, BadName> {
    let parse = |variable, name: &str| {
        ServerName::try_from(name.to_owned()).map_err(|source| BadName {
            variable,
            name: name.to_owned(),
            source,
        })
    };
    if let Some(name) = given {
        return Ok(vec![parse(AGENT_NAME, name)?]);
    }
    let mut names = vec![parse("MESOS_AGENT_ENDPOINT", host)?];
    if let Ok(address) = host.parse() {
        let own = nix::unistd::gethostname().unwrap_or_default();
        let hosts = fs::read_to_string("/etc/hosts").unwrap_or_default();
        let more = own.to_str().map(str::to_owned);
        let more = more.into_iter().chain(in_hosts(&hosts, address));
        // A host may be called what no certificate can be made out to.
        names.extend(more.filter_map(|name| ServerName::try_from(name).ok()));
    }
    Ok(names)
}

/// What hosts(5) calls an address. A loopback address is everybody's, so its names are nobody's.
fn in_hosts(hosts: &str, address: IpAddr) -> Vec<String> {
    if address.is_loopback() {
        return Vec::new();
    }
    let lines = hosts.lines().map(|line| line.split('#').next());
    let lines = lines.map(|line| line.unwrap_or_default().split_whitespace());
    let of_address = lines.filter_map(|mut words| {
        let is_it = words.next()?.parse() == Ok(address);
        is_it.then_some(words)
    });
    of_address.flatten().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(host: &str, given: Option<&str>) -> Vec<String> {
        let names = of_agent(host, given).unwrap();
        names.iter().map(|name| name.to_str().into()).collect()
    }

    #[test]
    fn a_name_that_the_operator_gives_is_the_only_one() {
        assert_eq!(texts("10.0.0.1", Some("agent.example")), ["agent.example"]);
        assert!(of_agent("10.0.0.1", Some("a b")).is_err());
    }

    #[test]
    fn a_name_in_the_endpoint_is_the_only_one() {
        assert_eq!(texts("agent.example", None), ["agent.example"]);
    }

    #[test]
    fn for_an_address_this_hosts_own_name_counts_too() {
        let own = nix::unistd::gethostname().unwrap();
        assert_eq!(
            texts("192.0.2.7", None),
            ["192.0.2.7", own.to_str().unwrap()]
        );
    }

    #[test]
    fn the_hosts_file_names_addresses() {
        let hosts = "127.0.0.1 localhost\n# 10.0.0.1 no\n10.0.0.1\ta.example a # b\n10.0.0.11 c\n10.0.0.1 d\n\n";
        let address = "10.0.0.1".parse().unwrap();
        assert_eq!(in_hosts(hosts, address), ["a.example", "a", "d"]);
        assert_eq!(in_hosts(hosts, "127.0.0.1".parse().unwrap()), [""; 0]);
    }
}
