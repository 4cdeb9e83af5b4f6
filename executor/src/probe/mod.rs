//! Looking at a task: what [`executor_core::Action::Probe`] asks for.
//!
//! HTTP and TCP are spoken by this very process, on sockets of the task's network namespace; there is no helper process
//! to start, to wait for, or to leave behind.

mod http;
mod names;
mod netns;
mod tcp;
#[cfg(test)]
mod tests;
mod tls;
mod url;

use std::time::Duration;

use dialect::Probe;
use executor_core::Probed;

pub(crate) use netns::Network;
use tls::Trust;

/// From where a task is looked at.
#[derive(Clone, Debug)]
pub(crate) struct View {
    /// The task's network.
    pub(crate) network: Network,
    /// Whom the certificates of servers have to be signed by, where a check asks for that.
    pub(crate) trust: Trust,
}

impl View {
    /// Looks once. Dropping the future ends the look, and leaves nothing of it.
    pub(crate) async fn look(&self, probe: &Probe, timeout: Option<Duration>) -> Probed {
        match probe {
            Probe::Http(probe) => {
                within(timeout, http::look(&self.network, &self.trust, probe)).await
            }
            Probe::Tcp { target } => within(timeout, tcp::look(&self.network, target)).await,
            Probe::Command { .. } => Probed::Error {
                message: "commands are not run yet".to_owned(),
            },
        }
    }
}

async fn within(timeout: Option<Duration>, look: impl Future<Output = Probed>) -> Probed {
    match timeout {
        None => look.await,
        Some(timeout) => tokio::time::timeout(timeout, look)
            .await
            .unwrap_or_else(|_| Probed::TimedOut {
                output: String::new(),
            }),
    }
}
