//! A terminal taken over, and given back as it was: at the end, on a panic, and while the program is stopped.

use std::io::{self, Write};
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Once, mpsc};
use std::thread;

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::event::{self, Event};
use crossterm::terminal::{
    self, BeginSynchronizedUpdate, Clear, ClearType, EndSynchronizedUpdate, EnterAlternateScreen,
    LeaveAlternateScreen,
};
use crossterm::{execute, queue};
use rustix::process::{Signal, getpid, kill_process};

use crate::line::Line;

/// Whether the terminal is ours; whoever gives it back is the only one to.
static TAKEN: AtomicBool = AtomicBool::new(false);
static HOOK: Once = Once::new();

/// A terminal whose lines are ours and whose keys are told one by one. There is one at a time.
#[derive(Debug)]
pub struct Screen {
    has_color: bool,
}

impl Screen {
    /// Takes the terminal over that standard output is. Colours are used unless `NO_COLOR` says something
    /// (<https://no-color.org>).
    ///
    /// # Errors
    /// It is no terminal, or does not do as it is told.
    pub fn open() -> io::Result<Self> {
        HOOK.call_once(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // Before the message, which would be lost with the other screen.
                give_back();
                before(info);
            }));
        });
        take()?;
        let says = |value: std::ffi::OsString| !value.is_empty();
        Ok(Self {
            has_color: !std::env::var_os("NO_COLOR").is_some_and(says),
        })
    }

    /// Columns and rows, as they are now.
    ///
    /// # Errors
    /// The terminal does not say.
    pub fn size(&self) -> io::Result<(usize, usize)> {
        let (columns, rows) = terminal::size()?;
        Ok((columns.into(), rows.into()))
    }

    /// Shows these lines and nothing else, from the top; what does not fit is left out.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn show(&mut self, lines: &[Line]) -> io::Result<()> {
        let (columns, rows) = self.size()?;
        // All at once, or it would flicker.
        let mut out = Vec::new();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in (0u16..).zip(lines.iter().take(rows)) {
            queue!(out, MoveTo(0, row))?;
            out.extend_from_slice(line.painted(columns, self.has_color).as_bytes());
            // Right of the last column there is nothing to clear, and some terminals would take that one.
            if crate::width(&line.plain()) < columns {
                queue!(out, Clear(ClearType::UntilNewLine))?;
            }
        }
        if let Ok(below) = u16::try_from(lines.len())
            && lines.len() < rows
        {
            queue!(out, MoveTo(0, below), Clear(ClearType::FromCursorDown))?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        let mut stdout = io::stdout().lock();
        stdout.write_all(&out)?;
        stdout.flush()
    }

    /// Gives the terminal back, stops the program as its shell expects it, and takes the terminal over again when it
    /// goes on.
    ///
    /// # Errors
    /// The terminal is gone.
    pub fn suspend(&mut self) -> io::Result<()> {
        give_back();
        kill_process(getpid(), Signal::TSTP)?;
        take()
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        give_back();
    }
}

fn take() -> io::Result<()> {
    terminal::enable_raw_mode()?;
    TAKEN.store(true, Ordering::SeqCst);
    let taken = execute!(
        io::stdout(),
        EnterAlternateScreen,
        Hide,
        Clear(ClearType::All)
    );
    if taken.is_err() {
        give_back();
    }
    taken
}

/// As it was. A terminal that is gone needs nothing.
fn give_back() {
    if TAKEN.swap(false, Ordering::SeqCst) {
        let _ = execute!(io::stdout(), Show, LeaveAlternateScreen);
        let _ = terminal::disable_raw_mode();
    }
}

/// Keys and changes of the size, as they come.
#[derive(Debug)]
pub struct Keys(Receiver<Event>);

impl Keys {
    /// Listens from now on, on a thread that ends with the process, and calls `wake` after each event.
    pub fn listen(wake: impl Fn() + Send + 'static) -> Self {
        let (sender, receiver): (Sender<Event>, _) = channel();
        thread::spawn(move || {
            while let Ok(event) = event::read() {
                if sender.send(event).is_err() {
                    return;
                }
                wake();
            }
            // The terminal is gone: who waits for keys is told so by the end of the channel.
            drop(sender);
            wake();
        });
        Self(receiver)
    }

    /// The next one, if there is one.
    ///
    /// # Errors
    /// The terminal is gone, and there will be none.
    pub fn next(&self) -> io::Result<Option<Event>> {
        match self.0.try_recv() {
            Ok(event) => Ok(Some(event)),
            Err(mpsc::TryRecvError::Empty) => Ok(None),
            Err(mpsc::TryRecvError::Disconnected) => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }
}
