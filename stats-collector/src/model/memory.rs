//! What a subject's counters were the last time, and what they grew by since.

use std::hash::{DefaultHasher, Hash, Hasher};

use graphite::Value;

use super::Field;

/// Two samples nearer than this say little: CPU time comes in ticks of 10 ms. An agent that answers with a sample that
/// it had at hand gives the same moment again.
const SHORTEST_SECS: f64 = 0.5;

/// The most that a counter of CFS periods grows in a second: no period is shorter than a millisecond (Linux:
/// kernel/sched/core.c, `min_cfs_quota_period`). Twice that, since the two clocks may differ.
const PERIODS_PER_SECOND: f64 = 2000.0;

/// The counters of one life of one subject, as they were in its last sample. A new life, such as that of another
/// container in the same slot, begins with a new memory.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    /// When the sample was taken, in seconds since the epoch.
    at: Option<f64>,
    counters: Vec<Counter>,
}

/// Small, since there are many: which one it is, and the bits of its value.
#[derive(Clone, Copy, Debug)]
struct Counter {
    key: u64,
    bits: u64,
}

/// What happened since the last sample. Counters that this one does not have are forgotten when it is dropped.
#[derive(Debug)]
pub(crate) struct Since<'a> {
    memory: &'a mut Memory,
    /// Seconds; none if the two samples cannot be compared.
    elapsed: Option<f64>,
    /// Whether this sample is remembered in the last one's place.
    is_taken: bool,
    /// How many counters this sample has, which are the first ones.
    seen: usize,
}

impl Memory {
    /// Begins with a sample of this time, in seconds since the epoch.
    ///
    /// One of the same moment as the last, or nearly so, is compared with nothing and not remembered, so that the next
    /// one still spans the whole time. One of an earlier moment is compared with nothing, and remembered: a clock was
    /// set.
    pub(crate) fn since(&mut self, at: f64) -> Since<'_> {
        let elapsed = self.at.map(|before| at - before);
        let is_taken = at.is_finite()
            && elapsed.is_none_or(|elapsed| !(0.0..SHORTEST_SECS).contains(&elapsed));
        if is_taken {
            self.at = Some(at);
        }
        Since {
            memory: self,
            elapsed: elapsed.filter(|elapsed| is_taken && *elapsed > 0.0),
            is_taken,
            seen: 0,
        }
    }
}

impl Since<'_> {
    /// Seconds since the last sample, if the two can be compared.
    pub(crate) fn elapsed(&self) -> Option<f64> {
        self.elapsed
    }

    /// What a counter grew by. None if it went back, as when whoever counts began anew, and if the last sample did not
    /// have it. `field` and, if there are several of the kind, `along` say which counter it is.
    pub(crate) fn growth(
        &mut self,
        field: &'static Field,
        along: Option<&str>,
        now: impl Into<Value>,
    ) -> Option<f64> {
        self.difference(field, along, now)
            .filter(|growth| *growth >= 0.0)
    }

    /// [`Since::growth`] a second.
    pub(crate) fn per_second(
        &mut self,
        field: &'static Field,
        along: Option<&str>,
        now: impl Into<Value>,
    ) -> Option<f64> {
        let growth = self.growth(field, along, now);
        let rate = growth? / self.elapsed?;
        rate.is_finite().then_some(rate)
    }

    /// What a counter of CFS periods grew by. It is of 32 bits: one that went back by so much that it cannot have grown
    /// past its end in the time began anew.
    pub(crate) fn growth_of_periods(&mut self, field: &'static Field, now: u32) -> Option<f64> {
        let before = self.swap(key(field, None), now.into())?;
        let before = u32::try_from(before).ok()?;
        let growth = f64::from(now.wrapping_sub(before));
        let is_possible = now >= before || growth <= self.elapsed? * PERIODS_PER_SECOND;
        is_possible.then_some(growth)
    }

    /// What a number differs by from its last value, up or down.
    pub(crate) fn difference(
        &mut self,
        field: &'static Field,
        along: Option<&str>,
        now: impl Into<Value>,
    ) -> Option<f64> {
        let key = key(field, along);
        match now.into() {
            Value::Integer(now) => {
                let before = self.swap(key, now)?;
                // Exact as long as the difference is below 2^53, however large the two are.
                Some(if now >= before {
                    (now - before) as f64
                } else {
                    -((before - now) as f64)
                })
            }
            Value::Signed(now) => {
                let before = self.swap(key, now.cast_unsigned())?.cast_signed();
                Some((i128::from(now) - i128::from(before)) as f64)
            }
            Value::Float(now) => {
                let before = f64::from_bits(self.swap(key, now.to_bits())?);
                let difference = now - before;
                difference.is_finite().then_some(difference)
            }
        }
    }

    /// Remembers a counter; its last value, if that can be compared.
    fn swap(&mut self, key: u64, bits: u64) -> Option<u64> {
        if !self.is_taken {
            return None;
        }
        let counters = &mut self.memory.counters;
        // The counters of a subject come in the same order each time, so that it is the first one here.
        let rest = counters[self.seen..].iter();
        let place = rest.clone().position(|counter| counter.key == key);
        let before = match place {
            Some(place) => {
                counters.swap(self.seen, self.seen + place);
                let counter = &mut counters[self.seen];
                Some(std::mem::replace(&mut counter.bits, bits))
            }
            None => {
                if counters.len() == counters.capacity() {
                    counters.reserve_exact(4);
                }
                counters.push(Counter { key, bits });
                let last = counters.len() - 1;
                counters.swap(self.seen, last);
                None
            }
        };
        self.seen += 1;
        before.filter(|_| self.elapsed.is_some())
    }
}

impl Drop for Since<'_> {
    fn drop(&mut self) {
        if self.is_taken {
            self.memory.counters.truncate(self.seen);
        }
    }
}

/// No two fields have the same address, since each is a static of some size; two texts have the same hash by an accident
/// that nobody will see.
fn key(field: &'static Field, along: Option<&str>) -> u64 {
    let address = std::ptr::from_ref(field).addr();
    let Some(along) = along else {
        return address as u64;
    };
    let mut hasher = DefaultHasher::new();
    (address, along).hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests;
