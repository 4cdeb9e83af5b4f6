//! What was written last, to be written again should the connection have died under it.

use std::collections::VecDeque;

use crate::Batch;

/// How many bytes written last are kept. It covers what can lie unread in our kernel's buffer
/// ([`crate::transport::SEND_BUFFER`], which Linux doubles) and in that of a carbon that has
/// fallen behind.
pub(crate) const RESEND_BYTES: usize = 1024 * 1024;

/// The batches written last, and behind them at most one that is being written.
///
/// ```text
///   [ written | written | written ][ to write ]
///     oldest, goes first            ^ next
/// ```
///
/// [`Window::rewind`] after a lost connection makes all of them "to write" again.
#[derive(Debug, Default)]
pub(crate) struct Window {
    batches: VecDeque<Kept>,
    next: usize,
    bytes: usize,
}

#[derive(Debug)]
struct Kept {
    batch: Batch,
    written_once: bool,
}

/// What became of a batch by [`Window::written`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Written {
    /// Its points went out for the first time.
    First(u64),
    /// They had gone out on an earlier connection.
    Again(u64),
}

impl Window {
    pub(crate) fn push(&mut self, batch: Batch) {
        self.bytes += batch.bytes().len();
        self.batches.push_back(Kept {
            batch,
            written_once: false,
        });
    }

    /// The batch to be written next.
    pub(crate) fn to_write(&self) -> Option<&Batch> {
        self.batches.get(self.next).map(|kept| &kept.batch)
    }

    /// Notes that [`Window::to_write`] was written whole.
    pub(crate) fn written(&mut self) -> Option<Written> {
        let kept = self.batches.get_mut(self.next)?;
        self.next += 1;
        let points = kept.batch.points();
        let written = if kept.written_once {
            Written::Again(points)
        } else {
            kept.written_once = true;
            Written::First(points)
        };
        self.forget_oldest();
        Some(written)
    }

    /// Makes everything kept "to write" again.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
    }

    /// Lets go of everything that was written: carbon is known to have read it.
    pub(crate) fn confirmed(&mut self) {
        for kept in self.batches.drain(..self.next) {
            self.bytes -= kept.batch.bytes().len();
        }
        self.next = 0;
    }

    /// Lets go of what is covered by enough newer bytes.
    fn forget_oldest(&mut self) {
        while self.next > 0
            && let Some(oldest) = self.batches.front()
            && self.bytes - oldest.batch.bytes().len() >= RESEND_BYTES
        {
            self.bytes -= oldest.batch.bytes().len();
            self.batches.pop_front();
            self.next -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::MetricPath;

    fn batch(name: &str) -> Batch {
        let mut batch = Batch::default();
        batch.add(&MetricPath::parse(name).unwrap(), 1_u64, 1000);
        batch
    }

    fn write_all(window: &mut Window) -> Vec<Batch> {
        let mut out = Vec::new();
        while let Some(batch) = window.to_write() {
            out.push(batch.clone());
            window.written();
        }
        out
    }

    #[test]
    fn after_a_lost_connection_all_that_is_kept_is_written_again_in_order() {
        let mut window = Window::default();
        window.push(batch("a"));
        assert_eq!(window.written(), Some(Written::First(1)));
        window.push(batch("b"));
        window.rewind();
        assert_eq!(window.written(), Some(Written::Again(1)));
        assert_eq!(window.written(), Some(Written::First(1)));
        assert_eq!(window.written(), None);
        window.rewind();
        assert_eq!(write_all(&mut window), [batch("a"), batch("b")]);
    }

    #[test]
    fn what_carbon_confirmed_is_not_written_again() {
        let mut window = Window::default();
        window.push(batch("a"));
        window.written();
        window.push(batch("b"));
        window.confirmed();
        window.rewind();
        assert_eq!(write_all(&mut window), [batch("b")]);
    }

    #[test]
    fn only_the_newest_bytes_are_kept_and_never_less_than_the_window() {
        let mut full = Batch::default();
        let path = MetricPath::parse("x").unwrap();
        while !full.is_full() {
            full.add(&path, 1_u64, 1000);
        }
        let mut window = Window::default();
        for _ in 0..1000 {
            window.push(full.clone());
            window.written();
        }
        window.rewind();
        let kept: usize = write_all(&mut window).iter().map(|b| b.bytes().len()).sum();
        assert!(kept >= RESEND_BYTES, "{kept}");
        assert!(kept < RESEND_BYTES + full.bytes().len(), "{kept}");
    }

    #[test]
    fn what_was_not_written_yet_is_never_forgotten() {
        let mut window = Window::default();
        let mut large = Batch::default();
        let path = MetricPath::parse("x").unwrap();
        while large.bytes().len() < 2 * RESEND_BYTES {
            large.add(&path, 1_u64, 1000);
        }
        window.push(batch("a"));
        window.push(large.clone());
        assert_eq!(write_all(&mut window), [batch("a"), large]);
    }
}
