//! The columns: what each shows of a row, and by what it is sorted.

use terminal::units::{growth, in_units, percent};
use terminal::{Color, Line, Look, escaped, fit};

use super::row::{Row, Use};

/// A column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    Cpu,
    Throttled,
    Memory,
    Disk,
    Growth,
    Received,
    Sent,
    Read,
    Written,
    Processes,
    Kind,
    Framework,
    Name,
}

/// All of them, in the order in which they stand; the first ones have a digit to switch them.
pub(super) const ALL: [Column; 13] = [
    Column::Cpu,
    Column::Throttled,
    Column::Memory,
    Column::Disk,
    Column::Growth,
    Column::Received,
    Column::Sent,
    Column::Read,
    Column::Written,
    Column::Processes,
    Column::Kind,
    Column::Framework,
    Column::Name,
];

/// Columns that a bar of its limit takes.
const BAR: usize = 10;

impl Column {
    /// How it is named on the command line and in the help.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::Throttled => "throttled",
            Self::Memory => "memory",
            Self::Disk => "disk",
            Self::Growth => "growth",
            Self::Received => "received",
            Self::Sent => "sent",
            Self::Read => "read",
            Self::Written => "written",
            Self::Processes => "processes",
            Self::Kind => "kind",
            Self::Framework => "framework",
            Self::Name => "name",
        }
    }

    /// The column of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        ALL.into_iter().find(|column| column.name() == name)
    }

    /// Its heading.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::Cpu => "CPU",
            Self::Throttled => "THROTTLED",
            Self::Memory => "MEMORY",
            Self::Disk => "DISK",
            Self::Growth => "GROWTH",
            Self::Received => "RECEIVED",
            Self::Sent => "SENT",
            Self::Read => "READ",
            Self::Written => "WRITTEN",
            Self::Processes => "PROCS",
            Self::Kind => "KIND",
            Self::Framework => "FRAMEWORK",
            Self::Name => "NAME",
        }
    }

    /// How many columns of the terminal it takes. The name takes the rest.
    pub(super) fn width(self) -> usize {
        match self {
            Self::Cpu => 12 + BAR,
            Self::Memory | Self::Disk => 20 + BAR,
            Self::Throttled => 9,
            Self::Growth => 13,
            Self::Received | Self::Sent | Self::Read | Self::Written => 12,
            Self::Processes => 5,
            Self::Kind => 10,
            Self::Framework => 16,
            Self::Name => 32,
        }
    }

    /// Whether it is text, which is flush left.
    pub(super) fn is_text(self) -> bool {
        matches!(self, Self::Kind | Self::Framework | Self::Name)
    }

    /// What it is sorted by, the largest first; a text is sorted by itself.
    pub(super) fn key(self, row: &Row) -> Option<f64> {
        match self {
            Self::Cpu => row.cpus.used,
            Self::Throttled => row.throttled,
            Self::Memory => row.memory.used,
            Self::Disk => row.disk.used,
            Self::Growth => row.growth,
            Self::Received => row.received,
            Self::Sent => row.sent,
            Self::Read => row.read,
            Self::Written => row.written,
            Self::Processes => row.processes,
            Self::Kind | Self::Framework | Self::Name => None,
        }
    }

    /// Its text in a row, fit for a terminal whatever tasks are called.
    pub(super) fn text(self, row: &Row) -> String {
        match self {
            Self::Cpu => of(row.cpus, |cores| format!("{cores:.2}")),
            Self::Memory => of(row.memory, bytes),
            Self::Disk => of(row.disk, bytes),
            Self::Throttled => known(row.throttled, percent),
            Self::Growth => known(row.growth, growth),
            Self::Received => known(row.received, rate),
            Self::Sent => known(row.sent, rate),
            Self::Read => known(row.read, rate),
            Self::Written => known(row.written, rate),
            Self::Processes => known(row.processes, |count| format!("{count:.0}")),
            Self::Kind => row.shape.name().to_owned(),
            Self::Framework => escaped(row.framework.as_ref()),
            Self::Name => escaped(row.name.as_ref()),
        }
    }

    /// Adds it to a line, in `width` columns.
    pub(super) fn paint(self, row: &Row, width: usize, line: &mut Line) {
        let text = self.text(row);
        match self.share(row) {
            Some(share) => {
                flush_right(&text, width - BAR - 1, line);
                line.push(Look::PLAIN, " ");
                bar(share, line);
            }
            None if self.is_text() => line.push(Look::PLAIN, fit(&text, width)),
            None if self.has_bar() => {
                flush_right(&text, width - BAR - 1, line);
                line.push(Look::PLAIN, " ".repeat(BAR + 1));
            }
            None => flush_right(&text, width, line),
        }
    }

    fn has_bar(self) -> bool {
        matches!(self, Self::Cpu | Self::Memory | Self::Disk)
    }

    fn share(self, row: &Row) -> Option<f64> {
        match self {
            Self::Cpu => row.cpus.share(),
            Self::Memory => row.memory.share(),
            Self::Disk => row.disk.share(),
            _ => None,
        }
    }
}

