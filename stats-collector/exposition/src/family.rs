//! All samples of one number, each with its labels.

use std::borrow::Cow;

/// What the samples of a family mean to each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Each for itself.
    Gauge,
    /// Growing, until whoever counts starts anew.
    Counter,
    /// Nobody knows.
    Unknown,
}

/// What the names of a counter's samples end in, and that of an OpenMetrics family does not.
pub(crate) const TOTAL: &str = "_total";

/// All samples of one number.
#[derive(Debug)]
pub struct Family {
    /// Without [`TOTAL`].
    pub(crate) name: String,
    pub(crate) of: Type,
    pub(crate) help: Cow<'static, str>,
    pub(crate) samples: Vec<u8>,
}

/// What tells a sample from the others of its family, ready to be written.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Labels(String);

impl Family {
    /// One without samples. What a name may not have becomes `_`. Each sample of a counter has `_total` behind the name,
    /// as OpenMetrics wants it, and in both formats, so that whoever asks for the other finds the same series.
    pub fn new(name: &str, of: Type, help: impl Into<Cow<'static, str>>) -> Self {
        let mut name = name_of(name);
        if of == Type::Counter && name.ends_with(TOTAL) && name.len() > TOTAL.len() {
            name.truncate(name.len() - TOTAL.len());
        }
        Self {
            name,
            of,
            help: help.into(),
            samples: Vec::new(),
        }
    }

    /// What it is called in OpenMetrics.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What its samples are called.
    pub fn sample_name(&self) -> String {
        format!("{}{}", self.name, self.suffix())
    }

    /// Adds a sample, whose value is the number that `value` appends. No other sample has these labels.
    pub fn add(&mut self, labels: &Labels, value: impl FnOnce(&mut Vec<u8>)) {
        self.add_with(labels, None, value);
    }

    /// Adds a sample that has one more label.
    pub fn add_along(
        &mut self,
        labels: &Labels,
        (name, along): (&str, &str),
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        self.add_with(labels, Some((name, along)), value);
    }

    fn add_with(
        &mut self,
        labels: &Labels,
        along: Option<(&str, &str)>,
        value: impl FnOnce(&mut Vec<u8>),
    ) {
        let suffix = self.suffix();
        let out = &mut self.samples;
        out.extend_from_slice(self.name.as_bytes());
        out.extend_from_slice(suffix.as_bytes());
        match along {
            None if labels.0.is_empty() => {}
            None => {
                out.push(b'{');
                out.extend_from_slice(labels.0.as_bytes());
                out.push(b'}');
            }
            Some((name, along)) => {
                let mut all = labels.clone();
                all.push(name, along);
                out.push(b'{');
                out.extend_from_slice(all.0.as_bytes());
                out.push(b'}');
            }
        }
        out.push(b' ');
        value(out);
        out.push(b'\n');
    }

    pub(crate) fn suffix(&self) -> &'static str {
        match self.of {
            Type::Counter => TOTAL,
            Type::Gauge | Type::Unknown => "",
        }
    }
}

impl Labels {
    /// Adds one label; without a value it is the same as none, and left out. What a label's name may not have becomes
    /// `_`; the value may be any text. No other label has this name.
    pub fn push(&mut self, name: &str, value: &str) {
        if value.is_empty() {
            return;
        }
        let text = &mut self.0;
        if !text.is_empty() {
            text.push(',');
        }
        let start = text.len();
        text.push_str(&name_of(name));
        // A label's name may have no colon, and two underscores at its beginning are Prometheus's own.
        let name = text.split_off(start).replace(':', "_");
        let own = name.trim_start_matches('_');
        if own.len() + 1 < name.len() {
            text.push('_');
            text.push_str(own);
        } else {
            text.push_str(&name);
        }
        text.push_str("=\"");
        for character in value.chars() {
            match character {
                '\\' => text.push_str("\\\\"),
                '"' => text.push_str("\\\""),
                '\n' => text.push_str("\\n"),
                other => text.push(other),
            }
        }
        text.push('"');
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Labels {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(labels: I) -> Self {
        let mut all = Self::default();
        for (name, value) in labels {
            all.push(name, value);
        }
        all
    }
}

/// A name of letters, digits, `_` and `:`, no digit in front, made from any text.
pub fn name_of(text: &str) -> String {
    let mut name = String::with_capacity(text.len());
    if text.is_empty() || text.starts_with(|first: char| first.is_ascii_digit()) {
        name.push('_');
    }
    name.extend(text.chars().map(|character| {
        match character.is_ascii_alphanumeric() || matches!(character, '_' | ':') {
            true => character,
            false => '_',
        }
    }));
    name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(family: &Family) -> &str {
        std::str::from_utf8(&family.samples).unwrap()
    }

    #[test]
    fn a_sample_has_its_labels_and_its_value() {
        let mut family = Family::new("mesos_task_disk.used_bytes", Type::Gauge, "Used.");
        let labels: Labels = [("host", "a"), ("app", "web"), ("role", "")]
            .into_iter()
            .collect();
        family.add(&labels, |out| out.extend_from_slice(b"1.5"));
        family.add_along(&labels, ("volume", "v"), |out| out.extend_from_slice(b"2"));
        family.add(&Labels::default(), |out| out.extend_from_slice(b"3"));
        assert_eq!(
            lines(&family),
            "mesos_task_disk_used_bytes{host=\"a\",app=\"web\"} 1.5\n\
             mesos_task_disk_used_bytes{host=\"a\",app=\"web\",volume=\"v\"} 2\n\
             mesos_task_disk_used_bytes 3\n"
        );
    }

    #[test]
    fn a_counter_s_samples_end_in_total_once() {
        for name in ["looks", "looks_total"] {
            let mut family = Family::new(name, Type::Counter, "");
            family.add(&Labels::default(), |out| out.push(b'1'));
            assert_eq!(lines(&family), "looks_total 1\n");
        }
    }

    #[test]
    fn hostile_texts_stay_within_their_quotes_and_names_are_names() {
        let mut labels = Labels::default();
        labels.push("task", "a\"} 1\nforged 2\\");
        labels.push("9 my:label", "x");
        labels.push("__name__", "y");
        let mut family = Family::new("9\nforged 1\n", Type::Gauge, "");
        family.add(&labels, |out| out.push(b'0'));
        assert_eq!(
            lines(&family),
            "_9_forged_1_{task=\"a\\\"} 1\\nforged 2\\\\\",_9_my_label=\"x\",_name__=\"y\"} 0\n"
        );
    }
}
