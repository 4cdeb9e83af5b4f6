//! `top` on a terminal, driven as by a person; and as plain text.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

use crate::fakes::{Agent, Reply};
use crate::replies::{CGROUPS, body, containers};

/// Longer than anything here should ever take.
const PATIENCE: Duration = Duration::from_secs(30);

fn top(agent: &Agent, more: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"));
    command
        .args(["top", "--agent-api=v0"])
        .args(["--agent", &format!("http://{}", agent.place())])
        .args(more);
    command
}

/// A person's terminal with the program on it.
struct Terminal {
    child: Child,
    master: File,
    slave: OwnedFd,
    before: Termios,
    seen: Arc<Mutex<Vec<u8>>>,
    /// So much of it lies behind us.
    awaited: usize,
}

fn size(columns: u16, rows: u16) -> Winsize {
    Winsize {
        ws_row: rows,
        ws_col: columns,
        ws_xpixel: 0,
        ws_ypixel: 0,
    }
}

impl Terminal {
    fn start(mut command: Command, columns: u16, rows: u16) -> Self {
        let OpenptyResult { master, slave } = openpty(&size(columns, rows), None).unwrap();
        let before = tcgetattr(&slave).unwrap();
        let stdio = || Stdio::from(slave.try_clone().unwrap());
        let child = command
            .stdin(stdio())
            .stdout(stdio())
            .stderr(stdio())
            .spawn()
            .unwrap();
        let master = File::from(master);
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let (mut reader, heard) = (master.try_clone().unwrap(), Arc::clone(&seen));
        std::thread::spawn(move || {
            let mut some = [0; 4096];
            while let Ok(count @ 1..) = reader.read(&mut some) {
                heard.lock().unwrap().extend_from_slice(&some[..count]);
            }
        });
        Self {
            child,
            master,
            slave,
            before,
            seen,
            awaited: 0,
        }
    }

    fn press(&mut self, keys: &str) {
        self.master.write_all(keys.as_bytes()).unwrap();
    }

    /// All of it, up to the last whole character.
    fn seen(&self) -> String {
        let seen = self.seen.lock().unwrap();
        let whole = std::str::from_utf8(&seen).map_or_else(|error| error.valid_up_to(), str::len);
        String::from_utf8_lossy(&seen[..whole]).into_owned()
    }

