//! A screen is given back as it was, however its program ends. The program is this test's own, started anew on a terminal
//! of its own.
#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::fs::File;
use std::io::Read;
use std::process::{Command, Stdio};

use nix::pty::{OpenptyResult, Winsize, openpty};
use nix::sys::termios::tcgetattr;
use terminal::{Line, Look, Screen};

/// Says how the program is to end.
const END: &str = "TERMINAL_TEST_END";

/// What the program does; nothing where it is only one of the tests.
#[test]
fn program() {
    let Ok(end) = std::env::var(END) else {
        return;
    };
    let mut screen = Screen::open().unwrap();
    screen.show(&[Line::of(Look::BOLD, "shown")]).unwrap();
    match end.as_str() {
        "panic" => panic!("on purpose"),
        "thread" => {
            let panicked = std::thread::spawn(|| panic!("on purpose")).join();
            assert!(panicked.is_err());
            std::process::exit(0);
        }
        _ => drop(screen),
    }
}

/// All that the program wrote on its terminal, which has to be as before.
fn run(end: &str) -> String {
    let size = Winsize {
        ws_row: 24,
        ws_col: 80,
        ws_xpixel: 0,
        ws_ypixel: 0,
    };
    let OpenptyResult { master, slave } = openpty(&size, None).unwrap();
    let before = tcgetattr(&slave).unwrap();
    let stdio = || Stdio::from(slave.try_clone().unwrap());
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "program", "--nocapture", "--test-threads=1"])
        .env(END, end)
        .stdin(stdio())
        .stdout(stdio())
        .stderr(stdio())
        .spawn()
        .unwrap();
    let reading = std::thread::spawn(move || {
        let mut master = File::from(master);
        let (mut seen, mut some) = (Vec::new(), [0; 4096]);
        // A terminal whose other side is closed by all is an error to read (EIO).
        while let Ok(count @ 1..) = master.read(&mut some) {
            seen.extend_from_slice(&some[..count]);
        }
        seen
    });
    child.wait().unwrap();
    assert_eq!(tcgetattr(&slave).unwrap(), before, "after {end}");
    drop(slave);
    String::from_utf8_lossy(&reading.join().unwrap()).into_owned()
}

#[test]
fn a_screen_that_is_dropped_gives_the_terminal_back() {
    let seen = run("drop");
    let shown = seen.find("shown").unwrap();
    let back = seen.find("\u{1b}[?1049l").unwrap();
    assert!(
        seen.find("\u{1b}[?1049h").unwrap() < shown && shown < back,
        "{seen:?}"
    );
    assert!(seen.contains("\u{1b}[?25h"), "{seen:?}");
}

#[test]
fn a_panic_on_any_thread_gives_the_terminal_back_before_its_message() {
    for end in ["panic", "thread"] {
        let seen = run(end);
        let back = seen.find("\u{1b}[?1049l").unwrap();
        let message = seen.find("on purpose").unwrap();
        assert!(back < message, "{seen:?}");
        assert_eq!(seen.matches("\u{1b}[?1049l").count(), 1, "{seen:?}");
    }
}
