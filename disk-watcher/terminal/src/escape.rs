//! Names chosen by tasks, made fit for a terminal and for a table of lines.

use std::ffi::OsStr;
use std::fmt::Write;
use std::os::unix::ffi::OsStrExt;

/// `name` with everything escaped that could break a line, steer a terminal or pose as something else: control
/// characters, bytes that are no UTF-8, and backslashes, so that the escapes are unambiguous.
pub fn escaped(name: &OsStr) -> String {
    let mut text = String::with_capacity(name.len());
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            // `escape_debug` also escapes quotes, which are harmless here.
            if matches!(character, '\'' | '"') {
                text.push(character);
            } else {
                text.extend(character.escape_debug());
            }
        }
        for byte in chunk.invalid() {
            // Writing to a String cannot fail.
            let _ = write!(text, "\\x{byte:02x}");
        }
    }
    text
}

/// A name as it is, for JSON and for labels, which have their own escapes; only where it is no UTF-8 it is [`escaped`].
pub fn text(name: &OsStr) -> String {
    name.to_str().map_or_else(|| escaped(name), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names_stay_as_they_are() {
        assert_eq!(escaped(OsStr::new("web-1.é'\"")), "web-1.é'\"");
    }

    #[test]
    fn what_could_break_a_line_or_steer_a_terminal_is_escaped() {
        assert_eq!(escaped(OsStr::new("a\nb\t\u{1b}[2J")), "a\\nb\\t\\u{1b}[2J");
        assert_eq!(escaped(OsStr::new("\u{202e}evil")), "\\u{202e}evil");
    }

    #[test]
    fn bytes_that_are_no_text_are_shown_in_hexadecimal_and_backslashes_doubled() {
        assert_eq!(escaped(OsStr::from_bytes(b"a\xff\\xff")), "a\\xff\\\\xff");
    }
}
