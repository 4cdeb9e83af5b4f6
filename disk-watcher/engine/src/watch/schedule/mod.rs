//! Which tree to look at next, and when. Pure: it has no clock and does no I/O, every time is an argument.
//!
//! ```text
//!              its time has come, or the            the budget              a slot of its
//!              file system has grown enough         has paid for it         file system is free
//!   resting ───────────────────────────► waiting ────────────────► ready ─────────────────────► looking
//!      ▲                                                                                           │
//!      └───────────────────────────────────────────────────────────────────────────────────────────┘
//! ```
//!
//! A tree rests until the soonest of:
//!
//! * **15 s**, less a little so that trees which came together do not stay together;
//! * the time in which it could reach its next limit, at the fastest **growth seen** of it ([`Pace`](crate::pace::Pace)), if anything has
//!   changed by then as far as its [`Hint`] tells;
//! * with [`Hint::FileSystem`], the moment when the **file system has grown** by as much as is left to the limit;
//! * with [`Hint::Nothing`], what [`Pace`](crate::pace::Pace) asks for.
//!
//! A look that finds nothing new is believed until the file system has grown, since the last look that misses nothing
//! ([`Found::sure`]), by what was left to the limit then: then the next look has to be such a one.
//!
//! It is looked at no sooner than 20 ms after the last time, and for no more than a tenth of a processor. What all of
//! them may cost is the [`budget`]'s to say. Those that could have come to a limit go before those whose turn it is.
//!
//! A file system has a few slots. A look that has been under way for very long gives its slot back, since its disk may
//! hang; long ones never have all of them.

mod budget;
mod growth;
mod item;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::{Duration, Instant};

use super::tree::TreeId;
use budget::{Budget, Weight};
use growth::Growth;
pub(super) use growth::Used;
pub(super) use item::Turn;
pub(super) use item::{Bounds, Found, Hint};
use item::{Item, Sooner, State};

/// What a first look is taken to cost.
const FIRST_COST: Duration = Duration::from_micros(200);
/// A tree that could not be looked at is tried again after this.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);
/// A look gives its slot back after this, and after so many times what the last one took.
const HANGING: Duration = Duration::from_secs(10);
const HANGING_TIMES: u32 = 8;
/// So many looks of one file system may hang; then it is left alone until one comes back.
const HANGING_AT_MOST: usize = 32;

#[derive(Debug)]
struct FileSystem {
    growth: Growth,
    /// Whether what it tells of its growth can be believed.
    tells: bool,
    ready: VecDeque<TreeId>,
    trees: usize,
    busy: usize,
    long: usize,
    hanging: usize,
}

#[derive(Debug)]
pub(super) struct Schedule {
    items: BTreeMap<TreeId, Item>,
    file_systems: BTreeMap<u64, FileSystem>,
    by_time: BTreeSet<(Instant, TreeId)>,
    budget: Budget,
    slots: usize,
    deferred: u64,
}

impl Schedule {
    /// With a budget in processors, and so many looks at one file system at once (2 at least).
    pub(super) fn new(now: Instant, budget: f64, slots: usize) -> Self {
        Self {
            items: BTreeMap::new(),
            file_systems: BTreeMap::new(),
            by_time: BTreeSet::new(),
            budget: Budget::new(budget, now),
            slots: slots.max(2),
            deferred: 0,
        }
    }

    /// A tree that is to be looked at soon for the first time.
    pub(super) fn add(&mut self, now: Instant, id: TreeId, dev: u64, hint: Hint, bounds: Bounds) {
        self.items.insert(id, Item::new(now, dev, hint, bounds));
        self.by_time.insert((now, id));
        let file_system = self.file_systems.entry(dev).or_insert_with(|| FileSystem {
            growth: Growth::new(now),
            tells: false,
            ready: VecDeque::new(),
            trees: 0,
            busy: 0,
            long: 0,
            hanging: 0,
        });
        file_system.trees += 1;
        self.ask(now, id, Weight::Urgent);
    }

