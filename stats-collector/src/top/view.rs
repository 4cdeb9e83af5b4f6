//! What is chosen of the rows, and what each key changes of that. No I/O.

use std::cmp::Ordering;

use terminal::{KeyCode, KeyEvent, KeyModifiers};

use super::column::{self, Column};
use super::row::{Picture, Row};

/// What a person chose to see.
#[derive(Clone, Debug)]
pub(super) struct View {
    pub(super) sort: Column,
    /// The smallest first.
    pub(super) is_reversed: bool,
    /// What names, frameworks, kinds or container ids are to contain, whatever the case.
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) is_typing: bool,
    pub(super) columns: Vec<Column>,
    /// The row that is marked.
    pub(super) marked: usize,
    /// The first row that is shown.
    pub(super) first: usize,
    pub(super) is_paused: bool,
    pub(super) has_help: bool,
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum After {
    /// Showing goes on.
    Show,
    /// The program is to be stopped until its shell lets it go on.
    Suspend,
    /// The end.
    Quit,
}

impl View {
    pub(super) fn new(sort: Column, filter: String, columns: Vec<Column>) -> Self {
        Self {
            sort,
            is_reversed: false,
            filter,
            is_typing: false,
            columns,
            marked: 0,
            first: 0,
            is_paused: false,
            has_help: false,
        }
    }

