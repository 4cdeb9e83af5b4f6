//! Everything that the agent is asked for in a turn.
//!
//! ```text
//!   given, or found ──> Link ──┬──> Containers   each its own connection, which is kept
//!   among processes            ├──> Metrics
//!                              └──> States       when Acquaintance says so
//! ```
//!
//! Which containers there are comes from `/containers` or from `GET_CONTAINERS`, neither of which the agent holds to two
//! requests a second, as it does `/monitor/statistics` and, by another limiter, `/metrics/snapshot` (Mesos:
//! src/slave/http.hpp; 3rdparty/libprocess/src/metrics/metrics.cpp). Each is asked for once a turn, and the time that a
//! question waits is told. One hung isolator holds a whole answer back, so each question has a deadline.

mod acquaintance;
mod discover;
mod episodes;
mod error;
mod state;

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesos_agent::{Access, AgentAddress, Answer, Bounds, Client, ErrorKind, Kept, Question};
use tokio::task::spawn_blocking;
use tracing::info;

pub(crate) use acquaintance::{Acquaintance, Verdict};

pub(crate) use episodes::Episodes;
pub(crate) use error::ScrapeError;
pub(crate) use state::{State, parse as parse_state};

/// About twice what 10,000 containers with every isolator come to, nested statistics included.
const LARGEST: usize = 64 << 20;

/// Which agent, and what it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AgentSettings {
    /// Where it is; `None`: it is found among the processes of this machine.
    pub(crate) address: Option<AgentAddress>,
    /// What it is reached with.
    pub(crate) access: Access,
    /// Which containers are listed.
    pub(crate) list: List,
    /// Whether its own metrics are asked for.
    pub(crate) has_metrics: bool,
    /// Whether numbers are passed on that this version does not know.
    pub(crate) passes_unknown: bool,
    /// The keys of the labels of executors and tasks that are wanted.
    pub(crate) labels: Vec<String>,
    /// For each question.
    pub(crate) timeout: Duration,
    /// How old at the most is what is known of containers beside their statistics.
    pub(crate) refresh: Duration,
}

/// Which containers are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum List {
    /// Executors' own, by `/containers` (Mesos: docs/endpoints/slave/containers.md).
    V0,
    /// By the call `GET_CONTAINERS` of the v1 API (Mesos: docs/operator-http-api.md).
    V1 {
        /// Those that lie in others as well: tasks of pods, debug sessions.
        nested: bool,
        /// Those that no framework launched as well.
        standalone: bool,
    },
}

impl List {
    /// How messages call the question.
    pub(crate) fn what(self) -> &'static str {
        match self {
            Self::V0 => "GET /containers",
            Self::V1 { .. } => "GET_CONTAINERS",
        }
    }
}

/// Asks the agent, wherever it is at the moment.
#[derive(Debug)]
pub(crate) struct Scraper {
    settings: AgentSettings,
    link: Option<Link>,
}

/// What the agent is asked over, at one address.
#[derive(Debug)]
pub(crate) struct Link {
    /// Asks for containers.
    pub(crate) containers: Containers,
    /// Asks for the agent's own metrics; `None` if they are not wanted.
    pub(crate) metrics: Option<Metrics>,
    /// Asks whose the containers are.
    pub(crate) states: States,
    /// The `--work_dir` of an agent that was found.
    pub(crate) work_dir: Option<PathBuf>,
}

impl Scraper {
    /// Connects to nobody yet.
    pub(crate) fn new(settings: AgentSettings) -> Self {
        Self {
            settings,
            link: None,
        }
    }

    /// What to ask the agent over; where it is not given, it is looked for if it is not known.
    ///
    /// # Errors
    /// It cannot be found, or the files of TLS cannot be used.
    pub(crate) async fn link(&mut self) -> Result<&mut Link, ScrapeError> {
        let link = match self.link.take() {
            Some(link) => link,
            None => self.make().await?,
        };
        Ok(self.link.insert(link))
    }

    /// The agent could not be reached: one that was found may have gone elsewhere, and is looked for the next time.
    pub(crate) fn failed(&mut self, error: &ScrapeError) {
        let is_gone = matches!(
            error.client_kind(),
            Some(ErrorKind::Unreachable | ErrorKind::Tls | ErrorKind::Http)
        );
        if is_gone && self.settings.address.is_none() {
            self.link = None;
        }
    }

    async fn make(&self) -> Result<Link, ScrapeError> {
        let settings = self.settings.clone();
        // Looks at files, those of processes among them.
        let made = spawn_blocking(move || {
            let (address, work_dir) = match &settings.address {
                Some(address) => (address.clone(), None),
                None => {
                    let found = discover::discover(Path::new("/proc"), discover::PROGRAMS)?;
                    info!("found agent {}", found.address);
                    (found.address, found.work_dir)
                }
            };
            let client = Client::new(address, &settings.access)?;
            Ok(Link::new(&client, &settings, work_dir))
        });
        made.await.map_err(ScrapeError::Thread)?
    }
}

