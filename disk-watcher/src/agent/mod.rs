//! The agent itself: what it tells of its containers, over HTTP.
//!
//! It is asked for little and seldom: `GET_STATE` costs it a walk over its own memory, whereas `GET_CONTAINERS` has it
//! measure every container, and is asked for one container at a time where that can be.

mod containers;
mod facts;
mod state;

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use mesos_agent::tls::TlsError;
use mesos_agent::{Access, AgentAddress, Bounds, Client, ClientError, Question};

pub(crate) use containers::Container;
pub(crate) use facts::{Facts, Isolation};
pub(crate) use state::State;

use crate::limits::RunLimits;

/// An agent with 10,000 tasks answers with about 25 MB.
const BOUNDS: Bounds = Bounds {
    time: Duration::from_secs(10),
    bytes: 256 << 20,
};

/// A client of one agent. Each question goes over a connection of its own: agents are asked every few seconds, and one
/// that was restarted meanwhile must not cost a failure.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    client: Client,
}

/// Why an agent did not tell what it was asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AgentError {
    #[error(transparent)]
    Client(#[from] ClientError),
    #[error("agent {agent} answered {what} with something else")]
    NotAnAnswer {
        agent: AgentAddress,
        what: &'static str,
        source: serde_json::Error,
    },
}

impl Agent {
    /// Connects to nobody yet.
    ///
    /// # Errors
    /// When the address is `https` and the authorities to trust are not named or cannot be read.
    pub(crate) fn new(address: AgentAddress, access: &Access) -> Result<Self, TlsError> {
        let client = Client::new(address, access)?;
        Ok(Self { client })
    }

    /// Where it is.
    pub(crate) fn address(&self) -> &AgentAddress {
        self.client.address()
    }

    /// Everything that the agent runs now.
    ///
    /// # Errors
    /// When the agent cannot be reached, does not answer in time, recovers, or answers something else.
    pub(crate) async fn state(&self) -> Result<State, AgentError> {
        let what = "GET_STATE";
        let body = self.call(what, r#"{"type": "GET_STATE"}"#).await?;
        state::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// The container with this id and, below it, of these ids, if the agent lists it.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn container(
        &self,
        container_id: &str,
        nested: &[String],
    ) -> Result<Option<Container>, AgentError> {
        if nested.is_empty() {
            let what = "GET /containers";
            let path = containers::path(container_id);
            let body = self.client.ask(Question::get(what, &path), BOUNDS).await?;
            containers::parse_one(&body, container_id)
                .map_err(|source| self.not_an_answer(what, source))
        } else {
            // Nested ones are told by the other interface alone, and all together.
            let all = self.containers(true).await?;
            Ok(all.into_iter().find(|container| {
                let (first, rest) = container.ids();
                first == container_id && rest == nested
            }))
        }
    }

    /// All containers that the agent lists, `nested` ones, too. Has the agent measure each of them.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn containers(&self, nested: bool) -> Result<Vec<Container>, AgentError> {
        let what = "GET_CONTAINERS";
        let call = format!(
            r#"{{"type": "{what}", "get_containers": {{"show_nested": {nested}, "show_standalone": false}}}}"#
        );
        let body = self.call(what, &call).await?;
        containers::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// How the agent itself treats disks.
    ///
    /// # Errors
    /// As [`Agent::state`].
    pub(crate) async fn facts(&self) -> Result<Facts, AgentError> {
        let what = "GET_FLAGS";
        let body = self.call(what, r#"{"type": "GET_FLAGS"}"#).await?;
        facts::parse(&body).map_err(|source| self.not_an_answer(what, source))
    }

    /// Calls the v1 API with a body in JSON; the answer is JSON, or empty.
    ///
    /// # Errors
    /// When the agent cannot be reached, does not answer in time, or refuses. `what` is named in the message.
    pub(crate) async fn call(
        &self,
        what: &'static str,
        call: &str,
    ) -> Result<Vec<u8>, ClientError> {
        self.client.ask(Question::call(what, call), BOUNDS).await
    }

    fn not_an_answer(&self, what: &'static str, source: serde_json::Error) -> AgentError {
        AgentError::NotAnAnswer {
            agent: self.address().clone(),
            what,
            source,
        }
    }
}

/// Why limits could not be asked for on the command line.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LimitsError {
    #[error(transparent)]
    Agent(#[from] AgentError),
    #[error(transparent)]
    Tls(#[from] TlsError),
    #[error("cannot start the client for agent {agent}")]
    Runtime {
        agent: AgentAddress,
        source: io::Error,
    },
}

/// The limits of all runs that the agent knows of, by container id.
///
/// # Errors
/// When the agent cannot be reached, does not answer in time, or answers something else.
pub(crate) fn limits(address: &AgentAddress) -> Result<HashMap<String, RunLimits>, LimitsError> {
    let agent = Agent::new(address.clone(), &Access::default())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| LimitsError::Runtime {
            agent: agent.address().clone(),
            source,
        })?;
    let (state, containers) = runtime.block_on(async {
        Ok::<_, AgentError>((agent.state().await?, agent.containers(false).await?))
    })?;
    let limits = containers.into_iter().filter_map(|container| {
        let (framework_id, executor_id) = container.executor.as_ref()?;
        let executor = state.executor(framework_id, executor_id)?;
        Some((container.ids().0.to_owned(), executor.limits.clone()))
    });
    Ok(limits.collect())
}

/// Reads an answer as each of those that an agent gives, for fuzzing: whatever comes, it is a value or an error.
pub fn read_any_answer(body: &[u8]) {
    drop(state::parse(body));
    drop(containers::parse(body));
    drop(containers::parse_one(body, "c"));
    drop(facts::parse(body));
}
