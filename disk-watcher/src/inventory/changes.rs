//! What became of subjects, in the order in which it has to be told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Change, Key, Subject};

/// The difference between what was told last and what is now.
#[derive(Debug, Default)]
pub(super) struct Changes {
    gone: BTreeSet<Key>,
    came: BTreeMap<Key, Arc<Subject>>,
    changed: BTreeMap<Key, Arc<Subject>>,
}

impl Changes {
    /// Takes a subject out.
    pub(super) fn remove(&mut self, subjects: &mut BTreeMap<Key, Arc<Subject>>, key: Key) {
        self.changed.remove(&key);
        // What has come just now was told to nobody.
        if subjects.remove(&key).is_some() && self.came.remove(&key).is_none() {
            self.gone.insert(key);
        }
    }

    /// Puts a subject in, in the place of another of its key.
    pub(super) fn put(
        &mut self,
        subjects: &mut BTreeMap<Key, Arc<Subject>>,
        subject: Arc<Subject>,
    ) {
        let key = subject.key.clone();
        match subjects.get(&key) {
            Some(before) if before.is_as(&subject) => return,
            Some(before) if before.id == subject.id => {
                self.changed.insert(key.clone(), Arc::clone(&subject));
            }
            Some(_) => {
                self.remove(subjects, key.clone());
                self.came.insert(key.clone(), Arc::clone(&subject));
            }
            None => {
                self.came.insert(key.clone(), Arc::clone(&subject));
            }
        }
        subjects.insert(key, subject);
    }

    /// What is gone, inner ones first; what is new, outer ones first; what is known otherwise. A key sorts behind those of
    /// the directories around it.
    pub(super) fn in_order(self) -> Vec<Change> {
        let gone = self.gone.into_iter().rev().map(Change::Gone);
        let came = self.came.into_values().map(Change::Came);
        let changed = self.changed.into_values().map(Change::Changed);
        gone.chain(came).chain(changed).collect()
    }
}
