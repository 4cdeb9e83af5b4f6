//! A path that stays below the directory it is taken in.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};

/// What Linux takes as one path; also keeps a path's depth, and so the work for it, within bounds.
const LONGEST: usize = 4095;

/// Components of a relative path, none of which is empty, `.` or `..`. No component at all means the directory itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inside {
    components: Vec<OsString>,
}

/// Why a path does not stay inside.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum InsideError {
    /// It starts at the root.
    #[error("the path '{0}' is absolute")]
    Absolute(String),
    /// It climbs.
    #[error("the path '{0}' holds '..'")]
    Climbs(String),
    /// It holds a NUL byte.
    #[error("the path '{0}' holds a NUL byte")]
    Nul(String),
    /// It is longer than any path may be.
    #[error("a path of {0} bytes is too long")]
    Long(usize),
}

impl Inside {
    /// Checks `path`; any bytes but NUL may be in a name.
    pub fn parse(path: &[u8]) -> Result<Self, InsideError> {
        let shown = || path.escape_ascii().to_string();
        if path.len() > LONGEST {
            return Err(InsideError::Long(path.len()));
        }
        if path.contains(&0) {
            return Err(InsideError::Nul(shown()));
        }
        if path.starts_with(b"/") {
            return Err(InsideError::Absolute(shown()));
        }
        let mut components = Vec::new();
        for component in path.split(|byte| *byte == b'/') {
            match component {
                b"" | b"." => {}
                b".." => return Err(InsideError::Climbs(shown())),
                name => components.push(OsString::from_vec(name.to_vec())),
            }
        }
        Ok(Self { components })
    }

    /// Whether this is the directory itself.
    pub fn is_root(&self) -> bool {
        self.components.is_empty()
    }

    /// The components, outermost first.
    pub fn components(&self) -> &[OsString] {
        &self.components
    }

    /// The directories on the way, and the last component; none for the directory itself.
    pub(crate) fn split_last(&self) -> Option<(&[OsString], &OsStr)> {
        let (last, parents) = self.components.split_last()?;
        Some((parents, last))
    }
}

/// As it may be shown: a URI's query string belongs to its file's name, and may be a secret. So what follows a question
/// mark is left out.
impl fmt::Display for Inside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str(".");
        }
        for (index, component) in self.components.iter().enumerate() {
            let slash = if index == 0 { "" } else { "/" };
            let name = component.as_bytes();
            let query = name.iter().position(|byte| *byte == b'?');
            let shown = &name[..query.unwrap_or(name.len())];
            write!(f, "{slash}{}", shown.escape_ascii())?;
            if query.is_some() {
                return f.write_str("?...");
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dots_and_doubled_slashes_vanish_and_any_other_name_stays() {
        let inside = Inside::parse(b"./a//b/.../c d/\xff").unwrap();
        assert_eq!(inside.to_string(), "a/b/.../c d/\\xff");
        assert_eq!(inside.components().len(), 5);
        assert!(Inside::parse(b"./").unwrap().is_root());
    }

    #[test]
    fn a_query_string_is_part_of_a_name_and_is_not_shown() {
        let inside = Inside::parse(b"a/b.tgz?sig=secret").unwrap();
        assert_eq!(inside.components()[1], "b.tgz?sig=secret");
        assert_eq!(inside.to_string(), "a/b.tgz?...");
    }

    #[test]
    fn what_leads_out_is_refused() {
        assert!(matches!(
            Inside::parse(b"a/../b"),
            Err(InsideError::Climbs(_))
        ));
        assert!(matches!(Inside::parse(b".."), Err(InsideError::Climbs(_))));
        assert!(matches!(
            Inside::parse(b"/a"),
            Err(InsideError::Absolute(_))
        ));
        assert!(matches!(Inside::parse(b"a\0b"), Err(InsideError::Nul(_))));
        assert!(matches!(
            Inside::parse(&[b'a'; 5000]),
            Err(InsideError::Long(5000))
        ));
    }
}
