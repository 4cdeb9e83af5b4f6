//! One or many carbons, each with a queue of its own, and which point goes to which.
//!
//! ```text
//!                 ┌─> Sink ──> carbon
//!   push ──> route┼─> Sink ──> carbon
//!                 └─> Sink ──> carbon
//! ```
//!
//! Nothing here waits for a carbon: one that is slow or away fills its own queue and nobody else's.

use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::Batch;
use crate::counters::Counters;
use crate::destination::{Destination, Protocol, Transport};
use crate::ring::{Hash, Replication, Ring, RingError};
use crate::sink::{FinishError, Sink, SinkConfig};
use crate::spool::{SpoolConfig, SpoolName, tell_of_orphans};

/// How long one of several is waited for.
const PATIENCE: Duration = Duration::from_secs(1);

/// Which destinations a point goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route {
    /// To every one.
    All,
    /// To the first that can be reached, in the order given; back to an earlier one once it is there again.
    Failover,
    /// To those that the series' name falls to.
    Ring {
        /// How names are spread.
        hash: Hash,
        /// On how many of them.
        replication: Replication,
    },
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
    /// How long carbon may take nothing more of what is written.
    pub write_timeout: Duration,
    /// How many bytes may wait in memory for each destination while it is away or slow.
    pub queue_bytes: usize,
    /// What does not fit in memory, and outlives this process.
    pub spool: Option<SpoolConfig>,
}

impl FleetConfig {
    /// Whether [`Fleet::start`] would take it.
    ///
    /// # Errors
    /// [`FleetError`] if it contradicts itself.
    pub fn validate(&self) -> Result<(), FleetError> {
        self.check().map(drop)
    }

    fn check(&self) -> Result<Option<Ring>, FleetError> {
        if self.destinations.is_empty() {
            return Err(FleetError::NoDestination);
        }
        for (index, one) in self.destinations.iter().enumerate() {
            let destination = one.to_string();
            let id = |one: &Destination| (one.address.clone(), one.instance.clone());
            if self.destinations[..index]
                .iter()
                .any(|other| id(other) == id(one))
            {
                return Err(FleetError::Twice { destination });
            }
            if matches!(one.transport, Transport::Udp) && one.protocol == Protocol::Pickle {
                return Err(FleetError::PickledDatagrams { destination });
            }
        }
        Ok(match self.route {
            Route::Ring { hash, replication } => {
                Some(Ring::new(&self.destinations, hash, replication)?)
            }
            Route::All | Route::Failover => None,
        })
    }
}

/// Why there can be no [`Fleet`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum FleetError {
    /// Nowhere to ship to.
    #[error("there is no destination")]
    NoDestination,
    /// The same port of the same host, under the same instance.
    #[error("{destination} is there twice")]
    Twice {
        /// Which.
        destination: String,
    },
    /// Carbon takes nothing but lines in datagrams (carbon: `lib/carbon/protocols.py`, `MetricDatagramReceiver`).
    #[error("{destination}: carbon takes no pickle over UDP")]
    PickledDatagrams {
        /// Which.
        destination: String,
    },
    /// The destinations make no ring.
    #[error(transparent)]
    Ring(#[from] RingError),
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
    /// Without one every member gets everything.
    ring: Option<Ring>,
}

#[derive(Debug)]
struct Member {
    to: String,
    spool: SpoolName,
    sink: Sink,
    /// It did not catch up when it was last waited for.
    is_slow: AtomicBool,
}

impl Member {
    /// One queue for all of these, the best first; there has to be one.
    fn start(ways: &[Destination], config: &FleetConfig) -> Self {
        let to: Vec<_> = ways.iter().map(Destination::to_string).collect();
        let (first, others) = (&ways[0], &ways[1..]);
        let name = SpoolName::of(&first.address, first.instance.as_deref());
        Self {
            to: to.join(", else "),
            spool: name.clone(),
            sink: Sink::start(SinkConfig {
                destination: first.clone(),
                fallbacks: others.to_vec(),
                connect_timeout: config.connect_timeout,
                write_timeout: config.write_timeout,
                queue_bytes: config.queue_bytes,
                spool: config.spool.clone().map(|spool| (spool, name)),
            }),
            is_slow: AtomicBool::new(false),
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
        let ring = config.check()?;
        let FleetConfig { destinations, .. } = &config;
        let members = match config.route {
            Route::Failover => vec![Member::start(destinations, &config)],
            Route::All | Route::Ring { .. } => {
                let alone = destinations.chunks(1);
                alone.map(|one| Member::start(one, &config)).collect()
            }
        };
        if let Some(spool) = config.spool {
            let known = members.iter().map(|member| member.spool.clone()).collect();
            tell_of_orphans(spool.directory, known);
        }
        Ok(Self { members, ring })
    }

    /// Queues a batch. Never waits; a destination's oldest batches go if it has no room.
    pub fn push(&self, batch: Batch) {
        if let Some(ring) = &self.ring {
            self.share_out(&batch, ring);
        } else if let Some((last, others)) = self.members.split_last() {
            for member in others {
                member.sink.push(batch.clone());
            }
            last.sink.push(batch);
        }
    }

    fn share_out(&self, batch: &Batch, ring: &Ring) {
        let mut shares = vec![Batch::default(); self.members.len()];
        let mut chosen = Vec::new();
        for line in batch.lines() {
            let series = line.split(|&byte| byte == b' ').next().unwrap_or(line);
            ring.choose(series, &mut chosen);
            for &member in &chosen {
                shares[member].add_line(line);
            }
        }
        for (member, share) in self.members.iter().zip(shares) {
            member.sink.push(share);
        }
    }

    /// Waits until the carbons have caught up, so that a producer faster than they are need not fill their queues. Does
    /// not wait for those out of reach; and of several not long for one that is slower than the others, nor again until it
    /// has caught up: its points queue, and theirs go on. How long to wait for all of them is the caller's to decide.
    pub async fn caught_up(&self) {
        for Member { sink, is_slow, .. } in &self.members {
            if self.members.len() == 1 {
                sink.caught_up().await;
            } else if !is_slow.load(Relaxed) || sink.has_caught_up() {
                let in_time = timeout(PATIENCE, sink.caught_up()).await.is_ok();
                is_slow.store(!in_time, Relaxed);
            }
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
        for Member { to, sink, .. } in self.members {
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
    use crate::Address;

    fn destination(port: u16) -> Destination {
        let host = "graphite".to_owned();
        Destination::plaintext(Address { host, port })
    }

    fn refused(destinations: Vec<Destination>) -> String {
        let config = FleetConfig {
            destinations,
            route: Route::All,
            connect_timeout: Duration::from_secs(1),
            write_timeout: Duration::from_secs(1),
            queue_bytes: 1,
            spool: None,
        };
        Fleet::start(config).unwrap_err().to_string()
    }

    #[test]
    fn destinations_that_contradict_themselves_are_refused_by_name() {
        assert_eq!(refused(Vec::new()), "there is no destination");
        let mut udp = destination(2003);
        udp.transport = Transport::Udp;
        assert_eq!(
            refused(vec![destination(2003), destination(2103), udp.clone()]),
            "udp://graphite:2003 is there twice"
        );
        udp.protocol = Protocol::Pickle;
        assert_eq!(
            refused(vec![udp]),
            "pickle+udp://graphite:2003: carbon takes no pickle over UDP"
        );
    }
}
