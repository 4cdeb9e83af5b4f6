//! Which fields there are.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::ptr;

use super::head::Name;
use super::kinds::KINDS;
use super::settings::{FieldRules, NamesSettings};
use crate::model::{Field, Kind};

/// Says of each field whether it is wanted, and remembers what it said.
#[derive(Debug)]
pub(crate) struct Selection {
    kinds: [Wanted; KINDS.len()],
}

#[derive(Debug)]
struct Wanted {
    rules: FieldRules,
    /// By where the field is, for there is one of each.
    known: HashMap<usize, bool, BuildHasherDefault<Places>>,
}

/// What is wrong with a pattern of fields.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SelectionError {
    /// No field's name is like that.
    #[error(
        "pattern {pattern:?} of fields{} matches nothing: names of fields have letters, digits, _, - and dots, and * and ? stand for others",
        of_kind(*.kind)
    )]
    Pattern {
        /// The kind; None for all kinds.
        kind: Option<&'static str>,
        /// As it is written.
        pattern: String,
    },
}

impl Selection {
    /// Checks the patterns.
    ///
    /// # Errors
    /// Everything that is wrong with them.
    pub(crate) fn new(settings: &NamesSettings) -> Result<Self, Vec<SelectionError>> {
        let general = [(None, &settings.fields)];
        let by_kind = settings.fields_by_kind.iter();
        let all = by_kind
            .map(|(kind, rules)| (Some(kind.dotted()), rules))
            .chain(general);
        let errors: Vec<_> = all.flat_map(|(kind, rules)| faults(kind, rules)).collect();
        if !errors.is_empty() {
            return Err(errors);
        }
        let kinds = KINDS.map(|kind| {
            let mut rules = settings.fields.clone();
            for (_, of_kind) in settings.fields_by_kind.iter().filter(|(of, _)| *of == kind) {
                if !of_kind.allow.is_empty() {
                    rules.allow.clone_from(&of_kind.allow);
                }
                rules.deny.extend_from_slice(&of_kind.deny);
            }
            Wanted {
                rules,
                known: HashMap::default(),
            }
        });
        Ok(Self { kinds })
    }

    /// Whether numbers of that name are wanted of that kind of subject.
    pub(crate) fn admits(&mut self, kind: Kind, name: Name<'_>) -> bool {
        let Wanted { rules, known } = &mut self.kinds[kind.index()];
        if rules.allow.is_empty() && rules.deny.is_empty() {
            return true;
        }
        match name {
            Name::Known(field, _) => *known
                .entry(ptr::from_ref::<Field>(field).addr())
                .or_insert_with(|| admit(rules, field.name)),
            // The agent's metrics are called with slashes, their series with dots.
            Name::Unknown(name) if name.contains('/') => admit(rules, &name.replace('/', ".")),
            Name::Unknown(name) => admit(rules, name),
        }
    }
}

fn faults(kind: Option<&'static str>, rules: &FieldRules) -> impl Iterator<Item = SelectionError> {
    let is_possible = |pattern: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.*?".contains(&byte);
        !pattern.is_empty() && pattern.bytes().all(is_allowed)
    };
    let patterns = rules.allow.iter().chain(&rules.deny);
    patterns
        .filter(move |pattern| !is_possible(pattern))
        .map(move |pattern| SelectionError::Pattern {
            kind,
            pattern: pattern.clone(),
        })
}

fn of_kind(kind: Option<&'static str>) -> String {
    kind.map(|kind| format!(" of {kind}")).unwrap_or_default()
}

fn admit(rules: &FieldRules, name: &str) -> bool {
    let any = |patterns: &[String]| patterns.iter().any(|pattern| matches(pattern, name));
    (rules.allow.is_empty() || any(&rules.allow)) && !any(&rules.deny)
}

/// Whether the pattern is of the whole name.
fn matches(pattern: &str, name: &str) -> bool {
    let (pattern, name) = (pattern.as_bytes(), name.as_bytes());
    let (mut p, mut n) = (0, 0);
    // Where to go on if it turns out that the last star stands for more.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some(b'*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(byte) if *byte == b'?' || *byte == name[n] => (p, n) = (p + 1, n + 1),
            _ => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    (p, n) = (at + 1, from + 1);
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Spreads addresses, of which the last bits are all alike.
#[derive(Debug, Default)]
struct Places(u64);

impl Hasher for Places {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_usize(usize::from(*byte));
        }
    }

    fn write_usize(&mut self, place: usize) {
        let mixed = (self.0 ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = mixed ^ (mixed >> 32);
    }
}

