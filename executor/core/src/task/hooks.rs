//! The hooks of a task: at most one is under way, each is answered once, and what went wrong is told with the next update
//! that has room for it.

use std::time::Duration;

use super::stop::{Step, steps};
use super::{Cause, Effect, Task};
use crate::event::Probed;
use crate::hook::{Moment, hook_failure};

/// How many failures of hooks wait to be told: as many as there are hooks, and one that is cut off.
const MOST_TROUBLES: usize = 6;

impl Task {
    /// Begins what the task asks for at this moment. Whatever was under way is called off.
    pub(super) fn begin_hook(&mut self, moment: Moment, timeout: Duration) -> Vec<Effect> {
        let Some(hook) = moment.hook_of(&self.life).cloned() else {
            return vec![];
        };
        let mut effects: Vec<Effect> = self.call_off().into_iter().collect();
        self.hook = Some((moment, timeout));
        effects.push(Effect::Hook(moment, Box::new(hook), timeout));
        effects
    }

    /// The hook that is under way, if one is, is of no use any more.
    pub(super) fn call_off(&mut self) -> Option<Effect> {
        let (moment, _) = self.hook.take()?;
        self.unanswered += 1;
        Some(Effect::CancelHook(moment))
    }

    /// What was called off has ended.
    pub(super) fn answered(&mut self) {
        self.unanswered = self.unanswered.saturating_sub(1);
    }

    /// Takes the answer of a hook in; none when it was called off before.
    pub(super) fn hooked(&mut self, moment: Moment, outcome: &Probed) -> Option<Vec<Effect>> {
        let Some((_, timeout)) = self.hook.take_if(|(one, _)| *one == moment) else {
            self.answered();
            return None;
        };
        let Some(failure) = hook_failure(moment, timeout, outcome) else {
            return Some(vec![]);
        };
        let hook = moment.hook_of(&self.life);
        // One that got less time than it asked for has not failed: it was cut.
        let counts = hook.is_some_and(|hook| hook.must_succeed && timeout >= hook.timeout);
        if !counts {
            return Some(vec![self.tell_of(failure)]);
        }
        let mut effects = vec![Effect::HookFailed(failure.clone())];
        if moment == Moment::AfterStart {
            effects.push(Effect::Broken(failure));
            return Some(effects);
        }
        match self.cause {
            None | Some(Cause::Killed | Cause::ShutDown(_) | Cause::Member { .. }) => {
                self.cause = Some(Cause::Hook(failure));
            }
            // It has failed already, and for this.
            Some(Cause::Limited(_) | Cause::TooLong(_) | Cause::Unhealthy(_) | Cause::Hook(_)) => {
                self.keep(failure);
            }
        }
        Some(effects)
    }

    /// The hook before the start has failed, and the task starts all the same.
    pub(super) fn failed_before_start(&mut self, outcome: &Probed) -> Vec<Effect> {
        let moment = Moment::BeforeStart;
        let timeout = moment.hook_of(&self.life).map(|hook| hook.timeout);
        let failure = hook_failure(moment, timeout.unwrap_or_default(), outcome);
        failure
            .map(|failure| self.tell_of(failure))
            .into_iter()
            .collect()
    }

    /// There is no time for a hook.
    pub(super) fn skip(&mut self, moment: Moment) -> Effect {
        self.tell_of(format!("{moment} was not run: there was no time for it"))
    }

    /// There is no time for any hook of the stop sequence.
    pub(super) fn skip_all(&mut self) -> Vec<Effect> {
        let steps = steps(&self.life).into_iter();
        let hooks = steps.filter_map(|step| match step {
            Step::Hook(moment) => Some(moment),
            Step::Drain | Step::Signal(_) => None,
        });
        hooks.map(|moment| self.skip(moment)).collect()
    }

    /// What went wrong with a hook, for the log and for the next update.
    pub(super) fn tell_of(&mut self, trouble: String) -> Effect {
        self.keep(trouble.clone());
        Effect::HookFailed(trouble)
    }

    fn keep(&mut self, trouble: String) {
        if self.troubles.len() < MOST_TROUBLES {
            self.troubles.push(trouble);
        }
    }
}
