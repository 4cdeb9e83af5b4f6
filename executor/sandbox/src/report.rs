//! What the init tells the launcher, one JSON object a line, on a socket that closes when the task
//! is executed.

use std::fmt;
use std::path::PathBuf;

use nix::errno::Errno;
use serde::{Deserialize, Serialize};

/// One line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// The first word of the init that stays, by whose sender its process id is known.
    Init,
    /// Something of the plan could not be had; the task is started without.
    Without(Degraded),
    /// The task is not started.
    Failed(Failure),
    /// All that is missing is exec, and it waits for the word.
    Ready,
}

/// The step that failed, why, and with which path, when there is one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Failure {
    pub(crate) step: Step,
    pub(crate) errno: i32,
    pub(crate) path: Option<PathBuf>,
}

/// A step of setting up a sandbox that can fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Step {
    /// Reading the plan.
    ReceivePlan,
    /// Blocking signals, and the descriptor that receives them.
    Signals,
    /// Making the init of the sandbox.
    CloneInit,
    /// Asking to be killed when the executor dies.
    FollowExecutor,
    /// A network of its own, or joining one.
    MakeNetwork,
    /// Keeping mounts made inside from being seen outside.
    MountPropagation,
    /// Making the task's first process.
    Fork,
    /// A session and process group for the task.
    NewSession,
    /// Joining a cgroup.
    JoinCgroup,
    /// Supplementary groups.
    SetGroups,
    /// The group.
    SetGid,
    /// The user.
    SetUid,
    /// A user namespace, and the ids in it.
    MapUsers,
    /// The parts of root's rights.
    SetCapabilities,
    /// Forbidding system calls.
    FilterSystemCalls,
    /// Opening the task's directory.
    OpenSandbox,
    /// Making the task's root.
    EnterRoot,
    /// Making a private directory, as `/tmp`.
    MakePrivate,
    /// Laying something empty over what the task is not to see.
    Hide,
    /// Showing something below what is hidden.
    Show,
    /// Putting the task's directory where the task sees it.
    PlaceSandbox,
    /// Mounting what is the kernel's.
    Mount,
    /// Making a device.
    MakeDevice,
    /// Opening what a volume is.
    OpenVolume,
    /// Putting a volume where the task sees it.
    MountVolume,
    /// Entering the working directory.
    ChangeDirectory,
    /// Standard input, output and error.
    Stdio,
    /// Keeping all other descriptors from the task.
    CloseDescriptors,
    /// The limits of each process.
    LimitResources,
    /// Waiting to be released.
    Hold,
    /// Executing the program.
    Exec,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Step::ReceivePlan => "receive plan",
            Step::Signals => "set up signals",
            Step::CloneInit => "clone init",
            Step::FollowExecutor => "follow executor",
            Step::MakeNetwork => "set up the network",
            Step::MountPropagation => "make mounts private",
            Step::Fork => "fork",
            Step::NewSession => "new session",
            Step::JoinCgroup => "join cgroup",
            Step::SetGroups => "set groups",
            Step::SetGid => "set group",
            Step::SetUid => "set user",
            Step::MapUsers => "map users",
            Step::SetCapabilities => "set capabilities",
            Step::FilterSystemCalls => "filter system calls",
            Step::OpenSandbox => "open the task's directory",
            Step::EnterRoot => "make the root of",
            Step::MakePrivate => "make a private",
            Step::Hide => "hide",
            Step::Show => "show",
            Step::PlaceSandbox => "put the task's directory at",
            Step::Mount => "mount",
            Step::MakeDevice => "make the device",
            Step::OpenVolume => "open the volume",
            Step::MountVolume => "mount a volume at",
            Step::ChangeDirectory => "enter",
            Step::Stdio => "set up stdio",
            Step::CloseDescriptors => "close descriptors",
            Step::LimitResources => "limit",
            Step::Hold => "wait for release",
            Step::Exec => "exec",
        })
    }
}

