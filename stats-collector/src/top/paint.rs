//! A picture as lines, for a screen or as plain text.

use terminal::units::in_units;
use terminal::{Color, Line, Look, escaped, fit};

use super::column::{self, Column};
use super::row::{Picture, Row, Shape};
use super::view::View;

/// Lines that are no rows: totals above, headings, and what keys do below.
const FRAME: usize = 4;

/// How many rows fit on a screen of so many.
pub(super) fn room(rows: usize) -> usize {
    rows.saturating_sub(FRAME)
}

/// A whole screen of so many columns and rows.
pub(super) fn screen(
    picture: &Picture,
    view: &View,
    (columns, rows): (usize, usize),
    time: &str,
) -> Vec<Line> {
    let chosen = view.choose(picture);
    let mut lines = vec![
        Line::of(Look::BOLD, totals(picture, &chosen, time)),
        trouble(picture),
    ];
    if view.has_help {
        lines.extend(HELP.lines().map(|line| Line::of(Look::PLAIN, line)));
        lines.push(Line::of(Look::PLAIN, digits()));
        return lines;
    }
    let widths = widths(view, columns);
    lines.push(headings(view, &widths));
    let shown = chosen.iter().enumerate().skip(view.first).take(room(rows));
    for (number, row) in shown {
        let mut line = Line::default();
        for (column, width) in &widths {
            column.paint(row, *width, &mut line);
            line.push(Look::PLAIN, " ");
        }
        lines.push(if number == view.marked {
            line.all(Look::REVERSE)
        } else {
            line
        });
    }
    while lines.len() + 1 < rows {
        lines.push(Line::default());
    }
    lines.push(foot(view, chosen.len()));
    lines
}

