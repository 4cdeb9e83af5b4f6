//! Profiles as files: JSON in the format of Docker's (moby: profiles/seccomp), which is that of Mesos's (docs/isolators/
//! linux-seccomp.md, src/linux/seccomp/seccomp_parser.cpp), and of the OCI runtime specification, which is its elder.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;

use super::compile::TooLong;
use super::rules::{Action, Case, Comparison, Condition, Rules};
use super::syscalls;
use crate::capabilities::{Capability, CapabilitySet};

/// Why a profile is none.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// It is not JSON, or has a key that nobody knows, or not the right kind of value at one.
    #[error("read the profile: {0}")]
    Json(#[from] serde_json::Error),
    /// An action that there is not, or that needs somebody to be asked.
    #[error("action '{0}' is not supported")]
    Action(String),
    /// A comparison that there is not.
    #[error("operator '{0}' is not supported")]
    Operator(String),
    /// System calls have the arguments 0 to 5.
    #[error("there is no argument {0}")]
    Argument(u32),
    /// It is not for x86-64.
    #[error("it is for other architectures than x86-64")]
    Architecture,
    /// A capability that there is not.
    #[error("capability '{0}' is not known")]
    Capability(String),
    /// An error number out of the kernel's range.
    #[error("error number {0} is not between 0 and 4095")]
    Errno(u32),
    /// A version of the kernel that cannot be read.
    #[error("minKernel '{0}' is not of the form 4.18")]
    Kernel(String),
    /// A rule that would forbid what this version has no number for, where everything else is allowed.
    #[error("system call '{0}', which it is to forbid, is not known")]
    UnknownCall(String),
    /// More rules than the kernel takes.
    #[error("it is too long for the kernel")]
    TooLong,
}

impl From<TooLong> for ProfileError {
    fn from(TooLong: TooLong) -> ProfileError {
        ProfileError::TooLong
    }
}