/// Whose fault a failure is: what to tell the framework, and whether to try elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The task asked for something that is not there or not allowed; it fails anywhere.
    Task,
    /// This host could not do its part; the task may run on another.
    Host,
}

impl Failure {
    pub(crate) fn fault(&self) -> Fault {
        // The task names its program and its volumes; its directory is made by the executor.
        let asked_by_task = matches!(self.step, Step::Exec | Step::OpenVolume | Step::MountVolume);
        let exhausted = matches!(
            Errno::from_raw(self.errno),
            Errno::ENOMEM | Errno::EMFILE | Errno::ENFILE | Errno::EAGAIN | Errno::EIO
        );
        if asked_by_task && !exhausted {
            Fault::Task
        } else {
            Fault::Host
        }
    }
}

/// Something of the plan that this host or these rights did not give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Degraded {
    /// What is missing.
    pub feature: Feature,
    /// The kernel's answer.
    pub errno: i32,
}

impl fmt::Display for Degraded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "no {}: {}",
            self.feature,
            std::io::Error::from_raw_os_error(self.errno)
        )
    }
}

/// A part of the sandbox that a task can be started without.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Feature {
    /// Without it the init adopts orphans and kills by walking the tree of processes.
    PidNamespace,
    /// Without it the task shares the executor's mounts, `/proc` among them.
    MountNamespace,
    /// Without it the task shares System V objects and queues.
    IpcNamespace,
    /// Without it the host name of the plan is not set.
    UtsNamespace,
    /// Without it, which the task asked for, it is not started.
    NetworkNamespace,
    /// Without it an executor that is not root has no rights to make the others.
    UserNamespace,
    /// Without it the task sees the names of the host's cgroups.
    CgroupNamespace,
    /// Without it a program that has capabilities of its file gives it more than it is to have.
    Capabilities,
    /// Without it the task shares the executor's session keyring.
    Keyring,
    /// Without it the task can make every system call that its user may.
    SystemCalls,
    /// Without it `/tmp` and the like are in memory, which counts as the task's: it may not write to its directory.
    PrivateDirectories,
    /// Without it there is no `/proc`: the executor's own would show the host's processes.
    Proc,
    /// Without it the host name is the executor's.
    Hostname,
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Feature::PidNamespace => "pid namespace",
            Feature::MountNamespace => "mount namespace",
            Feature::IpcNamespace => "ipc namespace",
            Feature::UtsNamespace => "uts namespace",
            Feature::NetworkNamespace => "network namespace",
            Feature::UserNamespace => "user namespace",
            Feature::CgroupNamespace => "cgroup namespace",
            Feature::Capabilities => "limit of the capabilities that programs can give",
            Feature::Keyring => "keyring of its own",
            Feature::SystemCalls => "filter of system calls",
            Feature::PrivateDirectories => "directory for /tmp in the task's own",
            Feature::Proc => "/proc of its own",
            Feature::Hostname => "host name of its own",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(step: Step, errno: Errno) -> Fault {
        Failure {
            step,
            errno: errno as i32,
            path: None,
        }
        .fault()
    }

    #[test]
    fn what_the_task_named_is_the_tasks_fault_unless_the_host_ran_out() {
        assert_eq!(fault(Step::Exec, Errno::ENOENT), Fault::Task);
        assert_eq!(fault(Step::Exec, Errno::E2BIG), Fault::Task);
        assert_eq!(fault(Step::ChangeDirectory, Errno::EACCES), Fault::Host);
        assert_eq!(fault(Step::Exec, Errno::ENOMEM), Fault::Host);
        assert_eq!(fault(Step::JoinCgroup, Errno::ENOENT), Fault::Host);
        assert_eq!(fault(Step::MountPropagation, Errno::EPERM), Fault::Host);
    }

    #[test]
    fn what_is_missing_is_said_by_name() {
        let degraded = Degraded {
            feature: Feature::PidNamespace,
            errno: Errno::EPERM as i32,
        };
        assert_eq!(
            degraded.to_string(),
            "no pid namespace: Operation not permitted (os error 1)"
        );
    }
}
