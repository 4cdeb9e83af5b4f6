//! What is to come of a sandbox that breaks its limit: the operator's rules, the first that fits.

use std::str::FromStr;

use crate::inventory::Subject;

/// What is done about a breach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It is counted, in the metrics alone.
    #[default]
    Observe,
    /// It is told, in the log and as an event, too.
    Warn,
    /// What breaks its limit is ended.
    Enforce,
}

/// A text is none of the three modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("want observe, warn or enforce")]
pub(crate) struct NoMode;

impl FromStr for Mode {
    type Err = NoMode;

    fn from_str(text: &str) -> Result<Self, NoMode> {
        match text {
            "observe" => Ok(Self::Observe),
            "warn" => Ok(Self::Warn),
            "enforce" => Ok(Self::Enforce),
            _ => Err(NoMode),
        }
    }
}

impl std::fmt::Display for Mode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Observe => "observe",
            Self::Warn => "warn",
            Self::Enforce => "enforce",
        })
    }
}

/// All rules, and what holds where none fits.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Policy {
    /// The first that fits counts.
    pub(crate) rules: Vec<Rule>,
    pub(crate) default: Mode,
}

/// A rule fits what all of its patterns fit.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rule {
    /// Of the framework's name.
    pub(crate) framework: Option<Pattern>,
    /// Of one of the framework's roles; of a volume's own role.
    pub(crate) role: Option<Pattern>,
    /// Of one label, as `KEY=VALUE`.
    pub(crate) label: Option<Pattern>,
    pub(crate) mode: Mode,
}

/// A text in which `*` is anything and `?` any one character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern(Vec<char>);

impl Policy {
    /// What is done about a breach of `subject`. What is not known of it fits no pattern.
    pub(crate) fn mode_for(&self, subject: &Subject) -> Mode {
        let rule = self.rules.iter().find(|rule| rule.fits(subject));
        rule.map_or(self.default, |rule| rule.mode)
    }

    /// Whether anything may ever be ended.
    pub(crate) fn may_enforce(&self) -> bool {
        let mut modes = self.rules.iter().map(|rule| rule.mode);
        self.default == Mode::Enforce || modes.any(|mode| mode == Mode::Enforce)
    }
}

impl Rule {
    fn fits(&self, subject: &Subject) -> bool {
        let framework = subject.framework.as_deref();
        let name = framework.and_then(|framework| framework.name.as_deref());
        let roles = framework.map_or(&[][..], |framework| &framework.roles);
        let own_role = match &subject.key {
            crate::inventory::Key::Volume { role, .. } => Some(role),
            _ => None,
        };
        let mut roles = roles.iter().chain(own_role);
        let mut labels = subject
            .labels
            .iter()
            .map(|(key, value)| format!("{key}={value}"));
        let fits = |pattern: &Option<Pattern>, found: &mut dyn FnMut(&Pattern) -> bool| {
            pattern.as_ref().is_none_or(found)
        };
        fits(&self.framework, &mut |pattern| {
            name.is_some_and(|name| pattern.fits(name))
        }) && fits(&self.role, &mut |pattern| {
            roles.any(|role| pattern.fits(role))
        }) && fits(&self.label, &mut |pattern| {
            labels.any(|label| pattern.fits(&label))
        })
    }
}

impl Pattern {
    /// Any text is one.
    pub(crate) fn new(text: &str) -> Self {
        Self(text.chars().collect())
    }

    /// Whether the whole of `text` is like that. Takes no longer than one text by the other.
    pub(crate) fn fits(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        let (mut at, mut read) = (0, 0);
        // Where the last star is, and how much of the text it has taken.
        let mut star: Option<(usize, usize)> = None;
        while read < text.len() {
            match self.0.get(at) {
                Some('*') => {
                    star = Some((at, read));
                    at += 1;
                }
                Some(here) if *here == '?' || *here == text[read] => {
                    at += 1;
                    read += 1;
                }
                _ => match star {
                    Some((place, taken)) => {
                        star = Some((place, taken + 1));
                        at = place + 1;
                        read = taken + 1;
                    }
                    None => return false,
                },
            }
        }
        self.0[at..].iter().all(|left| *left == '*')
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_fits_the_whole_text_with_stars_for_anything() {
        for (pattern, text, fits) in [
            ("marathon", "marathon", true),
            ("marathon", "marathon2", false),
            ("marathon*", "marathon", true),
            ("marathon*", "marathon-dev", true),
            ("*dev*", "a-dev-b", true),
            ("a*b*c", "aXbYbZc", true),
            ("a*b*c", "aXbYbZ", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*", "", true),
            ("?", "", false),
            ("", "", true),
            ("", "a", false),
            ("[a]", "a", false),
            ("é?", "éß", true),
        ] {
            assert_eq!(Pattern::new(pattern).fits(text), fits, "{pattern} {text}");
        }
    }

    #[test]
    fn a_pattern_of_many_stars_takes_no_time() {
        let pattern = Pattern::new(&"*a".repeat(500));
        assert!(!pattern.fits(&"a".repeat(499)));
        assert!(pattern.fits(&"ab".repeat(499).replace('b', "ba")));
    }
}
