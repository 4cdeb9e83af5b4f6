//! Who is there, with the slot and the name that each has.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use graphite::Roster;

use super::head::Head;
use super::kinds::KINDS;
use super::naming::Naming;
use crate::model::{Kind, Origin, Subject};

/// Someone whom an answer names.
pub(crate) trait Identity {
    /// What it is known by from one answer to the next: a container's id, a sandbox's path. Unique within its kind.
    fn id(&self) -> &str;

    /// Where it comes from. Asked for once, when it is first seen, or until [`Identity::is_complete`].
    fn origin(&self) -> Origin;

    /// Whether the origin is all that will ever be known; if not it is asked for again the next time.
    fn is_complete(&self) -> bool {
        true
    }
}

/// Everyone who is there, each with an `M` of memory, and the slots of those who were.
#[derive(Debug)]
pub(crate) struct Registry<M> {
    naming: Arc<Naming>,
    rosters: [Roster<Option<Entry<M>>>; KINDS.len()],
    groups: HashMap<Arc<str>, Entry<M>>,
    single: HashMap<Kind, Entry<M>>,
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
    pub(crate) fn new(naming: Arc<Naming>, _reuse_after: Duration) -> Self {
        Self {
            naming,
            rosters: std::array::from_fn(|_| Roster::default()),
            groups: HashMap::new(),
            single: HashMap::new(),
        }
    }

    /// Takes in everyone of a kind who is in a whole answer, at this time in seconds since the epoch: who is not in it
    /// has gone, who is new gets a slot. Who has no id is passed over.
    pub(crate) fn take_in<'a, I: Identity + 'a>(
        &mut self,
        kind: Kind,
        all: impl Iterator<Item = &'a I> + Clone,
        _now: u64,
    ) {
        let roster = &mut self.rosters[kind.index()];
        let named: Vec<(&str, String)> = all
            .clone()
            .map(|one| (one.id(), app_of(&one.origin())))
            .collect();
        roster.take_in(named.iter().map(|(id, name)| (*id, name.as_str())));
        for one in all {
            let Some(member) = roster.call(one.id()) else {
                continue;
            };
            if member.memory.is_none() {
                let subject = Subject {
                    kind,
                    app: Arc::clone(&member.app),
                    slot: Some(member.slot),
                    origin: one.origin(),
                };
                member.memory = Some(Entry::new(&self.naming, subject));
            }
        }
        roster.take_in(named.iter().map(|(id, name)| (*id, name.as_str())));
    }

    /// The one of that id, once for each [`Registry::take_in`]: should an answer have one twice, the second would
    /// overwrite the first one's points.
    pub(crate) fn call(&mut self, kind: Kind, id: &str) -> Option<&mut Entry<M>> {
        self.rosters[kind.index()].call(id)?.memory.as_mut()
    }

    /// The group of all instances of an app.
    pub(crate) fn group(&mut self, app: &Arc<str>) -> &mut Entry<M> {
        let naming = &self.naming;
        self.groups.entry(Arc::clone(app)).or_insert_with(|| {
            let subject = Subject {
                kind: Kind::App,
                app: Arc::clone(app),
                slot: None,
                origin: Origin::default(),
            };
            Entry::new(naming, subject)
        })
    }

    /// The only one of a kind that an agent has one of.
    pub(crate) fn single(&mut self, kind: Kind) -> &mut Entry<M> {
        let naming = &self.naming;
        self.single.entry(kind).or_insert_with(|| {
            let subject = Subject {
                kind,
                app: "".into(),
                slot: None,
                origin: Origin::default(),
            };
            Entry::new(naming, subject)
        })
    }
}

impl<M: Default> Entry<M> {
    fn new(naming: &Naming, subject: Subject) -> Self {
        Self {
            head: naming.head(&subject),
            subject,
            memory: M::default(),
        }
    }
}

fn app_of(origin: &Origin) -> String {
    let ids = [
        &origin.executor_id,
        &origin.task_id,
        &origin.source,
        &origin.task_name,
    ];
    let given = ids.into_iter().flatten().find(|id| !id.is_empty());
    given.cloned().unwrap_or_default()
}
