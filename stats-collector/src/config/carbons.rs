//! Where carbons are and how points get there, out of what was said.

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use graphite::{
    Address, Destination, FleetConfig, FleetError, Hash, Protocol, Replication, Route, SpoolConfig,
    Transport,
};
use mesos_agent::tls::{self, Identity};
use mesos_proto::Bytes;
use rustls::pki_types::ServerName;
use settings::value::{list, parsed, text};
use settings::{Check, Key, Origin, Said, Value};

use super::check::{identity, with_causes};
use super::keys;

const ADDRESS: &str = "tcp://HOST:PORT, tls://HOST:PORT or udp://HOST:PORT, with pickle+ before it for carbon's \
                       pickle port, and :INSTANCE behind it in a ring, without user and password";
/// Less would drop whole scrapes of a large agent.
const LEAST_QUEUE: u64 = 1 << 20;

/// What is read of `[graphite]`.
pub(super) struct Carbons<'a> {
    said: &'a Said,
    timeout: Duration,
    state_dir: Option<PathBuf>,
}

impl<'a> Carbons<'a> {
    pub(super) fn new(said: &'a Said, timeout: Duration, state_dir: Option<PathBuf>) -> Self {
        Self {
            said,
            timeout,
            state_dir,
        }
    }

    /// All of it; none if no carbon was named.
    pub(super) fn read(self, check: &mut Check<'_>) -> Option<FleetConfig> {
        let spool = self.spool(check);
        let route = route(check);
        let queue = check.value(
            keys::GRAPHITE_QUEUE,
            "a size of at least 1MB",
            queue,
            32 << 20,
        );
        let destinations = self.destinations(check);
        if destinations.is_empty() {
            return None;
        }
        if destinations.len() == 1 && check.is_given(keys::GRAPHITE_ROUTE) && route != Route::All {
            let why = "there is nothing to choose from";
            check.conflict(keys::GRAPHITE_ROUTE, "one carbon", why);
        }
        let fleet = FleetConfig {
            destinations,
            route,
            connect_timeout: self.timeout,
            write_timeout: self.timeout,
            queue_bytes: queue,
            spool,
        };
        if let Err(error) = fleet.validate() {
            let key = match error {
                FleetError::Ring(_) => keys::GRAPHITE_ROUTE,
                _ => keys::GRAPHITE_ADDRESS,
            };
            check.unusable(key, &error);
        }
        Some(fleet)
    }

    /// A flag or a variable stands in for the whole list of the file.
    fn destinations(&self, check: &mut Check<'_>) -> Vec<Destination> {
        let trust = Trust {
            ca_file: check.readable(keys::GRAPHITE_CA_FILE),
            identity: identity(
                check,
                keys::GRAPHITE_CERTIFICATE_FILE,
                keys::GRAPHITE_KEY_FILE,
            ),
        };
        let tables = self.said.entries(keys::DESTINATIONS);
        let short = check.optional(keys::GRAPHITE_ADDRESS, ADDRESS, |value| {
            let all = list(value)?;
            let all: Option<Vec<_>> = all.iter().map(|one| Written::parse(one)).collect();
            all.filter(|all| !all.is_empty())
        });
        let given = check.given(keys::GRAPHITE_ADDRESS);
        let is_in_file = given.is_some_and(|given| matches!(given.origin, Origin::File { .. }));
        if is_in_file && !tables.is_empty() {
            let why = "name each carbon in one place";
            check.conflict(keys::GRAPHITE_ADDRESS, "[[graphite.destination]]", why);
        }
        if given.is_some() {
            let carbons = short.unwrap_or_default().into_iter();
            return carbons
                .filter_map(|one| one.reached(check, keys::GRAPHITE_ADDRESS, None, &trust))
                .collect();
        }
        tables
            .iter()
            .filter_map(|table| table_of(&mut check.of(table), &trust))
            .collect()
    }

    fn spool(&self, check: &mut Check<'_>) -> Option<SpoolConfig> {
        let size = check.optional(
            keys::GRAPHITE_SPOOL,
            "a size of at least 1MB, such as \"2GB\", or \"0B\" for none",
            |value| {
                let size = parsed::<Bytes>(value)?.as_u64();
                (size == 0 || size >= LEAST_QUEUE).then_some(size)
            },
        );
        let replay = check.value(
            keys::GRAPHITE_SPOOL_REPLAY,
            "a count over 0",
            |value| parsed::<u32>(value).filter(|count| *count > 0),
            SpoolConfig::REPLAY_POINTS_PER_SECOND,
        );
        let hold = check.duration(keys::GRAPHITE_SPOOL_HOLD, SpoolConfig::HOLD, None);
        let sync = check.duration(keys::GRAPHITE_SPOOL_SYNC, SpoolConfig::SYNC_INTERVAL, None);
        if size == Some(0) {
            return None;
        }
        if size.is_some() && self.state_dir.is_none() && !check.is_given(keys::STATE_DIR) {
            check.missing(keys::STATE_DIR, "the directory that the spool is to be in");
        }
        Some(SpoolConfig {
            bytes: size.unwrap_or(SpoolConfig::BYTES),
            replay_points_per_second: replay,
            hold,
            sync_interval: sync,
            ..SpoolConfig::new(self.state_dir.as_ref()?.join("spool"))
        })
    }
}

/// Who vouches for carbons, and for us.
#[derive(Clone, Default)]
struct Trust {
    ca_file: Option<PathBuf>,
    identity: Option<Identity>,
}

