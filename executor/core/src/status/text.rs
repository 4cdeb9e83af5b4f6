//! Text of others in our messages: what a task wrote to stderr, what a server answered. Master and agent keep messages,
//! and people read them on terminals.

/// How much of a task's stderr a message shows.
const TAIL_LINES: usize = 20;
const TAIL_BYTES: usize = 2048;

/// How much of any other text.
const TEXT_BYTES: usize = 4096;

/// `text` without what a terminal would act on, and not endless.
pub(super) fn tame(text: &str) -> String {
    let cut = text.floor_char_boundary(TEXT_BYTES);
    let mut tamed = harmless(&text[..cut]);
    if cut < text.len() {
        tamed.push_str(" ...");
    }
    tamed
}

/// The last lines of what a task wrote; none when it wrote nothing to be seen. Of a line that is too long the end is
/// shown, when no whole line follows it.
pub(super) fn last_lines(text: &str) -> Option<String> {
    let text = text.trim_end();
    let cut = text.ceil_char_boundary(text.len().saturating_sub(TAIL_BYTES));
    let begins_a_line = cut == 0 || text[..cut].ends_with('\n');
    let (mark, shown) = match text[cut..].split_once('\n') {
        _ if begins_a_line => ("", &text[cut..]),
        Some((_, whole)) => ("", whole),
        None => ("...", &text[cut..]),
    };
    let lines: Vec<&str> = shown.lines().collect();
    let lines = &lines[lines.len().saturating_sub(TAIL_LINES)..];
    let shown = harmless(&lines.join("\n"));
    (!shown.trim().is_empty()).then(|| format!("{mark}{shown}"))
}

/// Control characters but for line ends and tabs become replacement characters, and so do those that turn the direction
/// of what follows: on a terminal they can do anything.
fn harmless(text: &str) -> String {
    let replace = |character: char| match character {
        '\n' | '\t' => character,
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => char::REPLACEMENT_CHARACTER,
        character if character.is_control() => char::REPLACEMENT_CHARACTER,
        character => character,
    };
    text.chars().map(replace).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_lines_are_shown_and_they_are_the_last() {
        let lines: Vec<String> = (0..100).map(|n| format!("line {n}")).collect();
        let tail = last_lines(&lines.join("\n")).unwrap();
        assert_eq!(tail.lines().count(), TAIL_LINES);
        assert!(tail.starts_with("line 80\n") && tail.ends_with("line 99"));
    }

    #[test]
    fn only_so_many_bytes_are_shown_and_no_character_is_cut() {
        let tail = last_lines(&"ä".repeat(5000)).unwrap();
        assert!(tail.starts_with("...ä") && tail.len() <= TAIL_BYTES + 3);
    }

    #[test]
    fn a_line_that_is_cut_is_left_out_when_whole_ones_follow() {
        let text = format!("{}\nwhole\n", "x".repeat(5000));
        assert_eq!(last_lines(&text).unwrap(), "whole");
    }

    #[test]
    fn nothing_to_be_seen_is_nothing() {
        assert_eq!(last_lines(""), None);
        assert_eq!(last_lines(" \n\n\t"), None);
    }

    #[test]
    fn a_terminal_is_not_told_what_to_do() {
        assert_eq!(
            last_lines("\u{1b}[2Jgone\rover\u{202e}").unwrap(),
            "\u{fffd}[2Jgone\u{fffd}over\u{fffd}"
        );
        assert_eq!(tame("a\tb\nc\u{7}"), "a\tb\nc\u{fffd}");
    }

    #[test]
    fn an_endless_text_ends() {
        assert_eq!(tame(&"x".repeat(1 << 20)).len(), TEXT_BYTES + 4);
    }
}
