//! Who lives, and the slot that each has within its app.
//!
//! A slot is a small number that stands for an instance in metric names: the lowest that is free
//! when the instance is first seen, its own for as long as it lives, and free again afterwards. So
//! an app that ever ran three instances at once on this agent has three sets of series, however
//! often they were replaced.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::app_name;

/// Everything that is remembered of instances from one reply to the next, of each a `T`. Its size
/// follows the number of those that live.
#[derive(Debug)]
pub struct Roster<T = ()> {
    members: HashMap<Box<str>, Member<T>>,
    apps: HashMap<Arc<str>, Slots>,
    /// Which reply this is; a member not in it is gone.
    reply: u64,
}

/// An instance that lives.
#[derive(Debug)]
pub struct Member<T> {
    /// See [`app_name()`].
    pub app: Arc<str>,
    /// Unique among the living instances of the app.
    pub slot: u32,
    /// Whatever is to be remembered of it; it begins with the default.
    pub memory: T,
    seen_in: u64,
    called_in: u64,
}

impl<T> Default for Roster<T> {
    fn default() -> Self {
        Self {
            members: HashMap::new(),
            apps: HashMap::new(),
            reply: 0,
        }
    }
}

impl<T: Default> Roster<T> {
    /// Takes in who is in a whole reply, each with an id and the name that its app is made of: those
    /// who are not in it give their slots up, then those who are new get theirs. Who has no id is
    /// passed over.
    pub fn take_in<'a>(&mut self, all: impl Iterator<Item = (&'a str, &'a str)> + Clone) {
        self.reply += 1;
        for (id, _) in all.clone() {
            if let Some(member) = self.members.get_mut(id) {
                member.seen_in = self.reply;
            }
        }
        let Self {
            members,
            apps,
            reply,
        } = self;
        members.retain(|_, member| {
            let lives = member.seen_in == *reply;
            if !lives && let Some(slots) = apps.get_mut(&member.app) {
                slots.release(member.slot);
                if slots.is_unused() {
                    apps.remove(&member.app);
                }
            }
            lives
        });
        for (id, name) in all {
            if !id.is_empty() && !members.contains_key(id) {
                let member = enrol(apps, name, *reply);
                members.insert(id.into(), member);
            }
        }
    }

    /// The member of that id, once for each [`Roster::take_in`]: should a reply hold one id twice,
    /// the second would overwrite the first one's points. Also `None` for an empty id.
    pub fn call(&mut self, id: &str) -> Option<&mut Member<T>> {
        let member = self.members.get_mut(id)?;
        let first_time = member.called_in != self.reply;
        member.called_in = self.reply;
        first_time.then_some(member)
    }
}

fn enrol<T: Default>(apps: &mut HashMap<Arc<str>, Slots>, name: &str, reply: u64) -> Member<T> {
    let name = app_name(name);
    let app = match apps.get_key_value(name.as_str()) {
        Some((app, _)) => Arc::clone(app),
        None => name.into(),
    };
    let slot = apps.entry(Arc::clone(&app)).or_default().take();
    Member {
        app,
        slot,
        memory: T::default(),
        seen_in: reply,
        called_in: 0,
    }
}

/// The slots of one app: all below `end` but the free ones are taken.
#[derive(Debug, Default)]
struct Slots {
    end: u32,
    free: BTreeSet<u32>,
}

impl Slots {
    fn take(&mut self) -> u32 {
        self.free.pop_first().unwrap_or_else(|| {
            let slot = self.end;
            self.end += 1;
            slot
        })
    }

    fn release(&mut self, slot: u32) {
        self.free.insert(slot);
    }

    fn is_unused(&self) -> bool {
        self.free.len() == self.end as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One reply with instances given as `id=name`.
    fn update(roster: &mut Roster, instances: &[&str]) {
        roster.take_in(instances.iter().map(|pair| pair.split_once('=').unwrap()));
    }

    fn series(roster: &mut Roster, id: &str) -> String {
        let member = roster.call(id).unwrap();
        format!("{}.{}", member.app, member.slot)
    }

    #[test]
    fn instances_of_an_app_get_the_lowest_free_slots() {
        let mut roster = Roster::default();
        update(&mut roster, &["a=web-7", "b=web-8", "c=db-1", "d=web-9"]);
        assert_eq!(series(&mut roster, "a"), "web.0");
        assert_eq!(series(&mut roster, "b"), "web.1");
        assert_eq!(series(&mut roster, "c"), "db.0");
        assert_eq!(series(&mut roster, "d"), "web.2");
    }

    #[test]
    fn an_instance_keeps_its_slot_while_it_lives_and_a_free_one_is_taken_up_again() {
        let mut roster = Roster::default();
        update(&mut roster, &["a=web-1", "b=web-2", "c=web-3"]);
        update(&mut roster, &["c=web-3", "b=web-2"]);
        assert_eq!(series(&mut roster, "b"), "web.1");
        assert_eq!(series(&mut roster, "c"), "web.2");
        update(&mut roster, &["d=web-4", "e=web-5", "c=web-3", "b=web-2"]);
        assert_eq!(series(&mut roster, "d"), "web.0");
        assert_eq!(series(&mut roster, "e"), "web.3");
        assert_eq!(series(&mut roster, "b"), "web.1");
    }

    #[test]
    fn a_replacement_seen_in_the_reply_that_lacks_its_predecessor_takes_its_slot() {
        let mut roster = Roster::default();
        update(&mut roster, &["a=web.1"]);
        update(&mut roster, &["b=web.2"]);
        assert_eq!(series(&mut roster, "b"), "web.0");
    }

    #[test]
    fn nothing_is_remembered_of_who_is_gone() {
        let mut roster = Roster::default();
        for round in 0..100 {
            let pairs: Vec<_> = (0..10)
                .map(|n| format!("{round}-{n}=app{n}{round}"))
                .collect();
            update(
                &mut roster,
                &pairs.iter().map(String::as_str).collect::<Vec<_>>(),
            );
        }
        assert_eq!((roster.members.len(), roster.apps.len()), (10, 10));
        update(&mut roster, &[]);
        assert_eq!((roster.members.len(), roster.apps.len()), (0, 0));
    }

    #[test]
    fn ids_of_one_app_share_their_slots_however_they_are_parted() {
        let mut roster = Roster::default();
        update(&mut roster, &["a=grp.app", "b=grp_app"]);
        assert_eq!(series(&mut roster, "a"), "grp_app.0");
        assert_eq!(series(&mut roster, "b"), "grp_app.1");
    }

    #[test]
    fn an_id_is_called_once_a_reply_and_an_empty_one_never() {
        let mut roster = Roster::default();
        update(&mut roster, &["a=web", "a=web", "=web"]);
        assert!(roster.call("a").is_some());
        assert!(roster.call("a").is_none());
        assert!(roster.call("").is_none());
        update(&mut roster, &["a=web"]);
        assert!(roster.call("a").is_some());
    }
}
