//! Everything there is to tell at one moment.

use bytes::Bytes;

use crate::family::{Family, TOTAL, Type};
use crate::format::Format;

/// Everything there is to tell at one moment, whole.
#[derive(Debug, Default)]
pub struct Page {
    families: Vec<(Head, Bytes)>,
}

#[derive(Debug)]
struct Head {
    name: String,
    of: Type,
    help: Box<str>,
}

impl Page {
    /// One of these families, whose names differ from each other; those without samples are left out.
    pub fn new(families: impl IntoIterator<Item = Family>) -> Self {
        let families = families.into_iter().filter(|one| !one.samples.is_empty());
        let families = families.map(|family| {
            let mut samples = family.samples;
            samples.shrink_to_fit();
            let head = Head {
                name: family.name,
                of: family.of,
                help: family.help.into(),
            };
            (head, samples.into())
        });
        Self {
            families: families.collect(),
        }
    }

    /// The whole text, in order. The samples are not copied.
    pub fn chunks(&self, format: Format) -> Vec<Bytes> {
        let mut chunks = Vec::with_capacity(2 * self.families.len() + 1);
        for (head, samples) in &self.families {
            chunks.push(head.text(format).into());
            chunks.push(samples.clone());
        }
        if format == Format::OpenMetrics {
            chunks.push(Bytes::from_static(b"# EOF\n"));
        }
        chunks
    }
}

impl Head {
    fn text(&self, format: Format) -> String {
        let total = match (format, self.of) {
            (Format::Text, Type::Counter) => TOTAL,
            _ => "",
        };
        let of = match (self.of, format) {
            (Type::Gauge, _) => "gauge",
            (Type::Counter, _) => "counter",
            (Type::Unknown, Format::Text) => "untyped",
            (Type::Unknown, Format::OpenMetrics) => "unknown",
        };
        let mut help = self.help.replace('\\', "\\\\").replace('\n', "\\n");
        if format == Format::OpenMetrics {
            help = help.replace('"', "\\\"");
        }
        let name = &self.name;
        let mut text = format!("# HELP {name}{total} {help}\n# TYPE {name}{total} {of}\n");
        let unit = ["bytes", "seconds"].into_iter();
        if format == Format::OpenMetrics
            && let Some(unit) = unit.into_iter().find(|unit| {
                let before = name.strip_suffix(unit);
                before.is_some_and(|before| before.ends_with('_'))
            })
        {
            text.push_str(&format!("# UNIT {name} {unit}\n"));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Labels;

    fn page() -> Page {
        let mut looks = Family::new("looks", Type::Counter, "Each \"look\"\nat \\.");
        looks.add(&Labels::default(), |out| out.push(b'7'));
        let mut used = Family::new("used_bytes", Type::Gauge, "In use.");
        used.add(&[("app", "web")].into_iter().collect(), |out| {
            out.push(b'1');
        });
        let mut odd = Family::new("odd", Type::Unknown, "");
        odd.add(&Labels::default(), |out| out.extend_from_slice(b"-0.5"));
        Page::new([
            looks,
            Family::new("none", Type::Gauge, "Nothing."),
            used,
            odd,
        ])
    }

    fn text(format: Format) -> String {
        String::from_utf8(page().chunks(format).concat()).unwrap()
    }

    #[test]
    fn the_text_format_has_a_head_for_each_family_that_has_samples() {
        assert_eq!(
            text(Format::Text),
            "# HELP looks_total Each \"look\"\\nat \\\\.\n# TYPE looks_total counter\nlooks_total 7\n\
             # HELP used_bytes In use.\n# TYPE used_bytes gauge\nused_bytes{app=\"web\"} 1\n\
             # HELP odd \n# TYPE odd untyped\nodd -0.5\n"
        );
    }

    #[test]
    fn openmetrics_has_units_other_heads_of_counters_and_an_end() {
        assert_eq!(
            text(Format::OpenMetrics),
            "# HELP looks Each \\\"look\\\"\\nat \\\\.\n# TYPE looks counter\nlooks_total 7\n\
             # HELP used_bytes In use.\n# TYPE used_bytes gauge\n# UNIT used_bytes bytes\n\
             used_bytes{app=\"web\"} 1\n# HELP odd \n# TYPE odd unknown\nodd -0.5\n# EOF\n"
        );
    }
}
