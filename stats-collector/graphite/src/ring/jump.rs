//! carbon-c-relay's `jump_fnv1a_ch`: the jump consistent hash of Lamping and Veach over the destinations in a fixed order
//! (carbon-c-relay: `consistent-hash.c`).

use std::cmp::Ordering;

use super::fnv1a;
use crate::destination::Destination;

#[derive(Debug)]
pub(super) struct Jump {
    order: Vec<usize>,
}

impl Jump {
    pub(super) fn new(destinations: &[Destination]) -> Self {
        let instance = |index: &usize| destinations[*index].instance.as_deref();
        let mut order: Vec<usize> = (0..destinations.len()).collect();
        // With numbers and other words side by side its order is none: it compares two numbers as such, and any other
        // pair as text.
        let are_numbers = order
            .iter()
            .filter_map(instance)
            .all(|text| text.parse::<i64>().is_ok());
        order.sort_by(|left, right| match (instance(left), instance(right)) {
            (Some(left), Some(right)) if are_numbers => number(left).cmp(&number(right)),
            (Some(left), Some(right)) => left.cmp(right),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (None, None) => Ordering::Equal,
        });
        Self { order }
    }

    /// All destinations, each once, in the order in which the series goes to them.
    pub(super) fn walk(&self, series: &[u8]) -> impl Iterator<Item = usize> {
        let mut left = self.order.clone();
        let mut hash = fnv1a::hash_64(series);
        std::iter::from_fn(move || {
            if left.is_empty() {
                return None;
            }
            let chosen = left.swap_remove(bucket(hash, left.len()));
            hash = shuffled(hash);
            Some(chosen)
        })
    }
}

fn number(text: &str) -> i64 {
    text.parse().unwrap_or_default()
}

/// Which of so many buckets (Lamping and Veach, "A Fast, Minimal Memory, Consistent Hash Algorithm").
fn bucket(mut key: u64, buckets: usize) -> usize {
    let (mut chosen, mut next) = (0, 0.0);
    while next < buckets as f64 {
        chosen = next as usize;
        key = key.wrapping_mul(2_862_933_555_777_941_757).wrapping_add(1);
        let scale = (1_u64 << 31) as f64 / ((key >> 33) + 1) as f64;
        next = ((chosen + 1) as f64 * scale).floor();
    }
    chosen
}

/// Another hash of the same series, for its next copy (xorshift64*).
fn shuffled(mut hash: u64) -> u64 {
    hash ^= hash >> 12;
    hash ^= hash << 25;
    hash ^= hash >> 27;
    hash.wrapping_mul(2_685_821_657_736_338_717)
}
