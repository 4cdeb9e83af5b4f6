//! What network interfaces do.

use std::collections::HashSet;
use std::fs;
use std::path::Path;

use procfs::net::DeviceStatus;

/// More than are worth a series each.
const MOST: usize = 64;

/// An interface since boot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Interface {
    pub(super) name: String,
    pub(super) rx_bytes: u64,
    pub(super) rx_packets: u64,
    pub(super) rx_errors: u64,
    pub(super) rx_dropped: u64,
    pub(super) tx_bytes: u64,
    pub(super) tx_packets: u64,
    pub(super) tx_errors: u64,
    pub(super) tx_dropped: u64,
}

/// Those that are the machine's own: with hardware behind them, bonds, bridges, VLANs, and what a default route goes out
/// by. Not the machine's ends of containers' virtual cables, of which there is one a container.
pub(super) fn read() -> Vec<Interface> {
    let Ok(all) = procfs::net::dev_status() else {
        return Vec::new();
    };
    let routes = fs::read_to_string("/proc/net/route").unwrap_or_default();
    let routes = default_routes(&routes);
    let mut own: Vec<_> = all
        .into_values()
        .filter(|one| routes.contains(one.name.as_str()) || is_own(&one.name))
        .map(Interface::from)
        .collect();
    own.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    own.truncate(MOST);
    own
}

fn is_own(name: &str) -> bool {
    let place = Path::new("/sys/class/net").join(name);
    let has = |file| place.join(file).exists();
    let is_vlan = || {
        let event = fs::read_to_string(place.join("uevent"));
        event.is_ok_and(|event| event.lines().any(|line| line == "DEVTYPE=vlan"))
    };
    has("device") || has("bonding") || has("bridge") || is_vlan()
}

/// Interfaces of routes to 0.0.0.0/0 (Linux: net/ipv4/fib_trie.c, `fib_route_seq_show`).
pub(super) fn default_routes(text: &str) -> HashSet<&str> {
    let routes = text.lines().skip(1).filter_map(|line| {
        let mut words = line.split_ascii_whitespace();
        let interface = words.next()?;
        let destination = words.next()?;
        let mask = words.nth(5)?;
        (destination == "00000000" && mask == "00000000").then_some(interface)
    });
    routes.collect()
}

impl From<DeviceStatus> for Interface {
    fn from(status: DeviceStatus) -> Self {
        Self {
            name: status.name,
            rx_bytes: status.recv_bytes,
            rx_packets: status.recv_packets,
            rx_errors: status.recv_errs,
            rx_dropped: status.recv_drop,
            tx_bytes: status.sent_bytes,
            tx_packets: status.sent_packets,
            tx_errors: status.sent_errs,
            tx_dropped: status.sent_drop,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interface_of_a_default_route_is_the_machine_s_own_whatever_it_is() {
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                      eth0\t00000000\t0100000A\t0003\t0\t0\t0\t00000000\t0\t0\t0\n\
                      veth1\t0000000A\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
                      cut\t00000000\n";
        assert_eq!(default_routes(routes), HashSet::from(["eth0"]));
    }
}
