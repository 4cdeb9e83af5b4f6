//! The one task of an executor in the place of Mesos's command executor.

use mesos_proto::TaskInfo;
use mesos_proto::v1::{CommandInfo, TaskInfoFields};

/// What is said to a second task (Mesos: src/launcher/executor.cpp).
pub(crate) const SECOND_TASK: &str = "Attempted to run multiple tasks using a \"command\" executor";

/// How its command is found.
#[derive(Clone, Debug, Default)]
pub struct CommandTask {
    /// Takes the place of `TaskInfo.command`: with an image the agent has one that is more complete.
    pub command: Option<CommandInfo>,
}

impl CommandTask {
    /// `task` as [`dialect::resolve`] knows those of a command executor: with the command that counts, without URIs, of
    /// which the agent fetches more kinds than this executor, and without a user, since the agent has decided about that.
    pub(crate) fn view(&self, task: &TaskInfo) -> TaskInfo {
        let mut task = TaskInfoFields::clone(task);
        task.executor = None;
        let command = self.command.as_ref().or(task.command.as_ref());
        task.command = command.map(|command| CommandInfo {
            uris: Vec::new(),
            user: None,
            ..command.clone()
        });
        task.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mesos_proto::v1::{Label, Labels, command_info};

    fn command(value: &str) -> CommandInfo {
        CommandInfo {
            value: Some(value.into()),
            user: Some("www-data".into()),
            uris: vec![command_info::Uri::default()],
            ..Default::default()
        }
    }

    fn task() -> TaskInfo {
        let labels = vec![Label {
            key: dialect::LABEL.into(),
            value: Some("exit 2".into()),
        }];
        TaskInfo::from(TaskInfoFields {
            command: Some(command("./its-own")),
            data: Some("exit 1".into()),
            labels: Some(Labels { labels }),
            ..Default::default()
        })
    }

    #[test]
    fn nothing_but_the_tasks_command_says_what_to_run() {
        let view = CommandTask::default().view(&task());
        let found = dialect::resolve(&view, None, &[]).unwrap();
        assert_eq!(found.program, dialect::Program::Shell("./its-own".into()));
        assert_eq!(found.user, None);
        assert!(found.uris.is_empty());
    }

    #[test]
    fn the_agents_command_takes_the_place_of_the_tasks() {
        let agents = CommandTask {
            command: Some(command("./the-agents")),
        };
        let view = agents.view(&task());
        assert_eq!(view.command.as_ref().unwrap().value(), "./the-agents");
    }
}
