//! Bounded text: what a task or a server says ends up in a status update, which master and agent keep.

/// How much of a probe's output or cause a message shows, in bytes.
pub(crate) const DETAIL_LIMIT: usize = 1024;

/// How much of a path or a host's name a message shows, in bytes.
pub(crate) const PATH_LIMIT: usize = 128;

/// The end of `text`, where a program says why it ends: at most `limit` bytes, from the begin of a line where there is
/// one, without the white space around it.
pub(crate) fn tail(text: &str, limit: usize) -> String {
    let text = text.trim();
    let Some(cut) = text.len().checked_sub(limit).filter(|cut| *cut > 0) else {
        return text.to_owned();
    };
    let end = &text[text.ceil_char_boundary(cut)..];
    let lines = end.split_once('\n').map_or(end, |(_, lines)| lines);
    format!("... {}", lines.trim_start())
}

/// The begin of `text`, at most `limit` bytes.
pub(crate) fn head(text: &str, limit: usize) -> &str {
    &text[..text.floor_char_boundary(limit)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_text_is_shown_whole_but_for_the_space_around_it() {
        assert_eq!(tail("\n one\ntwo\n", 100), "one\ntwo");
        assert_eq!(tail(" \n", 100), "");
    }

    #[test]
    fn of_a_long_text_the_last_whole_lines_are_shown() {
        assert_eq!(tail("first\nsecond\nthird\n", 10), "... third");
    }

    #[test]
    fn a_long_line_is_cut_between_characters() {
        assert_eq!(tail("äöü", 3), "... ü");
        assert_eq!(head("äöü", 3), "ä");
        assert_eq!(head("a", 3), "a");
    }
}
