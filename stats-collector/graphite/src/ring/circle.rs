//! Carbon's consistent hashing: a hundred places on a circle for each destination; a series belongs to the first place at
//! or behind its own (carbon: `lib/carbon/hashing.py`, `ConsistentHashRing`).

use md5::{Digest, Md5};

use super::{RingError, fnv1a};
use crate::destination::Destination;

/// How many places each destination has.
const PLACES: u32 = 100;

#[derive(Debug)]
pub(super) struct Circle {
    /// Where, and which destination; in order of the places, each of which is taken once.
    places: Vec<(u32, usize)>,
    hash: fn(&[u8]) -> u32,
}

impl Circle {
    /// By MD5 of what Python makes of the pair of host and instance.
    pub(super) fn carbon(destinations: &[Destination]) -> Result<Self, RingError> {
        let id = |destination: &Destination| {
            (
                destination.address.host.clone(),
                destination.instance.clone(),
            )
        };
        tell_apart(destinations, id, "host and instance")?;
        let plain = |text: &str| {
            text.bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"'\"\\".contains(&byte))
        };
        let mut circle = Self::empty(carbon_hash);
        for (index, destination) in destinations.iter().enumerate() {
            let host = &destination.address.host;
            let instance = destination.instance.as_deref();
            if !plain(host) || !instance.is_none_or(plain) {
                return Err(RingError::Quoting {
                    destination: destination.to_string(),
                });
            }
            let instance = instance.map_or("None".to_owned(), |name| format!("'{name}'"));
            circle.add(index, |place| format!("('{host}', {instance}):{place}"));
        }
        Ok(circle)
    }

    /// By FNV-1a of the instance.
    pub(super) fn fnv1a(destinations: &[Destination]) -> Result<Self, RingError> {
        tell_apart(
            destinations,
            |destination| destination.instance.clone(),
            "the instance",
        )?;
        let mut circle = Self::empty(fnv1a_hash);
        for (index, destination) in destinations.iter().enumerate() {
            let instance = destination.instance.as_deref().unwrap_or("None");
            circle.add(index, |place| format!("{place}-{instance}"));
        }
        Ok(circle)
    }

    fn empty(hash: fn(&[u8]) -> u32) -> Self {
        Self {
            places: Vec::new(),
            hash,
        }
    }

    /// A place that is taken gives way to the next free one, so the order of destinations matters a little, as it does to
    /// carbon.
    fn add(&mut self, destination: usize, key: impl Fn(u32) -> String) {
        for place in 0..PLACES {
            let mut position = (self.hash)(key(place).as_bytes());
            while let Ok(taken) = self.search(position) {
                position = self.places[taken].0 + 1;
            }
            let index = self.places.partition_point(|&(other, _)| other < position);
            self.places.insert(index, (position, destination));
        }
    }

    fn search(&self, position: u32) -> Result<usize, usize> {
        self.places
            .binary_search_by_key(&position, |&(place, _)| place)
    }

    /// The destinations from the series' place on, once around; most come more than once. The last place is left out, as
    /// carbon does.
    pub(super) fn walk(&self, series: &[u8]) -> impl Iterator<Item = usize> {
        let position = (self.hash)(series);
        let first = self.places.partition_point(|&(place, _)| place < position);
        let (before, behind) = self.places.split_at(first);
        let around = behind.iter().chain(before);
        around
            .take(self.places.len() - 1)
            .map(|&(_, destination)| destination)
    }
}

/// The first sixteen bits of the MD5.
fn carbon_hash(bytes: &[u8]) -> u32 {
    let digest = Md5::digest(bytes);
    u32::from(u16::from_be_bytes([digest[0], digest[1]]))
}

/// Both halves of the 32 bits folded into one.
fn fnv1a_hash(bytes: &[u8]) -> u32 {
    let hash = fnv1a::hash_32(bytes);
    (hash >> 16) ^ (hash & 0xffff)
}

fn tell_apart<T: PartialEq>(
    destinations: &[Destination],
    id: impl Fn(&Destination) -> T,
    looks_at: &'static str,
) -> Result<(), RingError> {
    for (index, first) in destinations.iter().enumerate() {
        let same = |second: &&Destination| id(second) == id(first);
        if let Some(second) = destinations[index + 1..].iter().find(same) {
            return Err(RingError::Alike {
                first: first.to_string(),
                second: second.to_string(),
                looks_at,
            });
        }
    }
    Ok(())
}
