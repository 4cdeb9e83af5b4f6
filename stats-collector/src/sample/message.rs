//! Reads JSON objects field by field, so that one that is odd spoils no other: an unknown field is counted, and so is
//! one of an unexpected type, which is absent then.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use graphite::Value;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::strangers::Strangers;
use crate::model::Numbers;

/// More than any list in a sample has. It bounds what a nonsensical reply can make us hold.
const LIST_MAX: usize = 4096;

/// An object with fields of its own.
pub(super) trait Message<'de>: Default {
    /// Where it lies in a sample: `perf`. Empty for the sample itself.
    const PATH: &'static str;

    /// Takes the value of this field, unless it has no such field: false, and the value is not taken.
    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error>;
}

/// The value of the field that is read just now.
pub(super) struct Pending<'r, 'de, A> {
    map: &'r mut A,
    cursor: &'r mut usize,
    strangers: &'r mut Strangers<'de>,
}

impl<'de, A: MapAccess<'de>> Pending<'_, 'de, A> {
    /// As one of these numbers, if it is one of them.
    pub(super) fn one_of<N: Numbers>(
        &mut self,
        numbers: &mut N,
        key: &str,
    ) -> Result<bool, A::Error> {
        let Some(index) = find(N::KEYS, key, *self.cursor) else {
            return Ok(false);
        };
        *self.cursor = index + 1;
        if let Some(value) = self.number()?
            && !numbers.set(index, value)
        {
            self.strangers.odd += 1;
        }
        Ok(true)
    }

    /// As a number.
    pub(super) fn number(&mut self) -> Result<Option<Value>, A::Error> {
        self.read::<Number>()
    }

    /// As a text.
    pub(super) fn text(&mut self) -> Result<Option<Cow<'de, str>>, A::Error> {
        self.read::<Text>()
    }

    /// As a message.
    pub(super) fn message<M: Message<'de>>(&mut self) -> Result<Option<M>, A::Error> {
        self.read::<One<M>>()
    }

    /// As a list of messages.
    pub(super) fn list<M: Message<'de>>(&mut self) -> Result<Vec<M>, A::Error> {
        self.read::<List<M>>()
    }

    /// As whatever it is, which is of no interest.
    pub(super) fn ignored(&mut self) -> Result<(), A::Error> {
        self.map.next_value::<IgnoredAny>().map(|_| ())
    }

    /// Counts it as one of an unexpected value.
    pub(super) fn is_odd(&mut self) {
        self.strangers.odd += 1;
    }

    fn read<S: Shape<'de>>(&mut self) -> Result<S::Value, A::Error> {
        let seed = Expecting::<S>(self.strangers, PhantomData);
        self.map.next_value_seed(seed)
    }
}

/// Where the list of names has this key. An agent writes fields in the order in which Mesos declares them, so that the
/// next one is there at once, or a few absent ones later.
fn find(names: &[&str], key: &str, cursor: usize) -> Option<usize> {
    let (before, behind) = names.split_at(cursor);
    let is_it = |name: &&str| *name == key;
    match behind.iter().position(is_it) {
        Some(place) => Some(cursor + place),
        None => before.iter().position(is_it),
    }
}

/// Reads a whole text as one message.
///
/// # Errors
/// It is no JSON, or no object.
pub(super) fn from_text<'de, M: Message<'de>>(
    text: &'de str,
    strangers: &mut Strangers<'de>,
) -> serde_json::Result<M> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Expecting::<One<M>>(strangers, PhantomData);
    let message = seed.deserialize(&mut deserializer)?;
    deserializer.end()?;
    message.ok_or_else(|| Error::custom("not an object"))
}

