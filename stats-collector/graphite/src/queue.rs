//! What waits for carbon, within bounds.

use std::collections::VecDeque;

use crate::Batch;

/// Batches in order of arrival, at most so many bytes of them: the oldest give way to the newest,
/// since the newest tell how things are.
#[derive(Debug)]
pub(crate) struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    capacity: usize,
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
    pub(crate) fn push(&mut self, batch: Batch) -> u64 {
        let mut dropped = 0;
        self.bytes += batch.bytes().len();
        self.batches.push_back(batch);
        while self.bytes > self.capacity {
            let Some(oldest) = self.pop() else { break };
            dropped += oldest.points();
        }
        dropped
    }

    pub(crate) fn pop(&mut self) -> Option<Batch> {
        let batch = self.batches.pop_front()?;
        self.bytes -= batch.bytes().len();
        Some(batch)
    }

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricPath;

    /// Ten bytes, one point.
    fn batch(name: &str) -> Batch {
        let mut batch = Batch::default();
        batch.add(&MetricPath::parse(name).unwrap(), 1_u64, 1000);
        assert_eq!(batch.bytes().len(), 10);
        batch
    }

    #[test]
    fn the_oldest_is_dropped_first_and_counted() {
        let mut queue = Queue::new(25);
        assert_eq!(queue.push(batch("aa")), 0);
        assert_eq!(queue.push(batch("bb")), 0);
        assert_eq!(queue.push(batch("cc")), 1);
        assert_eq!(queue.bytes(), 20);
        assert_eq!(queue.pop(), Some(batch("bb")));
        assert_eq!(queue.pop(), Some(batch("cc")));
        assert_eq!(queue.pop(), None);
        assert_eq!(queue.bytes(), 0);
    }

    #[test]
    fn a_batch_that_can_never_fit_is_dropped_and_counted() {
        let mut queue = Queue::new(9);
        assert_eq!(queue.push(batch("aa")), 1);
        assert_eq!((queue.pop(), queue.bytes()), (None, 0));
    }
}
