//! A round as text: fit for any terminal, whatever tasks call their files.

use std::cmp::Ordering;
use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io::{self, Write};

use disk_figures::{Kind, Report, Source, Subject};
use terminal::escaped;
use terminal::units::{age, growth, in_units, percent};

use super::Sort;

/// Who measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    Daemon,
    Walks,
}

/// How much there is room for.
#[derive(Clone, Debug)]
pub(super) struct Size {
    rows: usize,
    columns: usize,
}

/// Of every round: what there is altogether, and the names of the columns.
const HEAD: usize = 3;

impl Size {
    pub(super) fn any() -> Self {
        Self {
            rows: usize::MAX,
            columns: usize::MAX,
        }
    }

    /// As it is now: it may be changed at any time.
    pub(super) fn of_terminal() -> Self {
        match rustix::termios::tcgetwinsize(io::stdout()) {
            Ok(size) if size.ws_row > 0 && size.ws_col > 0 => Self {
                // The last line stays free, or the first would go.
                rows: usize::from(size.ws_row).saturating_sub(HEAD + 1).max(1),
                columns: size.ws_col.into(),
            },
            _ => Self {
                rows: 20,
                columns: 80,
            },
        }
    }

    pub(super) fn with_rows(mut self, most: Option<usize>) -> Self {
        self.rows = self.rows.min(most.unwrap_or(usize::MAX));
        self
    }
}

/// Paints a round over the one before. What stays behind when the program is ended is the last round, and a terminal as
/// it was.
pub(super) fn repaint(text: &str, out: &mut impl Write) -> io::Result<()> {
    // To the top; each line cleared behind its end; everything below it cleared.
    out.write_all(b"\x1b[H")?;
    for line in text.lines() {
        writeln!(out, "{line}\x1b[K")?;
    }
    out.write_all(b"\x1b[J")
}

pub(super) fn render(report: &Report, origin: Origin, sort: Sort, size: &Size) -> String {
    let mut subjects: Vec<&Subject> = report.subjects.iter().collect();
    subjects.sort_by(|a, b| largest_first(a, b, sort));
    let rows = subjects.into_iter().take(size.rows).map(cells);
    let lines: Vec<[String; COLUMNS.len()]> = std::iter::once(COLUMNS.map(str::to_owned))
        .chain(rows)
        .collect();
    let width = |column: usize| lines.iter().map(|line| line[column].chars().count()).max();
    let widths: [usize; COLUMNS.len()] = std::array::from_fn(|column| width(column).unwrap_or(0));
    let mut text = String::new();
    for line in summary(report, origin) {
        text.extend(line.chars().take(size.columns));
        text.push('\n');
    }
    for line in &lines {
        let mut row = String::new();
        for (column, cell) in line.iter().enumerate() {
            let width = widths[column];
            // Writing to a String cannot fail.
            let _ = if column < FIRST_TEXT {
                write!(row, "{cell:>width$}  ")
            } else {
                write!(row, "{cell:width$}  ")
            };
        }
        text.extend(row.trim_end().chars().take(size.columns));
        text.push('\n');
    }
    text
}

const COLUMNS: [&str; 10] = [
    "USED", "LIMIT", "USE%", "GROWTH", "INODES", "DELETED", "AGE", "SOURCE", "MODE", "NAME",
];
/// Numbers are flush right, texts flush left.
const FIRST_TEXT: usize = 7;

/// What there is altogether, on two lines.
fn summary(report: &Report, origin: Origin) -> [String; 2] {
    let of = |source: Source| {
        let measured = report.subjects.iter().filter_map(|s| s.measured.as_ref());
        measured
            .filter(|measured| measured.source == source)
            .count()
    };
    let over = report
        .subjects
        .iter()
        .filter(|s| s.limit_share() > Some(1.0));
    let first = format!(
        "{} watched, {} over their limit; {} by quota, {} by tracking, {} by walks",
        report.subjects.len(),
        over.count(),
        of(Source::Quota),
        of(Source::Tracking),
        of(Source::Walk)
    );
    let engine = &report.engine;
    let second = match origin {
        Origin::Walks => "measured by walks just now: no daemon answers".to_owned(),
        Origin::Daemon => format!(
            "daemon up {}: {:.1} s of cpu, {} looks, {} put off, drift {}, {} overflows, {} breaches, {} ended",
            age(report.uptime_seconds),
            engine.cpu_seconds,
            engine.looks,
            engine.deferred,
            in_units(engine.drift_bytes),
            engine.overflows,
            report.daemon.breaches,
            report.daemon.enforced
        ),
    };
    [first, second]
}

fn largest_first(a: &Subject, b: &Subject, sort: Sort) -> Ordering {
    let by = |s: &Subject| -> Option<f64> {
        let measured = s.measured.as_ref();
        match sort {
            Sort::Used => measured.map(|m| m.used_bytes as f64),
            Sort::Share => s.limit_share(),
            Sort::Growth => measured.and_then(|m| m.growth_bytes_per_second),
            Sort::Inodes => measured.map(|m| m.inodes as f64),
            Sort::Deleted => measured.and_then(|m| m.deleted_bytes).map(|b| b as f64),
        }
    };
    let used = |s: &Subject| s.measured.as_ref().map(|m| m.used_bytes);
    // What is not known comes last.
    let known = |s: &Subject| by(s).unwrap_or(f64::NEG_INFINITY);
    known(b)
        .total_cmp(&known(a))
        .then_with(|| used(b).cmp(&used(a)))
        .then_with(|| a.identity.path.cmp(&b.identity.path))
}

