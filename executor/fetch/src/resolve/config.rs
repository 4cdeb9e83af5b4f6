//! `/etc/hosts` and `/etc/resolv.conf` (their manual pages: hosts(5), resolv.conf(5)).

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 53;
/// As many servers as the C library uses, and its bounds of the options.
const SERVERS: usize = 3;
const LONGEST_TIMEOUT: u64 = 30;
const MOST_ATTEMPTS: u32 = 5;
const MOST_DOTS: usize = 15;
const MOST_DOMAINS: usize = 6;

/// How DNS is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) servers: Vec<SocketAddr>,
    /// Appended, one after the other, to names that are not found as they are.
    pub(crate) search: Vec<String>,
    /// A name with so many dots is first asked for as it is.
    pub(crate) dots: usize,
    /// For one server's answer.
    pub(crate) timeout: Duration,
    /// How often each server is asked.
    pub(crate) attempts: u32,
}

impl Config {
    /// Reads the text of a resolv.conf; what cannot be understood is passed over, as the C library passes it over.
    pub(crate) fn parse(text: &str) -> Self {
        let mut config = Self {
            servers: Vec::new(),
            search: Vec::new(),
            dots: 1,
            timeout: Duration::from_secs(5),
            attempts: 2,
        };
        for line in text.lines() {
            let line = line.split(['#', ';']).next().unwrap_or_default();
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    if let Some(Ok(server)) = words.next().map(str::parse::<IpAddr>)
                        && config.servers.len() < SERVERS
                    {
                        config.servers.push(SocketAddr::new(server, PORT));
                    }
                }
                Some("search" | "domain") => {
                    config.search = words
                        .take(MOST_DOMAINS)
                        .map(|domain| domain.trim_matches('.').to_owned())
                        .collect();
                    config.search.retain(|domain| !domain.is_empty());
                }
                Some("options") => words.for_each(|option| config.option(option)),
                _ => {}
            }
        }
        if config.servers.is_empty() {
            config
                .servers
                .push(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), PORT));
        }
        config
    }

    fn option(&mut self, option: &str) {
        let Some((name, value)) = option.split_once(':') else {
            return;
        };
        let Ok(value) = value.parse::<u32>() else {
            return;
        };
        match name {
            "ndots" => self.dots = MOST_DOTS.min(value as usize),
            "timeout" => {
                self.timeout = Duration::from_secs(u64::from(value).clamp(1, LONGEST_TIMEOUT));
            }
            "attempts" => self.attempts = value.clamp(1, MOST_ATTEMPTS),
            _ => {}
        }
    }

    /// What to ask for, in this order, to find `host`.
    pub(crate) fn candidates(&self, host: &str) -> Vec<String> {
        let searched = self.search.iter().map(|domain| format!("{host}.{domain}"));
        let itself = std::iter::once(host.to_owned());
        if host.matches('.').count() >= self.dots {
            itself.chain(searched).collect()
        } else {
            searched.chain(itself).collect()
        }
    }
}

/// The addresses that the text of a hosts file gives to `host`.
pub(crate) fn hosts(text: &str, host: &str) -> Vec<IpAddr> {
    let mut found = Vec::new();
    for line in text.lines() {
        let mut words = line
            .split('#')
            .next()
            .unwrap_or_default()
            .split_whitespace();
        if let Some(Ok(address)) = words.next().map(str::parse::<IpAddr>)
            && words.any(|name| name.trim_end_matches('.').eq_ignore_ascii_case(host))
            && !found.contains(&address)
        {
            found.push(address);
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hosts_file_gives_every_address_of_a_name_once() {
        let text = "127.0.0.1 localhost\n# 10.0.0.9 files\n10.0.0.1\tfiles.example.com Files # x\n\
                    bad files\n2001:db8::1 files\n10.0.0.1 files\n";
        let expected: [IpAddr; 2] = ["10.0.0.1".parse().unwrap(), "2001:db8::1".parse().unwrap()];
        assert_eq!(hosts(text, "files"), expected);
        assert_eq!(hosts(text, "x"), [] as [IpAddr; 0]);
    }

    #[test]
    fn a_resolv_conf_is_read_as_the_c_library_reads_it() {
        let config = Config::parse(
            "; comment\nnameserver 10.0.0.1\nnameserver fe80::1%eth0\nnameserver ::1 # v6\nnameserver 10.0.0.2\n\
             nameserver 10.0.0.3\ndomain gone\nsearch a.example. b.example\noptions ndots:99 timeout:0 attempts:9 rotate\n",
        );
        let servers: Vec<_> = config.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[::1]:53", "10.0.0.2:53"]);
        assert_eq!(config.search, ["a.example", "b.example"]);
        assert_eq!(
            (config.dots, config.timeout, config.attempts),
            (15, Duration::from_secs(1), 5)
        );
        assert_eq!(Config::parse("").servers, ["127.0.0.1:53".parse().unwrap()]);
    }

    #[test]
    fn a_name_with_dots_is_asked_for_as_it_is_first() {
        let config = Config::parse("search example.com");
        assert_eq!(config.candidates("files"), ["files.example.com", "files"]);
        assert_eq!(
            config.candidates("files.eu"),
            ["files.eu", "files.eu.example.com"]
        );
    }
}
