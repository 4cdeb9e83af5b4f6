//! Tries everybody out that a configuration names, once: `check-config --connect`.

use std::fmt;

use graphite::{Connection, Timeouts, Transport};

use crate::config::Config;
use crate::sample;
use crate::scrape::{List, ScrapeError, Scraper};

/// How it went with somebody.
#[derive(Debug)]
pub(crate) struct Tried {
    /// Who.
    who: String,
    /// What is known now, or what is the matter.
    outcome: Result<String, String>,
}

impl Tried {
    /// Whether all is well with him.
    pub(crate) fn is_well(&self) -> bool {
        self.outcome.is_ok()
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.outcome {
            Ok(known) => write!(f, "{}: {known}", self.who),
            Err(trouble) => write!(f, "{}: FAILED: {trouble}", self.who),
        }
    }
}

/// Asks the agent for its containers, and connects to each carbon. Nothing is sent.
pub(crate) async fn connect(config: &Config) -> Vec<Tried> {
    let mut tried = vec![agent(config).await];
    let Some(fleet) = &config.output.graphite else {
        return tried;
    };
    let timeouts = Timeouts {
        connect: fleet.connect_timeout,
        write: fleet.write_timeout,
    };
    for destination in &fleet.destinations {
        let outcome = match Connection::open(destination, timeouts).await {
            Ok(_) if matches!(destination.transport, Transport::Udp) => {
                Ok("its name is known; whether anybody listens, UDP does not tell".to_owned())
            }
            Ok(connection) => Ok(format!("connected to {}", connection.peer())),
            Err(error) => Err(error.to_string()),
        };
        tried.push(Tried {
            who: format!("carbon {destination}"),
            outcome,
        });
    }
    tried
}

async fn agent(config: &Config) -> Tried {
    let given = config.agent.address.as_ref();
    let who = given.map_or_else(
        || "agent on this machine".to_owned(),
        |address| format!("agent {address}"),
    );
    let outcome = containers(config).await.map_err(|error| error.to_string());
    Tried { who, outcome }
}

async fn containers(config: &Config) -> Result<String, ScrapeError> {
    let mut scraper = Scraper::new(config.agent.clone());
    let link = scraper.link().await?;
    let address = link.states.address().to_string();
    let answer = link.containers.ask().await?;
    let listed = match config.agent.list {
        List::V0 => sample::containers(answer.body),
        List::V1 { .. } => sample::containers_v1(answer.body),
    };
    let listed = listed.map_err(|source| ScrapeError::unreadable("containers", source))?;
    Ok(match listed.len() {
        0 => format!("{address} lists no container: none runs there, or none may be seen"),
        count => format!("{address} lists {count} containers"),
    })
}
