//! What a person sees.

use std::io::{IsTerminal, Write, stdout};
use std::time::{Instant, UNIX_EPOCH};

use mesos_proto::v1::TaskState;
use test_support::Update;

/// The width of what is not a terminal, in columns.
const WIDTH: usize = 160;

/// The narrowest column for a message beside the others; below it the message has a line of its own.
const MESSAGE: usize = 30;

/// The terminal.
pub(crate) struct Screen {
    is_terminal: bool,
}

impl Screen {
    pub(crate) fn new() -> Self {
        Self {
            is_terminal: stdout().is_terminal(),
        }
    }

    fn width(&self) -> usize {
        let columns =
            rustix::termios::tcgetwinsize(stdout()).map_or(0, |size| usize::from(size.ws_col));
        if self.is_terminal && columns > 0 {
            columns
        } else {
            WIDTH
        }
    }

    fn styled(&self, text: &str, style: &str) -> String {
        if self.is_terminal {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// What comes next, as a sentence.
    pub(crate) fn say(&self, sentence: &str) {
        println!("\n{}", self.styled(sentence, "1"));
    }

    /// Something that has been found or done.
    pub(crate) fn note(&self, text: &str) {
        println!("  {text}");
    }

    /// Does something that takes a while: says so before, and how long it took after.
    pub(crate) fn during<T>(&self, what: &str, action: impl FnOnce() -> T) -> T {
        print!("  {what} ...");
        let _ = stdout().flush();
        let start = Instant::now();
        let result = action();
        println!(" {:.1} s", start.elapsed().as_secs_f64());
        result
    }

    /// The heads of the timeline's columns.
    pub(crate) fn heads(&self) {
        println!(
            "{}",
            self.styled(
                &columns("TIME (UTC)", "TASK", "STATE", "SOURCE", "REASON", "MESSAGE"),
                "2"
            )
        );
    }

    /// A row of the timeline.
    pub(crate) fn row(&self, update: &Update) {
        let source = update.source.map_or("-", |source| {
            source.as_str_name().trim_start_matches("SOURCE_")
        });
        let reason = update.reason.map_or("-", |reason| {
            reason.as_str_name().trim_start_matches("REASON_")
        });
        let state = update.state.as_str_name();
        let message = update.message.lines().next().unwrap_or_default();
        let row = columns(&clock(update), &update.task, state, source, reason, "");
        let left = self.width().saturating_sub(row.chars().count());
        let row = row.replacen(state, &self.styled(state, style(update.state)), 1);
        if message.is_empty() || left >= MESSAGE.min(message.chars().count()) {
            println!("{row}{}", cut(message, left));
        } else {
            println!(
                "{}\n    {}",
                row.trim_end(),
                cut(message, self.width().saturating_sub(4))
            );
        }
    }
}

fn columns(
    time: &str,
    task: &str,
    state: &str,
    source: &str,
    reason: &str,
    message: &str,
) -> String {
    format!("{time:<12} {task:<9} {state:<13} {source:<8} {reason:<27} {message}")
}

/// Hours, minutes, seconds and milliseconds, UTC.
fn clock(update: &Update) -> String {
    let time = update.at.duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = time.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!(
        "{hours:02}:{minutes:02}:{:02}.{:03}",
        seconds % 60,
        time.subsec_millis()
    )
}

/// Green for what is well, red for what failed, yellow for what was ended.
fn style(state: TaskState) -> &'static str {
    match state {
        TaskState::TaskStaging | TaskState::TaskStarting | TaskState::TaskRunning => "36",
        TaskState::TaskFinished => "32",
        TaskState::TaskKilling | TaskState::TaskKilled => "33",
        _ => "31",
    }
}

/// Cut to a width, with an ellipsis where something is missing.
fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars()
        .take(width.saturating_sub(1))
        .chain(['…'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_at_a_character_and_says_so() {
        assert_eq!(cut("Größe", 5), "Größe");
        assert_eq!(cut("Größe", 4), "Grö…");
    }
}
