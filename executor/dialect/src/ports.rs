//! The ports of a task, in the order in which its framework counts them.

use mesos_proto::v1::{Resource, TaskInfoFields, value};

/// No more ports than these get variables: a task that takes a whole range has no use for a variable each, and the
/// kernel bounds what a program can be started with.
const MOST_PORTS: usize = 256;

/// A port, and its name if it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Port {
    pub(crate) number: u16,
    pub(crate) name: Option<String>,
}

/// Those of `discovery`, where the framework gives order and names (Marathon, Singularity); else those of the
/// resources, in the order of their ranges (mesos-framework). The first 256.
pub(crate) fn of(task: &TaskInfoFields) -> Vec<Port> {
    let discovery = task.discovery.as_ref().and_then(|all| all.ports.as_ref());
    let discovered: Vec<Port> = discovery
        .iter()
        .flat_map(|all| &all.ports)
        .filter_map(|port| {
            let number = u16::try_from(port.number).ok().filter(|&port| port != 0)?;
            let name = port.name.clone().filter(|name| !name.is_empty());
            Some(Port { number, name })
        })
        .take(MOST_PORTS)
        .collect();
    if !discovered.is_empty() {
        return discovered;
    }
    let mut ports: Vec<Port> = Vec::new();
    for number in task.resources.iter().filter(is_ports).flat_map(numbers) {
        if ports.len() == MOST_PORTS {
            break;
        }
        if !ports.iter().any(|port| port.number == number) {
            ports.push(Port { number, name: None });
        }
    }
    ports
}

fn is_ports(resource: &&Resource) -> bool {
    resource.name == "ports" && resource.r#type == value::Type::Ranges as i32
}

fn numbers(resource: &Resource) -> impl Iterator<Item = u16> {
    let ranges = resource.ranges.iter().flat_map(|ranges| &ranges.range);
    ranges.flat_map(|range| {
        let begin = u16::try_from(range.begin).unwrap_or(u16::MAX).max(1);
        let end = u16::try_from(range.end).unwrap_or(u16::MAX);
        // A range that begins beyond the last port is none.
        let any = range.begin <= u64::from(u16::MAX);
        (begin..=end).filter(move |_| any)
    })
}