    /// Waits until a text is seen, behind what was waited for before; returns what was seen until then.
    fn await_text(&mut self, text: &str) -> String {
        let started = Instant::now();
        loop {
            let seen = self.seen();
            let new = &seen[self.awaited..];
            if let Some(at) = new.find(text) {
                let until = at + text.len();
                self.awaited += until;
                return new[..until].to_owned();
            }
            let late = new.chars().rev().take(2_000);
            let late: String = late.collect::<Vec<_>>().into_iter().rev().collect();
            assert!(
                started.elapsed() < PATIENCE,
                "{text:?} is not in ...{late:?}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn signal(&self, signal: Signal) {
        let pid = Pid::from_raw(self.child.id().try_into().unwrap());
        kill(pid, signal).unwrap();
    }

    /// How it ended; the terminal has to be as it was.
    fn end(mut self) -> ExitStatus {
        let status = self.child.wait().unwrap();
        let after = tcgetattr(&self.slave).unwrap();
        assert_eq!(after, self.before, "its settings are as before");
        let started = Instant::now();
        while !self.seen().contains("\u{1b}[?1049l") || !self.seen().contains("\u{1b}[?25h") {
            assert!(
                started.elapsed() < PATIENCE,
                "neither screen nor cursor came back"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
        status
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn hostile() -> Reply {
    let figures = r#"{"timestamp":1795253796.0,"mem_rss_bytes":1048576,"mem_limit_bytes":4194304}"#;
    containers(&[
        ("c-1", "web\\u001b]0;owned\\u0007\\u001b[2J", figures),
        ("c-2", "idle", figures),
    ])
}

#[test]
fn keys_filter_sort_and_quit_and_the_terminal_is_as_it_was() {
    let agent = Agent::start([body(CGROUPS)]);
    let mut terminal = Terminal::start(top(&agent, &["--every=100ms"]), 200, 24);
    terminal.await_text("2 containers");
    terminal.await_text("CPU▼");
    terminal.press("ss");
    terminal.await_text("MEMORY▼");
    terminal.press("r");
    terminal.await_text("MEMORY▲");
    terminal.press("/idle\r");
    terminal.await_text("filter: idle ");
    terminal.await_text("1 of 1");
    terminal.press("?");
    terminal.await_text("the other way round");
    terminal.press("?q");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn a_signal_ends_it_and_the_terminal_is_as_it_was() {
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP] {
        let agent = Agent::start([body(CGROUPS)]);
        let mut terminal = Terminal::start(top(&agent, &["--every=100ms"]), 100, 24);
        terminal.await_text("2 containers");
        terminal.signal(signal);
        assert_eq!(terminal.end().code(), Some(0), "{signal}");
    }
}

#[test]
fn it_follows_the_terminals_size() {
    let agent = Agent::start([body(CGROUPS)]);
    let mut terminal = Terminal::start(top(&agent, &["--every=100ms"]), 60, 24);
    terminal.await_text("2 containers");
    let seen = terminal.await_text("2 containers");
    assert!(!seen.contains("FRAMEWORK"), "{seen}");
    rustix::termios::tcsetwinsize(
        &terminal.master,
        rustix::termios::Winsize {
            ws_row: 24,
            ws_col: 250,
            ws_xpixel: 0,
            ws_ypixel: 0,
        },
    )
    .unwrap();
    terminal.signal(Signal::SIGWINCH);
    terminal.await_text("FRAMEWORK");
}

#[test]
fn an_agent_that_is_away_is_told_of_and_shown_when_it_comes() {
    let agent = Agent::start([Reply::Status(503, "recovering"), body(CGROUPS)]);
    let mut terminal = Terminal::start(top(&agent, &["--every=300ms"]), 200, 24);
    terminal.await_text("2 containers");
    let away = Agent::start([Reply::Status(503, "recovering")]);
    let mut terminal = Terminal::start(top(&away, &["--every=100ms"]), 200, 24);
    terminal.await_text("not ready yet: \"recovering\"");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn an_agent_that_hangs_holds_no_key_up() {
    let agent = Agent::start([Reply::Hang]);
    let mut terminal = Terminal::start(top(&agent, &["--timeout=10secs"]), 80, 24);
    terminal.await_text("looking for the agent");
    terminal.press("q");
    assert_eq!(terminal.end().code(), Some(0));
}

#[test]
fn what_tasks_are_called_steers_no_terminal() {
    let agent = Agent::start([hostile()]);
    let mut terminal = Terminal::start(top(&agent, &["--every=100ms"]), 250, 24);
    let seen = terminal.await_text("web\\u{1b}]0;owned\\u{7}\\u{1b}[2J");
    assert!(!seen.contains("\u{1b}]0;owned"), "{seen}");
}

#[test]
fn without_colours_there_are_bars_and_no_colour() {
    let agent = Agent::start([body(CGROUPS)]);
    let mut command = top(&agent, &["--every=100ms"]);
    command.env("NO_COLOR", "1");
    let mut terminal = Terminal::start(command, 200, 24);
    terminal.await_text("█");
    terminal.await_text("█");
    let seen = terminal.seen();
    for color in ["31", "32", "33", "90"] {
        assert!(!seen.contains(&format!(";{color}m")), "{seen:?}");
    }
    terminal.press("q");
    terminal.end();
    let mut terminal = Terminal::start(top(&agent, &["--every=100ms"]), 200, 24);
    terminal.await_text("\u{1b}[0;90m");
}

fn batch(agent: &Agent, more: &[&str]) -> (Output, String) {
    let output = top(agent, &[&["--every=100ms"], more].concat())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    (output, text)
}

#[test]
fn plain_text_has_every_round_in_the_order_asked_for_and_no_escape_sequence() {
    let agent = Agent::start([hostile()]);
    let (output, text) = batch(
        &agent,
        &["--batch=2", "--sort=name", "--columns=memory,name"],
    );
    assert!(output.status.success(), "{output:?}");
    assert_eq!(text.matches("2 containers").count(), 2, "{text}");
    assert!(!text.contains('\u{1b}'), "{text}");
    let rows = "         MEMORY  NAME\n\
                1.0 MiB/4.0 MiB  idle\n\
                1.0 MiB/4.0 MiB  web\\u{1b}]0;owned\\u{7}\\u{1b}[2J\n";
    assert_eq!(text.matches(rows).count(), 2, "{text}");
    let (_, text) = batch(&agent, &["--filter=IDLE"]);
    assert!(
        text.contains("1 containers") && !text.contains("web"),
        "{text}"
    );
}

#[test]
fn plain_text_of_an_agent_that_says_nothing_is_an_error() {
    let agent = Agent::start([Reply::Status(500, "no")]);
    let (output, text) = batch(&agent, &["--batch=1"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text, "");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("500"), "{told}");
}
