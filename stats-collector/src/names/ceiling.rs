//! The most series that there may be.
//!
//! A subject is admitted when there is room for about as many series as others of its kind have, and refused as a whole
//! else, since half a container's numbers say little. Who is admitted stays so for as long as it lives, with the same
//! series: if it comes to have more when there is no room, or more than anybody needs, it is those that are refused. Who
//! was refused is told, and admitted when others have gone.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::head::{Head, Name};
use super::kinds::KINDS;
use crate::model::{Kind, Subject};

/// Series that an instance is thought to have, as long as none of its kind has been seen.
const FIRST_GUESS: usize = 40;

/// The most series of one subject, whatever room there is: an answer that makes no sense shall not take everybody's, nor the
/// time to look for one among hundreds of thousands.
const MOST_OF_ONE: usize = 10_000;

/// For so many turns room is kept for what a subject has only later, as rates.
const TURNS_OF_GROWTH: u32 = 3;

/// The most of those over the ceiling who are told by name.
const NAMED: usize = 5;

/// Admits series up to a number.
#[derive(Debug)]
pub(crate) struct Ceiling {
    most: usize,
    room: Arc<Room>,
    told: Mutex<Told>,
}

/// How much is taken.
#[derive(Debug, Default)]
struct Room {
    /// Series that there are, and those for which room is kept.
    reserved: AtomicUsize,
    /// Series that there are.
    held: AtomicUsize,
}

#[derive(Debug, Default)]
struct Told {
    /// About how many series a subject of each kind has.
    usual: [Option<usize>; KINDS.len()],
    over: Over,
}

/// What was refused since it was last asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Over {
    /// How many numbers had no series.
    pub(crate) series: u64,
    /// Of how many subjects.
    pub(crate) subjects: u64,
    /// The names of the first of those, as `containers.web.0`.
    pub(crate) who: Vec<String>,
}

/// Which series a head has; given back when the head goes.
#[derive(Debug, Default)]
pub(super) struct Budget(Mutex<Held>);

#[derive(Debug, Default)]
struct Held {
    /// What tells the series apart, in the order in which they first came.
    series: Vec<u32>,
    reserved: usize,
    turns: u32,
    /// Where it is to be given back.
    room: Option<Arc<Room>>,
}

/// One turn of one subject. Dropping it ends the turn.
#[derive(Debug)]
pub(crate) struct Tally<'a> {
    ceiling: &'a Ceiling,
    subject: &'a Subject,
    head: &'a Head,
    held: Held,
    is_admitted: bool,
    /// Where the next series is thought to be, for a subject's come in about the same order each time.
    next: usize,
    refused: u64,
}

impl Ceiling {
    /// At most so many series.
    pub(crate) fn new(most: usize) -> Self {
        Self {
            most,
            room: Arc::default(),
            told: Mutex::default(),
        }
    }

    /// Begins one turn of a subject. Each of its points is to be asked for.
    pub(crate) fn begin<'a>(&'a self, subject: &'a Subject, head: &'a Head) -> Tally<'a> {
        let mut held = std::mem::take(&mut *lock(&head.budget.0));
        let mut is_admitted = held.room.is_some();
        if !is_admitted {
            let wanted = self.wanted(subject.kind);
            is_admitted = self.room.reserved.load(Relaxed).saturating_add(wanted) <= self.most;
            if is_admitted {
                self.room.reserved.fetch_add(wanted, Relaxed);
                held.reserved = wanted;
                held.room = Some(Arc::clone(&self.room));
            }
        }
        Tally {
            ceiling: self,
            subject,
            head,
            held,
            is_admitted,
            next: 0,
            refused: 0,
        }
    }

    /// How many series there are.
    pub(crate) fn used(&self) -> usize {
        self.room.held.load(Relaxed)
    }

    /// Who was refused since this was last asked.
    pub(crate) fn take_over(&self) -> Over {
        std::mem::take(&mut lock(&self.told).over)
    }

    /// The room that a newcomer needs. With nothing to go by it is admitted if there is any.
    fn wanted(&self, kind: Kind) -> usize {
        let left = self.most.saturating_sub(self.room.reserved.load(Relaxed));
        match lock(&self.told).usual[kind.index()] {
            Some(usual) if kind.has_instances() => usual.max(1),
            _ if kind.has_instances() => FIRST_GUESS.min(left).max(1),
            _ => 1,
        }
    }
}

impl Tally<'_> {
    /// Whether this number has a series.
    pub(crate) fn admits(&mut self, name: Name<'_>) -> bool {
        if self.is_admitted && self.has(fingerprint(name)) {
            return true;
        }
        self.refused += 1;
        false
    }

    fn has(&mut self, series: u32) -> bool {
        let known = &self.held.series;
        if known.get(self.next) == Some(&series) {
            self.next += 1;
            return true;
        }
        if let Some(place) = known.iter().position(|known| *known == series) {
            self.next = place + 1;
            return true;
        }
        if self.held.series.len() >= MOST_OF_ONE {
            return false;
        }
        if self.held.series.len() >= self.held.reserved {
            let room = &self.ceiling.room.reserved;
            if room.load(Relaxed) >= self.ceiling.most {
                return false;
            }
            room.fetch_add(1, Relaxed);
            self.held.reserved += 1;
        }
        self.ceiling.room.held.fetch_add(1, Relaxed);
        self.held.series.push(series);
        self.next = self.held.series.len();
        true
    }
}

impl Drop for Tally<'_> {
    fn drop(&mut self) {
        let mut held = std::mem::take(&mut self.held);
        let mut told = lock(&self.ceiling.told);
        if self.is_admitted {
            held.turns = held.turns.saturating_add(1);
            if held.turns > TURNS_OF_GROWTH {
                let spare = held.reserved.saturating_sub(held.series.len());
                self.ceiling.room.reserved.fetch_sub(spare, Relaxed);
                held.reserved -= spare;
            }
            let usual = &mut told.usual[self.subject.kind.index()];
            let so_far = usual.unwrap_or(held.series.len());
            // An outlier moves it little, and it is never less than what most have.
            *usual = Some((so_far * 7 + held.series.len()).div_ceil(8));
        }
        if self.refused > 0 {
            told.over.subjects += 1;
            told.over.series += self.refused;
            if told.over.who.len() < NAMED {
                told.over.who.push(self.subject.short_name());
            }
        }
        *lock(&self.head.budget.0) = held;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(room) = &self.room {
            room.reserved.fetch_sub(self.reserved, Relaxed);
            room.held.fetch_sub(self.series.len(), Relaxed);
        }
    }
}

impl Subject {
    /// What it is called in a message: `containers.web.0`.
    fn short_name(&self) -> String {
        let mut name = self.kind.dotted().to_owned();
        if !self.app.is_empty() {
            name.extend([".", &*self.app]);
        }
        if let Some(slot) = self.slot {
            name.push_str(&format!(".{slot}"));
        }
        name
    }
}

/// Tells the series of one subject apart. Two that are taken for one are counted as one.
fn fingerprint(name: Name<'_>) -> u32 {
    let of_text = |seed: u32, text: &str| {
        let step = |hash: u32, byte: u8| (hash ^ u32::from(byte)).wrapping_mul(16_777_619);
        text.bytes().fold(seed, step)
    };
    match name {
        Name::Known(field, along) => {
            // There is one of each field, so where it is tells it from others.
            let place = (std::ptr::from_ref(field).addr() >> 3) as u32;
            along.map_or(place, |along| of_text(place, along))
        }
        Name::Unknown(name) => of_text(2_166_136_261, name),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