fn cells(subject: &Subject) -> [String; COLUMNS.len()] {
    let unknown = || "-".to_owned();
    let measured = subject.measured.as_ref();
    let at_least = match measured {
        Some(measured) if measured.at_least => ">=",
        _ => "",
    };
    [
        measured.map_or_else(unknown, |m| format!("{at_least}{}", in_units(m.used_bytes))),
        subject.limit_bytes.map_or_else(unknown, in_units),
        subject.limit_share().map_or_else(unknown, percent),
        measured
            .and_then(|m| m.growth_bytes_per_second)
            .map_or_else(unknown, growth),
        measured.map_or_else(unknown, |m| m.inodes.to_string()),
        measured
            .and_then(|m| m.deleted_bytes)
            .map_or_else(unknown, in_units),
        measured.map_or_else(unknown, |m| age(m.age_seconds)),
        measured.map_or_else(unknown, |m| m.source.name().to_owned()),
        subject
            .mode
            .map_or_else(unknown, |mode| mode.name().to_owned()),
        name(subject),
    ]
}

/// Whose it is, as short as can be, and where.
fn name(subject: &Subject) -> String {
    let identity = &subject.identity;
    let plain = |text: &str| escaped(OsStr::new(text));
    let framework = identity.framework_name.as_ref();
    let framework = framework.unwrap_or(&identity.framework_id);
    match (identity.kind, &identity.task_id, &identity.persistence_id) {
        (Kind::Volume, _, Some(id)) => format!("volume {}", plain(id)),
        (Kind::Task, Some(id), _) => format!("task {} of {}", plain(id), plain(framework)),
        (kind, ..) => format!(
            "{} {} of {}, {}",
            kind.name(),
            plain(&identity.container_id),
            plain(framework),
            plain(&identity.executor_id)
        ),
    }
}

#[cfg(test)]
mod tests {
    use disk_figures::{Identity, Measured, Mode};

    use super::*;

    fn subject(task_id: &str, used_bytes: u64, limit: Option<u64>, growth: f64) -> Subject {
        Subject {
            identity: Identity {
                kind: Kind::Task,
                framework_id: "F".to_owned(),
                task_id: Some(task_id.to_owned()),
                path: task_id.to_owned(),
                ..Identity::default()
            },
            mode: Some(Mode::Warn),
            limit_bytes: limit,
            measured: Some(Measured {
                used_bytes,
                charged_bytes: used_bytes,
                inodes: 2,
                at_least: false,
                source: Source::Tracking,
                age_seconds: 0.25,
                look_seconds: 0.001,
                growth_bytes_per_second: Some(growth),
                deleted_bytes: None,
                deleted_files: None,
                deleted_at_least: false,
                mounts_skipped: 0,
            }),
            ..Subject::default()
        }
    }

    fn shown(subjects: Vec<Subject>, sort: Sort, size: &Size) -> String {
        let mut report = Report::at(1000.0);
        report.subjects = subjects;
        render(&report, Origin::Walks, sort, size)
    }

    #[test]
    fn the_largest_the_fullest_and_the_fastest_each_come_first_on_request() {
        let all = || {
            vec![
                subject("large", 3 << 20, None, 0.0),
                subject("full", 2 << 20, Some(1 << 20), 1.0),
                subject("fast", 1 << 20, Some(4 << 20), 2048.0),
            ]
        };
        for (sort, first) in [
            (Sort::Used, "large"),
            (Sort::Share, "full"),
            (Sort::Growth, "fast"),
        ] {
            let text = shown(all(), sort, &Size::any());
            let row = text.lines().nth(HEAD).unwrap();
            assert!(row.contains(first), "{sort:?}: {text}");
        }
    }

    #[test]
    fn columns_are_aligned_and_what_is_not_known_is_a_dash() {
        let mut unknown = subject("new", 0, None, 0.0);
        unknown.measured = None;
        let text = shown(
            vec![subject("web", 512, Some(1024), -2048.0), unknown],
            Sort::Used,
            &Size::any(),
        );
        let expected = "2 watched, 0 over their limit; 0 by quota, 1 by tracking, 0 by walks\n\
            measured by walks just now: no daemon answers\n \
            USED    LIMIT  USE%      GROWTH  INODES  DELETED    AGE  SOURCE    MODE  NAME\n\
            512 B  1.0 KiB   50%  -2.0 KiB/s       2        -  250ms  tracking  warn  task web of F\n    \
            -        -     -           -       -        -      -  -         warn  task new of F\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn hostile_names_neither_steer_the_terminal_nor_break_a_line() {
        let size = Size::any();
        let hostile = subject("\u{1b}[2J\nevil\u{202e}", 1, None, 0.0);
        let text = shown(vec![hostile], Sort::Used, &size);
        assert_eq!(text.lines().count(), HEAD + 1);
        assert!(
            !text.contains('\u{1b}') && !text.contains('\u{202e}'),
            "{text}"
        );
    }

    #[test]
    fn a_round_fits_the_screen() {
        let many = (0..50).map(|n| subject(&format!("t{n}"), n, None, 0.0));
        let size = Size {
            rows: 5,
            columns: 40,
        };
        let text = shown(many.collect(), Sort::Used, &size);
        assert_eq!(text.lines().count(), HEAD + 5);
        assert!(
            text.lines().all(|line| line.chars().count() <= 40),
            "{text}"
        );
    }
}
