//! In the place of Mesos's command executor: what an agent tells the program that it calls `mesos-executor`.
//!
//! A task that brings a command and no executor gets one from the agent: `mesos-executor` from its launcher directory,
//! for that one task alone (Mesos: src/slave/slave.cpp, `Slave::getExecutorInfo`). What is not in the environment comes
//! as flags (Mesos: src/launcher/executor.cpp; added by src/slave/containerizer/mesos/containerizer.cpp and the isolators
//! docker/runtime, appc/runtime, linux/capabilities and cgroups). Most of them come only with a task that has an image.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use dialect::{CapabilityWishes, SandboxWishes};
use executor_core::{Fault, StartFailure};
use mesos_proto::v1::capability_info::Capability;
use mesos_proto::v1::environment::Variable;
use mesos_proto::v1::{CommandInfo, Environment};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// What the agent calls the program.
pub(crate) const NAME: &str = "mesos-executor";

/// The flags.
#[derive(Debug, Default)]
pub(crate) struct CommandExecutor {
    /// `--rootfs`: where the task's image is, on the host.
    pub(crate) rootfs: Option<PathBuf>,
    /// `--sandbox_directory`: where the sandbox is inside of the image.
    pub(crate) sandbox_directory: Option<PathBuf>,
    /// `--working_directory`: where the task begins inside of the image, when the image says so.
    pub(crate) working_directory: Option<PathBuf>,
    /// `--user`: who the task runs as; only given with an image, when the executor itself is root.
    pub(crate) user: Option<String>,
    /// `--task_command`: takes the place of `TaskInfo.command`, with what the image adds to it.
    pub(crate) command: Option<CommandInfo>,
    /// `--task_environment`: what isolators and the image set for the task.
    pub(crate) environment: Vec<(String, String)>,
    /// `--task_supplementary_groups`: more groups for the task, those of its volumes.
    pub(crate) groups: Vec<u32>,
    /// `--effective_capabilities` and `--bounding_capabilities`: what the task may have, of what it and the operator ask
    /// for; only given with an image, when the executor itself has all of them.
    pub(crate) capabilities: Option<CapabilityWishes>,
    /// Why its task cannot be run: flags that make no sense, or that restrict a task in a way that this version does not
    /// know. To run it without would give it more than it may have.
    pub(crate) refusals: Vec<String>,
    /// For the log: flags that were passed over.
    pub(crate) ignored: Vec<String>,
}

impl CommandExecutor {
    /// The flags among `arguments`, the program's name first; nothing when that is not [`NAME`].
    pub(crate) fn from_arguments(arguments: &[OsString]) -> Option<Self> {
        let (program, flags) = arguments.split_first()?;
        if Path::new(program).file_name() != Some(OsStr::new(NAME)) {
            return None;
        }
        let mut executor = Self::default();
        let mut capabilities = Capabilities::default();
        for flag in flags {
            executor.take(&flag.to_string_lossy(), &mut capabilities);
        }
        executor.capabilities = capabilities.complete();
        Some(executor)
    }

    /// # Errors
    /// What the agent asks for is more than this executor does.
    pub(crate) fn check(&self) -> Result<(), StartFailure> {
        match self.refusals.is_empty() {
            true => Ok(()),
            false => Err(StartFailure {
                fault: Fault::Host,
                message: self.refusals.join("; "),
            }),
        }
    }

    /// What `wishes` are with what the agent leaves of them: it has heard already which capabilities the task asks for.
    pub(crate) fn restrict(&self, wishes: &SandboxWishes) -> SandboxWishes {
        let asked = &wishes.capabilities;
        SandboxWishes {
            capabilities: self.capabilities.as_ref().or(asked.as_ref()).cloned(),
            ..wishes.clone()
        }
    }

    fn take(&mut self, argument: &str, capabilities: &mut Capabilities) {
        let Some(flag) = argument.strip_prefix("--") else {
            self.ignored.push(argument.to_owned());
            return;
        };
        let (name, value) = flag.split_once('=').unwrap_or((flag, ""));
        let path = || Some(PathBuf::from(value));
        match name {
            "rootfs" => self.rootfs = path(),
            "sandbox_directory" => self.sandbox_directory = path(),
            "working_directory" => self.working_directory = path(),
            "user" => self.user = Some(value.to_owned()),
            "task_command" => {
                self.command = self.json::<JsonCommand>(name, value).map(Into::into);
            }
            "task_environment" => {
                let variables = self.json::<JsonEnvironment>(name, value);
                let variables = variables.unwrap_or_default().variables;
                // A secret that nobody resolved has no value, and the task goes without.
                let pairs = variables
                    .into_iter()
                    .filter_map(|variable| Some((variable.name, variable.value?)));
                self.environment.extend(pairs);
            }
            "task_supplementary_groups" => match value.split(',').map(str::parse).collect() {
                Ok(groups) => self.groups = groups,
                Err(error) => self.refuse(name, &error),
            },
            "effective_capabilities" => capabilities.effective = self.capabilities(name, value),
            "bounding_capabilities" => capabilities.bounding = self.capabilities(name, value),
            "tty_slave_path" => self.refuse(name, &"a task has no terminal"),
            // Where the original finds its own programs.
            "launcher_dir" => {}
            // Its value may be long, and is somebody else's.
            _ => self.ignored.push(format!("--{name}")),
        }
    }

