//! What goes to and comes from a program that runs beside a task.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::identity::Identity;
use crate::namespaces::{Namespaces, Network};
use crate::plan::{Command, Flaw, Plan};
use crate::tail::KEPT;

/// What the task's init has to know to start it.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Guest {
    pub(crate) command: Command,
    /// Set over the task's own.
    pub(crate) environment: BTreeMap<String, String>,
    /// `None` is whoever the task is.
    pub(crate) identity: Option<Identity>,
    pub(crate) cgroup_procs: Vec<PathBuf>,
}

impl Guest {
    /// It with all that it has from the task whose plan is `host`.
    pub(crate) fn plan_beside(self, host: &Plan) -> Plan {
        let mut environment = host.environment.clone();
        environment.extend(self.environment);
        Plan {
            command: self.command,
            environment,
            // It is in the task's namespaces already, but for that of a cgroup: its own is another.
            hostname: None,
            namespaces: Namespaces {
                cgroup: host.namespaces.cgroup,
                ..Namespaces::NONE
            },
            network: Network::Host,
            identity: self.identity.or_else(|| host.identity.clone()),
            cgroup_procs: self.cgroup_procs,
            ..host.clone()
        }
    }

    pub(crate) fn check(&self) -> Result<(), Flaw> {
        self.command.check()?;
        crate::plan::check_environment(&self.environment)
    }
}

/// How it ended: one message of its watcher's.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Word {
    /// Its wait status; `None` when it could not be killed.
    pub(crate) status: Option<i32>,
    /// How many bytes of output came before those that are here.
    pub(crate) dropped: u64,
    /// The end of its output.
    pub(crate) output: Vec<u8>,
}

impl Word {
    const HEAD: usize = 1 + size_of::<i32>() + size_of::<u64>();
    /// The longest message.
    pub(crate) const MOST: usize = Word::HEAD + KEPT;

    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut message = vec![u8::from(self.status.is_some())];
        message.extend(self.status.unwrap_or_default().to_ne_bytes());
        message.extend(self.dropped.to_ne_bytes());
        message.extend(&self.output);
        message
    }

    /// `None` when it is none.
    pub(crate) fn decode(message: &[u8]) -> Option<Word> {
        let (has_status, rest) = message.split_first()?;
        let (status, rest) = rest.split_first_chunk()?;
        let (dropped, output) = rest.split_first_chunk()?;
        Some(Word {
            status: (*has_status == 1).then(|| i32::from_ne_bytes(*status)),
            dropped: u64::from_ne_bytes(*dropped),
            output: output.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::tests::plan;

    #[test]
    fn a_word_survives_its_encoding_and_half_of_one_is_none() {
        for status in [None, Some(256)] {
            let word = Word {
                status,
                dropped: 7,
                output: b"abc".to_vec(),
            };
            let message = word.encode();
            assert_eq!(Word::decode(&message), Some(word));
            assert_eq!(Word::decode(&message[..9]), None);
        }
    }

    #[test]
    fn a_guest_has_from_the_task_whatever_it_does_not_bring() {
        let host = plan(Command::Shell("server".into()));
        let guest = Guest {
            command: Command::Shell("check".into()),
            environment: BTreeMap::from([("A".to_owned(), "b".to_owned())]),
            identity: None,
            cgroup_procs: vec!["/c".into()],
        };
        let plan = guest.plan_beside(&host);
        assert_eq!(plan.identity, host.identity);
        assert_eq!(plan.working_directory, host.working_directory);
        assert_eq!(plan.rlimits, host.rlimits);
        assert_eq!(plan.privileges, host.privileges);
        assert_eq!(plan.environment["PATH"], host.environment["PATH"]);
        assert_eq!(plan.environment["A"], "b");
        assert_eq!(plan.cgroup_procs, [PathBuf::from("/c")]);
    }
}
