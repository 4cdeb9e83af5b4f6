//! Which carbons keep a series, by its name alone, as every relay and graphite-web in front of them would tell.
//!
//! A series with tags is placed under the name that carbon-cache and graphite-web know it by, its tags in order, whatever
//! order it is sent in; carbon's own relay does so with `TAG_RELAY_NORMALIZED` (carbon: `lib/carbon/client.py`,
//! `RelayProcessor`).

mod circle;
mod fnv1a;
mod jump;

use std::borrow::Cow;
use std::num::NonZeroUsize;

use crate::destination::Destination;
use circle::Circle;
use jump::Jump;

/// How a ring spreads names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Carbon's own, by MD5 of host and instance (carbon.conf: `ROUTER_HASH_TYPE = carbon_ch`, its default).
    CarbonCh,
    /// Carbon's by FNV-1a, of the instance alone (carbon.conf: `ROUTER_HASH_TYPE = fnv1a_ch`). carbon-c-relay takes
    /// `host:port` where there is no instance; that has to be written here as the instance.
    ///
    /// Of two places that coincide on either circle carbon-c-relay forgets one, where carbon moves it on. So it puts a few
    /// series elsewhere, most of them second copies.
    Fnv1aCh,
    /// carbon-c-relay's `jump_fnv1a_ch`. Destinations with an instance come first, in the order of their instances; the
    /// others follow in the order given.
    JumpFnv1a,
}

/// How many destinations of a ring keep the same point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// How many (carbon.conf: `REPLICATION_FACTOR`).
    pub factor: NonZeroUsize,
    /// Whether no two of them may be on the same host (carbon.conf: `DIVERSE_REPLICAS`, on by default there).
    /// carbon-c-relay has no such thing.
    pub diverse: bool,
}

/// Why destinations make no ring.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum RingError {
    /// The ring cannot tell them apart.
    #[error("{first} and {second} are one and the same to the ring: it looks only at {looks_at}")]
    Alike {
        /// The first of the two.
        first: String,
        /// The other.
        second: String,
        /// What the hash takes in.
        looks_at: &'static str,
    },
    /// Carbon's ring takes host and instance as Python writes them, quoted.
    #[error(
        "{destination} has a character in its host or instance that carbon would write in another way"
    )]
    Quoting {
        /// Whose.
        destination: String,
    },
    /// A point cannot be kept so often.
    #[error("{factor} replicas want {factor} {wanted}, and there are {there}")]
    TooFew {
        /// How many replicas.
        factor: usize,
        /// Of what: destinations or hosts.
        wanted: &'static str,
        /// How many there are of that.
        there: usize,
    },
}

/// The places of a row of destinations.
#[derive(Debug)]
pub struct Ring {
    order: Order,
    /// For each destination the first one on the same host.
    hosts: Vec<usize>,
    replication: Replication,
}

#[derive(Debug)]
enum Order {
    Circle(Circle),
    Jump(Jump),
}

impl Ring {
    /// The ring of these destinations, in this order.
    ///
    /// # Errors
    /// [`RingError`] if they make none.
    pub fn new(
        destinations: &[Destination],
        hash: Hash,
        replication: Replication,
    ) -> Result<Self, RingError> {
        let host = |one: &Destination| {
            let same = |other: &Destination| other.address.host == one.address.host;
            destinations.iter().position(same).unwrap_or_default()
        };
        let hosts: Vec<_> = destinations.iter().map(host).collect();
        let factor = replication.factor.get();
        let (wanted, there) = if replication.diverse {
            let firsts = hosts.iter().enumerate().filter(|&(at, &first)| at == first);
            ("hosts", firsts.count())
        } else {
            ("destinations", destinations.len())
        };
        if factor > there {
            return Err(RingError::TooFew {
                factor,
                wanted,
                there,
            });
        }
        let order = match hash {
            Hash::CarbonCh => Order::Circle(Circle::carbon(destinations)?),
            Hash::Fnv1aCh => Order::Circle(Circle::fnv1a(destinations)?),
            Hash::JumpFnv1a => Order::Jump(Jump::new(destinations)),
        };
        Ok(Self {
            order,
            hosts,
            replication,
        })
    }

    /// Puts into `chosen` which destinations keep the series, best first, by their places in the row.
    pub fn choose(&self, series: &[u8], chosen: &mut Vec<usize>) {
        chosen.clear();
        let name = normal(series);
        match &self.order {
            Order::Circle(circle) => self.take(circle.walk(&name), chosen),
            Order::Jump(jump) => self.take(jump.walk(&name), chosen),
        }
    }

    fn take(&self, walk: impl Iterator<Item = usize>, chosen: &mut Vec<usize>) {
        for next in walk {
            let known = if self.replication.diverse {
                chosen
                    .iter()
                    .any(|&other| self.hosts[other] == self.hosts[next])
            } else {
                chosen.contains(&next)
            };
            if !known {
                chosen.push(next);
            }
            if chosen.len() == self.replication.factor.get() {
                return;
            }
        }
    }
}

/// The name with its tags in order (carbon: `lib/carbon/util.py`, `TaggedSeries.format`).
fn normal(series: &[u8]) -> Cow<'_, [u8]> {
    let Some(tags_at) = series.iter().position(|&byte| byte == b';') else {
        return Cow::Borrowed(series);
    };
    let (name, tags) = series.split_at(tags_at);
    let mut tags: Vec<_> = tags[1..].split(|&byte| byte == b';').collect();
    if tags.is_sorted() {
        return Cow::Borrowed(series);
    }
    tags.sort_unstable();
    let mut normal = name.to_vec();
    for tag in tags {
        normal.push(b';');
        normal.extend_from_slice(tag);
    }
    Cow::Owned(normal)
}

#[cfg(test)]
mod tests;
