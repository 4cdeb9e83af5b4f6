//! Who is there, with the slot and the names that each has.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use super::app::app_of;
use super::head::Head;
use super::kinds::KINDS;
use super::naming::Naming;
use super::slot_file::{Record, SlotFile};
use super::slots::{Claim, Slots};
use crate::model::{Kind, Origin, Subject};

/// For so many answers a group is kept that nobody asked for.
const GROUP_KEPT: u64 = 3;

/// Someone whom an answer names.
pub(crate) trait Identity {
    /// What it is known by from one answer to the next: a container's id, a sandbox's path. Unique within its kind.
    fn id(&self) -> &str;

    /// Where it comes from. Asked for when it is first seen, and again for as long as it is not complete.
    fn origin(&self) -> Origin;

    /// Whether the origin is all that will ever be known. What becomes known later changes the names of its series.
    fn is_complete(&self) -> bool {
        true
    }
}

/// Everyone who is there, each with an `M` of memory, and the slots of those who were.
#[derive(Debug)]
pub(crate) struct Registry<M> {
    naming: Arc<Naming>,
    slot_reuse_after: Duration,
    kinds: [Members<M>; KINDS.len()],
    groups: HashMap<Arc<str>, Group<M>>,
    single: HashMap<Kind, Entry<M>>,
    /// Which answer of each kind's this is; one not in it has gone.
    answers: [u64; KINDS.len()],
    /// Whether slots changed hands since they were last written down.
    is_changed: bool,
}

#[derive(Debug)]
struct Members<M> {
    /// Each in a place of its own: a table of them would be larger than all of them, and twice that while it grows.
    of: HashMap<Box<str>, Box<Member<M>>>,
    slots: Slots,
}

#[derive(Debug)]
struct Member<M> {
    entry: Entry<M>,
    pool: Arc<str>,
    slot: u32,
    seen_in: u64,
    called_in: u64,
    /// The answer that its name is from.
    named_in: u64,
    /// Tells the origin that its name is made of from others, of which it is too unlikely to be one's by accident.
    origin: u64,
    is_complete: bool,
}

#[derive(Debug)]
struct Group<M> {
    entry: Entry<M>,
    asked_in: u64,
}

/// One who is there.
#[derive(Debug)]
pub(crate) struct Entry<M> {
    /// Who it is.
    pub(crate) subject: Subject,
    /// What its series are called.
    pub(crate) head: Head,
    /// Whatever is to be remembered of it; it begins with the default.
    pub(crate) memory: M,
}

impl<M: Default> Registry<M> {
    /// One that knows nobody. A slot rests for so long when its instance has gone.
    pub(crate) fn new(naming: Arc<Naming>, slot_reuse_after: Duration) -> Self {
        Self {
            naming,
            slot_reuse_after,
            kinds: std::array::from_fn(|_| Members {
                of: HashMap::new(),
                slots: Slots::default(),
            }),
            groups: HashMap::new(),
            single: HashMap::new(),
            answers: [0; KINDS.len()],
            is_changed: false,
        }
    }

    /// Takes in everyone of a kind who is in a whole answer, at this time in seconds since the epoch: who is not in it
    /// has gone, who is new gets a slot. Who has no id is passed over.
    pub(crate) fn take_in<'a, I: Identity + 'a>(
        &mut self,
        kind: Kind,
        all: impl Iterator<Item = &'a I> + Clone,
        now: u64,
    ) {
        self.answers[kind.index()] += 1;
        let answer = self.answers[kind.index()];
        if kind == Kind::Container {
            self.groups
                .retain(|_, group| group.asked_in + GROUP_KEPT >= answer);
        }
        let rest = self.slot_reuse_after;
        let members = &mut self.kinds[kind.index()];
        let mut newcomers: Vec<&I> = Vec::new();
        for one in all {
            match members.of.get_mut(one.id()) {
                Some(member) => {
                    member.seen_in = answer;
                    if !member.is_complete {
                        newcomers.push(one);
                    }
                }
                None if one.id().is_empty() => {}
                None => newcomers.push(one),
            }
        }
        for (id, gone) in members.of.extract_if(|_, member| member.seen_in != answer) {
            members.slots.give_back(id, &gone.pool, gone.slot, now);
            self.is_changed = true;
        }
        members.slots.forget(now, rest);
        // Those who come back are first, so that nobody takes what they had.
        let (back, new): (Vec<&I>, Vec<&I>) = newcomers
            .into_iter()
            .partition(|one| members.slots.remembers(one.id()));
        for one in back.into_iter().chain(new) {
            self.is_changed |= members.name(kind, one, &self.naming, answer, now, rest);
        }
    }

    /// The one of that id, once for each [`Registry::take_in`]: should an answer have one twice, the second would
    /// overwrite the first one's points.
    pub(crate) fn call(&mut self, kind: Kind, id: &str) -> Option<&mut Entry<M>> {
        let answer = self.answers[kind.index()];
        let member = self.kinds[kind.index()].of.get_mut(id)?;
        let is_first = member.called_in != answer;
        member.called_in = answer;
        is_first.then_some(&mut member.entry)
    }

