//! The daemon's one loop: who is there, what the engine finds, and what came of ending something go in; trees, orders and
//! events go out. It never awaits work: whatever takes time is an [edge](edges), and its outcome an [`Event`].
//!
//! Nothing is kept on disk. What has to survive the daemon's own sudden end is found anew: who is there in the agent's
//! work directory and from the agent, what is used by the first look at each directory, and a breach that lasts is
//! confirmed and ended by whoever watches next. A project id is kept by the file system itself.

mod cases;
mod edges;
mod findings;
mod reload;
mod state;
mod watched;

use std::sync::Arc;
use std::time::Instant;

use disk_engine::TreeId;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::time::{MissedTickBehavior, interval, sleep_until};

use crate::config::{Config, ConfigErrors, Sources};
use crate::enforce::Report;
use crate::events::How;
use crate::inventory::{Change, Subject};
use crate::metrics::{Ask, Asker};
use crate::service::Notifier;

pub(crate) use edges::StartError;
use state::State;

/// Everything that happens.
#[derive(Debug)]
enum Event {
    /// Something is other than it was in the work directory or with the agent.
    Inventory {
        /// Which of those that looked one after another.
        round: u64,
        changes: Vec<Change>,
        troubles: Vec<String>,
        is_agent_away: bool,
    },
    /// The engine found something.
    Engine(disk_engine::Event),
    /// One way to end something was tried.
    Tried {
        tree: TreeId,
        subject: Arc<Subject>,
        how: How,
        report: Report,
    },
    /// The configuration was read again.
    Reload(Box<Result<Config, ConfigErrors>>),
    /// SIGTERM or SIGINT.
    Stop,
}

/// Watches until it is told to end.
///
/// # Errors
/// When it cannot begin. Nothing goes wrong later that would end it.
pub(crate) async fn run(
    config: Config,
    sources: Sources,
    notifier: Notifier,
) -> Result<(), StartError> {
    let (events, mut happened) = unbounded_channel();
    edges::watch_signals(sources, &events)?;
    let (asker, mut asked) = Asker::new();
    let mut state = State::begin(config, events, asker, notifier).await?;
    let mut heartbeat = interval(state::HEARTBEAT);
    heartbeat.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            event = happened.recv() => match event {
                Some(Event::Stop) | None => break,
                Some(event) => {
                    state.handle(event).await;
                    drain(&mut state, &mut happened).await;
                }
            },
            Some(ask) = asked.recv() => answer(&state, ask),
            () = wait_until(state.deadline()) => {}
            _ = heartbeat.tick() => state.beat(),
        }
        state.work(Instant::now());
    }
    state.end();
    Ok(())
}

/// Takes what else has happened, so that a burst of events is one turn of work. A stop among it is seen next.
async fn drain(state: &mut State, happened: &mut UnboundedReceiver<Event>) {
    const BURST: usize = 1_000;
    for _ in 0..BURST {
        match happened.try_recv() {
            Ok(Event::Stop) => return state.stop_soon(),
            Ok(event) => state.handle(event).await,
            Err(_) => return,
        }
    }
}

fn answer(state: &State, ask: Ask) {
    ask.answer(state.snapshot().report());
}

async fn wait_until(deadline: Option<Instant>) {
    match deadline {
        Some(deadline) => sleep_until(deadline.into()).await,
        None => std::future::pending().await,
    }
}
