//! One or many carbons, each with a queue of its own, and which point goes to which.
//!
//! ```text
//!                 ┌─> Sink ──> carbon
//!   push ──> route┼─> Sink ──> carbon
//!                 └─> Sink ──> carbon
//! ```
//!
//! Nothing here waits for a carbon: one that is slow or away fills its own queue and nobody else's.

use std::num::NonZeroUsize;
use std::time::Duration;

use tokio::task::JoinSet;

use crate::Batch;
use crate::counters::Counters;
use crate::destination::Destination;
use crate::sink::{FinishError, Sink, SinkConfig};
use crate::spool::{SpoolConfig, SpoolName};

/// Which destinations a point goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To every one.
    All,
    /// To the first that can be reached, in the order given; back to an earlier one once it is there again.
    Failover,
    /// To those that the series' name falls to, as the carbons and relays in front of the same storage would choose.
    Ring {
        /// How names are spread.
        hash: Hash,
        /// On how many of them.
        replication: Replication,
    },
}

/// How a ring spreads names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// Carbon's own, by MD5 (carbon.conf: `ROUTER_HASH_TYPE = carbon_ch`, its default).
    CarbonCh,
    /// Carbon's by FNV-1a (carbon.conf: `ROUTER_HASH_TYPE = fnv1a_ch`).
    Fnv1aCh,
    /// carbon-c-relay's `jump_fnv1a_ch`.
    JumpFnv1a,
}

/// How many destinations of a ring keep the same point.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Replication {
    /// How many (carbon.conf: `REPLICATION_FACTOR`).
    pub factor: NonZeroUsize,
    /// Whether no two of them may be on the same host (carbon.conf: `DIVERSE_REPLICAS`).
    pub diverse: bool,
}

/// What a [`Fleet`] needs to know.
#[derive(Clone, Debug)]
pub struct FleetConfig {
    /// All of them; the order matters to [`Route::Failover`] and to [`Hash::JumpFnv1a`].
    pub destinations: Vec<Destination>,
    /// Which of them a point goes to.
    pub route: Route,
    /// How long a connection attempt may take, looking up the name included.
    pub connect_timeout: Duration,
    /// How long one batch may take to be written.
    pub write_timeout: Duration,
    /// How many bytes may wait in memory for each destination while it is away or slow.
    pub queue_bytes: usize,
    /// What does not fit in memory, and outlives this process.
    pub spool: Option<SpoolConfig>,
}

/// Why there can be no [`Fleet`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FleetError {
    /// Nowhere to ship to.
    #[error("there is no destination")]
    NoDestination,
}

/// How it stands with one destination.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The destination as it is configured; for [`Route::Failover`], all of them in their order.
    pub to: String,
    /// What happened to its points.
    pub counters: Counters,
}

/// What [`Fleet::finish`] could not hand over: one or more of the destinations, each with its cause.
#[derive(Debug, thiserror::Error)]
#[error("{}", told(.failed))]
pub struct UndeliveredError {
    /// The destinations, and why.
    pub failed: Vec<(String, FinishError)>,
}

fn told(failed: &[(String, FinishError)]) -> String {
    let one = |(to, cause): &(String, FinishError)| format!("{to}: {cause}");
    failed.iter().map(one).collect::<Vec<_>>().join("; ")
}

/// Takes batches and gets each point to the carbons that it is for. Dropping it ends its tasks at once;
/// [`Fleet::finish`] lets them end well.
#[derive(Debug)]
pub struct Fleet {
    members: Vec<Member>,
}

#[derive(Debug)]
struct Member {
    to: String,
    sink: Sink,
}

impl Member {
    fn start(first: &Destination, others: &[Destination], config: &FleetConfig) -> Self {
        let ways = std::iter::once(first).chain(others);
        let to: Vec<_> = ways.map(Destination::to_string).collect();
        let name = SpoolName::of(&first.address, first.instance.as_deref());
        Self {
            to: to.join(", else "),
            sink: Sink::start(SinkConfig {
                destination: first.clone(),
                fallbacks: others.to_vec(),
                connect_timeout: config.connect_timeout,
                write_timeout: config.write_timeout,
                queue_bytes: config.queue_bytes,
                spool: config.spool.clone().map(|spool| (spool, name)),
            }),
        }
    }
}

impl Fleet {
    /// Starts a task for each destination, which connects at once.
    ///
    /// # Errors
    /// [`FleetError`] if the configuration contradicts itself.
    ///
    /// # Panics
    /// If there is no tokio runtime.
    pub fn start(config: FleetConfig) -> Result<Self, FleetError> {
        let FleetConfig { destinations, .. } = &config;
        let Some((first, others)) = destinations.split_first() else {
            return Err(FleetError::NoDestination);
        };
        let members = match config.route {
            Route::Failover => vec![Member::start(first, others, &config)],
            Route::All | Route::Ring { .. } => {
                let alone = |destination| Member::start(destination, &[], &config);
                destinations.iter().map(alone).collect()
            }
        };
        Ok(Self { members })
    }

    /// Queues a batch. Never waits; a destination's oldest batches go if it has no room.
    pub fn push(&self, batch: Batch) {
        if let Some((last, others)) = self.members.split_last() {
            for member in others {
                member.sink.push(batch.clone());
            }
            last.sink.push(batch);
        }
    }

    /// Waits until the carbons have caught up, so that a producer faster than they are need not fill their queues. Does
    /// not wait for those out of reach.
    pub async fn caught_up(&self) {
        for member in &self.members {
            member.sink.caught_up().await;
        }
    }

    /// What happened so far, summed over all destinations: a point that goes to two counts twice.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let sinks = self.members.iter().map(|member| &member.sink);
        sinks.map(Sink::counters).sum()
    }

    /// What happened so far, to each destination in the order given.
    #[must_use]
    pub fn deliveries(&self) -> Vec<Delivery> {
        let delivery = |member: &Member| Delivery {
            to: member.to.clone(),
            counters: member.sink.counters(),
        };
        self.members.iter().map(delivery).collect()
    }

    /// Delivers what waits, to all at the same time, and makes sure that they have read it, for at most `deadline`.
    ///
    /// # Errors
    /// [`UndeliveredError`] if anything may not have been read by then.
    pub async fn finish(self, deadline: Duration) -> Result<Counters, UndeliveredError> {
        let mut ends = JoinSet::new();
        for Member { to, sink } in self.members {
            ends.spawn(async move { (to, sink.finish(deadline).await) });
        }
        let (mut total, mut failed) = (Counters::default(), Vec::new());
        for (to, end) in ends.join_all().await {
            match end {
                Ok(counters) => total = total + counters,
                Err(cause) => failed.push((to, cause)),
            }
        }
        if failed.is_empty() {
            Ok(total)
        } else {
            Err(UndeliveredError { failed })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fleet_without_a_ship_is_none() {
        let config = FleetConfig {
            destinations: Vec::new(),
            route: Route::All,
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            queue_bytes: 1,
            spool: None,
        };
        assert_eq!(Fleet::start(config).err(), Some(FleetError::NoDestination));
    }
}