    fn json<T: DeserializeOwned>(&mut self, name: &str, value: &str) -> Option<T> {
        match serde_json::from_str(value) {
            Ok(value) => Some(value),
            Err(error) => {
                // By its place alone: a value may be a secret.
                let place = format!("line {} column {}", error.line(), error.column());
                self.refuse(name, &format!("not the JSON that it should be, at {place}"));
                None
            }
        }
    }

    fn capabilities(&mut self, name: &str, value: &str) -> Option<Vec<Capability>> {
        let list: JsonCapabilities = self.json(name, value)?;
        let known = list
            .capabilities
            .iter()
            .map(|name| Capability::from_str_name(name));
        let known: Option<Vec<Capability>> = known.collect();
        if known.is_none() {
            self.refuse(name, &"a capability that this executor does not know");
        }
        known
    }

    fn refuse(&mut self, name: &str, why: &dyn std::fmt::Display) {
        self.refusals.push(format!("--{name}: {why}"));
    }
}

/// The two flags that belong together.
#[derive(Debug, Default)]
struct Capabilities {
    effective: Option<Vec<Capability>>,
    bounding: Option<Vec<Capability>>,
}

impl Capabilities {
    /// An agent that names some of the one kind names those of the other as well, or means the same (Mesos:
    /// src/slave/containerizer/mesos/isolators/linux/capabilities.cpp). What a program has it keeps over an exec.
    fn complete(self) -> Option<CapabilityWishes> {
        let effective = self.effective.clone().or_else(|| self.bounding.clone())?;
        Some(CapabilityWishes {
            bounding: self.bounding.unwrap_or_else(|| effective.clone()),
            ambient: effective.clone(),
            effective,
        })
    }
}

/// A `CapabilityInfo` as protobuf's JSON has it.
#[derive(Deserialize)]
struct JsonCapabilities {
    #[serde(default)]
    capabilities: Vec<String>,
}

/// A `CommandInfo` as protobuf's JSON has it. Keys that are not here are not the command executor's business: the agent
/// has fetched the URIs, and switched the user.
#[derive(Deserialize)]
struct JsonCommand {
    value: Option<String>,
    shell: Option<bool>,
    #[serde(default)]
    arguments: Vec<String>,
    #[serde(default)]
    environment: JsonEnvironment,
}

#[derive(Default, Deserialize)]
struct JsonEnvironment {
    #[serde(default)]
    variables: Vec<JsonVariable>,
}

#[derive(Deserialize)]
struct JsonVariable {
    name: String,
    value: Option<String>,
}