#[cfg(test)]
mod tests {
    use graphite::MetricPath;

    use super::*;
    use crate::model::{Nature, Unit};

    fn field(name: &'static str) -> &'static Field {
        Box::leak(Box::new(Field {
            name,
            along: None,
            nature: Nature::Gauge,
            unit: Unit::Bytes,
            help: "Some.",
        }))
    }

    fn rules(allow: &[&str], deny: &[&str]) -> FieldRules {
        let owned = |patterns: &[&str]| {
            patterns
                .iter()
                .map(|pattern| (*pattern).to_owned())
                .collect()
        };
        FieldRules {
            allow: owned(allow),
            deny: owned(deny),
        }
    }

    fn settings(fields: FieldRules, by_kind: Vec<(Kind, FieldRules)>) -> NamesSettings {
        let prefix = MetricPath::parse("m").unwrap();
        NamesSettings {
            fields,
            fields_by_kind: by_kind,
            ..NamesSettings::new(prefix, "h".to_owned())
        }
    }

    #[test]
    fn a_star_stands_for_any_text_and_a_question_mark_for_one_character() {
        for (pattern, name) in [
            ("*", ""),
            ("*", "perf.cycles"),
            ("mem_*_bytes", "mem_rss_bytes"),
            ("*_*_*", "a_b_c_d"),
            ("cpus_?sed", "cpus_used"),
            ("a*b*c", "aXbYbZc"),
            ("**a", "a"),
        ] {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [
            ("mem", "mem_rss_bytes"),
            ("mem_*", "cpus_mem_"),
            ("?", ""),
            ("a*b", "ac"),
            ("", "a"),
        ] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    #[test]
    fn what_is_denied_is_denied_though_it_is_allowed() {
        let mut selection =
            Selection::new(&settings(rules(&["mem_*"], &["mem_low*"]), Vec::new())).unwrap();
        for _ in 0..2 {
            assert!(selection.admits(Kind::Task, Name::Known(field("mem_rss_bytes"), None)));
            assert!(!selection.admits(
                Kind::Task,
                Name::Known(field("mem_low_pressure_counter"), None)
            ));
            assert!(!selection.admits(Kind::Task, Name::Unknown("cpus_limit")));
        }
    }

    #[test]
    fn what_a_kind_allows_is_in_the_place_of_what_all_allow_and_what_either_denies_is_denied() {
        let by_kind = vec![
            (Kind::Container, rules(&["cpus_*"], &["cpus_limit"])),
            (Kind::Agent, rules(&[], &["slave.uptime*"])),
        ];
        let mut selection =
            Selection::new(&settings(rules(&["mem_*"], &["*_secs"]), by_kind)).unwrap();
        let mut admits = |kind, name| selection.admits(kind, Name::Unknown(name));
        assert!(admits(Kind::Container, "cpus_used"));
        assert!(!admits(Kind::Container, "cpus_limit"));
        assert!(!admits(Kind::Container, "cpus_user_time_secs"));
        assert!(!admits(Kind::Container, "mem_rss_bytes"));
        assert!(admits(Kind::Task, "mem_rss_bytes"));
        assert!(admits(Kind::Agent, "mem_x"));
        assert!(!admits(Kind::Agent, "slave/uptime_secs"));
    }

    #[test]
    fn patterns_that_match_nothing_are_told_all_at_once() {
        let by_kind = vec![(Kind::Agent, rules(&["slave/*"], &[""]))];
        let errors = Selection::new(&settings(rules(&["mem rss"], &[]), by_kind)).unwrap_err();
        let patterns: Vec<_> = errors.iter().map(ToString::to_string).collect();
        assert_eq!(patterns.len(), 3, "{patterns:?}");
        assert!(patterns[0].starts_with("pattern \"slave/*\" of fields of agent matches nothing"));
        assert!(patterns[2].starts_with("pattern \"mem rss\" of fields matches nothing"));
    }
}
