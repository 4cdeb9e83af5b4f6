/// The end of an output of any length.
#[derive(Debug, Default)]
pub(crate) struct Tail {
    bytes: Vec<u8>,
    dropped: u64,
}

/// How much of it is kept.
pub(crate) const KEPT: usize = 16 * 1024;

impl Tail {
    pub(crate) fn push(&mut self, more: &[u8]) {
        self.bytes.extend_from_slice(more);
        // Not at each push, so that many small ones do not move everything each time.
        if self.bytes.len() > 2 * KEPT {
            self.cut();
        }
    }

    fn cut(&mut self) {
        let excess = self.bytes.len().saturating_sub(KEPT);
        self.bytes.drain(..excess);
        self.dropped += excess as u64;
    }

    /// What is kept, and how many bytes before it are not.
    pub(crate) fn finish(mut self) -> (Vec<u8>, u64) {
        self.cut();
        (self.bytes, self.dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_output_is_kept_whole() {
        let mut tail = Tail::default();
        tail.push(b"one ");
        tail.push(b"two");
        assert_eq!(tail.finish(), (b"one two".to_vec(), 0));
    }

    #[test]
    fn of_a_long_one_the_end_is_kept_and_the_rest_counted() {
        let mut tail = Tail::default();
        for _ in 0..KEPT {
            tail.push(b"abc");
        }
        tail.push(b"end");
        assert!(tail.bytes.capacity() < 8 * KEPT, "memory is bounded");
        let (bytes, dropped) = tail.finish();
        assert_eq!(bytes.len(), KEPT);
        assert!(bytes.ends_with(b"abcend"));
        assert_eq!(dropped, 2 * KEPT as u64 + 3);
    }
}
