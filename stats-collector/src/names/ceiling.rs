//! The most series that there may be.
//!
//! Who is admitted stays so, for as long as it lives; who comes when there is no room is refused whole, counted and
//! told by name, until there is.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

use super::head::{Head, Name};
use crate::model::Subject;

/// Admits series up to a number.
#[derive(Debug)]
pub(crate) struct Ceiling {
    most: usize,
    used: Arc<AtomicUsize>,
    over: Mutex<Over>,
}

/// What was refused since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Over {
    /// How many points had no series.
    pub(crate) series: u64,
    /// Of how many subjects.
    pub(crate) subjects: u64,
    /// The names of the first of those.
    pub(crate) who: Vec<String>,
}

/// How many series a head has; given back when the head goes.
#[derive(Debug, Default)]
pub(super) struct Budget {
    held: AtomicUsize,
    of: Mutex<Option<Arc<AtomicUsize>>>,
}

/// One turn of one subject.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    ceiling: &'a Ceiling,
    head: &'a Head,
    seen: usize,
}

impl Ceiling {
    /// At most so many series.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            used: Arc::default(),
            over: Mutex::default(),
        }
    }

    /// Begins one turn of a subject. Each of its points is to be asked for.
    pub(crate) fn begin<'a>(&'a self, _subject: &Subject, head: &'a Head) -> Tally<'a> {
        *head
            .budget
            .of
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&self.used));
        Tally {
            ceiling: self,
            head,
            seen: 0,
        }
    }

    /// How many series there are.
    pub(crate) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Who was refused since this was last asked.
    pub(crate) fn take_over(&self) -> Over {
        std::mem::take(&mut self.over.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Tally<'_> {
    /// Whether this point has a series.
    pub(crate) fn admits(&mut self, _name: Name<'_>) -> bool {
        self.seen += 1;
        let held = &self.head.budget.held;
        if self.seen <= held.load(Relaxed) {
            return true;
        }
        if self.ceiling.used.load(Relaxed) >= self.ceiling.most {
            let mut over = self
                .ceiling
                .over
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            over.series += 1;
            return false;
        }
        self.ceiling.used.fetch_add(1, Relaxed);
        held.fetch_add(1, Relaxed);
        true
    }
}

impl Drop for Budget {
    fn drop(&mut self) {
        if let Some(used) = self.of.get_mut().unwrap_or_else(PoisonError::into_inner) {
            used.fetch_sub(*self.held.get_mut(), Relaxed);
        }
    }
}