/// What decides which rules of a profile count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Circumstances {
    /// What the programs of the task can have ([`crate::Capabilities::bounding`]).
    pub capabilities: CapabilitySet,
    /// The kernel's version: its first two numbers.
    pub kernel: (u32, u32),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Document {
    default_action: String,
    default_errno_ret: Option<u32>,
    arch_map: Option<Vec<Architecture>>,
    architectures: Option<Vec<String>>,
    syscalls: Option<Vec<Entry>>,
    /// Of how the kernel installs it, which is ours to say.
    #[serde(rename = "flags")]
    _flags: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Architecture {
    architecture: String,
    /// 32-bit and x32 calls, which are refused in any case.
    #[serde(rename = "subArchitectures")]
    _lesser: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Entry {
    /// Older profiles have one.
    name: Option<String>,
    names: Option<Vec<String>>,
    action: String,
    errno_ret: Option<u32>,
    args: Option<Vec<Argument>>,
    includes: Option<Filter>,
    excludes: Option<Filter>,
    #[serde(rename = "comment")]
    _comment: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Argument {
    index: u32,
    value: u64,
    value_two: Option<u64>,
    op: String,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Filter {
    #[serde(default)]
    caps: Vec<String>,
    #[serde(default)]
    arches: Vec<String>,
    min_kernel: Option<String>,
}

/// The rules of a profile that count under these circumstances. Of several rules for one system call those that look at its
/// arguments go before those that do not, and among these the first.
pub(super) fn parse(text: &[u8], around: Circumstances) -> Result<Rules, ProfileError> {
    let document: Document = serde_json::from_slice(text)?;
    if !document.is_for_us() {
        return Err(ProfileError::Architecture);
    }
    let otherwise = action(&document.default_action, document.default_errno_ret)?;
    let allows = matches!(otherwise, Action::Allow | Action::Log);
    let mut cases: BTreeMap<u32, Vec<Case>> = BTreeMap::new();
    for entry in document.syscalls.unwrap_or_default() {
        let action = action(&entry.action, entry.errno_ret)?;
        let conditions = conditions(entry.args.as_deref().unwrap_or_default())?;
        let includes = entry.includes.unwrap_or_default();
        let excludes = entry.excludes.unwrap_or_default();
        // Both are read in any case, so that a profile is sound or not whoever runs with it.
        let (included, excluded) = (includes.holds_all(around)?, excludes.holds_any(around)?);
        if !included || excluded {
            continue;
        }
        for name in entry
            .name
            .into_iter()
            .chain(entry.names.unwrap_or_default())
        {
            let Some(number) = syscalls::number(&name) else {
                // Of another architecture, as a rule. What is not known is not allowed; but it must not be allowed
                // either where it is to be forbidden.
                if allows && action != otherwise {
                    return Err(ProfileError::UnknownCall(name));
                }
                continue;
            };
            let new = conditions.iter().map(|conditions| Case {
                conditions: conditions.clone(),
                action,
            });
            cases.entry(number).or_default().extend(new);
        }
    }
    for cases in cases.values_mut() {
        cases.sort_by_key(|case| case.conditions.is_empty());
    }
    Ok(Rules {
        cases,
        otherwise,
        unknown: otherwise,
    })
}

impl Document {
    fn is_for_us(&self) -> bool {
        let mapped = self.arch_map.iter().flatten();
        let listed = self.architectures.iter().flatten();
        let mut all = mapped.map(|one| &one.architecture).chain(listed).peekable();
        // One that names none is for whoever reads it.
        all.peek().is_none() || all.any(|name| name == "SCMP_ARCH_X86_64")
    }
}

fn action(name: &str, errno: Option<u32>) -> Result<Action, ProfileError> {
    match name {
        "SCMP_ACT_ALLOW" => Ok(Action::Allow),
        "SCMP_ACT_LOG" => Ok(Action::Log),
        "SCMP_ACT_TRAP" => Ok(Action::Trap),
        "SCMP_ACT_KILL" | "SCMP_ACT_KILL_THREAD" => Ok(Action::KillThread),
        "SCMP_ACT_KILL_PROCESS" => Ok(Action::KillProcess),
        "SCMP_ACT_ERRNO" => {
            let errno = errno.unwrap_or(libc::EPERM.cast_unsigned());
            match u16::try_from(errno) {
                Ok(number @ 0..=4095) => Ok(Action::Errno(number)),
                _ => Err(ProfileError::Errno(errno)),
            }
        }
        other => Err(ProfileError::Action(other.to_owned())),
    }
}

/// Each of the alternatives: as a rule one, with all conditions. Where an argument is named twice, which a call can hardly
/// meet at once, each condition is one for itself, as runc reads it.
fn conditions(arguments: &[Argument]) -> Result<Vec<Vec<Condition>>, ProfileError> {
    let all = arguments.iter().map(condition);
    let all: Vec<Condition> = all.collect::<Result<_, _>>()?;
    let different: BTreeSet<u8> = all.iter().map(|condition| condition.argument).collect();
    if different.len() < all.len() {
        return Ok(all.into_iter().map(|one| vec![one]).collect());
    }
    Ok(vec![all])
}

fn condition(argument: &Argument) -> Result<Condition, ProfileError> {
    let value = argument.value;
    let comparison = match argument.op.as_str() {
        "SCMP_CMP_NE" => Comparison::NotEqual(value),
        "SCMP_CMP_LT" => Comparison::Less(value),
        "SCMP_CMP_LE" => Comparison::LessOrEqual(value),
        "SCMP_CMP_EQ" => Comparison::Equal(value),
        "SCMP_CMP_GE" => Comparison::GreaterOrEqual(value),
        "SCMP_CMP_GT" => Comparison::Greater(value),
        "SCMP_CMP_MASKED_EQ" => Comparison::MaskedEqual {
            mask: value,
            value: argument.value_two.unwrap_or_default(),
        },
        other => return Err(ProfileError::Operator(other.to_owned())),
    };
    match u8::try_from(argument.index) {
        Ok(argument @ 0..=5) => Ok(Condition {
            argument,
            comparison,
        }),
        _ => Err(ProfileError::Argument(argument.index)),
    }
}

impl Filter {
    fn holds_all(&self, around: Circumstances) -> Result<bool, ProfileError> {
        let has_all = self.has(around)?.all(|has| has);
        let is_ours = self.arches.is_empty() || self.arches.iter().any(|arch| is_ours(arch));
        let is_new = self.is_new_enough(around)?;
        Ok(has_all && is_ours && is_new.unwrap_or(true))
    }

    fn holds_any(&self, around: Circumstances) -> Result<bool, ProfileError> {
        let has_any = self.has(around)?.any(|has| has);
        let is_ours = self.arches.iter().any(|arch| is_ours(arch));
        let is_new = self.is_new_enough(around)?;
        Ok(has_any || is_ours || is_new.unwrap_or(false))
    }

    /// Of each capability whether the task can have it.
    fn has(&self, around: Circumstances) -> Result<impl Iterator<Item = bool>, ProfileError> {
        let all = self.caps.iter().map(|name| {
            let capability = Capability::named(name);
            capability.ok_or_else(|| ProfileError::Capability(name.clone()))
        });
        let all: Vec<Capability> = all.collect::<Result<_, _>>()?;
        Ok(all
            .into_iter()
            .map(move |one| around.capabilities.contains(one)))
    }

    fn is_new_enough(&self, around: Circumstances) -> Result<Option<bool>, ProfileError> {
        let Some(text) = &self.min_kernel else {
            return Ok(None);
        };
        let least = version(text).ok_or_else(|| ProfileError::Kernel(text.clone()))?;
        Ok(Some(around.kernel >= least))
    }
}

fn is_ours(architecture: &str) -> bool {
    matches!(architecture, "amd64" | "x86_64" | "SCMP_ARCH_X86_64")
}

/// The first two numbers of a kernel's version.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.trim().split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
#[path = "document_tests.rs"]
mod tests;
