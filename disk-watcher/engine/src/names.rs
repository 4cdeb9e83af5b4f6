//! A queue of file names in one allocation: a directory of a million subdirectories has a million of them pending.

use std::ffi::CStr;

/// Names of one directory, taken in the order in which they were pushed.
#[derive(Debug, Default)]
pub(crate) struct Names {
    /// Each name with its NUL.
    bytes: Vec<u8>,
    /// Where the next one starts.
    next: usize,
    count: usize,
}

impl Names {
    pub(crate) fn push(&mut self, name: &CStr) {
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
        self.count += 1;
    }

    pub(crate) fn pop(&mut self) -> Option<&CStr> {
        let name = CStr::from_bytes_until_nul(self.bytes.get(self.next..)?).ok()?;
        self.next += name.to_bytes_with_nul().len();
        self.count -= 1;
        Some(name)
    }

    pub(crate) fn len(&self) -> usize {
        self.count
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Splits off the later half; the earlier half, which is the larger for an odd number, stays.
    pub(crate) fn split_half(&mut self) -> Self {
        let keep = self.count.div_ceil(2);
        let at = self.bytes[self.next..]
            .iter()
            .enumerate()
            .filter(|(_, byte)| **byte == 0)
            .nth(keep.saturating_sub(1))
            .map_or(self.bytes.len(), |(nul, _)| self.next + nul + 1);
        let tail = self.bytes.split_off(at);
        let split = Self {
            bytes: tail,
            next: 0,
            count: self.count - keep,
        };
        self.count = keep;
        split
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::ffi::CString;

    fn drain(mut names: Names) -> Vec<CString> {
        let mut all = Vec::new();
        while let Some(name) = names.pop() {
            all.push(name.to_owned());
        }
        assert_eq!(names.len(), 0);
        all
    }

    proptest! {
        #[test]
        fn a_split_keeps_every_name_once_and_in_order(
            names in prop::collection::vec(prop::collection::vec(1u8..=255, 1..20), 0..40),
            taken in 0usize..40,
        ) {
            let all: Vec<CString> = names.into_iter().map(|name| CString::new(name).unwrap()).collect();
            let mut queue = Names::default();
            for name in &all {
                queue.push(name);
            }
            let mut seen = Vec::new();
            for _ in 0..taken {
                seen.extend(queue.pop().map(CStr::to_owned));
            }
            let tail = queue.split_half();
            prop_assert!(queue.len() >= tail.len() && queue.len() - tail.len() <= 1);
            seen.extend(drain(queue));
            seen.extend(drain(tail));
            prop_assert_eq!(seen, all);
        }
    }
}
