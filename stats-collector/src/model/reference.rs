//! The manual's list of every number that there is, from the tables that they are made by.

use std::fmt::Write as _;

use super::derived::{Fill, PerfShares};
use super::{Along, Derived, Field, Kind, Nature, Numbers, Unit, groups};
use crate::health;
use crate::sample::{self, Icmp, Ip, Perf, Queue, Resources, Tcp, Udp, Usage};
use crate::sources::{disks, host, tasks};

/// The numbers of some kinds of subjects.
pub(crate) struct Section {
    /// Whose they are.
    pub(crate) kinds: &'static [Kind],
    title: &'static str,
    about: &'static str,
    /// All of them.
    pub(crate) fields: Vec<&'static Field>,
}

/// Every number that there is.
pub(crate) fn reference() -> Vec<Section> {
    vec![
        Section {
            kinds: &[Kind::Container, Kind::Nested, Kind::Standalone],
            title: "Containers: what the agent says",
            about: "Every number of Mesos's `ResourceStatistics`, under its own name. Which of them an agent has is up to \
                    its isolators; one that is not there has no point, which is not the same as zero. A field that this \
                    version does not know is counted, and on request passed on under its own name.",
            fields: said_of_containers().collect(),
        },
        Section {
            kinds: &[Kind::Container, Kind::Nested, Kind::Standalone],
            title: "Containers: what is worked out of it",
            about: "`d` is the difference to the container's sample before, `dt` the seconds between the two by the \
                    samples' own timestamps. There is no difference to a sample of the same moment, or within half a \
                    second of it, as of an agent that answers with what it had at hand: the next one then spans the whole \
                    time. There is none either to a sample of a later moment, as when a clock was set, of another \
                    container, or of a counter that has gone back since, as when an agent began to count anew. Counters \
                    of CFS periods are of 32 bits, and go on from 0: that is told from a new beginning by how far they \
                    can have come in the time.",
            fields: worked_out_of_containers().collect(),
        },
        Section {
            kinds: &[Kind::App],
            title: "Apps: all instances on this agent together",
            about: "Over those instances alone that have the number in this turn; how many those are is its `count`. The \
                    instances are executors' own containers.",
            fields: groups::fields().collect(),
        },
        Section {
            kinds: &[Kind::Task],
            title: "Tasks of mesos-sandbox-executor",
            about: "What the executor publishes of each of its tasks, in \
                    [figures.md](figures.md), and what is worked out of it. What its host does not count has no point.",
            fields: tasks::fields().collect(),
        },
        Section {
            kinds: &[
                Kind::DiskContainer,
                Kind::DiskNested,
                Kind::DiskTask,
                Kind::DiskVolume,
            ],
            title: "Disks that mesos-disk-watcher measures",
            about: "",
            fields: disks::fields().iter().collect(),
        },
        Section {
            kinds: &[Kind::Watcher],
            title: "mesos-disk-watcher itself",
            about: "Counters are since it started.",
            fields: disks::watcher_fields().iter().collect(),
        },
        Section {
            kinds: &[Kind::Host],
            title: "The machine",
            about: "Everything but what is of a process or a container. Devices are whole ones that were ever used; file \
                    systems are those of block devices, each once, and `work_dir`, the one that the agent's work \
                    directory is in; interfaces are those with hardware behind them, bonds, bridges, VLANs and what a \
                    default route goes out by. Of each there are 64 at the most, of file systems 32.",
            fields: host::fields().collect(),
        },
        Section {
            kinds: &[Kind::Collector],
            title: "The collector itself",
            about: "",
            fields: health::fields().collect(),
        },
    ]
}

fn said_of_containers() -> impl Iterator<Item = &'static Field> {
    let [cfq, cfq_recursive, throttling] = sample::blkio_tables();
    let tables = [
        Resources::fields(),
        Usage::fields(),
        cfq,
        cfq_recursive,
        throttling,
        Perf::fields(),
        Ip::fields(),
        Icmp::fields(),
        Tcp::fields(),
        Udp::fields(),
        Queue::fields(),
    ];
    tables.into_iter().flatten()
}

fn worked_out_of_containers() -> impl Iterator<Item = &'static Field> {
    let tables = [Derived::fields(), Fill::fields(), PerfShares::fields()];
    tables.into_iter().flatten()
}

/// The manual's page, in Markdown.
pub(crate) fn page() -> String {
    let mut page = String::from(PREFACE);
    for Section {
        kinds,
        title,
        about,
        fields,
    } in reference()
    {
        let kinds: Vec<_> = kinds
            .iter()
            .map(|kind| format!("`{}`", kind.dotted()))
            .collect();
        let _ = write!(page, "\n## {title}\n\nBelow {}.", kinds.join(", "));
        if !about.is_empty() {
            let _ = write!(page, " {about}");
        }
        page.push_str("\n\n| name | unit | | what it is |\n|---|---|---|---|\n");
        for field in fields {
            let (unit, nature) = (unit(field.unit), nature(field.nature));
            let _ = writeln!(
                page,
                "| `{}` | {unit} | {nature} | {} |",
                name(field),
                field.help
            );
        }
    }
    page
}

const PREFACE: &str = "# Metrics of mesos-stats-collector

Made by `mesos-stats-collector --metrics-reference`: do not edit.

Each number stands below its subject's own name, such as `mesos.agent1.containers.web.0.`, or has it in tags; see
[stats-collector.md](stats-collector.md). A name in angle brackets tells several numbers of the kind apart; in the form
with tags it is a tag. A counter grows until whoever counts it starts anew; everything else goes up and down.

The agent's own metrics, below `agent`, are those of its `/metrics/snapshot`, under their own names with dots for slashes;
which there are is up to the agent (Mesos: docs/monitoring.md).
";

fn name(field: &Field) -> String {
    let Some(Along { tag, behind }) = field.along else {
        return field.name.to_owned();
    };
    let mut components: Vec<_> = field.name.split('.').map(str::to_owned).collect();
    components.insert(behind.min(components.len()), format!("<{tag}>"));
    components.join(".")
}

fn nature(nature: Nature) -> &'static str {
    match nature {
        Nature::Counter => "counter",
        Nature::Gauge => "",
    }
}

fn unit(unit: Unit) -> &'static str {
    match unit {
        Unit::Count => "",
        Unit::CountPerSecond => "1/s",
        Unit::Bytes => "bytes",
        Unit::BytesPerSecond => "bytes/s",
        Unit::Seconds => "s",
        Unit::Milliseconds => "ms",
        Unit::Microseconds => "µs",
        Unit::Nanoseconds => "ns",
        Unit::Cores => "processors",
        Unit::Share => "share of 1",
        Unit::Timestamp => "s since the epoch",
    }
}

#[cfg(test)]
mod tests;
