//! A bounded memory of what is over: the oldest entry makes room for the newest.

use std::collections::{BTreeMap, VecDeque};

/// How much is remembered: more tasks than any framework asks about again.
const CAPACITY: usize = 1024;

/// Values by task id, at most [`CAPACITY`] of them.
#[derive(Debug)]
pub(crate) struct Memory<V> {
    values: BTreeMap<String, V>,
    order: VecDeque<String>,
}

impl<V> Default for Memory<V> {
    fn default() -> Self {
        Self {
            values: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }
}

impl<V> Memory<V> {
    pub(crate) fn insert(&mut self, id: String, value: V) {
        if self.values.insert(id.clone(), value).is_none() {
            self.order.push_back(id);
        }
        if self.order.len() > CAPACITY
            && let Some(oldest) = self.order.pop_front()
        {
            self.values.remove(&oldest);
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&V> {
        self.values.get(id)
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<V> {
        let value = self.values.remove(id)?;
        self.order.retain(|one| one != id);
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_makes_room_for_the_newest() {
        let mut memory = Memory::default();
        for n in 0..=CAPACITY {
            memory.insert(n.to_string(), n);
        }
        assert_eq!(memory.get("0"), None);
        assert_eq!(memory.get("1"), Some(&1));
        assert_eq!(memory.get(&CAPACITY.to_string()), Some(&CAPACITY));
    }

    #[test]
    fn what_is_removed_and_put_in_again_counts_as_new() {
        let mut memory = Memory::default();
        memory.insert("a".into(), 1);
        assert_eq!(memory.remove("a"), Some(1));
        memory.insert("b".into(), 2);
        memory.insert("a".into(), 3);
        assert_eq!(memory.order, ["b", "a"]);
    }
}