#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// What is made of a value of the right type; one of another type is counted, and nothing made of it.
trait Shape<'de> {
    type Value: Default;

    fn map<A: MapAccess<'de>>(
        mut map: A,
        strangers: &mut Strangers<'de>,
    ) -> Result<Self::Value, A::Error> {
        strangers.odd += 1;
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Self::Value::default())
    }

    fn seq<A: SeqAccess<'de>>(
        mut seq: A,
        strangers: &mut Strangers<'de>,
    ) -> Result<Self::Value, A::Error> {
        strangers.odd += 1;
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Self::Value::default())
    }

    fn text(_text: Cow<'de, str>, strangers: &mut Strangers<'de>) -> Self::Value {
        strangers.odd += 1;
        Self::Value::default()
    }

    fn number(_number: Value, strangers: &mut Strangers<'de>) -> Self::Value {
        strangers.odd += 1;
        Self::Value::default()
    }
}

struct Number;

impl<'de> Shape<'de> for Number {
    type Value = Option<Value>;

    fn number(number: Value, _: &mut Strangers<'de>) -> Self::Value {
        Some(number)
    }
}

struct Text;

impl<'de> Shape<'de> for Text {
    type Value = Option<Cow<'de, str>>;

    fn text(text: Cow<'de, str>, _: &mut Strangers<'de>) -> Self::Value {
        Some(text)
    }
}

struct One<M>(PhantomData<M>);

impl<'de, M: Message<'de>> Shape<'de> for One<M> {
    type Value = Option<M>;

    fn map<A: MapAccess<'de>>(
        mut map: A,
        strangers: &mut Strangers<'de>,
    ) -> Result<Self::Value, A::Error> {
        let (mut message, mut cursor) = (M::default(), 0);
        while let Some(Key(key)) = map.next_key()? {
            let mut value = Pending {
                map: &mut map,
                cursor: &mut cursor,
                strangers,
            };
            if !message.take(&key, &mut value)? {
                strangers.unknown(M::PATH, key, map.next_value()?);
            }
        }
        Ok(Some(message))
    }
}

struct List<M>(PhantomData<M>);

impl<'de, M: Message<'de>> Shape<'de> for List<M> {
    type Value = Vec<M>;

    fn seq<A: SeqAccess<'de>>(
        mut seq: A,
        strangers: &mut Strangers<'de>,
    ) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while list.len() < LIST_MAX {
            let seed = Expecting::<One<M>>(strangers, PhantomData);
            match seq.next_element_seed(seed)? {
                Some(element) => list.extend(element),
                None => return Ok(list),
            }
        }
        while seq.next_element::<IgnoredAny>()?.is_some() {
            strangers.odd += 1;
        }
        Ok(list)
    }
}

/// Reads a value of any type as this shape.
struct Expecting<'s, 'de, S>(&'s mut Strangers<'de>, PhantomData<S>);

impl<'de, S: Shape<'de>> DeserializeSeed<'de> for Expecting<'_, 'de, S> {
    type Value = S::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<S::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, S: Shape<'de>> Visitor<'de> for Expecting<'_, 'de, S> {
    type Value = S::Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<S::Value, A::Error> {
        S::map(map, self.0)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<S::Value, A::Error> {
        S::seq(seq, self.0)
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<S::Value, E> {
        Ok(S::number(value.into(), self.0))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<S::Value, E> {
        Ok(S::number(value.into(), self.0))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<S::Value, E> {
        Ok(S::number(value.into(), self.0))
    }

    fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<S::Value, E> {
        Ok(S::text(Cow::Borrowed(text), self.0))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<S::Value, E> {
        Ok(S::text(Cow::Owned(text.to_owned()), self.0))
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<S::Value, E> {
        self.0.odd += 1;
        Ok(S::Value::default())
    }

    /// A null is as good as nothing.
    fn visit_unit<E: Error>(self) -> Result<S::Value, E> {
        Ok(S::Value::default())
    }
}

/// A number, or whatever stands in its place.
pub(super) struct LooseNumber(pub(super) Option<Value>);

impl<'de> Deserialize<'de> for LooseNumber {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut strangers = Strangers::default();
        let seed = Expecting::<Number>(&mut strangers, PhantomData);
        seed.deserialize(deserializer).map(Self)
    }
}
