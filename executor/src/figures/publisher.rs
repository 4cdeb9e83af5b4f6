//! The file: written anew while there are tasks, as seldom as their number asks for.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use task_figures::{DiskUse, Task};
use tokio::task::{AbortHandle, spawn_blocking};
use tokio::time::sleep;
use tracing::warn;

use super::Publisher;
use super::commands;
use super::listener;
use super::shelf::{COMMANDS, SOCKET, Shelf, ShelfError};
use crate::logs::locked;

/// From one look to the next.
const PERIOD: Duration = Duration::from_secs(10);

/// Looking takes one part in so many of the time, unless that would be too seldom.
const COST: u32 = 50;

/// A file in which nothing has changed is written after this time all the same: its readers see that somebody is there.
const AT_LEAST_EVERY: Duration = Duration::from_secs(60);

/// The file and the sockets, for as long as this is held; dropping it removes them. Blocks then.
pub(crate) struct Published {
    shelf: Arc<Mutex<Option<Shelf>>>,
    tasks: [AbortHandle; 3],
}

impl Published {
    /// Begins to publish in the executor's directory in `sandbox`. To be called within the runtime. What cannot be
    /// published is told in the log, and missed by nobody's task.
    pub(crate) fn begin(sandbox: &Path, publisher: Publisher) -> Option<Self> {
        match Self::try_begin(sandbox, publisher) {
            Ok(published) => Some(published),
            Err(error) => {
                warn!("what tasks use is not published: {error}");
                None
            }
        }
    }

    fn try_begin(sandbox: &Path, publisher: Publisher) -> Result<Self, ShelfError> {
        let mut shelf = Shelf::open(sandbox)?;
        let (figures, commands) = (shelf.listen(SOCKET)?, shelf.listen(COMMANDS)?);
        let shelf = Arc::new(Mutex::new(Some(shelf)));
        let telling = tokio::spawn(listener::listen(figures, publisher.clone()));
        let hearing = tokio::spawn(commands::listen(commands, publisher.roll.clone()));
        let writing = tokio::spawn(publish(Arc::clone(&shelf), publisher));
        Ok(Self {
            shelf,
            tasks: [telling, hearing, writing].map(|task| task.abort_handle()),
        })
    }
}

impl Drop for Published {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
        // A look that is under way finds nothing to write to.
        drop(locked(&self.shelf).take());
    }
}

/// What the last file said, and when.
type Said = Option<(Instant, Vec<Task>)>;

async fn publish(shelf: Arc<Mutex<Option<Shelf>>>, publisher: Publisher) {
    let mut said: Said = None;
    let mut troubled = false;
    let roll = publisher.roll.clone();
    loop {
        let began = Instant::now();
        let (shelf, publisher) = (Arc::clone(&shelf), publisher.clone());
        let look = spawn_blocking(move || {
            let outcome = look(&shelf, &publisher, &mut said);
            (said, outcome)
        });
        // The runtime's own end.
        let Ok((now_said, outcome)) = look.await else {
            return;
        };
        said = now_said;
        let is_trouble = outcome.is_err();
        if let Err(error) = outcome
            && !troubled
        {
            warn!("what tasks use is not published: {error}");
        }
        troubled = is_trouble;
        if roll.is_empty() {
            roll.entered().await;
        } else {
            let pause = began.elapsed() * COST;
            sleep(pause.clamp(PERIOD, AT_LEAST_EVERY)).await;
        }
    }
}

fn look(
    shelf: &Mutex<Option<Shelf>>,
    publisher: &Publisher,
    said: &mut Said,
) -> Result<(), ShelfError> {
    if publisher.roll.is_empty() {
        *said = None;
        return locked(shelf).as_mut().map_or(Ok(()), Shelf::take_down);
    }
    let time = SystemTime::now();
    let samples = publisher.roll.samples();
    let known: Vec<Task> = samples.iter().map(without_age).collect();
    if let Some((at, before)) = said
        && *before == known
        && at.elapsed() < AT_LEAST_EVERY
    {
        return Ok(());
    }
    let line = publisher.line(samples, time);
    if let Some(shelf) = locked(shelf).as_mut() {
        shelf.put(&line)?;
    }
    *said = Some((Instant::now(), known));
    Ok(())
}

/// A measurement that is older than before says nothing new.
fn without_age(task: &Task) -> Task {
    let ageless = |disk: DiskUse| DiskUse {
        age_seconds: 0.0,
        ..disk
    };
    let mut task = task.clone();
    task.disk = task.disk.map(ageless);
    for volume in &mut task.volumes {
        volume.disk = ageless(volume.disk);
    }
    task
}
