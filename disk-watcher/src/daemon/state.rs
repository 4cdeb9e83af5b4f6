//! What the loop knows, and what it does about each event.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_engine::Watch;
use tokio::sync::mpsc::UnboundedSender;
use tracing::{info, warn};

use super::Event;
use super::edges::{Looking, StartError};
use super::reload::{output_settings, start_watch};
use super::watched::{Directories, Watched};
use crate::config::Config;
use crate::enforce::with_causes;
use crate::events::{self, EventLog};
use crate::inventory::{Change, Key};
use crate::metrics::{Asker, Outputs, Row, Snapshot};
use crate::service::Notifier;

/// How often the loop says that it is well.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(500);

/// Everything that the loop knows.
pub(super) struct State {
    pub(super) config: Config,
    pub(super) directories: Directories,
    pub(super) watch: Watch,
    pub(super) looking: Looking,
    pub(super) round: u64,
    /// Nothing was heard of this round yet: the next to come is everything that there is.
    pub(super) is_new_round: bool,
    pub(super) log: EventLog,
    pub(super) outputs: Outputs,
    pub(super) asker: Asker,
    pub(super) events: UnboundedSender<Event>,
    pub(super) counts: disk_figures::Daemon,
    pub(super) is_agent_away: bool,
    pub(super) began: Instant,
    pub(super) notifier: Notifier,
}

impl State {
    pub(super) async fn begin(
        config: Config,
        events: UnboundedSender<Event>,
        asker: Asker,
        notifier: Notifier,
    ) -> Result<Self, StartError> {
        let log = EventLog::open(config.output.events.as_deref())?;
        let outputs = Outputs::begin(&output_settings(&config), &asker).await?;
        let watch = start_watch(&config, &events)?;
        let looking = Looking::begin(&config, 0, events.clone())?;
        let work_dir = &config.work_dir;
        log.write(&events::Event::Started { work_dir });
        info!("watching {}", work_dir.display());
        Ok(Self {
            directories: Directories::default(),
            watch,
            looking,
            round: 0,
            is_new_round: true,
            log,
            outputs,
            asker,
            events,
            counts: disk_figures::Daemon::default(),
            is_agent_away: false,
            began: Instant::now(),
            notifier,
            config,
        })
    }

    /// Takes what happened.
    pub(super) async fn handle(&mut self, event: Event) {
        match event {
            Event::Inventory { round, .. } if round != self.round => {}
            Event::Inventory {
                changes,
                troubles,
                is_agent_away,
                ..
            } => self.inventory(changes, &troubles, is_agent_away),
            Event::Engine(event) => self.engine(event),
            Event::Tried {
                tree,
                subject,
                how,
                report,
            } => self.tried(tree, &subject, how, &report),
            Event::Reload(loaded) => self.reload(*loaded).await,
            Event::Stop => self.stop_soon(),
        }
    }

    /// A stop that was met among other events comes again by itself.
    pub(super) fn stop_soon(&self) {
        // The loop that reads it is the one that runs this.
        let _ = self.events.send(Event::Stop);
    }

    fn inventory(&mut self, changes: Vec<Change>, troubles: &[String], is_agent_away: bool) {
        for text in troubles {
            self.trouble(text);
        }
        if is_agent_away && !std::mem::replace(&mut self.is_agent_away, is_agent_away) {
            self.counts.agent_failures += 1;
        }
        self.is_agent_away = is_agent_away;
        if std::mem::take(&mut self.is_new_round) {
            self.forget_all_but(&changes);
        }
        for change in changes {
            match change {
                Change::Gone(key) => self.gone(&key),
                Change::Came(subject) | Change::Changed(subject) => {
                    let is_known = self.directories.get(&subject.key).is_some();
                    let event = if is_known {
                        events::Event::Changed { subject: &subject }
                    } else {
                        events::Event::Came { subject: &subject }
                    };
                    self.log.write(&event);
                    let changed =
                        self.directories
                            .change(&self.watch, &self.config, Arc::clone(&subject));
                    if let Err(source) = changed {
                        let path = subject.path.clone();
                        self.trouble(&with_causes(&StartError::Watch { path, source }));
                    }
                }
            }
        }
        self.open_cases();
    }

    /// Whoever looks anew tells everything that is there, and nothing of what went meanwhile.
    fn forget_all_but(&mut self, changes: &[Change]) {
        let is_there = |key: &Key| {
            changes.iter().any(|change| match change {
                Change::Came(subject) | Change::Changed(subject) => subject.key == *key,
                Change::Gone(_) => false,
            })
        };
        let keys = self.directories.iter().map(|watched| &watched.subject.key);
        let gone: Vec<Key> = keys.filter(|key| !is_there(key)).cloned().collect();
        for key in gone {
            self.gone(&key);
        }
    }

    fn gone(&mut self, key: &Key) {
        if let Some(watched) = self.directories.remove(&self.watch, key) {
            let subject = &watched.subject;
            self.log.write(&events::Event::Gone { subject });
        }
    }

    fn trouble(&self, text: &str) {
        warn!("{text}");
        let subject = None;
        self.log.write(&events::Event::Trouble { subject, text });
    }

    /// Says that the daemon is well, while it is.
    pub(super) fn beat(&mut self) {
        let figures = self.watch.figures();
        let is_measured = |watched: &Watched| self.watch.latest(watched.tree).is_some();
        let is_whole = !self.is_new_round && self.directories.iter().all(is_measured);
        let probe = self.directories.iter().next().map(|watched| watched.tree);
        let over = self
            .directories
            .iter()
            .filter(|watched| watched.breach.is_some());
        let status = format!(
            "{} directories, {} beyond their limits{}",
            figures.trees,
            over.count(),
            if self.is_agent_away {
                ", the agent is away"
            } else {
                ""
            }
        );
        if self.notifier.beat(is_whole, &figures, &status)
            && let Some(tree) = probe
        {
            // An engine with nothing to do is asked for something, to see that it lives.
            self.watch.look_now(tree);
        }
    }

    /// What is known at this moment.
    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        let rows = self.directories.iter().map(|watched| Row {
            subject: &watched.subject,
            measured: self.watch.latest(watched.tree),
            limits: watched.limits,
            mode: watched.mode,
        });
        let (events_written, events_lost) = self.log.counts();
        Snapshot {
            rows: rows.collect(),
            engine: self.watch.figures(),
            daemon: disk_figures::Daemon {
                events_written,
                events_lost,
                ..self.counts.clone()
            },
            uptime: self.began.elapsed(),
        }
    }

    /// Told to end: threads, marks and sockets go as this is dropped.
    pub(super) fn end(self) {
        self.notifier.stopping();
        info!("told to end");
        self.log.write(&events::Event::Stopped);
    }
}
