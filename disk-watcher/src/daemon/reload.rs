//! Settings, at the start and anew: made of a configuration, all of them or none.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use disk_engine::{QuotaUse, Settings, Watch};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{error, info};

use super::Event;
use super::edges::{Looking, StartError};
use super::state::State;
use crate::config::{Config, ConfigErrors, Quota};
use crate::enforce::with_causes;
use crate::events::{self, EventLog};
use crate::metrics::{CarbonSettings, OutputSettings, Outputs};
use crate::service;

impl State {
    /// Takes new settings, all of them or none.
    pub(super) async fn reload(&mut self, loaded: Result<Config, ConfigErrors>) {
        self.notifier.reloading();
        let errors: Vec<String> = match loaded {
            Ok(config) => match self.change_to(config).await {
                Ok(()) => Vec::new(),
                Err(error) => vec![error],
            },
            Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
        };
        for text in &errors {
            error!("the configuration stays as it was: {text}");
        }
        if errors.is_empty() {
            info!("the configuration was read again");
        }
        self.log.reopen();
        self.log.write(&events::Event::Reloaded { errors: &errors });
        self.notifier.ready();
    }

    async fn change_to(&mut self, config: Config) -> Result<(), String> {
        if config.work_dir != self.config.work_dir {
            return Err("work_dir takes a restart".to_owned());
        }
        if let Some(missing) = service::missing_rights(&config).first() {
            return Err(format!(
                "{missing}; a restart brings back what was given up"
            ));
        }
        let causes = |error: StartError| with_causes(&error);
        // Made before anything is given up: what cannot be had leaves all as it is.
        let log = match config.output.events == self.config.output.events {
            true => None,
            false => Some(
                EventLog::open(config.output.events.as_deref()).map_err(|e| causes(e.into()))?,
            ),
        };
        let watch = match config.engine == self.config.engine && config.count == self.config.count {
            true => None,
            false => Some(start_watch(&config, &self.events).map_err(causes)?),
        };
        let is_same_agent =
            config.agent == self.config.agent && config.interval == self.config.interval;
        let looking = match is_same_agent {
            true => None,
            false => {
                let events = self.events.clone();
                Some(Looking::begin(&config, self.round + 1, events).map_err(causes)?)
            }
        };
        let (before, now) = (output_settings(&self.config), output_settings(&config));
        if before != now {
            // An address that stays the same can be listened on once only.
            self.outputs = Outputs::default();
            match Outputs::begin(&now, &self.asker).await {
                Ok(outputs) => self.outputs = outputs,
                Err(error) => {
                    if let Ok(outputs) = Outputs::begin(&before, &self.asker).await {
                        self.outputs = outputs;
                    }
                    return Err(causes(error.into()));
                }
            }
        }
        self.config = config;
        if let Some(log) = log {
            self.log = log;
        }
        if let Some(looking) = looking {
            self.looking = looking;
            self.round += 1;
            self.is_new_round = true;
        }
        if let Some(watch) = watch {
            // The old one goes when the new one has everything.
            let moved = self.directories.move_to(&watch, &self.config);
            self.watch = watch;
            moved.map_err(|error| with_causes(&error))?;
        } else {
            let subjects = self
                .directories
                .iter()
                .map(|watched| Arc::clone(&watched.subject));
            for subject in subjects.collect::<Vec<_>>() {
                let changed = self.directories.change(&self.watch, &self.config, subject);
                changed.map_err(|error| with_causes(&error))?;
            }
        }
        self.open_cases();
        Ok(())
    }
}

pub(super) fn start_watch(
    config: &Config,
    events: &UnboundedSender<Event>,
) -> Result<Watch, StartError> {
    let settings = Settings {
        quota: match &config.engine.quota {
            Quota::Off => QuotaUse::Off,
            Quota::Observe => QuotaUse::Observe,
            Quota::Assign(ids) => QuotaUse::Assign(ids.clone()),
        },
        tracking: config.engine.tracking,
        budget: config.engine.cpu_budget,
        threads: config.engine.threads,
        ..Settings::default()
    };
    let events = events.clone();
    Ok(Watch::start(settings, move |found| {
        // A loop that has ended wants to know nothing more.
        let _ = events.send(Event::Engine(found));
    })?)
}

pub(super) fn output_settings(config: &Config) -> OutputSettings {
    let output = &config.output;
    OutputSettings {
        prometheus: output.prometheus,
        socket: output.socket.clone().or_else(default_socket),
        carbon: output.graphite.as_ref().map(|carbon| CarbonSettings {
            address: carbon.address.clone(),
            prefix: carbon.prefix.clone(),
            host: carbon.host.clone().unwrap_or_else(service::host_name),
            interval: Duration::from_secs(10),
        }),
    }
}

/// In the directory that systemd makes for us.
fn default_socket() -> Option<PathBuf> {
    let directory = std::env::var_os("RUNTIME_DIRECTORY")?;
    Some(PathBuf::from(directory).join("figures.sock"))
}