/// Plain text, of all rows that are chosen or so many of them.
pub(super) fn text(picture: &Picture, view: &View, most: usize, time: &str) -> String {
    let chosen = view.choose(picture);
    let mut text = totals(picture, &chosen, time);
    text.push('\n');
    for trouble in &picture.troubles {
        text.push_str(&escaped(trouble.as_ref()));
        text.push('\n');
    }
    let mut table = vec![headed(&view.columns)];
    let cells = |row: &&Row| view.columns.iter().map(|one| one.text(row)).collect();
    table.extend(chosen.iter().take(most).map(cells));
    let width = |at: usize| table.iter().map(|cells| terminal::width(&cells[at])).max();
    let widths: Vec<usize> = (0..view.columns.len()).filter_map(width).collect();
    for cells in &table {
        let mut line = String::new();
        for ((cell, column), width) in cells.iter().zip(&view.columns).zip(&widths) {
            let space = " ".repeat(width - terminal::width(cell));
            if column.is_text() {
                line.extend([cell.as_str(), &space]);
            } else {
                line.extend([space.as_str(), cell]);
            }
            line.push_str("  ");
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

fn headed(columns: &[Column]) -> Vec<String> {
    columns.iter().map(|one| one.heading().to_owned()).collect()
}

/// The columns that there is room for, with their widths. From the right, columns give way to the name, which takes what
/// is left.
fn widths(view: &View, columns: usize) -> Vec<(Column, usize)> {
    let wanted = |one: &Column| (*one, one.width());
    let mut widths: Vec<(Column, usize)> = view.columns.iter().map(wanted).collect();
    let total =
        |widths: &[(Column, usize)]| widths.iter().map(|(_, width)| width + 1).sum::<usize>();
    while total(&widths) > columns && widths.len() > 1 {
        // Last comes the name, which stays.
        let at = match widths.last() {
            Some((Column::Name, _)) => widths.len() - 2,
            _ => widths.len() - 1,
        };
        widths.remove(at);
    }
    let rest = columns.saturating_sub(total(&widths));
    if let Some((Column::Name, width)) = widths.last_mut() {
        *width += rest;
    }
    widths
}

fn headings(view: &View, widths: &[(Column, usize)]) -> Line {
    let mut line = Line::default();
    for (column, width) in widths {
        let mark = match (*column == view.sort, view.is_reversed) {
            (false, _) => "",
            (true, false) => "▼",
            (true, true) => "▲",
        };
        let heading = format!("{}{mark}", column.heading());
        let text = fit(&heading, *width);
        let text = if column.is_text() {
            text
        } else {
            let wide = terminal::width(text.trim_end());
            format!("{}{}", " ".repeat(width - wide), text.trim_end())
        };
        line.push(Look::REVERSE, text);
        line.push(Look::REVERSE, " ");
    }
    line
}

fn totals(picture: &Picture, chosen: &[&Row], time: &str) -> String {
    let of = |shape: Shape| chosen.iter().filter(|row| row.shape == shape).count();
    // Containers have in them what nested ones and tasks use.
    let outer = || {
        let is_outer = |row: &&&Row| matches!(row.shape, Shape::Container | Shape::Standalone);
        chosen.iter().filter(is_outer)
    };
    // The sum of nothing is -0.0.
    let sum = |values: &mut dyn Iterator<Item = f64>| values.fold(0.0, |sum, one| sum + one);
    let cores = sum(&mut outer().filter_map(|row| row.cpus.used));
    let memory = sum(&mut outer().filter_map(|row| row.memory.used));
    let waiting = chosen
        .iter()
        .filter(|row| row.throttled.is_some_and(|share| share > 0.0));
    format!(
        "{}  {time}  {} containers, {} nested, {} tasks: {cores:.2} cores, {} of memory, {} throttled",
        escaped(picture.agent.as_ref()),
        of(Shape::Container) + of(Shape::Standalone),
        of(Shape::Nested),
        of(Shape::Task),
        in_units(memory as u64),
        waiting.count(),
    )
}

fn trouble(picture: &Picture) -> Line {
    let all = picture.troubles.join("; ");
    Line::of(Look::color(Color::Red), escaped(all.as_ref()))
}

fn foot(view: &View, rows: usize) -> Line {
    let mut line = Line::default();
    if view.is_typing || !view.filter.is_empty() {
        let end = if view.is_typing { "_" } else { "" };
        let filter = escaped(view.filter.as_ref());
        line.push(Look::BOLD, format!("filter: {filter}{end}  "));
    }
    if view.is_paused {
        line.push(Look::color(Color::Yellow), "paused  ");
    }
    let at = (view.marked + 1).min(rows);
    line.push(Look::color(Color::Gray), format!("{at} of {rows}   "));
    line.push(
        Look::PLAIN,
        "q quit  s sort  r reverse  / filter  1-0 columns  space pause  ? help",
    );
    line
}

fn digits() -> String {
    let name =
        |(number, column): (usize, Column)| format!("{} {}", (number + 1) % 10, column.name());
    let all: Vec<String> = column::ALL
        .into_iter()
        .take(10)
        .enumerate()
        .map(name)
        .collect();
    format!("               {}", all.join(", "))
}

const HELP: &str = "
  q, Ctrl-C    quit; Escape does, too, when there is no filter
  s, S         sort by the next column, by the one before; also > and <, and the arrows
  r            the other way round
  /            filter by name, framework, kind or container: type, then Enter; Escape takes it back
  up, down     move the mark; also k and j, PageUp and PageDown, Home and End
  space        pause, and go on
  ?            this help, and back

  A bar is the part of a limit: green, yellow from 70 %, red from 90 %. '-' is what the agent does
  not tell; rates are there from the second look on. A container's numbers have in them those of
  what is nested in it, and of its tasks.

  1 to 0       these columns come and go:";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::row::Use;

    fn picture() -> Picture {
        let row = |name: &str, cpus: f64| Row {
            name: name.to_owned(),
            framework: "marathon".to_owned(),
            cpus: Use {
                used: Some(cpus),
                limit: Some(2.0),
            },
            memory: Use {
                used: Some(f64::from(1 << 20)),
                limit: Some(f64::from(4 << 20)),
            },
            ..Row::default()
        };
        Picture {
            agent: "http://agent:5051".to_owned(),
            rows: vec![row("web", 1.5), row("漢字\u{1b}[2J", 0.25)],
            troubles: vec!["no figures of disks:\n\u{7}".to_owned()],
        }
    }

    fn view() -> View {
        View::new(Column::Cpu, String::new(), column::ALL.to_vec())
    }

    #[test]
    fn a_screen_of_any_size_has_no_more_lines_than_rows_and_no_control_character() {
        for columns in [1, 20, 40, 80, 133, 400] {
            for rows in [1, 4, 5, 24, 100] {
                for has_help in [false, true] {
                    let mut view = view();
                    view.has_help = has_help;
                    let lines = screen(&picture(), &view, (columns, rows), "12:00:00");
                    for line in &lines {
                        assert!(!line.plain().contains(char::is_control), "{line:?}");
                    }
                    if !has_help && rows >= FRAME {
                        assert_eq!(lines.len(), rows, "{columns} x {rows}");
                    }
                }
            }
        }
    }

    #[test]
    fn where_there_is_little_room_the_name_stays() {
        let lines = screen(&picture(), &view(), (60, 24), "");
        let heading = lines[2].plain();
        assert!(
            heading.starts_with("                  CPU▼ "),
            "{heading:?}"
        );
        assert!(heading.contains("NAME"), "{heading:?}");
        assert!(!heading.contains("DISK"), "{heading:?}");
        assert!(
            lines[3].plain().contains("1.50/2.00 ████████·· web"),
            "{:?}",
            lines[3]
        );
    }

    #[test]
    fn plain_text_has_every_row_and_no_escape_sequence() {
        let mut view = view();
        view.columns = vec![Column::Cpu, Column::Memory, Column::Name];
        let text = text(&picture(), &view, usize::MAX, "12:00:00");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(
            lines,
            [
                "http://agent:5051  12:00:00  2 containers, 0 nested, 0 tasks: 1.75 cores, 2.0 MiB of memory, 0 throttled",
                "no figures of disks:\\n\\u{7}",
                "      CPU           MEMORY  NAME",
                "1.50/2.00  1.0 MiB/4.0 MiB  web",
                "0.25/2.00  1.0 MiB/4.0 MiB  漢字\\u{1b}[2J",
            ]
        );
    }
}
