//! Who of the containers is known by more than an id, and when it is time to ask the agent about the others.
//!
//! A point that goes out before its container's framework, task and labels are known would begin a series that is never
//! continued once they are. So whoever is new waits for the agent's state, which is asked for in the same turn or as soon
//! as it costs the agent little; should that fail, or not name the container yet, it waits for a turn or two more, and
//! then goes out under what is known.
//!
//! ```text
//!                     the state names it
//!   new ──────────────────────────────────────> known    goes out
//!    │                                            ↑
//!    │ HELD turns in vain                          │ the state names it
//!    └──────────────────> nameless ───────────────┘      goes out under what is known
//! ```

use std::collections::HashMap;
use std::time::Duration;

/// So many turns a container waits for its name.
const HELD: u8 = 2;
/// The agent spends at most one part in so many of its time on states for us, however many containers come and go.
const RARELY: u32 = 20;

/// How well the containers of the last list are known.
#[derive(Debug)]
pub(crate) struct Acquaintance {
    containers: HashMap<String, Standing>,
    refresh: Duration,
    held: u8,
    /// When a state was asked for last, and what it took; since any fixed moment.
    asked: Option<(Duration, Duration)>,
    /// Whether a turn without a name is in vain: the state of this turn has none, or there is no state to be had.
    is_in_vain: bool,
    is_answered: bool,
    turn: bool,
}

#[derive(Clone, Copy, Debug)]
struct Standing {
    stage: Stage,
    /// The turn that it was last listed in: every other one, which is enough to see who was not.
    turn: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    New { turns: u8 },
    Nameless,
    Known,
}

/// What is to be done with a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It waits.
    Hold,
    /// It goes out; nothing more is known of it yet.
    Nameless,
    /// It goes out; all is known that will be.
    Known,
}

impl Acquaintance {
    /// Nobody is known. The state is asked for at least this often; who is new is held back unless there is to be one
    /// turn only.
    pub(crate) fn new(refresh: Duration, is_only_turn: bool) -> Self {
        Self {
            containers: HashMap::new(),
            refresh,
            held: if is_only_turn { 0 } else { HELD },
            asked: None,
            is_in_vain: false,
            is_answered: false,
            turn: false,
        }
    }

