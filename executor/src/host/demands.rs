//! What a task does not get on this host: whether it can run without, and how that is told.
//!
//! What every task gets where it can be had is left out where it cannot, and told. What a task asked for by name it gets, or
//! it is not started.

use std::fmt::Write;

use cgroup::Limit;
use dialect::{LimitWishes, SandboxWishes};
use executor_core::{Fault, StartFailure};
use mesos_proto::v1::TaskInfoFields;
use sandbox::Feature;

/// What a task asked for by name.
#[derive(Clone, Debug)]
pub(super) struct Demands {
    limits: Vec<Limit>,
    features: Vec<Feature>,
}

impl Demands {
    /// What `task` asks for in its own fields and in ours.
    pub(super) fn of(task: &TaskInfoFields, limits: &LimitWishes, sandbox: &SandboxWishes) -> Self {
        let has_limit = |name| task.limits.contains_key(name);
        let limits = [
            (limits.cpu_hard_millis.is_some(), Limit::CpuQuota),
            (limits.memory.is_some() || has_limit("mem"), Limit::Memory),
            (limits.memory_soft.is_some(), Limit::MemorySoft),
            (limits.swap.is_some(), Limit::Swap),
            (limits.oom_group, Limit::OomGroup),
            (limits.pids.is_some(), Limit::Pids),
            (limits.cpuset.is_some(), Limit::Cpuset),
            (limits.io.weight.is_some(), Limit::IoWeight),
            (!limits.io.devices.is_empty(), Limit::IoCeilings),
            (!limits.devices.is_empty(), Limit::Devices),
        ];
        let files = sandbox.root.is_some()
            || !sandbox.volumes.is_empty()
            || !sandbox.hidden.is_empty()
            || sandbox.shm_size.is_some();
        let name = sandbox.hostname.is_some();
        let features = [
            (files, Feature::MountNamespace),
            (name, Feature::UtsNamespace),
            (name, Feature::Hostname),
            (sandbox.users_mapped, Feature::UserNamespace),
            (sandbox.capabilities.is_some(), Feature::Capabilities),
            (sandbox.seccomp.is_some(), Feature::SystemCalls),
        ];
        Self {
            limits: named(limits),
            features: named(features),
        }
    }

    /// Whether anything of the sandbox is to be looked at before the task runs.
    pub(super) fn concern_sandbox(&self) -> bool {
        !self.features.is_empty()
    }

    /// # Errors
    /// A limit that was asked for by name does not hold.
    pub(super) fn check_limits(&self, lacking: &[cgroup::Degraded]) -> Result<(), StartFailure> {
        let missing = lacking
            .iter()
            .find(|lack| self.limits.contains(&lack.limit));
        missing.map_or(Ok(()), |lack| Err(refusal(&lack)))
    }

    /// # Errors
    /// A part of the sandbox that was asked for by name is not there.
    pub(super) fn check_sandbox(&self, lacking: &[sandbox::Degraded]) -> Result<(), StartFailure> {
        let missing = lacking
            .iter()
            .find(|lack| self.features.contains(&lack.feature));
        missing.map_or(Ok(()), |lack| Err(refusal(&lack)))
    }
}

fn named<T, const N: usize>(all: [(bool, T); N]) -> Vec<T> {
    let asked = all.into_iter().filter(|(is_asked, _)| *is_asked);
    asked.map(|(_, one)| one).collect()
}

pub(super) fn refusal(lack: &dyn std::fmt::Display) -> StartFailure {
    StartFailure {
        fault: Fault::Host,
        message: format!("The task asks for what cannot be had here: {lack}"),
    }
}

/// What a task runs without, for a person: those with one cause together. Nothing when it has all.
pub(super) fn told(limits: &[cgroup::Degraded], sandbox: &[sandbox::Degraded]) -> Option<String> {
    let limits = limits
        .iter()
        .map(|lack| (lack.limit.to_string(), lack.why.to_string()));
    let sandbox = sandbox.iter().map(|lack| {
        let why = std::io::Error::from_raw_os_error(lack.errno);
        (lack.feature.to_string(), why.to_string())
    });
    let mut causes: Vec<(String, Vec<String>)> = Vec::new();
    for (what, why) in limits.chain(sandbox) {
        match causes.iter_mut().find(|(cause, _)| *cause == why) {
            Some((_, whats)) => whats.push(what),
            None => causes.push((why, vec![what])),
        }
    }
    let mut text = String::new();
    for (why, whats) in causes {
        let separator = if text.is_empty() { "" } else { "; " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{separator}no {} ({why})", whats.join(", no "));
    }
    (!text.is_empty()).then_some(text)
}

#[cfg(test)]
mod tests {
    use cgroup::Why;

    use super::*;

    fn lacking(limit: Limit) -> cgroup::Degraded {
        cgroup::Degraded {
            limit,
            why: Why::NoCgroups,
        }
    }

    fn without(feature: Feature) -> sandbox::Degraded {
        sandbox::Degraded { feature, errno: 1 }
    }

    fn demands(limits: LimitWishes, sandbox: SandboxWishes) -> Demands {
        Demands::of(&TaskInfoFields::default(), &limits, &sandbox)
    }

    #[test]
    fn what_was_not_asked_for_is_no_reason_not_to_start() {
        let none = demands(LimitWishes::default(), SandboxWishes::default());
        none.check_limits(&[lacking(Limit::Memory)]).unwrap();
        none.check_sandbox(&[without(Feature::UtsNamespace)])
            .unwrap();
        assert!(!none.concern_sandbox());
    }

    #[test]
    fn what_was_asked_for_by_name_is_had_or_the_task_does_not_start() {
        let limits = LimitWishes {
            swap: Some(1),
            ..LimitWishes::default()
        };
        let sandbox = SandboxWishes {
            hostname: Some("web".into()),
            ..SandboxWishes::default()
        };
        let demands = demands(limits, sandbox);
        let failure = demands
            .check_limits(&[lacking(Limit::Memory), lacking(Limit::Swap)])
            .unwrap_err();
        assert_eq!(
            failure.message,
            "The task asks for what cannot be had here: no limit of swap: no cgroups"
        );
        assert_eq!(failure.fault, Fault::Host);
        assert!(demands.concern_sandbox());
        demands
            .check_sandbox(&[without(Feature::UtsNamespace)])
            .unwrap_err();
    }

    #[test]
    fn what_is_missing_is_told_once_for_each_cause() {
        assert_eq!(told(&[], &[]), None);
        let text = told(
            &[lacking(Limit::Memory), lacking(Limit::Pids)],
            &[without(Feature::UtsNamespace)],
        );
        assert_eq!(
            text.as_deref(),
            Some(
                "no limit of memory, no limit of processes (no cgroups); \
                 no uts namespace (Operation not permitted (os error 1))"
            )
        );
    }
}
