//! Tasks and executors to launch.

use std::time::Duration;

use bytes::Bytes;
use mesos_proto::v1::{
    CommandInfo, DurationInfo, Environment, ExecutorId, ExecutorInfo, KillPolicy, Label, Labels,
    Resource, TaskId, TaskInfoFields, command_info, environment, executor_info, value,
};

/// A task with 0.1 cpus and 32 MB of memory, to be given a command or an executor. Its name is its id.
pub fn task(id: &str) -> TaskBuilder {
    TaskBuilder(TaskInfoFields {
        name: id.to_owned(),
        task_id: TaskId {
            value: id.to_owned(),
        },
        ..TaskInfoFields::default()
    })
    .cpus(0.1)
    .mem(32.0)
}

/// A custom executor with 0.1 cpus and 64 MB of memory for itself, to be given a command.
pub fn executor(id: &str) -> ExecutorBuilder {
    ExecutorBuilder(ExecutorInfo {
        r#type: Some(executor_info::Type::Custom.into()),
        executor_id: ExecutorId {
            value: id.to_owned(),
        },
        command: Some(CommandInfo::default()),
        ..ExecutorInfo::default()
    })
    .cpus(0.1)
    .mem(64.0)
}

/// A scalar resource, in cpus or megabytes.
pub fn resource(name: &str, amount: f64) -> Resource {
    Resource {
        name: name.to_owned(),
        r#type: value::Type::Scalar.into(),
        scalar: Some(value::Scalar { value: amount }),
        ..Resource::default()
    }
}

fn set(resources: &mut Vec<Resource>, name: &str, amount: f64) {
    resources.retain(|resource| resource.name != name);
    resources.push(resource(name, amount));
}

fn add_label(labels: &mut Option<Labels>, key: &str, value: &str) {
    labels.get_or_insert_default().labels.push(Label {
        key: key.to_owned(),
        value: Some(value.to_owned()),
    });
}

fn duration(time: Duration) -> DurationInfo {
    DurationInfo {
        nanoseconds: i64::try_from(time.as_nanos()).expect("a time that Mesos can express"),
    }
}

fn add_uri(command: &mut CommandInfo, url: &str, executable: bool) {
    command.uris.push(command_info::Uri {
        value: url.to_owned(),
        executable: Some(executable),
        extract: Some(false),
        ..command_info::Uri::default()
    });
}

fn add_variable(command: &mut CommandInfo, name: &str, value: &str) {
    command
        .environment
        .get_or_insert_with(Environment::default)
        .variables
        .push(environment::Variable {
            name: name.to_owned(),
            value: Some(value.to_owned()),
            ..environment::Variable::default()
        });
}

/// A task in the making.
#[derive(Clone, Debug)]
pub struct TaskBuilder(TaskInfoFields);

impl TaskBuilder {
    /// Cpus.
    #[must_use]
    pub fn cpus(mut self, amount: f64) -> Self {
        set(&mut self.0.resources, "cpus", amount);
        self
    }

    /// Memory, in megabytes.
    #[must_use]
    pub fn mem(mut self, megabytes: f64) -> Self {
        set(&mut self.0.resources, "mem", megabytes);
        self
    }

    /// Disk, in megabytes.
    #[must_use]
    pub fn disk(mut self, megabytes: f64) -> Self {
        set(&mut self.0.resources, "disk", megabytes);
        self
    }

    /// A limit above the resource of that name (Mesos 1.11: `TaskInfo.limits`).
    #[must_use]
    pub fn limit(mut self, name: &str, amount: f64) -> Self {
        self.0
            .limits
            .insert(name.to_owned(), value::Scalar { value: amount });
        self
    }

    /// A shell command. A task has either this or an executor.
    #[must_use]
    pub fn command(mut self, line: &str) -> Self {
        self.0.command.get_or_insert_default().value = Some(line.to_owned());
        self
    }