    /// The group of all instances of an app. Forgotten when it was not asked for in a while of answers about containers.
    pub(crate) fn group(&mut self, app: &Arc<str>) -> &mut Entry<M> {
        let naming = &self.naming;
        let group = self.groups.entry(Arc::clone(app)).or_insert_with(|| Group {
            entry: Entry::alone(naming, Kind::App, Arc::clone(app)),
            asked_in: 0,
        });
        group.asked_in = self.answers[Kind::Container.index()];
        &mut group.entry
    }

    /// The only one of a kind that an agent has one of.
    pub(crate) fn single(&mut self, kind: Kind) -> &mut Entry<M> {
        let naming = &self.naming;
        let alone = || Entry::alone(naming, kind, "".into());
        self.single.entry(kind).or_insert_with(alone)
    }

    /// Takes over the slots of before a restart, at this time. To be done before anybody is taken in.
    pub(crate) fn recall(&mut self, file: SlotFile, now: u64) {
        for record in file.records {
            let claim = Claim {
                pool: record.pool.into(),
                slot: record.slot,
                since: record.gone_since.unwrap_or(now).min(now),
            };
            self.kinds[record.kind.index()]
                .slots
                .recall(&record.id, claim);
        }
    }

    /// Who has which slot, to be written down; None if nothing changed since this was last asked.
    pub(crate) fn slots(&mut self) -> Option<SlotFile> {
        if !std::mem::take(&mut self.is_changed) {
            return None;
        }
        let mut records = Vec::new();
        for (kind, members) in KINDS.into_iter().zip(&self.kinds) {
            let there = members.of.iter().map(|(id, member)| Record {
                kind,
                pool: member.pool.to_string(),
                slot: member.slot,
                id: id.to_string(),
                gone_since: None,
            });
            let gone = members.slots.claims().map(|(id, claim)| Record {
                kind,
                pool: claim.pool.to_string(),
                slot: claim.slot,
                id: id.to_owned(),
                gone_since: Some(claim.since),
            });
            records.extend(there.chain(gone));
        }
        Some(SlotFile { records })
    }

    /// What [`Registry::slots`] last gave could not be written down.
    pub(crate) fn slots_are_not_kept(&mut self) {
        self.is_changed = true;
    }

    /// How many pools of slots, and how many who went.
    #[cfg(test)]
    pub(super) fn remembered(&self, kind: Kind) -> (usize, usize) {
        self.kinds[kind.index()].slots.remembered()
    }
}

impl<M: Default> Members<M> {
    /// Gives one a slot and its names, unless they are what they were. Whether it did.
    fn name(
        &mut self,
        kind: Kind,
        one: &impl Identity,
        naming: &Naming,
        answer: u64,
        now: u64,
        rest: Duration,
    ) -> bool {
        let id = one.id();
        let origin = one.origin();
        let mut hasher = DefaultHasher::new();
        origin.hash(&mut hasher);
        let told_by = hasher.finish();
        if let Some(known) = self.of.get_mut(id) {
            let is_twice = known.named_in == answer;
            if is_twice || known.origin == told_by {
                known.is_complete |= !is_twice && one.is_complete();
                return false;
            }
        }
        let mut subject = subject_of(kind, &origin);
        let pool = naming.pool(&subject, &origin);
        let earlier = self.of.remove(id);
        let (pool, slot) = match &earlier {
            Some(earlier) if *earlier.pool == *pool => (Arc::clone(&earlier.pool), earlier.slot),
            Some(earlier) => {
                let taken = self.slots.take(id, &pool, now, rest);
                self.slots
                    .give_back(id.into(), &earlier.pool, earlier.slot, now);
                taken
            }
            None => self.slots.take(id, &pool, now, rest),
        };
        subject.slot = Some(slot);
        let member = Member {
            entry: Entry {
                head: naming.head(&subject, &origin),
                subject,
                memory: earlier.map_or_else(M::default, |earlier| earlier.entry.memory),
            },
            pool,
            slot,
            seen_in: answer,
            called_in: 0,
            named_in: answer,
            origin: told_by,
            is_complete: one.is_complete(),
        };
        self.of.insert(id.into(), Box::new(member));
        true
    }
}

fn subject_of(kind: Kind, origin: &Origin) -> Subject {
    Subject {
        kind,
        app: app_of(kind, origin).into(),
        slot: None,
    }
}

impl<M: Default> Entry<M> {
    fn alone(naming: &Naming, kind: Kind, app: Arc<str>) -> Self {
        let subject = Subject {
            kind,
            app,
            slot: None,
        };
        Self {
            head: naming.head(&subject, &Origin::default()),
            subject,
            memory: M::default(),
        }
    }
}
