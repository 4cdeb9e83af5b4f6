//! What a task sees in its environment, as Mesos's own executors and the frameworks give it.
//!
//! From the weakest to the strongest: a `PATH`; what is derived from the task; what the executor was started with,
//! where the agent's operator and `ExecutorInfo.command.environment` speak; what is this task's and no other's; what
//! the task's own command sets. So a framework that sets `PORT0` itself is never overruled (Marathon does), and one
//! that does not (mesos-framework appends its variables to a command that a custom executor never gets) has it from the
//! task's ports.

use std::collections::BTreeMap;

use mesos_proto::TaskInfo;

use crate::{Request, ports};

/// A program without a slash is looked for here when neither the executor nor the task has a `PATH`.
pub const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What a task's environment depends on beside the task.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// What the executor was started with, without what must not reach a task
    /// ([`passes_to_task`](mesos_proto::environment::passes_to_task)).
    pub inherited: &'a [(String, String)],
    /// `AgentInfo.hostname`, once it is known.
    pub hostname: Option<&'a str>,
    /// The task's own directory, as the task sees it.
    pub directory: &'a str,
}

/// The whole environment of `task`, which asks for `request`:
///
/// - `PORT0`, `PORT1` and so on, `PORT` (the first), `PORTS` (all, with commas between) and `PORT_<NAME>` for those that
///   have one in `discovery`;
/// - `HOST`, the agent's name;
/// - `MESOS_ALLOCATION_ROLE`, of the task's resources (Mesos: src/launcher/default_executor.cpp);
/// - `MESOS_TASK_ID`, and its directory as `MESOS_SANDBOX`, `MESOS_DIRECTORY` and `PWD`.
#[must_use]
pub fn of(
    task: &TaskInfo,
    request: &Request,
    around: Surroundings<'_>,
) -> BTreeMap<String, String> {
    let mut all = BTreeMap::from([("PATH".to_owned(), DEFAULT_PATH.to_owned())]);
    all.extend(derived(task, around.hostname));
    all.extend(around.inherited.iter().cloned());
    let directory = around.directory;
    let own = [
        ("MESOS_TASK_ID", task.task_id.value.as_str()),
        ("MESOS_SANDBOX", directory),
        ("MESOS_DIRECTORY", directory),
        ("PWD", directory),
    ];
    all.extend(own.map(|(name, value)| (name.to_owned(), value.to_owned())));
    all.extend(request.environment.iter().cloned());
    all
}

fn derived(task: &TaskInfo, hostname: Option<&str>) -> Vec<(String, String)> {
    let ports = ports::of(task);
    let mut all = Vec::new();
    for (index, port) in ports.iter().enumerate() {
        all.push((format!("PORT{index}"), port.number.to_string()));
        if let Some(name) = &port.name {
            let name = format!("PORT_{}", variable_name(name));
            all.push((name, port.number.to_string()));
        }
    }
    if let Some(first) = ports.first() {
        let numbers: Vec<String> = ports.iter().map(|port| port.number.to_string()).collect();
        all.push(("PORT".to_owned(), first.number.to_string()));
        all.push(("PORTS".to_owned(), numbers.join(",")));
    }
    if let Some(hostname) = hostname {
        all.push(("HOST".to_owned(), hostname.to_owned()));
    }
    let mut roles = task.resources.iter().filter_map(|resource| {
        let allocation = resource.allocation_info.as_ref()?;
        allocation.role.clone()
    });
    if let Some(role) = roles.next() {
        all.push(("MESOS_ALLOCATION_ROLE".to_owned(), role));
    }
    all
}

/// `admin-api` becomes `ADMIN_API`, which a shell can name.
fn variable_name(name: &str) -> String {
    let letter = |letter: char| match letter.to_ascii_uppercase() {
        upper @ ('A'..='Z' | '0'..='9') => upper,
        _ => '_',
    };
    name.chars().map(letter).collect()
}
