//! What no table has: the fields of a later Mesos.

use std::borrow::Cow;
use std::collections::HashSet;

use graphite::Value;
use serde_json::value::RawValue;

/// More than one sample's unknown fields ever are. It bounds what a nonsensical reply can make us hold and send.
const KEPT_MAX: usize = 256;

/// The fields of one sample that are not as this program knows them.
#[derive(Debug, Default)]
pub(crate) struct Strangers<'a> {
    /// How many have a name that is unknown here; what lies within one is not counted.
    pub(crate) unknown: u64,
    /// How many have a known name, but an impossible value.
    pub(crate) odd: u64,
    kept: Vec<Stranger<'a>>,
}

#[derive(Debug)]
struct Stranger<'a> {
    path: &'static str,
    key: Cow<'a, str>,
    value: &'a RawValue,
}

impl<'a> Strangers<'a> {
    pub(super) fn unknown(&mut self, path: &'static str, key: Cow<'a, str>, value: &'a RawValue) {
        self.unknown += 1;
        if self.kept.len() < KEPT_MAX {
            self.kept.push(Stranger { path, key, value });
        }
    }

    /// Every number among the unknown ones, with its path in the sample, joined by dots:
    /// `net_rate_statistics.tx_rate.p50`. Elements of an unknown list are numbered from 0. Where a known list has
    /// elements with the same unknown field, the second and later ones have a number behind their name.
    pub(crate) fn numbers(&self, mut take: impl FnMut(&str, Value)) {
        let (mut left, mut used) = (KEPT_MAX, HashSet::new());
        let mut take = |name: &str, value| {
            let mut own = name.to_owned();
            let mut number = 0;
            while !used.insert(own.clone()) {
                number += 1;
                own = format!("{name}_{number}");
            }
            take(&own, value);
        };
        for Stranger { path, key, value } in &self.kept {
            // It was read before, and is valid.
            let Ok(value) = serde_json::from_str(value.get()) else {
                continue;
            };
            let mut name = (*path).to_owned();
            numbers_in(&mut name, key, &value, &mut left, &mut take);
        }
    }
}

fn numbers_in(
    name: &mut String,
    key: &str,
    value: &serde_json::Value,
    left: &mut usize,
    take: &mut impl FnMut(&str, Value),
) {
    let mark = name.len();
    if mark > 0 {
        name.push('.');
    }
    name.push_str(key);
    match value {
        serde_json::Value::Number(number) if *left > 0 => {
            *left -= 1;
            let integer = number.as_u64().map(Value::from);
            let integer = integer.or_else(|| number.as_i64().map(Value::from));
            if let Some(value) = integer.or_else(|| number.as_f64().map(Value::from)) {
                take(name, value);
            }
        }
        serde_json::Value::Object(fields) => {
            for (key, value) in fields {
                numbers_in(name, key, value, left, take);
            }
        }
        serde_json::Value::Array(elements) => {
            for (place, value) in elements.iter().enumerate() {
                numbers_in(name, &place.to_string(), value, left, take);
            }
        }
        _ => {}
    }
    name.truncate(mark);
}
