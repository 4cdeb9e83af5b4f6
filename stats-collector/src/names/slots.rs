//! The small numbers that stand for instances.
//!
//! An instance has the lowest number that is free when it is first seen, its own for as long as it lives. Afterwards the
//! number rests for a while; who comes back meanwhile, or before anybody else took it, has it again. So an app has about as
//! many series as instances of it ever ran at the same time, however often they were replaced.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

/// Seconds for which it is remembered who had a slot, unless somebody else takes it before.
const REMEMBERED: u64 = 3600;

/// The most of those who went that are remembered: an app whose every instance has another name would fill the memory.
const CLAIMS_MAX: usize = 20_000;

/// The slots of one kind, in pools: no two that are taken in one pool are the same.
#[derive(Debug, Default)]
pub(super) struct Slots {
    pools: HashMap<Arc<str>, Pool>,
    /// Those who went, by their ids.
    claims: HashMap<Box<str>, Claim>,
}

/// All below `end` are taken but for those that are vacant.
#[derive(Debug, Default)]
struct Pool {
    end: u32,
    /// With the one who had it, if that is remembered.
    vacant: BTreeMap<u32, Option<Box<str>>>,
    /// When none of the vacant ones had rested for long enough: whoever else comes at that time need not look again.
    none_rested_at: Option<u64>,
}

/// What somebody had who went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Claim {
    pub(super) pool: Arc<str>,
    pub(super) slot: u32,
    /// When it went, in seconds since the epoch.
    pub(super) since: u64,
}

impl Slots {
    /// Whether this one had a slot that nobody took since.
    pub(super) fn remembers(&self, id: &str) -> bool {
        self.claims.contains_key(id)
    }

    /// Takes a slot for this one: its own of before, or else the lowest that has rested for long enough.
    pub(super) fn take(
        &mut self,
        id: &str,
        pool: &str,
        now: u64,
        rest: Duration,
    ) -> (Arc<str>, u32) {
        let name = match self.pools.get_key_value(pool) {
            Some((name, _)) => Arc::clone(name),
            None => pool.into(),
        };
        let pool = self.pools.entry(Arc::clone(&name)).or_default();
        if let Some(claim) = self.claims.get(id)
            && claim.pool == name
        {
            let slot = claim.slot;
            pool.vacant.remove(&slot);
            self.claims.remove(id);
            return (name, slot);
        }
        let claims = &self.claims;
        let has_rested = |holder: &Option<Box<str>>| {
            let claim = holder.as_ref().and_then(|holder| claims.get(holder));
            claim.is_none_or(|claim| now.saturating_sub(claim.since) >= rest.as_secs())
        };
        let mut vacant = pool.vacant.iter();
        let rested = match pool.none_rested_at {
            Some(at) if at == now => None,
            _ => vacant.find(|(_, holder)| has_rested(holder)),
        };
        let Some(slot) = rested.map(|(slot, _)| *slot) else {
            pool.none_rested_at = Some(now);
            let slot = pool.end;
            pool.end += 1;
            return (name, slot);
        };
        if let Some(holder) = pool.vacant.remove(&slot).flatten() {
            self.claims.remove(&holder);
        }
        (name, slot)
    }

    /// Takes the slot of one who went, and remembers whose it was.
    pub(super) fn give_back(&mut self, id: Box<str>, pool: &Arc<str>, slot: u32, now: u64) {
        let claim = Claim {
            pool: Arc::clone(pool),
            slot,
            since: now,
        };
        if let Some(earlier) = self.claims.insert(id.clone(), claim) {
            self.forget_holder(&earlier);
        }
        if let Some(pool) = self.pools.get_mut(pool) {
            pool.none_rested_at = None;
            pool.vacant.insert(slot, Some(id));
        }
    }

    /// Forgets whose the slots were that have been vacant for long, and the pools in which none is taken any more.
    pub(super) fn forget(&mut self, now: u64, rest: Duration) {
        let remembered = rest.as_secs().max(REMEMBERED);
        for claim in self.claims.values_mut() {
            // The clock was put back: else they would rest until it is where it was.
            claim.since = claim.since.min(now);
        }
        let mut since: Vec<u64> = self.claims.values().map(|claim| claim.since).collect();
        let mut oldest = now.saturating_sub(remembered);
        if since.len() > CLAIMS_MAX {
            let too_many = since.len() - CLAIMS_MAX;
            let (_, newest_of_them, _) = since.select_nth_unstable(too_many - 1);
            oldest = oldest.max(*newest_of_them);
        }
        let gone = self
            .claims
            .extract_if(|_, claim| claim.since <= oldest && now > claim.since);
        let gone: Vec<_> = gone.collect();
        for (_, claim) in &gone {
            self.forget_holder(claim);
        }
        if !gone.is_empty() {
            let is_used = |pool: &Pool| {
                pool.vacant.len() < pool.end as usize || pool.vacant.values().any(Option::is_some)
            };
            self.pools.retain(|_, pool| is_used(pool));
        }
    }

    /// Those who went and are remembered.
    pub(super) fn claims(&self) -> impl Iterator<Item = (&str, &Claim)> {
        self.claims.iter().map(|(id, claim)| (&**id, claim))
    }

    /// Remembers one who went, or was there when the collector ended. What is remembered already of him or of his slot is
    /// left as it is.
    pub(super) fn recall(&mut self, id: &str, claim: Claim) {
        let pool = self.pools.entry(Arc::clone(&claim.pool)).or_default();
        while pool.end <= claim.slot {
            pool.vacant.insert(pool.end, None);
            pool.end += 1;
        }
        if self.claims.contains_key(id) {
            return;
        }
        if let Some(holder @ None) = pool.vacant.get_mut(&claim.slot) {
            *holder = Some(id.into());
            self.claims.insert(id.into(), claim);
        }
    }

    fn forget_holder(&mut self, claim: &Claim) {
        if let Some(pool) = self.pools.get_mut(&claim.pool)
            && let Some(holder) = pool.vacant.get_mut(&claim.slot)
        {
            *holder = None;
            pool.none_rested_at = None;
        }
    }

    #[cfg(test)]
    pub(super) fn remembered(&self) -> (usize, usize) {
        (self.pools.len(), self.claims.len())
    }
}