    /// The rows that are chosen, in their order. What is not known comes last, either way round.
    pub(super) fn choose<'p>(&self, picture: &'p Picture) -> Vec<&'p Row> {
        let wanted = self.filter.to_lowercase();
        let mut rows: Vec<&Row> = picture
            .rows
            .iter()
            .filter(|row| {
                let texts = [
                    row.name.as_str(),
                    &row.framework,
                    &row.container_id,
                    row.shape.name(),
                ];
                texts
                    .iter()
                    .any(|text| text.to_lowercase().contains(&wanted))
            })
            .collect();
        rows.sort_by(|a, b| {
            let order = self.order(a, b);
            // The same order each time, whatever the agent's.
            order
                .then_with(|| a.name.cmp(&b.name))
                .then_with(|| a.container_id.cmp(&b.container_id))
        });
        rows
    }

    fn order(&self, a: &Row, b: &Row) -> Ordering {
        let turned = |order: Ordering| {
            if self.is_reversed {
                order.reverse()
            } else {
                order
            }
        };
        if self.sort.is_text() {
            return turned(self.sort.text(a).cmp(&self.sort.text(b)));
        }
        match (self.sort.key(a), self.sort.key(b)) {
            (Some(a), Some(b)) => turned(b.total_cmp(&a)),
            (a, b) => b.is_some().cmp(&a.is_some()),
        }
    }

    /// Does what a key says, with so many rows to choose from and room for so many.
    pub(super) fn key(&mut self, key: KeyEvent, rows: usize, room: usize) -> After {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            match key.code {
                KeyCode::Char('c') => return After::Quit,
                KeyCode::Char('z') => return After::Suspend,
                _ => return After::Show,
            }
        }
        if self.is_typing {
            self.type_key(key.code);
            return After::Show;
        }
        match key.code {
            KeyCode::Char('q') => return After::Quit,
            KeyCode::Esc if self.has_help => self.has_help = false,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc => return After::Quit,
            KeyCode::Char('?' | 'h') => self.has_help = !self.has_help,
            KeyCode::Char(' ') => self.is_paused = !self.is_paused,
            KeyCode::Char('/') => self.is_typing = true,
            KeyCode::Char('r') => self.is_reversed = !self.is_reversed,
            KeyCode::Char('s' | '>') | KeyCode::Right => self.sort_by_next(1),
            KeyCode::Char('S' | '<') | KeyCode::Left => self.sort_by_next(self.columns.len() - 1),
            KeyCode::Char(digit @ '0'..='9') => self.switch(digit),
            KeyCode::Down | KeyCode::Char('j') => self.marked += 1,
            KeyCode::Up | KeyCode::Char('k') => self.marked = self.marked.saturating_sub(1),
            KeyCode::PageDown => self.marked += room,
            KeyCode::PageUp => self.marked = self.marked.saturating_sub(room),
            KeyCode::Home | KeyCode::Char('g') => self.marked = 0,
            KeyCode::End | KeyCode::Char('G') => self.marked = rows,
            _ => {}
        }
        After::Show
    }

    fn type_key(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.is_typing = false,
            KeyCode::Esc => {
                self.is_typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(character) => self.filter.push(character),
            _ => {}
        }
    }

    fn sort_by_next(&mut self, step: usize) {
        let at = self.columns.iter().position(|column| *column == self.sort);
        let next = at.map_or(0, |at| (at + step) % self.columns.len());
        self.sort = self.columns[next];
    }

    /// The digit's column comes or goes: 1 is the first, 0 the tenth. The name stays.
    fn switch(&mut self, digit: char) {
        let place = digit
            .to_digit(10)
            .map_or(0, |digit| (digit as usize + 9) % 10);
        let column = column::ALL[place];
        match self.columns.iter().position(|one| *one == column) {
            Some(at) if self.columns.len() > 1 => {
                self.columns.remove(at);
                if self.sort == column {
                    self.sort = self.columns[0];
                }
            }
            Some(_) => {}
            None => {
                self.columns.push(column);
                self.columns
                    .sort_by_key(|column| column::ALL.iter().position(|one| one == column));
            }
        }
    }

    /// Brings the mark, and what is shown around it, back to where there are rows.
    pub(super) fn settle(&mut self, rows: usize, room: usize) {
        self.marked = self.marked.min(rows.saturating_sub(1));
        let most = rows.saturating_sub(room);
        let least = (self.marked + 1).saturating_sub(room.max(1));
        self.first = self.first.min(self.marked).max(least).min(most.max(least));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::top::row::Use;

    fn view() -> View {
        View::new(Column::Cpu, String::new(), column::ALL.to_vec())
    }

    fn row(name: &str, cpus: Option<f64>) -> Row {
        Row {
            name: name.to_owned(),
            cpus: Use {
                used: cpus,
                limit: None,
            },
            ..Row::default()
        }
    }

    fn picture() -> Picture {
        Picture {
            rows: vec![
                row("idle", Some(0.1)),
                row("Unknown", None),
                row("busy", Some(2.0)),
            ],
            ..Picture::default()
        }
    }

    fn names(view: &View) -> Vec<String> {
        let picture = picture();
        let rows = view.choose(&picture);
        rows.iter().map(|row| row.name.clone()).collect()
    }

    fn press(view: &mut View, keys: &str) -> After {
        let mut after = After::Show;
        for key in keys.chars() {
            let code = match key {
                '\n' => KeyCode::Enter,
                '\u{1b}' => KeyCode::Esc,
                key => KeyCode::Char(key),
            };
            after = view.key(KeyEvent::new(code, KeyModifiers::NONE), 3, 10);
        }
        after
    }

    #[test]
    fn the_largest_comes_first_and_what_is_not_known_last_either_way_round() {
        let mut view = view();
        assert_eq!(names(&view), ["busy", "idle", "Unknown"]);
        press(&mut view, "r");
        assert_eq!(names(&view), ["idle", "busy", "Unknown"]);
    }

    #[test]
    fn typing_filters_whatever_the_case_and_escape_takes_it_back() {
        let mut view = view();
        press(&mut view, "/uNK\n");
        assert_eq!(names(&view), ["Unknown"]);
        assert_eq!(press(&mut view, "\u{1b}"), After::Show);
        assert_eq!(names(&view).len(), 3);
        assert_eq!(press(&mut view, "\u{1b}"), After::Quit);
    }

    #[test]
    fn while_typing_no_letter_is_a_command() {
        let mut view = view();
        assert_eq!(press(&mut view, "/qr?"), After::Show);
        assert_eq!(view.filter, "qr?");
        assert!(!view.is_reversed && !view.has_help);
    }

    #[test]
    fn sorting_goes_round_all_columns_and_back() {
        let mut view = view();
        press(&mut view, "s");
        assert_eq!(view.sort, Column::Throttled);
        press(&mut view, "SS");
        assert_eq!(view.sort, Column::Name);
        for _ in column::ALL {
            press(&mut view, "s");
        }
        assert_eq!(view.sort, Column::Name);
    }

    #[test]
    fn a_column_that_is_switched_off_is_not_sorted_by_and_comes_back_in_its_place() {
        let mut view = view();
        press(&mut view, "1");
        assert!(!view.columns.contains(&Column::Cpu));
        assert_eq!(view.sort, Column::Throttled);
        press(&mut view, "1");
        assert_eq!(view.columns, column::ALL);
        press(&mut view, "0");
        assert!(!view.columns.contains(&Column::Processes));
    }

    #[test]
    fn the_mark_stays_on_a_row_and_in_sight_whatever_comes_and_goes() {
        let mut view = view();
        for _ in 0..30 {
            view.key(KeyEvent::new(KeyCode::Down, KeyModifiers::NONE), 100, 10);
        }
        view.settle(100, 10);
        assert_eq!((view.first, view.marked), (21, 30));
        view.settle(5, 10);
        assert_eq!((view.first, view.marked), (0, 4));
        view.settle(0, 10);
        assert_eq!((view.first, view.marked), (0, 0));
        view.key(KeyEvent::new(KeyCode::End, KeyModifiers::NONE), 100, 10);
        view.settle(100, 10);
        assert_eq!((view.first, view.marked), (90, 99));
        view.settle(100, 0);
        assert_eq!(view.marked, 99);
    }

    #[test]
    fn control_c_quits_even_while_typing() {
        let mut view = view();
        press(&mut view, "/");
        let control_c = KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(view.key(control_c, 1, 1), After::Quit);
    }
}
