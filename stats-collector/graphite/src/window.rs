//! What was written last, to be written again should the connection have died under it.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::Batch;
use crate::spool::Confirmed;

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
/// [`Window::rewind`] after a lost connection makes those from memory "to write" again; those from
/// the disk go, to be read once more. What leaves the window as the oldest is confirmed, as far as
/// carbon can confirm anything.
#[derive(Debug, Default)]
pub(crate) struct Window {
    parcels: VecDeque<Parcel>,
    next: usize,
    bytes: usize,
}

/// A batch on its way.
#[derive(Clone, Debug)]
pub(crate) struct Parcel {
    pub(crate) batch: Arc<Batch>,
    /// Whether its points had been handed to the kernel before.
    pub(crate) again: bool,
    pub(crate) origin: Origin,
}

/// Where a batch came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    Memory,
    /// The disk; with the last piece of a record comes what can then be confirmed.
    Disk(Option<Confirmed>),
}

/// What came of [`Window::written`].
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Written {
    pub(crate) points: u64,
    /// Whether they had gone out before.
    pub(crate) again: bool,
    pub(crate) from_disk: bool,
    /// What left the window, of what came from the disk.
    pub(crate) confirmed: Option<Confirmed>,
}

impl Window {
    pub(crate) fn push(&mut self, parcel: Parcel) {
        self.bytes += parcel.batch.bytes().len();
        self.parcels.push_back(parcel);
    }

    /// The batch to be written next.
    pub(crate) fn to_write(&self) -> Option<&Arc<Batch>> {
        self.parcels.get(self.next).map(|parcel| &parcel.batch)
    }

    /// Notes that [`Window::to_write`] was written whole.
    pub(crate) fn written(&mut self) -> Option<Written> {
        let parcel = self.parcels.get_mut(self.next)?;
        self.next += 1;
        Some(Written {
            points: parcel.batch.points(),
            again: std::mem::replace(&mut parcel.again, true),
            from_disk: parcel.origin != Origin::Memory,
            confirmed: self.forget_oldest(),
        })
    }

    /// All that is kept is to be written again, but for what is still on disk.
    pub(crate) fn rewind(&mut self) {
        self.parcels
            .retain(|parcel| parcel.origin == Origin::Memory);
        self.next = 0;
        self.count_bytes();
    }

    fn count_bytes(&mut self) {
        let sizes = self.parcels.iter().map(|kept| kept.batch.bytes().len());
        self.bytes = sizes.sum();
    }

    /// Takes out everything that is not on disk, the oldest first. The window is then empty.
    pub(crate) fn recall(&mut self) -> Vec<Parcel> {
        self.rewind();
        self.bytes = 0;
        std::mem::take(&mut self.parcels).into()
    }

    /// Lets go of everything that was written: carbon is known to have read it. Returns what of it
    /// came from the disk.
    pub(crate) fn confirmed(&mut self) -> Option<Confirmed> {
        let written: Vec<_> = self.parcels.drain(..self.next).collect();
        self.next = 0;
        self.count_bytes();
        written
            .into_iter()
            .filter_map(Parcel::confirms)
            .reduce(Confirmed::and)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.parcels.is_empty()
    }

    fn forget_oldest(&mut self) -> Option<Confirmed> {
        let mut all = None;
        while self.next > 0
            && let Some(oldest) = self.parcels.front()
            && self.bytes - oldest.batch.bytes().len() >= RESEND_BYTES
        {
            self.bytes -= oldest.batch.bytes().len();
            let one = self.parcels.pop_front().and_then(Parcel::confirms);
            all = [all, one].into_iter().flatten().reduce(Confirmed::and);
            self.next -= 1;
        }
        all
    }
}