fn flush_right(text: &str, width: usize, line: &mut Line) {
    let wide = terminal::width(text);
    let text = if wide > width {
        fit(text, width)
    } else {
        format!("{}{text}", " ".repeat(width - wide))
    };
    line.push(Look::PLAIN, text);
}

/// A share of a limit, full at the limit and beyond.
fn bar(share: f64, line: &mut Line) {
    let full = (share.clamp(0.0, 1.0) * BAR as f64).ceil() as usize;
    let color = match share {
        share if share >= 0.9 => Color::Red,
        share if share >= 0.7 => Color::Yellow,
        _ => Color::Green,
    };
    line.push(Look::color(color), "█".repeat(full));
    line.push(Look::color(Color::Gray), "·".repeat(BAR - full));
}

fn of(one: Use, show: impl Fn(f64) -> String) -> String {
    match (one.used, one.limit) {
        (None, None) => "-".to_owned(),
        (used, None) => known(used, show),
        (used, Some(limit)) => format!("{}/{}", known(used, &show), show(limit)),
    }
}

fn known(value: Option<f64>, show: impl Fn(f64) -> String) -> String {
    value.map_or_else(|| "-".to_owned(), show)
}

fn bytes(bytes: f64) -> String {
    in_units(bytes as u64)
}

fn rate(bytes_per_second: f64) -> String {
    format!("{}/s", in_units(bytes_per_second as u64))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_column_is_found_by_its_name_and_shows_what_is_not_known_as_that() {
        let row = Row::default();
        for column in ALL {
            assert_eq!(Column::named(column.name()), Some(column));
            let wanted = match column {
                Column::Kind => "container",
                Column::Framework | Column::Name => "",
                _ => "-",
            };
            assert_eq!(column.text(&row), wanted);
            let mut line = Line::default();
            column.paint(&row, column.width(), &mut line);
            assert_eq!(terminal::width(&line.plain()), column.width(), "{column:?}");
        }
    }

    #[test]
    fn a_bar_is_full_at_the_limit_and_empty_at_nothing() {
        let painted = |share| {
            let mut line = Line::default();
            bar(share, &mut line);
            line.plain()
        };
        assert_eq!(painted(0.0), "··········");
        assert_eq!(painted(0.01), "█·········");
        assert_eq!(painted(1.0), "██████████");
        assert_eq!(painted(7.0), "██████████");
    }

    #[test]
    fn a_name_steers_no_terminal() {
        let row = Row {
            name: "web\u{1b}[2J\u{202e}\n".to_owned(),
            ..Row::default()
        };
        let text = Column::Name.text(&row);
        assert!(
            text.chars().all(|c| !c.is_control() && c != '\u{202e}'),
            "{text:?}"
        );
    }
}