impl Link {
    fn new(client: &Client, settings: &AgentSettings, work_dir: Option<PathBuf>) -> Self {
        let bounds = Bounds {
            time: settings.timeout,
            bytes: LARGEST,
        };
        Self {
            containers: Containers::new(client.keep(), settings.list, bounds),
            metrics: settings.has_metrics.then(|| Metrics {
                kept: client.keep(),
                // The agent leaves out what it does not have by then; without this it would wait for ever for a metric
                // that hangs. All other numbers of the turn wait for it.
                path: format!(
                    "/metrics/snapshot?timeout={}ms",
                    (settings.timeout / 4).as_millis()
                ),
                bounds,
            }),
            states: States {
                client: client.clone(),
                labels: settings.labels.clone(),
                bounds,
            },
            work_dir,
        }
    }
}

/// Asks which containers there are, and for their statistics.
#[derive(Debug)]
pub(crate) struct Containers {
    kept: Kept,
    list: List,
    call: String,
    bounds: Bounds,
}

impl Containers {
    fn new(kept: Kept, list: List, bounds: Bounds) -> Self {
        let (nested, standalone) = match list {
            List::V0 => (false, false),
            List::V1 { nested, standalone } => (nested, standalone),
        };
        let call = format!(
            r#"{{"type":"GET_CONTAINERS","get_containers":{{"show_nested":{nested},"show_standalone":{standalone}}}}}"#
        );
        Self {
            kept,
            list,
            call,
            bounds,
        }
    }

    /// Which of the two lists it is.
    pub(crate) fn list(&self) -> List {
        self.list
    }

    /// Asks.
    ///
    /// # Errors
    /// There is no whole answer, or nothing in it.
    pub(crate) async fn ask(&mut self) -> Result<Answer<'_>, ScrapeError> {
        let what = self.list.what();
        let question = match self.list {
            List::V0 => Question::get(what, "/slave(1)/containers"),
            List::V1 { .. } => Question::call(what, &self.call),
        };
        filled(self.kept.ask(question, self.bounds).await?)
    }
}

/// Asks for the agent's own metrics.
#[derive(Debug)]
pub(crate) struct Metrics {
    kept: Kept,
    path: String,
    bounds: Bounds,
}

impl Metrics {
    /// Asks.
    ///
    /// # Errors
    /// There is no whole answer, or nothing in it.
    pub(crate) async fn ask(&mut self) -> Result<Answer<'_>, ScrapeError> {
        let question = Question::get("GET /metrics/snapshot", &self.path);
        filled(self.kept.ask(question, self.bounds).await?)
    }
}

/// Asks whose containers are. The answer is large and seldom needed, so that nothing of it is kept but what it says.
#[derive(Debug)]
pub(crate) struct States {
    client: Client,
    labels: Vec<String>,
    bounds: Bounds,
}

impl States {
    /// Whom it asks.
    pub(crate) fn address(&self) -> &AgentAddress {
        self.client.address()
    }

    /// Asks about these containers; without, about all.
    ///
    /// # Errors
    /// There is no whole answer, or it is something else.
    pub(crate) async fn ask(&self, wanted: Option<&HashSet<&str>>) -> Result<State, ScrapeError> {
        let what = "GET /state";
        let question = Question::get(what, "/slave(1)/state");
        let answer = self.client.ask(question, self.bounds).await?;
        state::parse(text(&answer).as_bytes(), &self.labels, wanted)
            .map_err(|source| ScrapeError::unreadable(what, source))
    }
}

/// What is no text in an answer becomes U+FFFD: an executor's id may be any bytes but control characters and slashes, and
/// the agent writes them as they are (Mesos: src/common/validation.cpp). One framework must not hide all others.
pub(crate) fn text(body: &[u8]) -> Cow<'_, str> {
    // Far sooner than the lossy one, for what is text, as nearly all is.
    str::from_utf8(body).map_or_else(|_| String::from_utf8_lossy(body), Cow::Borrowed)
}

/// An empty answer is none: there are agents that give one and mean that they have failed.
fn filled(answer: Answer<'_>) -> Result<Answer<'_>, ScrapeError> {
    if answer.body.trim_ascii().is_empty() {
        return Err(ScrapeError::Empty);
    }
    Ok(answer)
}

/// What a real agent said of its containers.
#[cfg(test)]
pub(crate) fn sample_state() -> State {
    state::parse(include_bytes!("samples/state.json"), &[], None).expect("a state")
}
