//! What waits for carbon in memory, within bounds.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Instant;

use crate::Batch;

/// A batch that waits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Waiting {
    pub(crate) batch: Arc<Batch>,
    /// Whether it had been handed to the kernel before, on a connection that broke.
    pub(crate) again: bool,
    pub(crate) since: Instant,
}

/// Batches in order of arrival, at most so many bytes of them: the oldest give way to the newest,
/// since the newest tell how things are.
#[derive(Debug)]
pub(crate) struct Queue {
    batches: VecDeque<Waiting>,
    bytes: usize,
    capacity: usize,
}

/// Points that had to go, by whether they had been handed to the kernel before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) first: u64,
    pub(crate) again: u64,
}

impl Queue {
    pub(crate) fn new(capacity: usize) -> Self {
        Self {
            batches: VecDeque::new(),
            bytes: 0,
            capacity,
        }
    }

    /// Takes a batch in and returns how many points had to go for it. One that is larger than the
    /// whole capacity goes itself.
    pub(crate) fn push(&mut self, batch: Waiting) -> Dropped {
        self.bytes += batch.batch.bytes().len();
        self.batches.push_back(batch);
        self.shorten()
    }

    /// Takes batches in that are older than all that wait, and returns how many points had to go.
    pub(crate) fn put_back(&mut self, batches: Vec<Waiting>) -> Dropped {
        for batch in batches.into_iter().rev() {
            self.bytes += batch.batch.bytes().len();
            self.batches.push_front(batch);
        }
        self.shorten()
    }

    fn shorten(&mut self) -> Dropped {
        let mut dropped = Dropped::default();
        while self.bytes > self.capacity {
            let Some(oldest) = self.pop() else { break };
            if oldest.again {
                dropped.again += oldest.batch.points();
            } else {
                dropped.first += oldest.batch.points();
            }
        }
        dropped
    }

    pub(crate) fn pop(&mut self) -> Option<Waiting> {
        let oldest = self.batches.pop_front()?;
        self.bytes -= oldest.batch.bytes().len();
        Some(oldest)
    }

    /// Takes the oldest batches, of so many bytes or the first that makes it more.
    pub(crate) fn take(&mut self, bytes: usize) -> Vec<Waiting> {
        let mut taken = Vec::new();
        let until = self.bytes.saturating_sub(bytes);
        while self.bytes > until {
            let Some(oldest) = self.pop() else { break };
            taken.push(oldest);
        }
        taken
    }

    /// Since when the oldest has been waiting.
    pub(crate) fn since(&self) -> Option<Instant> {
        self.batches.front().map(|oldest| oldest.since)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Whether it is more than half full.
    pub(crate) fn is_filling(&self) -> bool {
        self.bytes > self.capacity / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricPath;

    /// Ten bytes, one point.
    fn batch(name: &str, again: bool) -> Waiting {
        let mut batch = Batch::default();
        batch.add(&MetricPath::parse(name).unwrap(), 1_u64, 1000);
        assert_eq!(batch.bytes().len(), 10);
        Waiting {
            batch: Arc::new(batch),
            again,
            since: Instant::now(),
        }
    }

    fn dropped(first: u64, again: u64) -> Dropped {
        Dropped { first, again }
    }

    #[test]
    fn the_oldest_is_dropped_first_and_counted() {
        let (b, c) = (batch("bb", false), batch("cc", false));
        let mut queue = Queue::new(25);
        assert_eq!(queue.push(batch("aa", false)), dropped(0, 0));
        assert_eq!(queue.push(b.clone()), dropped(0, 0));
        assert_eq!(queue.push(c.clone()), dropped(1, 0));
        assert_eq!(queue.bytes(), 20);
        assert_eq!(queue.pop(), Some(b));
        assert_eq!(queue.pop(), Some(c));
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_batch_that_can_never_fit_is_dropped_and_counted() {
        let mut queue = Queue::new(9);
        assert_eq!(queue.push(batch("aa", false)), dropped(1, 0));
        assert_eq!((queue.pop(), queue.bytes()), (None, 0));
    }

    #[test]
    fn what_is_put_back_is_first_again_and_the_first_to_go() {
        let (a, b, c) = (batch("aa", true), batch("bb", false), batch("cc", false));
        let mut queue = Queue::new(25);
        queue.push(b.clone());
        assert_eq!(queue.put_back(vec![a.clone()]), dropped(0, 0));
        let taken = queue.take(11);
        assert_eq!(taken, [a.clone(), b.clone()]);
        queue.push(c.clone());
        assert_eq!(queue.put_back(taken), dropped(0, 1));
        assert_eq!(queue.take(1), [b]);
        assert_eq!(queue.take(usize::MAX), [c]);
    }
}