fn table_of(check: &mut Check<'_>, trust: &Trust) -> Option<Destination> {
    let written = check.required(keys::DESTINATION_ADDRESS, ADDRESS, |value| {
        Written::parse(text(value)?)
    });
    let name = check.optional(keys::DESTINATION_SERVER_NAME, "a host name", server_name);
    let own = Trust {
        ca_file: check.readable(keys::DESTINATION_CA_FILE),
        identity: identity(
            check,
            keys::DESTINATION_CERTIFICATE_FILE,
            keys::DESTINATION_KEY_FILE,
        ),
    };
    let trust = Trust {
        ca_file: own.ca_file.or_else(|| trust.ca_file.clone()),
        identity: own.identity.or_else(|| trust.identity.clone()),
    };
    written?.reached(check, keys::DESTINATION_ADDRESS, name, &trust)
}

fn server_name(value: &Value) -> Option<ServerName<'static>> {
    ServerName::try_from(text(value)?.to_owned()).ok()
}

fn queue(value: &Value) -> Option<usize> {
    let bytes = parsed::<Bytes>(value)?.as_u64();
    usize::try_from(bytes).ok().filter(|_| bytes >= LEAST_QUEUE)
}

fn route(check: &mut Check<'_>) -> Route {
    let count = |value: &Value| parsed::<NonZeroUsize>(value);
    let factor = check.optional(keys::GRAPHITE_REPLICATION, "a count over 0", count);
    let truth = parsed::<bool>;
    let diverse = check.optional(keys::GRAPHITE_DIVERSE_REPLICAS, "true or false", truth);
    let ring = |hash| {
        let replication = Replication {
            factor: factor.unwrap_or(NonZeroUsize::MIN),
            // As those have it whose rings they are.
            diverse: diverse.unwrap_or(hash != Hash::JumpFnv1a),
        };
        Route::Ring { hash, replication }
    };
    let allowed = "\"all\", \"failover\", \"carbon_ch\", \"fnv1a_ch\" or \"jump_fnv1a_ch\"";
    let parse = |value: &Value| match text(value)? {
        "all" => Some(Route::All),
        "failover" => Some(Route::Failover),
        "carbon_ch" => Some(ring(Hash::CarbonCh)),
        "fnv1a_ch" => Some(ring(Hash::Fnv1aCh)),
        "jump_fnv1a_ch" => Some(ring(Hash::JumpFnv1a)),
        _ => None,
    };
    let route = check.value(keys::GRAPHITE_ROUTE, allowed, parse, Route::All);
    if !matches!(route, Route::Ring { .. }) {
        for key in [keys::GRAPHITE_REPLICATION, keys::GRAPHITE_DIVERSE_REPLICAS] {
            if check.is_given(key) {
                let why = "only a ring chooses some of the carbons";
                check.conflict(key, "a graphite.route that is no ring", why);
            }
        }
    }
    route
}

/// A carbon as it is written.
#[derive(Clone, Debug, PartialEq)]
struct Written {
    address: Address,
    instance: Option<String>,
    way: Way,
    protocol: Protocol,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Way {
    Tcp,
    Tls,
    Udp,
}

impl Written {
    /// As [`Destination`] shows itself.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, place) = text.split_once("://")?;
        let (protocol, way) = match scheme.strip_prefix("pickle+") {
            Some(way) => (Protocol::Pickle, way),
            None => (Protocol::Plaintext, scheme),
        };
        let way = match way {
            "tcp" => Way::Tcp,
            "tls" => Way::Tls,
            "udp" if protocol == Protocol::Plaintext => Way::Udp,
            _ => return None,
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        let (host, rest) = match place.strip_prefix('[') {
            Some(inside) => {
                let (host, rest) = inside.split_once(']')?;
                (host, rest.strip_prefix(':')?)
            }
            None => place.split_once(':')?,
        };
        let (port, instance) = match rest.split_once(':') {
            Some((port, instance)) => (port, Some(instance)),
            None => (rest, None),
        };
        let is_name =
            |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '%');
        let is_fine = |text: &str| !text.is_empty() && text.chars().all(is_name);
        let port: u16 = port.parse().ok()?;
        let is_right = is_fine(host) && port > 0 && instance.is_none_or(is_fine);
        is_right.then(|| Self {
            address: Address {
                host: host.to_owned(),
                port,
            },
            instance: instance.map(str::to_owned),
            way,
            protocol,
        })
    }

    /// With what it takes to reach it; what that lacks is told.
    fn reached(
        self,
        check: &mut Check<'_>,
        key: &'static Key,
        name: Option<ServerName<'static>>,
        trust: &Trust,
    ) -> Option<Destination> {
        let transport = match self.way {
            Way::Tcp => Transport::Tcp,
            Way::Udp => Transport::Udp,
            Way::Tls => {
                let own = || ServerName::try_from(self.address.host.clone()).ok();
                let connector = tls::connector(trust.ca_file.as_deref(), trust.identity.as_ref());
                match (connector, name.or_else(own)) {
                    (Ok(connector), Some(name)) => Transport::Tls { connector, name },
                    (Err(error), _) => {
                        let why = with_causes(&error);
                        check.unusable(key, &format!("{why}; see graphite.ca_file"));
                        return None;
                    }
                    (_, None) => {
                        check.unusable(key, &"no certificate can be for such a host");
                        return None;
                    }
                }
            }
        };
        Some(Destination {
            address: self.address,
            instance: self.instance,
            transport,
            protocol: self.protocol,
        })
    }
}