    /// Takes in a whole list, at this moment since any fixed one: whether the agent's state is to be asked for.
    pub(crate) fn wants_state<'a>(
        &mut self,
        listed: impl Iterator<Item = &'a str>,
        now: Duration,
    ) -> bool {
        self.turn = !self.turn;
        let turn = self.turn;
        let mut has_new = false;
        let had_some = !self.containers.is_empty();
        for id in listed {
            // The key is only made for who is not there.
            let standing = match self.containers.get_mut(id) {
                Some(standing) => standing,
                None => self.containers.entry(id.to_owned()).or_insert(Standing {
                    stage: Stage::New { turns: 0 },
                    turn,
                }),
            };
            standing.turn = turn;
            has_new |= matches!(standing.stage, Stage::New { .. });
        }
        self.containers.retain(|_, standing| standing.turn == turn);
        let Some((asked, took)) = self.asked else {
            return true;
        };
        let since = now.saturating_sub(asked);
        // Of a list that has become empty the state says whether that can be.
        let is_needed = has_new || had_some && self.containers.is_empty();
        since >= self.refresh || is_needed && since >= took * RARELY
    }

    /// Whether all is known that will be of this container of the last list.
    pub(crate) fn knows(&self, id: &str) -> bool {
        let standing = self.containers.get(id);
        standing.is_some_and(|standing| standing.stage == Stage::Known)
    }

    /// There is no state of this turn, since none was asked for.
    pub(crate) fn not_asked(&mut self) {
        // Where there was none to be had the last time, nobody waits for longer because none is asked for.
        self.is_in_vain &= !self.is_answered;
    }

    /// A state was asked for at this moment, and took so long.
    pub(crate) fn asked(&mut self, at: Duration, took: Duration, is_answered: bool) {
        self.asked = Some((at, took));
        self.is_in_vain = true;
        self.is_answered = is_answered;
    }

    /// What is to be done with a container of the last list. To be called once for each; `is_named` says whether a state
    /// that was asked for in this turn names it.
    pub(crate) fn meet(&mut self, id: &str, is_named: bool) -> Verdict {
        let Some(standing) = self.containers.get_mut(id) else {
            return Verdict::Hold;
        };
        standing.stage = match standing.stage {
            Stage::Known => Stage::Known,
            _ if is_named => Stage::Known,
            Stage::New { turns } if turns < self.held => Stage::New {
                turns: turns + u8::from(self.is_in_vain),
            },
            Stage::New { .. } | Stage::Nameless => Stage::Nameless,
        };
        match standing.stage {
            Stage::New { .. } => Verdict::Hold,
            Stage::Nameless => Verdict::Nameless,
            Stage::Known => Verdict::Known,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secs(secs: u64) -> Duration {
        Duration::from_secs(secs)
    }

    fn acquaintance() -> Acquaintance {
        Acquaintance::new(secs(300), false)
    }

    fn wants(known: &mut Acquaintance, listed: &[&str], now: u64) -> bool {
        known.wants_state(listed.iter().copied(), secs(now))
    }

    #[test]
    fn the_state_is_asked_for_at_first_then_for_who_is_new_and_every_few_minutes() {
        let mut known = acquaintance();
        assert!(wants(&mut known, &["a"], 10));
        known.asked(secs(10), secs(0), true);
        assert_eq!(known.meet("a", true), Verdict::Known);
        assert!(!wants(&mut known, &["a"], 20));
        assert_eq!(known.meet("a", false), Verdict::Known);
        assert!(wants(&mut known, &["a", "b"], 30));
        known.asked(secs(30), secs(0), true);
        assert_eq!(known.meet("b", true), Verdict::Known);
        assert!(!wants(&mut known, &["a", "b"], 40));
        assert!(wants(&mut known, &["a", "b"], 330));
    }

    #[test]
    fn a_new_container_waits_for_its_name_and_goes_out_without_after_two_turns() {
        let mut known = acquaintance();
        for (now, verdict) in [
            (10, Verdict::Hold),
            (20, Verdict::Hold),
            (30, Verdict::Nameless),
            (40, Verdict::Nameless),
        ] {
            let is_wanted = wants(&mut known, &["a"], now);
            assert_eq!(is_wanted, now <= 30, "{now}");
            known.asked(secs(now), secs(0), true);
            assert_eq!(known.meet("a", false), verdict, "{now}");
        }
        wants(&mut known, &["a"], 50);
        assert_eq!(known.meet("a", true), Verdict::Known);
    }

    #[test]
    fn where_there_is_one_turn_only_nobody_waits() {
        let mut known = Acquaintance::new(secs(300), true);
        assert!(wants(&mut known, &["a"], 10));
        assert_eq!(known.meet("a", false), Verdict::Nameless);
    }

    #[test]
    fn however_many_come_and_go_an_agent_is_not_kept_busy() {
        let mut known = acquaintance();
        wants(&mut known, &["a"], 100);
        known.asked(secs(100), secs(2), true);
        assert!(!wants(&mut known, &["b"], 110));
        assert!(!wants(&mut known, &["c"], 139));
        assert!(wants(&mut known, &["d"], 140));
    }

    #[test]
    fn who_is_new_waits_for_the_time_in_which_an_agent_is_left_alone() {
        let mut known = acquaintance();
        wants(&mut known, &["a"], 100);
        known.asked(secs(100), secs(2), true);
        assert_eq!(known.meet("a", true), Verdict::Known);
        for now in [110, 120, 130] {
            assert!(!wants(&mut known, &["a", "b"], now));
            known.not_asked();
            assert_eq!(known.meet("b", false), Verdict::Hold, "{now}");
        }
        assert!(wants(&mut known, &["a", "b"], 140));
        known.asked(secs(140), secs(2), true);
        assert_eq!(known.meet("b", true), Verdict::Known);
    }

    #[test]
    fn where_no_state_is_to_be_had_nobody_waits_for_it_for_long() {
        let mut known = acquaintance();
        assert!(wants(&mut known, &["a"], 10));
        known.asked(secs(10), secs(5), false);
        assert_eq!(known.meet("a", false), Verdict::Hold);
        assert!(!wants(&mut known, &["a"], 20));
        known.not_asked();
        assert_eq!(known.meet("a", false), Verdict::Hold);
        assert!(!wants(&mut known, &["a"], 30));
        known.not_asked();
        assert_eq!(known.meet("a", false), Verdict::Nameless);
    }

    #[test]
    fn a_list_that_has_become_empty_is_asked_about_once() {
        let mut known = acquaintance();
        wants(&mut known, &["a"], 10);
        known.asked(secs(10), secs(0), true);
        assert!(wants(&mut known, &[], 20));
        assert!(!wants(&mut known, &[], 30));
    }

    #[test]
    fn who_was_gone_is_new_again() {
        let mut known = acquaintance();
        wants(&mut known, &["a", "b"], 10);
        known.asked(secs(10), secs(0), true);
        assert_eq!(known.meet("a", true), Verdict::Known);
        wants(&mut known, &["b"], 20);
        assert!(wants(&mut known, &["a", "b"], 30));
        assert_eq!(known.meet("a", false), Verdict::Hold);
    }

    #[test]
    fn who_is_not_listed_is_held_back() {
        assert_eq!(acquaintance().meet("a", true), Verdict::Hold);
    }
}
