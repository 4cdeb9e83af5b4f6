//! `mesos-stats-collector top`: the agent's containers and tasks on a terminal, live.
//!
//! ```text
//!   Feed ──Picture──> View (what is chosen) ──> paint ──> Screen, or plain text
//!   agent, tasks,       ^
//!   disks               └── keys
//! ```

mod column;
mod feed;
mod paint;
mod row;
mod view;

use std::io::{self, IsTerminal, Write};
use std::time::{Duration, SystemTime};

use terminal::{Event, KeyEventKind, Keys, Screen};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{Notify, mpsc};
use tokio::time::{MissedTickBehavior, interval};

use crate::config::Config;
use crate::scrape::ScrapeError;
pub(crate) use column::Column;
use feed::Feed;
use row::Picture;
use view::{After, View};

/// How the agent is to be shown.
#[derive(Clone, Debug)]
pub(crate) struct TopSettings {
    /// From look to look.
    pub(crate) interval: Duration,
    /// What comes first.
    pub(crate) sort: Column,
    /// Of what is shown only.
    pub(crate) filter: String,
    /// What is shown.
    pub(crate) columns: Vec<Column>,
    /// So many rounds as plain text.
    pub(crate) batch: Option<u64>,
    /// At most so many rows of plain text.
    pub(crate) rows: Option<usize>,
}

/// All columns, in their order.
pub(crate) fn all_columns() -> Vec<Column> {
    column::ALL.to_vec()
}

/// Why it ended before it was told to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TopError {
    /// Nothing was begun.
    #[error("start the runtime: {0}")]
    Runtime(io::Error),
    /// The agent says nothing.
    #[error(transparent)]
    Scrape(#[from] ScrapeError),
    /// There is nowhere to show anything.
    #[error("write to the terminal: {0}")]
    Terminal(io::Error),
    /// Signals cannot be watched for.
    #[error("watch for signals: {0}")]
    Signals(io::Error),
}

/// Shows the agent until told to stop, or so many rounds of it.
///
/// # Errors
/// [`TopError`].
pub(crate) async fn run(config: &Config, settings: TopSettings) -> Result<(), TopError> {
    let view = View::new(
        settings.sort,
        settings.filter.clone(),
        settings.columns.clone(),
    );
    let feed = Feed::new(config);
    let is_screen = settings.batch.is_none() && io::stdout().is_terminal();
    if is_screen {
        live(feed, view, settings.interval).await
    } else {
        batch(feed, &view, &settings).await
    }
}

/// Rates are there from the second look on, so that the first one is not shown.
async fn batch(mut feed: Feed, view: &View, settings: &TopSettings) -> Result<(), TopError> {
    feed.look().await?;
    for round in 0..settings.batch.unwrap_or(1) {
        tokio::time::sleep(settings.interval).await;
        let picture = feed.look().await?;
        let most = settings.rows.unwrap_or(usize::MAX);
        let mut text = paint::text(&picture, view, most, &time());
        if round > 0 {
            text.insert(0, '\n');
        }
        let mut out = io::stdout().lock();
        let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
        match written {
            Ok(()) => {}
            // The reader of a pipe has had enough, as in `| head`.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => break,
            Err(error) => return Err(TopError::Terminal(error)),
        }
    }
    Ok(())
}

async fn live(feed: Feed, mut view: View, every: Duration) -> Result<(), TopError> {
    let watch = |kind| signal(kind).map_err(TopError::Signals);
    let mut terminate = watch(SignalKind::terminate())?;
    let mut interrupt = watch(SignalKind::interrupt())?;
    let mut hangup = watch(SignalKind::hangup())?;
    // Looks go on beside the keys, which must not wait for an agent that hangs.
    let (send, mut pictures) = mpsc::channel(1);
    let looking = tokio::spawn(look_on(feed, every, send));
    let mut screen = Screen::open().map_err(TopError::Terminal)?;
    let woken = std::sync::Arc::new(Notify::new());
    let keys = Keys::listen({
        let woken = woken.clone();
        move || woken.notify_one()
    });
    let mut picture = Picture {
        agent: "looking for the agent".to_owned(),
        ..Picture::default()
    };
    let mut seen = time();
    let ended = loop {
        if let Err(error) = show(&mut screen, &picture, &mut view, &seen) {
            break Err(TopError::Terminal(error));
        }
        tokio::select! {
            _ = terminate.recv() => break Ok(()),
            _ = interrupt.recv() => break Ok(()),
            _ = hangup.recv() => break Ok(()),
            Some(looked) = pictures.recv() => match looked {
                Ok(_) if view.is_paused => {}
                Ok(looked) => {
                    picture = looked;
                    seen = time();
                }
                // What was there stays in sight, with what is the matter above it.
                Err(error) => picture.troubles = vec![ScrapeError::to_string(&error)],
            },
            () = woken.notified() => match press(&keys, &mut screen, &mut view, &picture) {
                Ok(After::Quit) => break Ok(()),
                Ok(_) => {}
                Err(error) => break Err(TopError::Terminal(error)),
            },
        }
    };
    looking.abort();
    ended
}

async fn look_on(
    mut feed: Feed,
    every: Duration,
    pictures: mpsc::Sender<Result<Picture, ScrapeError>>,
) {
    let mut tick = interval(every);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        if pictures.send(feed.look().await).await.is_err() {
            return;
        }
    }
}

fn show(screen: &mut Screen, picture: &Picture, view: &mut View, time: &str) -> io::Result<()> {
    let (columns, rows) = screen.size()?;
    view.settle(view.choose(picture).len(), paint::room(rows));
    screen.show(&paint::screen(picture, view, (columns, rows), time))
}

/// Takes in all keys that were pressed meanwhile.
fn press(
    keys: &Keys,
    screen: &mut Screen,
    view: &mut View,
    picture: &Picture,
) -> io::Result<After> {
    while let Some(event) = keys.next()? {
        // A new size is seen when it is shown the next time, which is now.
        let Event::Key(key) = event else { continue };
        if key.kind == KeyEventKind::Release {
            continue;
        }
        let (_, rows) = screen.size()?;
        match view.key(key, view.choose(picture).len(), paint::room(rows)) {
            After::Quit => return Ok(After::Quit),
            After::Suspend => screen.suspend()?,
            After::Show => {}
        }
    }
    Ok(After::Show)
}

/// The time of day, as the world over.
fn time() -> String {
    let since = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let seconds = since.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3_600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02} UTC", seconds % 60)
}
