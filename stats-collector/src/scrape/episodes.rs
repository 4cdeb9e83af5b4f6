//! Trouble that lasts, told in the log when it begins, when it becomes another, and when it is over: not at each turn.

use std::collections::HashMap;

use tracing::{info, warn};

/// What is wrong with each source at the moment.
#[derive(Debug, Default)]
pub(crate) struct Episodes {
    lasting: HashMap<&'static str, Episode>,
}

#[derive(Debug)]
struct Episode {
    kind: &'static str,
    turns: u64,
}

impl Episodes {
    /// A source has failed in this way; whether that is new, and told.
    pub(crate) fn trouble(
        &mut self,
        source: &'static str,
        kind: &'static str,
        message: &str,
    ) -> bool {
        let episode = self
            .lasting
            .entry(source)
            .or_insert(Episode { kind: "", turns: 0 });
        episode.turns += 1;
        let is_new = episode.kind != kind;
        if is_new {
            episode.kind = kind;
            warn!("no {source}: {message}");
        }
        is_new
    }

    /// A source is as it should be; how many turns of trouble are over by that.
    pub(crate) fn fine(&mut self, source: &'static str) -> u64 {
        let Some(over) = self.lasting.remove(source) else {
            return 0;
        };
        info!("{source} again, after {} turns without", over.turns);
        over.turns
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_told_when_it_begins_and_when_it_becomes_another() {
        let mut episodes = Episodes::default();
        assert!(episodes.trouble("state", "timeout", "slow"));
        assert!(!episodes.trouble("state", "timeout", "slower"));
        assert!(episodes.trouble("containers", "timeout", "slow"));
        assert!(episodes.trouble("state", "forbidden", "no"));
        assert!(episodes.trouble("state", "timeout", "slow"));
        assert_eq!(episodes.fine("state"), 4);
        assert_eq!(episodes.fine("state"), 0);
        assert!(episodes.trouble("state", "timeout", "slow"));
    }
}