    /// A file that is fetched into the sandbox, for a task with a command.
    #[must_use]
    pub fn uri(mut self, url: &str, executable: bool) -> Self {
        add_uri(self.0.command.get_or_insert_default(), url, executable);
        self
    }

    /// A variable of the environment, for a task with a command.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        add_variable(self.0.command.get_or_insert_default(), name, value);
        self
    }

    /// The executor that runs it.
    #[must_use]
    pub fn executor(mut self, executor: &ExecutorBuilder) -> Self {
        self.0.executor = Some(executor.0.clone());
        self
    }

    /// `TaskInfo.data`.
    #[must_use]
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.0.data = Some(data.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        add_label(&mut self.0.labels, key, value);
        self
    }

    /// The grace period of its kill policy.
    #[must_use]
    pub fn kill_grace(mut self, grace: Duration) -> Self {
        self.0.kill_policy = Some(KillPolicy {
            grace_period: Some(duration(grace)),
        });
        self
    }

    /// Anything else of the message.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut TaskInfoFields)) -> Self {
        change(&mut self.0);
        self
    }
}

impl From<TaskBuilder> for TaskInfoFields {
    fn from(builder: TaskBuilder) -> Self {
        builder.0
    }
}

/// An executor in the making.
#[derive(Clone, Debug)]
pub struct ExecutorBuilder(ExecutorInfo);

impl ExecutorBuilder {
    /// Cpus of its own.
    #[must_use]
    pub fn cpus(mut self, amount: f64) -> Self {
        set(&mut self.0.resources, "cpus", amount);
        self
    }

    /// Memory of its own, in megabytes.
    #[must_use]
    pub fn mem(mut self, megabytes: f64) -> Self {
        set(&mut self.0.resources, "mem", megabytes);
        self
    }

    /// Disk of its own, in megabytes.
    #[must_use]
    pub fn disk(mut self, megabytes: f64) -> Self {
        set(&mut self.0.resources, "disk", megabytes);
        self
    }

    /// The shell command that starts it.
    #[must_use]
    pub fn command(mut self, line: &str) -> Self {
        self.info().value = Some(line.to_owned());
        self
    }

    /// The program that is it and its arguments, the program's name first, started without a shell.
    #[must_use]
    pub fn program(mut self, path: &str, arguments: &[&str]) -> Self {
        let command = self.info();
        command.shell = Some(false);
        command.value = Some(path.to_owned());
        command.arguments = arguments
            .iter()
            .map(|&argument| argument.to_owned())
            .collect();
        self
    }

    /// A file that is fetched into the sandbox.
    #[must_use]
    pub fn uri(mut self, url: &str, executable: bool) -> Self {
        add_uri(self.info(), url, executable);
        self
    }

    /// A variable of its environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        add_variable(self.info(), name, value);
        self
    }

    /// The user it runs as.
    #[must_use]
    pub fn user(mut self, name: &str) -> Self {
        self.info().user = Some(name.to_owned());
        self
    }

    /// `ExecutorInfo.data`.
    #[must_use]
    pub fn data(mut self, data: impl Into<Bytes>) -> Self {
        self.0.data = Some(data.into());
        self
    }

    /// Adds a label.
    #[must_use]
    pub fn label(mut self, key: &str, value: &str) -> Self {
        add_label(&mut self.0.labels, key, value);
        self
    }

    /// How long it has between SHUTDOWN and its end.
    #[must_use]
    pub fn shutdown_grace(mut self, grace: Duration) -> Self {
        self.0.shutdown_grace_period = Some(duration(grace));
        self
    }

    /// Anything else of the message.
    #[must_use]
    pub fn with(mut self, change: impl FnOnce(&mut ExecutorInfo)) -> Self {
        change(&mut self.0);
        self
    }

    fn info(&mut self) -> &mut CommandInfo {
        self.0.command.get_or_insert_default()
    }
}

impl From<ExecutorBuilder> for ExecutorInfo {
    fn from(builder: ExecutorBuilder) -> Self {
        builder.0
    }
}
