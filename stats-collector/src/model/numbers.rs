//! Structs of numbers that may be absent, and the table of their fields, from one list.

use graphite::Value;

use super::{Field, Put};

/// A struct of numbers, each with a [`Field`]; [`numbers!`] makes them.
pub(crate) trait Numbers: Default {
    /// What each is called in a message of the agent's, in the order of the list.
    const KEYS: &'static [&'static str];

    /// The table, in the same order.
    fn fields() -> &'static [Field];

    /// Sets the number at this place of the table; false if this value can be none of its type.
    fn set(&mut self, index: usize, value: Value) -> bool;

    /// Puts all that are there.
    fn put(&self, along: Option<&str>, out: &mut impl Put);
}

/// What a number of the list may be made of.
pub(crate) trait FromValue: Sized {
    /// The same number, exactly, if the type has it.
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for Value {
    fn from_value(value: Value) -> Option<Self> {
        Some(value)
    }
}

impl FromValue for u64 {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Integer(value) => Some(value),
            Value::Signed(value) => value.try_into().ok(),
            Value::Float(_) => None,
        }
    }
}

impl FromValue for u32 {
    fn from_value(value: Value) -> Option<Self> {
        u64::from_value(value)?.try_into().ok()
    }
}

impl FromValue for i64 {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Integer(value) => value.try_into().ok(),
            Value::Signed(value) => Some(value),
            Value::Float(_) => None,
        }
    }
}

impl FromValue for f64 {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            // As every JSON reader does with `1` where a float is meant.
            Value::Integer(value) => Some(value as f64),
            Value::Signed(value) => Some(value as f64),
            Value::Float(value) => Some(value),
        }
    }
}

/// Declares a struct of optional numbers and its table:
///
/// ```text
/// numbers! {
///     /// What it is.
///     struct Name, named "prefix." along None;
///     field: type, Nature Unit, "Help.";
/// }
/// ```
///
/// The prefix is that of the series' names, and what follows it is what there are several of such structs along, if there are.
macro_rules! numbers {
    (
        $(#[$doc:meta])*
        struct $name:ident, named $prefix:literal along $along:expr;
        $($field:ident: $type:ty, $nature:ident $unit:ident, $help:literal;)*
    ) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Default, PartialEq)]
        #[allow(non_snake_case, reason = "named as Mesos names them")]
        pub(crate) struct $name {
            $(#[doc = $help] pub(crate) $field: Option<$type>,)*
        }

        const _: () = {
            use $crate::model::{Field, FromValue, Nature, Numbers, Put, Unit};

            #[allow(non_camel_case_types, reason = "places of fields in the table")]
            enum Place { $($field,)* }

            static FIELDS: [Field; <$name as Numbers>::KEYS.len()] = [
                $(Field {
                    name: concat!($prefix, stringify!($field)),
                    along: $along,
                    nature: Nature::$nature,
                    unit: Unit::$unit,
                    help: $help,
                },)*
            ];

            impl Numbers for $name {
                const KEYS: &'static [&'static str] = &[$(stringify!($field),)*];

                fn fields() -> &'static [Field] {
                    &FIELDS
                }

                fn set(&mut self, index: usize, value: graphite::Value) -> bool {
                    $(if index == Place::$field as usize {
                        self.$field = <$type as FromValue>::from_value(value);
                        return self.$field.is_some();
                    })*
                    false
                }

                fn put(&self, along: Option<&str>, out: &mut impl Put) {
                    let values = [$(self.$field.map(graphite::Value::from),)*];
                    for (field, value) in FIELDS.iter().zip(values) {
                        if let Some(value) = value {
                            out.put(field, along, value);
                        }
                    }
                }
            }
        };
    };
}

pub(crate) use numbers;
