//! File names in one allocation: a directory of a million subdirectories has a million of them pending.

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

/// The files of a directory as a system call listed them, to be taken in the order of their inode numbers: what is
/// close by number is close on a disk, and in the kernel's memory.
#[derive(Debug, Default)]
pub(crate) struct Listed {
    bytes: Vec<u8>,
    /// Inode number, and where the name starts; the last is taken first.
    order: Vec<(u64, usize)>,
}

impl Listed {
    pub(crate) fn push(&mut self, ino: u64, name: &CStr) {
        self.order.push((ino, self.bytes.len()));
        self.bytes.extend_from_slice(name.to_bytes_with_nul());
    }

    pub(crate) fn sort(&mut self) {
        self.order.sort_unstable_by(|a, b| b.cmp(a));
    }

    pub(crate) fn pop(&mut self) -> Option<&CStr> {
        let (_, start) = self.order.pop()?;
        CStr::from_bytes_until_nul(&self.bytes[start..]).ok()
    }

    pub(crate) fn len(&self) -> usize {
        self.order.len()
    }

    /// Splits off so many that would be taken next, or as many as there are.
    pub(crate) fn split_off(&mut self, count: usize) -> Names {
        let mut names = Names::default();
        for _ in 0..count {
            match self.pop() {
                Some(name) => names.push(name),
                None => break,
            }
        }
        names
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.order.clear();
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

    #[test]
    fn listed_files_are_taken_by_inode_whoever_takes_them() {
        let mut listed = Listed::default();
        for (ino, name) in [(7, c"g"), (2, c"bb"), (9, c"i"), (4, c"d")] {
            listed.push(ino, name);
        }
        listed.sort();
        assert_eq!(listed.pop(), Some(c"bb"));
        assert_eq!(
            drain(listed.split_off(2)),
            [c"d".to_owned(), c"g".to_owned()]
        );
        assert_eq!(listed.len(), 1);
        assert_eq!(listed.pop(), Some(c"i"));
        assert!(listed.split_off(3).is_empty());
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
