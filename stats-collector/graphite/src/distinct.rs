//! Foreign text as a part of a series' name, so that two texts never make the same part.
//!
//! Most names are plain and stay as they are. What has to be changed, because carbon would store it under another name,
//! drop it or hang up, gets a short hash of the whole text behind it: `my app` becomes `my_app--cccdfa68`, which can still
//! be read, and never is what `my_app` or `my/app` become.

use std::borrow::Cow;

use sha2::{Digest, Sha256};

/// Stands between the readable part and the hash; no plain text may end like this.
const MARK: &str = "--";

/// Hexadecimal digits of the hash: enough for the few texts that look the same once they are plain.
const HASH_DIGITS: usize = 8;

/// What a hash adds to a text.
pub(crate) const MARKED: usize = MARK.len() + HASH_DIGITS;

/// Whether a character is stored by carbon as it is, in paths and in tags, and passes every relay.
pub(crate) fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

/// The text itself, if it is of `[A-Za-z0-9_-]` and `also`, not empty and of at most `most` bytes. Else as much of it as
/// can be kept, `_` for each other character, and behind it a hash of all of it. Never empty, never longer than `most`,
/// which must leave room for the hash: 11 bytes at least.
#[must_use]
pub fn distinct<'a>(text: &'a str, most: usize, also: &[u8]) -> Cow<'a, str> {
    let is_kept = |byte: u8| is_plain(byte) || also.contains(&byte);
    let is_ready = (1..=most).contains(&text.len())
        && text.bytes().all(is_kept)
        && !ends_like_a_hash(text.as_bytes());
    if is_ready {
        return Cow::Borrowed(text);
    }
    let room = most.saturating_sub(MARKED);
    let kept = |c: char| {
        let plain = u8::try_from(c).ok().filter(|byte| is_kept(*byte));
        plain.map_or('_', char::from)
    };
    let mut made: String = text.chars().take(room).map(kept).collect();
    if made.is_empty() {
        made.push('_');
    }
    mark(&mut made, text);
    Cow::Owned(made)
}

/// Puts the hash of a text behind what is left of it.
pub(crate) fn mark(left: &mut String, of: &str) {
    left.push_str(MARK);
    let hash = Sha256::digest(of.as_bytes());
    for byte in &hash[..HASH_DIGITS / 2] {
        for half in [byte >> 4, byte & 15] {
            left.extend(char::from_digit(u32::from(half), 16));
        }
    }
}

fn ends_like_a_hash(text: &[u8]) -> bool {
    let Some((rest, digits)) = text.split_last_chunk::<HASH_DIGITS>() else {
        return false;
    };
    rest.ends_with(MARK.as_bytes())
        && digits
            .iter()
            .all(|digit| digit.is_ascii_digit() || (b'a'..=b'f').contains(digit))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_carbon_stores_as_it_is_stays() {
        assert_eq!(distinct("web-1_A", 200, b""), "web-1_A");
        assert_eq!(distinct("v1.2:3", 200, b".:"), "v1.2:3");
    }

    #[test]
    fn what_is_changed_has_a_hash_behind_it_and_is_still_readable() {
        assert_eq!(distinct("my app", 200, b""), "my_app--cccdfa68");
        assert_eq!(distinct("", 200, b""), "_--e3b0c442");
        let long = distinct(&"x".repeat(300), 40, b"").into_owned();
        assert_eq!(long.len(), 40);
        assert!(long.starts_with(&"x".repeat(30)), "{long}");
    }

    #[test]
    fn texts_that_look_the_same_once_they_are_plain_are_told_apart() {
        let alike = [
            "a.b", "a b", "a/b", "a_b", "a\u{e9}b", "a\nb", "a;b", "a=b", "a\0b",
        ];
        let made: std::collections::BTreeSet<_> =
            alike.iter().map(|text| distinct(text, 200, b"")).collect();
        assert_eq!(made.len(), alike.len(), "{made:?}");
    }

    #[test]
    fn nobody_can_write_a_hash_of_his_own() {
        let victim = distinct("my app", 200, b"").into_owned();
        assert_ne!(distinct(&victim, 200, b""), victim);
    }

    proptest! {
        #[test]
        fn two_texts_never_become_one(one in ".{0,40}", other in "[ab._ -]{0,3}|.{0,40}", most in 11_usize..60) {
            let (first, second) = (distinct(&one, most, b""), distinct(&other, most, b""));
            prop_assert_eq!(first == second, one == other);
            prop_assert!((1..=most).contains(&first.len()));
            prop_assert!(first.bytes().all(is_plain));
        }
    }
}
