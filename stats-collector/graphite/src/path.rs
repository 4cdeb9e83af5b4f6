//! Metric paths whose every component carbon stores under the name that was meant.

use std::fmt;

use crate::distinct::is_plain;

/// The most bytes one component may have. A file name ends at 255 and whisper adds `.wsp`; the rest
/// is room for what relays and aggregators append.
pub const COMPONENT_MAX: usize = 200;

/// The most bytes a whole path may be given as a prefix. Carbon closes the connection at a line of
/// more than 16,384 bytes (Twisted: `LineOnlyReceiver.MAX_LENGTH`), and Linux ends a path at 4,096.
const PREFIX_MAX: usize = 1000;

/// A dotted metric path that holds at least one component, each of `[A-Za-z0-9_-]` and of one to
/// [`COMPONENT_MAX`] bytes.
///
/// So it never has a space (a field separator in the protocol), a slash (a directory on carbon's
/// side), an empty component (`a..b` is stored as `a.b`) or a byte that is not UTF-8 (carbon closes
/// the connection).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct MetricPath(String);

/// A place within a path to come back to, see [`MetricPath::rewind`].
#[derive(Clone, Copy, Debug)]
pub struct Mark(usize);

/// Why a text is no metric path.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum PathError {
    /// Nothing, or nothing between two dots.
    #[error("metric path {0:?} has an empty component")]
    EmptyComponent(String),
    /// A character that would not be stored as it is written.
    #[error("metric path {path:?} holds {character:?}, allowed are A-Z a-z 0-9 _ -")]
    Character {
        /// The text refused.
        path: String,
        /// Its first bad character.
        character: char,
    },
    /// A component or the whole is too long.
    #[error(
        "metric path is too long: at most {COMPONENT_MAX} bytes a component, {PREFIX_MAX} in all"
    )]
    TooLong,
}

impl MetricPath {
    /// Takes a dotted path as it is, or refuses it. For what a person configures; foreign names go
    /// through [`MetricPath::push`], which makes them fit.
    ///
    /// # Errors
    /// [`PathError`] if a component is empty, too long or holds another character.
    pub fn parse(dotted: &str) -> Result<Self, PathError> {
        let is_plain = |c: char| u8::try_from(c).is_ok_and(is_plain);
        if let Some(character) = dotted.chars().find(|&c| c != '.' && !is_plain(c)) {
            return Err(PathError::Character {
                path: dotted.to_owned(),
                character,
            });
        }
        if dotted.split('.').any(str::is_empty) {
            return Err(PathError::EmptyComponent(dotted.to_owned()));
        }
        if dotted.len() > PREFIX_MAX || dotted.split('.').any(|c| c.len() > COMPONENT_MAX) {
            return Err(PathError::TooLong);
        }
        Ok(Self(dotted.to_owned()))
    }

    /// Appends one component made from any text: each other character becomes `_`, what is over
    /// [`COMPONENT_MAX`] is cut off, and nothing at all becomes `_`. For names that are known to differ, or may meet; the
    /// others go through [`distinct()`](crate::distinct()) first.
    pub fn push(&mut self, component: &str) -> &mut Self {
        self.0.push('.');
        // Nearly all are: field names, slots and most apps.
        let is_ready =
            (1..=COMPONENT_MAX).contains(&component.len()) && component.bytes().all(is_plain);
        if is_ready {
            self.0.push_str(component);
            return self;
        }
        let start = self.0.len();
        let plain = |c: char| u8::try_from(c).ok().filter(|byte| is_plain(*byte));
        let kept = component.chars().take(COMPONENT_MAX);
        self.0
            .extend(kept.map(|c| plain(c).map_or('_', char::from)));
        if self.0.len() == start {
            self.0.push('_');
        }
        self
    }

    /// The path with one more component, see [`MetricPath::push`].
    #[must_use]
    pub fn child(&self, component: &str) -> Self {
        let mut child = self.clone();
        child.push(component);
        child
    }

    /// Marks the present end, for [`MetricPath::rewind`].
    #[must_use]
    pub fn mark(&self) -> Mark {
        Mark(self.0.len())
    }

    /// Takes back every component pushed since `mark` was made of this path.
    pub fn rewind(&mut self, mark: Mark) {
        self.0.truncate(mark.0);
    }

    /// The dotted text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for MetricPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pushed(component: &str) -> String {
        let path = MetricPath::parse("p").unwrap().child(component);
        path.as_str().strip_prefix("p.").unwrap().to_owned()
    }

    #[test]
    fn a_foreign_name_becomes_one_plain_component() {
        assert_eq!(pushed("web-1_a"), "web-1_a");
        assert_eq!(pushed("a.b/c d;e=f\ng"), "a_b_c_d_e_f_g");
        assert_eq!(pushed("käse\u{0}"), "k_se_");
        assert_eq!(pushed(".."), "__");
    }

    #[test]
    fn a_component_is_never_empty_and_never_over_the_cap() {
        assert_eq!(pushed(""), "_");
        assert_eq!(pushed(&"x".repeat(5000)).len(), COMPONENT_MAX);
        assert_eq!(pushed(&"€".repeat(5000)), "_".repeat(COMPONENT_MAX));
    }

    #[test]
    fn a_rewound_path_is_what_it_was_at_the_mark() {
        let mut path = MetricPath::parse("a.b").unwrap();
        let mark = path.mark();
        path.push("c").push("d");
        assert_eq!(path.as_str(), "a.b.c.d");
        path.rewind(mark);
        assert_eq!(path.as_str(), "a.b");
    }

    #[test]
    fn a_configured_path_is_taken_as_it_is_or_refused() {
        assert_eq!(
            MetricPath::parse("dc1.mesos").unwrap().as_str(),
            "dc1.mesos"
        );
        for bad in ["", ".", "a.", ".a", "a..b"] {
            assert_eq!(
                MetricPath::parse(bad),
                Err(PathError::EmptyComponent(bad.to_owned()))
            );
        }
        for (bad, character) in [("a b", ' '), ("a/b", '/'), ("a;t=1", ';'), ("é", 'é')] {
            assert_eq!(
                MetricPath::parse(bad),
                Err(PathError::Character {
                    path: bad.to_owned(),
                    character
                })
            );
        }
        assert_eq!(MetricPath::parse(&"x".repeat(201)), Err(PathError::TooLong));
        assert_eq!(
            MetricPath::parse(&"x.".repeat(501)[..1001]),
            Err(PathError::TooLong)
        );
    }
}
