//! A line of pieces that look different, and how wide it is.

use std::fmt::Write as _;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// How a piece of a line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Look {
    /// Brighter than the rest.
    pub bold: bool,
    /// Paper and ink changed over.
    pub reverse: bool,
    /// Of the ink.
    pub color: Option<Color>,
}

/// The terminal's own colours, as its owner has chosen them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// All is well.
    Green,
    /// Soon it is not.
    Yellow,
    /// It is not.
    Red,
    /// Of no importance.
    Gray,
}

impl Look {
    /// As the rest.
    pub const PLAIN: Self = Self {
        bold: false,
        reverse: false,
        color: None,
    };
    /// A heading.
    pub const BOLD: Self = Self {
        bold: true,
        ..Self::PLAIN
    };
    /// What is chosen.
    pub const REVERSE: Self = Self {
        reverse: true,
        ..Self::PLAIN
    };

    /// In this colour.
    pub const fn color(color: Color) -> Self {
        Self {
            color: Some(color),
            ..Self::PLAIN
        }
    }

    /// What switches it on (ECMA-48, 8.3.117: SGR), after whatever was on is switched off.
    fn codes(self, has_color: bool) -> String {
        let mut codes = String::from("\x1b[0");
        if self.bold {
            codes.push_str(";1");
        }
        if self.reverse {
            codes.push_str(";7");
        }
        if let Some(color) = self.color.filter(|_| has_color) {
            let number = match color {
                Color::Red => 31,
                Color::Green => 32,
                Color::Yellow => 33,
                Color::Gray => 90,
            };
            // Writing to a String cannot fail.
            let _ = write!(codes, ";{number}");
        }
        codes.push('m');
        codes
    }
}

/// Pieces of a line. Their texts have to be fit for a terminal: see [`crate::escaped`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line(Vec<(Look, String)>);

impl Line {
    /// Of one piece.
    pub fn of(look: Look, text: impl Into<String>) -> Self {
        Self(vec![(look, text.into())])
    }

    /// With one more piece.
    pub fn push(&mut self, look: Look, text: impl Into<String>) {
        self.0.push((look, text.into()));
    }

    /// All pieces with this look instead of their own.
    pub fn all(self, look: Look) -> Self {
        Self::of(look, self.plain())
    }

    /// Its text alone.
    pub fn plain(&self) -> String {
        self.0.iter().map(|(_, text)| text.as_str()).collect()
    }

    /// For a terminal with so many columns: cut off there.
    pub(crate) fn painted(&self, columns: usize, has_color: bool) -> String {
        let mut painted = String::new();
        let mut room = columns;
        for (look, text) in &self.0 {
            let text = cut(text, room);
            room -= width(text);
            painted.push_str(&look.codes(has_color));
            painted.push_str(text);
        }
        painted.push_str("\x1b[0m");
        painted
    }
}

/// How many columns a text takes.
pub fn width(text: &str) -> usize {
    text.width()
}

/// As much of a text as so many columns have room for.
fn cut(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, character) in text.char_indices() {
        taken += character.width().unwrap_or(0);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

/// A text in exactly so many columns: filled up, or cut off with a mark that it was.
pub fn fit(text: &str, columns: usize) -> String {
    let wide = width(text);
    if wide <= columns {
        return format!("{text}{}", " ".repeat(columns - wide));
    }
    let mut cut = cut(text, columns.saturating_sub(1)).to_owned();
    if columns > 0 {
        cut.push('…');
    }
    let rest = columns.saturating_sub(width(&cut));
    cut.push_str(&" ".repeat(rest));
    cut
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_made_to_fit_whatever_its_characters_take() {
        assert_eq!(fit("ab", 4), "ab  ");
        assert_eq!(fit("abcdef", 4), "abc…");
        assert_eq!(fit("漢字漢字", 4), "漢… ");
        assert_eq!(fit("ab", 0), "");
        for columns in 0..9 {
            assert_eq!(width(&fit("a漢b字c", columns)), columns);
        }
    }

    #[test]
    fn a_line_is_cut_off_at_the_edge_and_leaves_no_look_behind() {
        let mut line = Line::of(Look::BOLD, "abc");
        line.push(Look::color(Color::Red), "漢字");
        assert_eq!(line.painted(6, true), "\x1b[0;1mabc\x1b[0;31m漢\x1b[0m");
        assert_eq!(line.painted(2, false), "\x1b[0;1mab\x1b[0m\x1b[0m");
    }

    #[test]
    fn without_colours_none_is_asked_for() {
        let line = Line::of(Look::color(Color::Green), "x");
        assert_eq!(line.painted(9, false), "\x1b[0mx\x1b[0m");
    }
}
