//! The main job, end to end, shown to a person in one terminal: a real Mesos runs tasks through `mesos-sandbox-executor`,
//! the scheduler sees each of them end as it should, and `mesos-stats-collector` draws them in a real Graphite.
//!
//! Ctrl-C ends it at any time, and nothing stays. With `KEEP=1` in the environment it leaves all up until then.
#![forbid(unsafe_code)]

mod acts;
mod error;
mod graph;
mod programs;
mod screen;
mod stage;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;

use error::DemoError;
use screen::Screen;
use stage::Stage;
use tokio::signal::unix::{SignalKind, signal};

/// As a shell has it for a program that SIGINT ended.
const INTERRUPTED: u8 = 130;

/// What the main thread waits for.
enum News {
    /// SIGINT or SIGTERM came.
    Stop,
    /// The show is over and everything stays up until a person stops it.
    Kept,
    /// The show has ended, and has removed all it made.
    Ended(Result<(), DemoError>),
}

fn main() -> ExitCode {
    let keep = std::env::var("KEEP").is_ok_and(|keep| !keep.is_empty() && keep != "0");
    let (news, incoming) = mpsc::channel();
    let (leave, leaving) = mpsc::channel();
    thread::spawn({
        let news = news.clone();
        move || report_signals(&news)
    });
    thread::spawn(move || {
        // A fixture that does not come up panics, and the panic's message is printed.
        let show = AssertUnwindSafe(|| run(keep.then_some((&news, &leaving))));
        let result = catch_unwind(show).unwrap_or(Err(DemoError::Panicked));
        // Nobody listens when it was stopped meanwhile.
        let _ = news.send(News::Ended(result));
    });

    let mut is_kept = false;
    loop {
        match incoming.recv() {
            Ok(News::Kept) => is_kept = true,
            Ok(News::Stop) if is_kept => {
                is_kept = false;
                let _ = leave.send(());
            }
            Ok(News::Stop) => {
                println!("\nstopped: removing everything");
                test_support::remove_all_fixtures();
                return ExitCode::from(INTERRUPTED);
            }
            Ok(News::Ended(Ok(()))) => return ExitCode::SUCCESS,
            Ok(News::Ended(Err(error))) => {
                eprintln!("\nthe demo failed: {error}");
                return ExitCode::FAILURE;
            }
            Err(_) => return ExitCode::FAILURE,
        }
    }
}

/// Everything is up when this begins to play, and gone when it returns. `kept`: whom to tell that all stays up, and who
/// says when it has been long enough.
fn run(kept: Option<(&Sender<News>, &Receiver<()>)>) -> Result<(), DemoError> {
    let screen = Screen::new();
    let mut stage = Stage::set(&screen)?;
    acts::play(&mut stage, &screen)?;
    graph::draw(&stage, &screen)?;
    if let Some((news, leaving)) = kept {
        stage.print_addresses();
        let _ = news.send(News::Kept);
        let _ = leaving.recv();
    }
    acts::end(&mut stage, &screen)?;
    screen.say("Taking everything down; whatever is left behind now is a failure.");
    drop(stage);
    screen.note("nothing is left: no process, no cgroup, no mount, no file");
    Ok(())
}

fn report_signals(news: &Sender<News>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.expect("cannot wait for signals").block_on(async {
        let mut interrupt = signal(SignalKind::interrupt()).expect("SIGINT can be caught");
        let mut terminate = signal(SignalKind::terminate()).expect("SIGTERM can be caught");
        loop {
            tokio::select! {
                _ = interrupt.recv() => {}
                _ = terminate.recv() => {}
            }
            let _ = news.send(News::Stop);
        }
    });
}
