//! When the agent is asked, and for what: soon after a change, at each interval, and never so often that it is kept from
//! its work.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::agent::{Agent, AgentError, Facts, State};

/// The agent is not asked again before so many times as long have passed as its last answer took: a tenth of its time is
/// the most that we take.
const PAUSE: u32 = 9;
/// Nor before this, however fast it answers.
const SHORTEST_PAUSE: Duration = Duration::from_millis(100);
/// After a failure: it is asked until it answers again.
const RETRY: Duration = Duration::from_secs(1);

/// The questions to one agent, one at a time.
#[derive(Debug)]
pub(super) struct Asking {
    agent: Agent,
    under_way: Option<JoinHandle<Answer>>,
    /// Whether there is anything to ask.
    is_wanted: bool,
    /// Before this, nothing is asked.
    not_before: Instant,
    /// Whether the last question was in vain; `None` before the first answer.
    is_vain: Option<bool>,
    has_facts: bool,
}

/// What the agent has answered.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) state: Result<State, AgentError>,
    /// If that was asked, too: when the agent may be another than before.
    pub(super) facts: Option<Result<Facts, AgentError>>,
    /// Whether the agent has gone away with this answer, or come back.
    pub(super) is_turn: bool,
    took: Duration,
}

impl Asking {
    pub(super) fn new(agent: Agent) -> Self {
        Self {
            agent,
            under_way: None,
            is_wanted: true,
            not_before: Instant::now(),
            is_vain: None,
            has_facts: false,
        }
    }

    /// Has the agent asked as soon as that may be. What is under way may have been asked too early to know.
    pub(super) fn soon(&mut self) {
        self.is_wanted = true;
    }

    /// Whether the last question was in vain.
    pub(super) fn is_vain(&self) -> bool {
        self.is_vain == Some(true)
    }

    /// Waits for the answer to the next question; for ever, if there is nobody to ask. Can be dropped at any time: the
    /// question goes on.
    pub(super) async fn answer(asking: Option<&mut Self>) -> Answer {
        match asking {
            Some(asking) => asking.next_answer().await,
            None => std::future::pending().await,
        }
    }

    async fn next_answer(&mut self) -> Answer {
        loop {
            if self.under_way.is_none() {
                if !self.is_wanted {
                    return std::future::pending().await;
                }
                tokio::time::sleep_until(self.not_before).await;
                self.is_wanted = false;
                let wants_facts = !self.has_facts || self.is_vain();
                let question = ask(self.agent.clone(), wants_facts);
                self.under_way = Some(tokio::spawn(question));
            }
            let Some(question) = &mut self.under_way else {
                continue;
            };
            let answered = question.await;
            self.under_way = None;
            match answered {
                Ok(answer) => return self.note(answer),
                // It panicked, which has been told; it is asked again.
                Err(_) => self.is_wanted = true,
            }
        }
    }

    fn note(&mut self, mut answer: Answer) -> Answer {
        let is_vain = answer.state.is_err();
        let pause = (answer.took * PAUSE).max(SHORTEST_PAUSE);
        self.not_before = Instant::now() + if is_vain { RETRY } else { pause };
        self.is_wanted |= is_vain;
        answer.is_turn = self.is_vain.replace(is_vain).unwrap_or(false) != is_vain;
        self.has_facts |= matches!(answer.facts, Some(Ok(_)));
        answer
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        if let Some(question) = &self.under_way {
            question.abort();
        }
    }
}

async fn ask(agent: Agent, wants_facts: bool) -> Answer {
    let start = Instant::now();
    let state = agent.state().await;
    let took = start.elapsed();
    let facts = match &state {
        Ok(_) if wants_facts => Some(agent.facts().await),
        Ok(_) | Err(_) => None,
    };
    Answer {
        state,
        facts,
        is_turn: false,
        took,
    }
}