impl Parcel {
    fn confirms(self) -> Option<Confirmed> {
        match self.origin {
            Origin::Memory => None,
            Origin::Disk(confirmed) => confirmed,
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

    fn live(batch: Batch) -> Parcel {
        Parcel {
            batch: Arc::new(batch),
            again: false,
            origin: Origin::Memory,
        }
    }

    fn from_disk(batch: Batch, record: u64) -> Parcel {
        Parcel {
            origin: Origin::Disk(Some(Confirmed::test(record))),
            ..live(batch)
        }
    }

    fn full() -> Batch {
        let mut full = Batch::default();
        let path = MetricPath::parse("x").unwrap();
        while !full.is_full() {
            full.add(&path, 1_u64, 1000);
        }
        full
    }

    fn write_all(window: &mut Window) -> Vec<Batch> {
        let mut out = Vec::new();
        while let Some(batch) = window.to_write() {
            out.push((**batch).clone());
            window.written();
        }
        out
    }

    fn written(window: &mut Window) -> Option<(u64, bool)> {
        window
            .written()
            .map(|written| (written.points, written.again))
    }

    #[test]
    fn after_a_lost_connection_all_that_is_kept_is_written_again_in_order() {
        let mut window = Window::default();
        window.push(live(batch("a")));
        assert_eq!(written(&mut window), Some((1, false)));
        window.push(live(batch("b")));
        window.rewind();
        assert_eq!(written(&mut window), Some((1, true)));
        assert_eq!(written(&mut window), Some((1, false)));
        assert_eq!(written(&mut window), None);
        window.rewind();
        assert_eq!(write_all(&mut window), [batch("a"), batch("b")]);
    }

    #[test]
    fn only_the_newest_bytes_are_kept_and_never_less_than_the_window() {
        let full = full();
        let mut window = Window::default();
        for _ in 0..1000 {
            window.push(live(full.clone()));
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
        window.push(live(batch("a")));
        window.push(live(large.clone()));
        assert_eq!(write_all(&mut window), [batch("a"), large]);
    }

    #[test]
    fn what_came_from_the_disk_is_confirmed_once_a_window_has_followed_it() {
        let mut window = Window::default();
        window.push(from_disk(batch("a"), 1));
        window.push(from_disk(batch("b"), 2));
        let mut bytes = 0;
        for _ in 0..2 {
            assert_eq!(window.written().unwrap().confirmed, None);
        }
        let confirmed = loop {
            window.push(live(full()));
            bytes += full().bytes().len();
            if let Some(confirmed) = window.written().unwrap().confirmed {
                break confirmed;
            }
        };
        assert!(bytes >= RESEND_BYTES);
        assert_eq!(confirmed, Confirmed::test(1).and(Confirmed::test(2)));
    }

    #[test]
    fn what_came_from_the_disk_is_left_to_the_disk_when_the_connection_is_lost() {
        let mut window = Window::default();
        window.push(live(batch("a")));
        window.push(from_disk(batch("b"), 1));
        window.push(live(batch("c")));
        window.written();
        window.rewind();
        assert_eq!(write_all(&mut window), [batch("a"), batch("c")]);
        let recalled: Vec<_> = window
            .recall()
            .into_iter()
            .map(|p| (p.batch, p.again))
            .collect();
        assert_eq!(
            recalled,
            [(Arc::new(batch("a")), true), (Arc::new(batch("c")), true)]
        );
        assert!(window.is_empty() && window.confirmed().is_none());
    }

    #[test]
    fn what_carbon_confirmed_is_not_written_again() {
        let mut window = Window::default();
        window.push(live(batch("a")));
        window.written();
        window.push(live(batch("b")));
        assert_eq!(window.confirmed(), None);
        window.rewind();
        assert_eq!(write_all(&mut window), [batch("b")]);
    }

    #[test]
    fn what_carbon_has_read_to_the_end_is_confirmed_at_once() {
        let mut window = Window::default();
        window.push(from_disk(batch("a"), 1));
        window.push(live(batch("b")));
        write_all(&mut window);
        assert_eq!(window.confirmed(), Some(Confirmed::test(1)));
        assert!(window.is_empty());
    }
}
