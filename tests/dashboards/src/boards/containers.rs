//! What containers and tasks use, against what they may.

use super::{DISK, PRESSURE};
use crate::board::{Board, Panel, Section, Unit, Variable};
use crate::expression::Part::{Along, App, Host, Slot};
use crate::expression::Query;

pub(super) fn board() -> Board {
    Board {
        name: super::CONTAINERS,
        title: "Mesos: containers and tasks",
        about: "What does each app use, and how much of what it may?",
        variables: &[
            Variable::Host,
            Variable::App,
            Variable::Slot,
            Variable::Task,
            Variable::Top,
        ],
        sections: vec![apps(), processors(), memory(), io(), tasks()],
    }
}

fn apps() -> Section {
    Section {
        title: "Apps: all instances together",
        panels: vec![
            Panel::stacked("Processors", Unit::Cores, "What all instances of an app use together.")
                .of(Query::sum_by("{apps cpus_used.sum}", App).highest()),
            Panel::stacked("Memory", Unit::Bytes, "What all instances of an app hold together that cannot be reclaimed.")
                .of(Query::sum_by("{apps mem_rss_bytes.sum}", App).highest()),
            Panel::bars(
                "Instances",
                Unit::Count,
                "Fewer than its framework was asked for: some wait for an agent, or end as soon as they start.",
            )
            .of(Query::sum_by("{apps count}", App).highest()),
        ],
    }
}

fn processors() -> Section {
    Section {
        title: "Containers: processors",
        panels: vec![
            Panel::lines(
                "Processors in use",
                Unit::Cores,
                "1 is one processor that is busy all the time. Dashed: the hard limit, where the agent enforces one.",
            )
            .of(Query::by("{containers cpus_used}", &[Host, App, Slot]).highest())
            .of(Query::by("{containers cpus_limit}", &[Host, App, Slot]).highest().limit()),
            Panel::lines(
                "Share of the limit",
                Unit::Share,
                "At 1 it is held back. Whether that hurts is told by the throttled share.",
            )
            .alarm_above(0.9, 1.0)
            .of(Query::by("{containers cpus_used_share_of_limit}", &[Host, App, Slot]).highest())
            .more_on(PRESSURE),
            Panel::lines(
                "Share of the request",
                Unit::Share,
                "Above 1 it lives on what others do not use, and will be slower the day that they do: ask for more. Far \
                 below 1 for days: ask for less.",
            )
            .of(Query::by("{containers cpus_used_share_of_request}", &[Host, App, Slot]).highest()),
        ],
    }
}

fn memory() -> Section {
    Section {
        title: "Containers: memory",
        panels: vec![
            Panel::lines(
                "Memory in use",
                Unit::Bytes,
                "What cannot be reclaimed. Dashed: the limit, at which the kernel ends the container.",
            )
            .of(Query::by("{containers mem_rss_bytes}", &[Host, App, Slot]).highest())
            .of(Query::by("{containers mem_limit_bytes}", &[Host, App, Slot]).highest().limit()),
            Panel::lines(
                "Share of the limit",
                Unit::Share,
                "Page cache does not count: it is given back before anybody is ended. Steadily rising is a leak.",
            )
            .alarm_above(0.85, 0.95)
            .of(Query::by("{containers mem_used_share}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Headroom before the kernel ends it",
                Unit::Bytes,
                "What its memory may still grow by, the smallest first.",
            )
            .of(Query::by("{containers mem_headroom_bytes}", &[Host, App, Slot]).lowest())
            .more_on(PRESSURE),
        ],
    }
}

fn io() -> Section {
    Section {
        title: "Containers: disk, processes",
        panels: vec![
            Panel::lines(
                "Sandboxes",
                Unit::Share,
                "What the sandbox takes of its quota, as the agent itself measures it: seldom, and late on a busy agent. \
                 mesos-disk-watcher measures it better.",
            )
            .alarm_above(0.85, 0.95)
            .of(Query::by("{containers disk_used_share}", &[Host, App, Slot]).highest())
            .more_on(DISK),
            Panel::lines("Sandboxes and volumes", Unit::Bytes, "By volume, as the agent measures them.")
                .of(Query::by("{containers disk_statistics.<volume>.used_bytes}", &[App, Slot, Along]).highest())
                .more_on(DISK),
            Panel::lines(
                "Processes and threads",
                Unit::Count,
                "There where the agent counts them (--cgroups_cpu_enable_pids_and_tids_count). Rising without an end: they \
                 are not reaped, or leak.",
            )
            .of(Query::by("{containers processes}", &[App, Slot]).highest().suffix("processes"))
            .of(Query::by("{containers threads}", &[App, Slot]).highest()),
        ],
    }
}

fn tasks() -> Section {
    Section {
        title: "Tasks of mesos-sandbox-executor",
        panels: vec![
            Panel::lines("Processors", Unit::Cores, "By task: several may share a container.")
                .of(Query::by("{tasks cpus_used}", &[Host, App, Slot]).highest()),
            Panel::lines("Memory", Unit::Bytes, "Page cache included. Dashed: the task's own limit.")
                .of(Query::by("{tasks memory_bytes}", &[Host, App, Slot]).highest())
                .of(Query::by("{tasks memory_limit_bytes}", &[Host, App, Slot]).highest().limit()),
            Panel::lines("Disk", Unit::Bytes, "What its directory takes. Dashed: its own quota.")
                .of(Query::by("{tasks disk_used_bytes}", &[Host, App, Slot]).highest())
                .of(Query::by("{tasks disk_limit_bytes}", &[Host, App, Slot]).highest().limit())
                .more_on(DISK),
            Panel::lines("Logs", Unit::BytesPerSecond, "Written to its logs through the executor.")
                .of(Query::by("{tasks log_bytes_per_second}", &[Host, App, Slot]).highest()),
            Panel::lines("Processes", Unit::Count, "Threads included.")
                .of(Query::by("{tasks processes}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Log lines left out",
                Unit::PerSecond,
                "Written faster than its logs take them, or longer than a line may be: see its request for its logs.",
            )
            .of(Query::by("perSecond(interpolate({tasks log_dropped_lines}, 12))", &[Host, App, Slot]).highest()),
            Panel::bars(
                "Restarts",
                Unit::Count,
                "How often its executor has started it anew in its place. More each hour: read its output.",
            )
            .alarm_above(1.0, 5.0)
            .of(Query::by("{tasks restarts}", &[Host, App, Slot]).highest()),
        ],
    }
}