impl From<JsonCommand> for CommandInfo {
    fn from(json: JsonCommand) -> Self {
        let variables = json.environment.variables.into_iter();
        let variables = variables.map(|json| Variable {
            name: json.name,
            value: json.value,
            ..Default::default()
        });
        Self {
            value: json.value,
            shell: json.shell,
            arguments: json.arguments,
            environment: Some(Environment {
                variables: variables.collect(),
            }),
            ..Default::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(flags: &[&str]) -> CommandExecutor {
        let arguments = std::iter::once(&NAME).chain(flags);
        let arguments: Vec<OsString> = arguments.map(OsString::from).collect();
        CommandExecutor::from_arguments(&arguments).unwrap()
    }

    #[test]
    fn only_a_program_of_that_name_is_a_command_executor() {
        for (name, is_one) in [
            ("mesos-executor", true),
            ("/usr/libexec/mesos/mesos-executor", true),
            ("./mesos-sandbox-executor", false),
            ("mesos-executor-2", false),
        ] {
            let arguments = [OsString::from(name)];
            let found = CommandExecutor::from_arguments(&arguments);
            assert_eq!(found.is_some(), is_one, "{name}");
        }
        assert!(CommandExecutor::from_arguments(&[]).is_none());
    }

    #[test]
    fn the_flags_of_a_task_without_an_image_are_all_passed_over() {
        let executor = parse(&["--launcher_dir=/usr/libexec/mesos"]);
        assert!(executor.refusals.is_empty());
        assert!(executor.ignored.is_empty());
        assert!(executor.command.is_none());
    }

    #[test]
    fn the_flags_of_a_task_with_an_image_are_understood() {
        let executor = parse(&[
            "--rootfs=/var/lib/mesos/provisioner/r",
            "--sandbox_directory=/mnt/mesos/sandbox",
            "--working_directory=/srv",
            "--user=www-data",
            "--task_supplementary_groups=100,200",
            r#"--task_environment={"variables":[{"name":"A","value":"b=c"},{"name":"S","type":"SECRET"}]}"#,
            r#"--task_command={"shell":false,"value":"/bin/x","arguments":["x","-y"],"user":"u"}"#,
        ]);
        assert_eq!(executor.rootfs, Some("/var/lib/mesos/provisioner/r".into()));
        assert_eq!(
            executor.sandbox_directory,
            Some("/mnt/mesos/sandbox".into())
        );
        assert_eq!(executor.working_directory, Some("/srv".into()));
        assert_eq!(executor.user.as_deref(), Some("www-data"));
        assert_eq!(executor.groups, [100, 200]);
        assert_eq!(executor.environment, [("A".to_owned(), "b=c".to_owned())]);
        let command = executor.command.unwrap();
        assert_eq!(command.value(), "/bin/x");
        assert_eq!(command.arguments, ["x", "-y"]);
        assert!(!command.shell());
        assert!(executor.refusals.is_empty());
    }

    #[test]
    fn a_flag_that_a_later_agent_adds_is_named_in_the_log_without_its_value() {
        let executor = parse(&["--new_flag=secret", "--quiet", "word"]);
        assert_eq!(executor.ignored, ["--new_flag", "--quiet", "word"]);
        assert!(executor.refusals.is_empty());
    }

    #[test]
    fn a_flag_that_makes_no_sense_refuses_the_task_and_shows_no_value() {
        let executor = parse(&[
            r#"--task_command={"value": secret}"#,
            "--task_supplementary_groups=100,staff",
        ]);
        assert_eq!(executor.refusals.len(), 2);
        let all = executor.refusals.join("\n");
        assert!(all.contains("--task_command: not the JSON that it should be, at line 1"));
        assert!(all.contains("--task_supplementary_groups: "));
        assert!(!all.contains("secret"));
    }

    #[test]
    fn a_task_has_the_capabilities_that_the_agent_leaves_it() {
        use Capability::{Chown, NetRaw};
        let both = parse(&[
            r#"--bounding_capabilities={"capabilities":["NET_RAW","CHOWN"]}"#,
            r#"--effective_capabilities={"capabilities":["CHOWN"]}"#,
        ]);
        let wishes = |bounding, effective: Vec<Capability>| CapabilityWishes {
            bounding,
            ambient: effective.clone(),
            effective,
        };
        assert_eq!(
            both.capabilities,
            Some(wishes(vec![NetRaw, Chown], vec![Chown]))
        );
        let none = parse(&[r"--bounding_capabilities={}"]);
        assert_eq!(none.capabilities, Some(wishes(vec![], vec![])));
        assert_eq!(parse(&[]).capabilities, None);
    }

    #[test]
    fn what_the_agent_leaves_a_task_counts_before_what_it_asks_for() {
        let all_of = |capability| CapabilityWishes {
            bounding: vec![capability],
            effective: vec![capability],
            ambient: vec![capability],
        };
        let wishes = SandboxWishes {
            umask: Some(0o077),
            capabilities: Some(all_of(Capability::SysAdmin)),
            ..SandboxWishes::default()
        };
        let restricted = parse(&[r#"--bounding_capabilities={"capabilities":["CHOWN"]}"#]);
        let expected = SandboxWishes {
            capabilities: Some(all_of(Capability::Chown)),
            ..wishes.clone()
        };
        assert_eq!(restricted.restrict(&wishes), expected);
        assert_eq!(parse(&[]).restrict(&wishes), wishes);
    }

    #[test]
    fn a_restriction_that_is_not_understood_refuses_the_task() {
        for flag in [
            r#"--bounding_capabilities={"capabilities":["FLY"]}"#,
            "--effective_capabilities=NET_RAW",
            "--tty_slave_path=/dev/pts/3",
        ] {
            let executor = parse(&[flag]);
            let (name, _) = flag.split_once('=').unwrap();
            let refused = &executor.refusals[0];
            assert!(refused.starts_with(&format!("{name}: ")), "{refused}");
        }
    }
}
