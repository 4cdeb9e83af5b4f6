//! What happens beside the loop, each on its own, and tells it what came of it.

use std::sync::Arc;

use mesos_agent::Access;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc::UnboundedSender;
use tokio::task::{AbortHandle, spawn_blocking};

use super::Event;
use crate::agent::{Agent, Facts, Isolation};
use crate::config::{Config, Quota, Sources};
use crate::enforce::decide::Outcome;
use crate::enforce::{self, Order, Report, with_causes};
use crate::events::How;
use crate::inventory::{self, Inventory, Verifier};

/// Why the daemon cannot begin, or not with these settings.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error(transparent)]
    Tls(#[from] mesos_agent::tls::TlsError),
    #[error(transparent)]
    WorkDir(#[from] crate::directory::DirectoryError),
    #[error(transparent)]
    Engine(#[from] disk_engine::StartError),
    #[error(transparent)]
    Events(#[from] crate::events::EventLogError),
    #[error(transparent)]
    Output(#[from] crate::metrics::OutputError),
    #[error("cannot watch for signals")]
    Signal(#[source] std::io::Error),
    #[error("cannot watch {path:?}")]
    Watch {
        path: std::path::PathBuf,
        source: std::io::Error,
    },
}

/// Looks who is there, on a task of its own that ends when this is dropped.
#[derive(Debug)]
pub(super) struct Looking {
    /// Asks the agent right before something is ended.
    pub(super) verifier: Verifier,
    pub(super) agent: Option<Agent>,
    task: AbortHandle,
}

impl Looking {
    /// Begins. What it tells bears the `round`: what was begun before tells nothing that counts any more.
    pub(super) fn begin(
        config: &Config,
        round: u64,
        events: UnboundedSender<Event>,
    ) -> Result<Self, StartError> {
        let agent = config.agent.as_ref().map(|agent| {
            let access = Access {
                credential_file: agent.credential_file.clone(),
                ca_file: agent.ca_file.clone(),
                identity: None,
            };
            Agent::new(agent.address.clone(), &access)
        });
        let agent = agent.transpose()?;
        let mut inventory = Inventory::open(inventory::Settings {
            work_dir: config.work_dir.clone(),
            agent: agent.clone(),
            interval: config.interval,
        })?;
        let verifier = inventory.verifier();
        let config = config.clone();
        let task = tokio::spawn(async move {
            let mut heard = false;
            loop {
                let changes = inventory.changes().await;
                let troubles = inventory.troubles();
                let mut troubles: Vec<String> =
                    troubles.iter().map(|error| with_causes(error)).collect();
                if let Some(facts) = inventory.facts().filter(|_| !heard) {
                    heard = true;
                    troubles.extend(contradictions(&config, facts));
                }
                let event = Event::Inventory {
                    round,
                    changes,
                    troubles,
                    is_agent_away: inventory.is_agent_away(),
                };
                if events.send(event).is_err() {
                    return;
                }
            }
        });
        Ok(Self {
            verifier,
            agent,
            task: task.abort_handle(),
        })
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// What the agent is set up to otherwise than we are.
fn contradictions(config: &Config, facts: &Facts) -> Vec<String> {
    let mut found = Vec::new();
    if let Some(agents) = facts
        .work_dir
        .as_ref()
        .filter(|agents| **agents != config.work_dir)
    {
        let own = &config.work_dir;
        found.push(format!(
            "the agent's work directory is {agents:?}, not {own:?} (work_dir)"
        ));
    }
    if let (Isolation::Xfs { project_ids }, Quota::Assign(own)) =
        (&facts.isolation, &config.engine.quota)
        && project_ids.start() <= own.end()
        && own.start() <= project_ids.end()
    {
        found.push(format!(
            "the agent's disk/xfs gives project ids {project_ids:?}, ours are {own:?} (engine.project_ids)"
        ));
    }
    found
}

/// Tells of SIGHUP, SIGTERM and SIGINT.
pub(super) fn watch_signals(
    sources: Sources,
    events: &UnboundedSender<Event>,
) -> Result<(), StartError> {
    for kind in [SignalKind::terminate(), SignalKind::interrupt()] {
        let mut stop = signal(kind).map_err(StartError::Signal)?;
        let events = events.clone();
        tokio::spawn(async move {
            if stop.recv().await.is_some() {
                let _ = events.send(Event::Stop);
            }
        });
    }
    let mut hangup = signal(SignalKind::hangup()).map_err(StartError::Signal)?;
    let events = events.clone();
    tokio::spawn(async move {
        while hangup.recv().await.is_some() {
            let sources = sources.clone();
            // A file on a disk that hangs must not hold the loop up.
            let Ok(loaded) = spawn_blocking(move || sources.load()).await else {
                continue;
            };
            if events.send(Event::Reload(Box::new(loaded))).is_err() {
                return;
            }
        }
    });
    Ok(())
}

/// Tries one way to end what breaks its limit, after the agent was asked whether it may.
pub(super) fn enforce(
    how: How,
    order: Order,
    verifier: Verifier,
    tree: disk_engine::TreeId,
    events: UnboundedSender<Event>,
) {
    tokio::spawn(async move {
        let is_noted = order.is_noted;
        let not_now = |why: String| Report {
            outcome: Outcome::NotNow { why },
            is_noted,
            trouble: None,
        };
        let subject = Arc::clone(&order.subject);
        let report = match (&subject.holders[..], enforce::confirm(&order).await) {
            (_, Err(why)) => not_now(why),
            ([holder], Ok(())) => match verifier.is_still(&subject, holder).await {
                Ok(listed) => enforce::carry_out(how, listed, order).await,
                Err(error) => not_now(with_causes(&error)),
            },
            ([], Ok(())) => not_now("no container has it".to_owned()),
            (_, Ok(())) => not_now("several containers have it".to_owned()),
        };
        let _ = events.send(Event::Tried {
            tree,
            subject,
            how,
            report,
        });
    });
}