    /// A tree that is not to be looked at any more. A look under way still has to be [`done`](Self::done).
    pub(super) fn remove(&mut self, id: TreeId) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        if item.removed {
            return;
        }
        item.removed = true;
        let looking = matches!(item.state, State::Looking { .. });
        self.budget.leave(id);
        if let Some(file_system) = self.file_systems.get_mut(&item.dev) {
            file_system.growth.forget(id, item.keys.0, item.keys.1);
            file_system.ready.retain(|ready| *ready != id);
            file_system.trees -= 1;
        }
        if !looking {
            self.drop_item(id);
        }
    }

    fn drop_item(&mut self, id: TreeId) {
        if let Some(item) = self.items.remove(&id) {
            self.by_time.remove(&(item.wake, id));
            if self
                .file_systems
                .get(&item.dev)
                .is_some_and(|fs| fs.trees == 0 && fs.busy + fs.hanging == 0)
            {
                self.file_systems.remove(&item.dev);
            }
        }
    }

    /// Other limits, or another way to learn of changes.
    pub(super) fn change(&mut self, now: Instant, id: TreeId, hint: Hint, bounds: Bounds) {
        if let Some(item) = self.items.get_mut(&id) {
            item.hint = hint;
            item.bounds = bounds;
            self.ask(now, id, Weight::Urgent);
        }
    }

    /// A look as soon as can be.
    pub(super) fn urge(&mut self, now: Instant, id: TreeId) {
        self.ask(now, id, Weight::Urgent);
    }

    /// Another way to learn of a tree's changes, from its next look on.
    pub(super) fn set_hint(&mut self, id: TreeId, hint: Hint) {
        if let Some(item) = self.items.get_mut(&id) {
            item.hint = hint;
        }
    }

    /// A file system tells what it holds, when it is [`read`](Self::read); before that is said it is not.
    pub(super) fn tells(&mut self, now: Instant, dev: u64) {
        if let Some(file_system) = self.file_systems.get_mut(&dev)
            && !std::mem::replace(&mut file_system.tells, true)
        {
            file_system.growth.restart(now);
        }
    }

    /// Something in a tree with [`Hint::Touches`] has changed.
    pub(super) fn touched(&mut self, now: Instant, id: TreeId) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        let known = std::mem::replace(&mut item.touched, true);
        if known || item.state != State::Resting || item.hint != Hint::Touches {
            return;
        }
        item.sooner = Some(Sooner {
            at: item.pace.next().unwrap_or(now).max(item.not_before),
            weight: item.pressing(),
            if_changed: false,
        });
        self.rest_until_sooner(id);
    }

    /// The file systems to [`read`](Self::read) now.
    pub(super) fn to_read(&self, now: Instant) -> Vec<u64> {
        let due = |fs: &FileSystem| fs.growth.next().is_some_and(|next| next <= now);
        self.file_systems
            .iter()
            .filter(|(_, fs)| fs.tells && due(fs))
            .map(|(dev, _)| *dev)
            .collect()
    }

    /// What a file system holds; `None` where that cannot be told, or not be believed.
    pub(super) fn read(&mut self, now: Instant, dev: u64, used: Option<Used>) {
        let Some(file_system) = self.file_systems.get_mut(&dev) else {
            return;
        };
        let Some(used) = used else {
            file_system.tells = false;
            let trees: Vec<TreeId> = self
                .items
                .iter()
                .filter(|(_, item)| item.dev == dev)
                .map(|(id, _)| *id)
                .collect();
            for id in trees {
                self.ask(now, id, Weight::Routine);
            }
            return;
        };
        for id in file_system.growth.read(now, used) {
            let Some(item) = self.items.get_mut(&id) else {
                continue;
            };
            if item.state != State::Resting {
                continue;
            }
            if item.not_before <= now {
                self.ask(now, id, Weight::Urgent);
            } else {
                item.sooner = Some(Sooner {
                    at: item.not_before,
                    weight: Weight::Urgent,
                    if_changed: false,
                });
                self.rest_until_sooner(id);
            }
        }
    }

    /// The next tree to look at, which is under way from now on; until there is none.
    pub(super) fn take(&mut self, now: Instant) -> Option<Turn> {
        self.settle(now);
        let (dev, place) = self.startable()?;
        let id = self.file_systems.get_mut(&dev)?.ready.remove(place)?;
        let item = self.items.get_mut(&id)?;
        let file_system = self.file_systems.get_mut(&item.dev)?;
        let long = item.long();
        file_system.busy += 1;
        file_system.long += usize::from(long);
        item.state = State::Looking {
            hanging: false,
            long,
        };
        item.seen = file_system.growth.grown();
        item.touched = false;
        let took = item.last.map_or(Duration::ZERO, |last| last.took);
        let hangs = now + HANGING.max(took.saturating_mul(HANGING_TIMES));
        let turn = Turn {
            tree: id,
            urgent: item.asked == Weight::Urgent,
            doubted: item.is_doubted(),
        };
        self.rest(id, hangs);
        Some(turn)
    }

    /// A look is over; `None` where nothing was found out.
    pub(super) fn done(&mut self, now: Instant, id: TreeId, found: Option<Found>) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        let State::Looking { hanging, long } = item.state else {
            return;
        };
        item.state = State::Resting;
        let Some(file_system) = self.file_systems.get_mut(&item.dev) else {
            return;
        };
        if hanging {
            file_system.hanging -= 1;
        } else {
            file_system.busy -= 1;
            file_system.long -= usize::from(long);
        }
        if item.removed {
            self.drop_item(id);
            return;
        }
        let again = item.again.take();
        let Some(found) = found else {
            item.latest = now + AFTER_AN_ERROR;
            item.sooner = None;
            self.rest_until_sooner(id);
            return;
        };
        let owed = item.debt + found.cost;
        item.debt = owed.saturating_sub(item.paid);
        self.budget.refund(item.paid.saturating_sub(owed));
        item.paid = Duration::ZERO;
        item.note(now, found, file_system.tells, id);
        if item.hint == Hint::FileSystem
            && file_system.tells
            && let Some(seen) = item.seen
            && !item.bounds.over(&found)
        {
            // It has to be found out before, not after.
            let ahead = (item.pace.growth() * found.took.as_secs_f64()) as u64;
            let left = item
                .bounds
                .next(found.bytes)
                .map(|limit| limit - found.bytes);
            let bytes = left.map(|left| seen.bytes + left.saturating_sub(ahead));
            let bytes = bytes.into_iter().chain(item.doubt).min();
            let inodes = item
                .bounds
                .inodes
                .map(|limit| seen.inodes + limit.saturating_sub(found.inodes));
            item.keys = (bytes, inodes);
            file_system.growth.watch(id, bytes, inodes, now);
        }
        self.rest_until_sooner(id);
        if let Some(weight) = again {
            self.ask(now, id, weight);
        }
    }

    /// The first tree that is paid for and has a slot: its file system, and its place in the order there.
    fn startable(&self) -> Option<(u64, usize)> {
        self.file_systems.iter().find_map(|(dev, fs)| {
            if fs.busy >= self.slots || fs.hanging >= HANGING_AT_MOST {
                return None;
            }
            let may_be_long = fs.long + 1 < self.slots;
            let place = fs
                .ready
                .iter()
                .position(|id| may_be_long || !self.items.get(id).is_some_and(Item::long))?;
            Some((*dev, place))
        })
    }

    /// When there will be something to [`read`](Self::read) or to [`take`](Self::take); a time that is over where there
    /// is already.
    pub(super) fn next(&self) -> Option<Instant> {
        if self.startable().is_some() {
            return Some(self.budget.at());
        }
        let time = self.by_time.first().map(|(time, _)| *time);
        let growth = self
            .file_systems
            .values()
            .filter(|fs| fs.tells)
            .filter_map(|fs| fs.growth.next());
        growth.chain(time).chain(self.budget.next()).min()
    }

    /// Looks that waited for the budget, so far.
    pub(super) fn deferred(&self) -> u64 {
        self.deferred
    }

    /// Looks that seem to hang.
    pub(super) fn hanging(&self) -> usize {
        self.file_systems.values().map(|fs| fs.hanging).sum()
    }

    /// Looks under way, those that hang among them.
    pub(super) fn under_way(&self) -> usize {
        self.file_systems
            .values()
            .map(|fs| fs.busy + fs.hanging)
            .sum()
    }

    fn ask(&mut self, now: Instant, id: TreeId, weight: Weight) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        match item.state {
            State::Ready => {}
            State::Looking { .. } => item.again = item.again.max(Some(weight)),
            State::Waiting => {
                item.asked = item.asked.max(weight);
                self.budget.wait(now, id, Duration::ZERO, weight);
            }
            State::Resting => {
                item.asked = weight;
                self.by_time.remove(&(item.wake, id));
                let Some(file_system) = self.file_systems.get_mut(&item.dev) else {
                    return;
                };
                let (bytes, inodes) = std::mem::take(&mut item.keys);
                file_system.growth.forget(id, bytes, inodes);
                item.paid = item.debt + item.last.map_or(FIRST_COST, |last| last.cost);
                if self.budget.wait(now, id, item.paid, weight) {
                    item.state = State::Ready;
                    file_system.ready.push_back(id);
                } else {
                    item.state = State::Waiting;
                    self.deferred += 1;
                }
            }
        }
    }

    /// Everything whose time has come.
    fn settle(&mut self, now: Instant) {
        while let Some((time, id)) = self.by_time.first().copied()
            && time <= now
        {
            self.by_time.pop_first();
            self.wake(now, id);
        }
        for id in self.budget.paid(now) {
            let Some(item) = self.items.get_mut(&id) else {
                continue;
            };
            item.state = State::Ready;
            if let Some(file_system) = self.file_systems.get_mut(&item.dev) {
                file_system.ready.push_back(id);
            }
        }
    }

    fn wake(&mut self, now: Instant, id: TreeId) {
        let Some(item) = self.items.get_mut(&id) else {
            return;
        };
        match item.state {
            State::Waiting | State::Ready => {}
            State::Looking { hanging: true, .. } => {}
            State::Looking {
                hanging: false,
                long,
            } => {
                item.state = State::Looking {
                    hanging: true,
                    long,
                };
                if let Some(fs) = self.file_systems.get_mut(&item.dev) {
                    fs.busy -= 1;
                    fs.long -= usize::from(long);
                    fs.hanging += 1;
                }
            }
            State::Resting if now >= item.latest => self.ask(now, id, Weight::Routine),
            State::Resting => {
                let sooner = item.sooner.take();
                let grown = self.file_systems.get(&item.dev).map(|fs| fs.growth.grown());
                let changed = match item.hint {
                    Hint::Nothing => true,
                    Hint::Touches => item.touched,
                    Hint::FileSystem => grown != Some(item.seen),
                };
                match sooner {
                    Some(sooner) if changed || !sooner.if_changed => {
                        self.ask(now, id, sooner.weight);
                    }
                    Some(_) | None => self.rest_until_sooner(id),
                }
            }
        }
    }

    fn rest_until_sooner(&mut self, id: TreeId) {
        if let Some(item) = self.items.get(&id) {
            let wake = item
                .sooner
                .map_or(item.latest, |sooner| sooner.at.min(item.latest));
            self.rest(id, wake);
        }
    }

    fn rest(&mut self, id: TreeId, until: Instant) {
        if let Some(item) = self.items.get_mut(&id) {
            self.by_time.remove(&(item.wake, id));
            item.wake = until;
            self.by_time.insert((until, id));
        }
    }
}
