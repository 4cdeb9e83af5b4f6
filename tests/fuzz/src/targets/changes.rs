//! What the kernel tells a change tracker, as it is read from the queue.

use disk_engine::TrackEvents;

/// The least that an event takes.
const HEADER: usize = 24;

/// Whatever it is, there are no more events than fit, and what is malformed is the last.
pub(crate) fn run(bytes: &[u8]) {
    let events: Vec<_> = TrackEvents::new(bytes).collect();
    let whole = events.iter().filter(|event| event.is_ok()).count();
    assert!(whole * HEADER <= bytes.len());
    if let Some((_, before)) = events.split_last() {
        assert_eq!(before.iter().filter(|event| event.is_err()).count(), 0);
    }
    // An event does not depend on those behind it.
    let length = bytes
        .first_chunk()
        .map(|length| u32::from_ne_bytes(*length));
    if let (Some(Ok(first)), Some(length)) = (events.first(), length) {
        let alone: Vec<_> = TrackEvents::new(&bytes[..length as usize]).collect();
        assert_eq!(alone, [Ok(*first)]);
    }
}
