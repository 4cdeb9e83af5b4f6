//! Whose disk is full, and who fills it.

use super::{CONTAINERS, HEALTH};
use crate::board::{Board, Panel, Section, Unit, Variable};
use crate::expression::Part::{App, Host, Slot};
use crate::expression::Query;

pub(super) fn board() -> Board {
    Board {
        name: super::DISK,
        title: "Mesos: disk and quotas",
        about: "Who is near its quota, who grows towards it, and what was done about it?",
        variables: &[Variable::Host, Variable::App, Variable::Task, Variable::Top],
        sections: vec![now(), sandboxes(), tasks_and_volumes(), hidden()],
    }
}

fn now() -> Section {
    Section {
        title: "Now",
        panels: vec![
            Panel::number("Over their limit", Unit::Count, "Directories that take more than they may at this moment.")
                .alarm_above(1.0, 5.0)
                .of(Query::named("sumSeries({disk.watcher subjects_over_limit})", "over")),
            Panel::number("Watched", Unit::Count, "Sandboxes, tasks and volumes that mesos-disk-watcher measures.")
                .of(Query::named("sumSeries({disk.watcher subjects})", "watched"))
                .more_on(HEALTH),
            Panel::lines(
                "Limits broken",
                Unit::PerSecond,
                "Made sure of by a second look; ended: as the watcher's settings say; failed: it was to be ended and could \
                 not be, which is for the watcher's log.",
            )
            .wide(16)
            .alarm_above(0.1, 1.0)
            .of(Query::named("sumSeries(perSecond(interpolate({disk.watcher soft_limits}, 12)))", "warned of"))
            .of(Query::named("sumSeries(perSecond(interpolate({disk.watcher breaches}, 12)))", "broken"))
            .of(Query::named("sumSeries(perSecond(interpolate({disk.watcher enforced}, 12)))", "ended"))
            .of(Query::named("sumSeries(perSecond(interpolate({disk.watcher enforcement_failures}, 12)))", "failed")),
        ],
    }
}

fn sandboxes() -> Section {
    Section {
        title: "Sandboxes",
        panels: vec![
            Panel::bars("Fullest", Unit::Share, "Of the quota. At 1 the executor, the agent or the watcher ends it.")
                .alarm_above(0.8, 0.95)
                .of(Query::by("{disk.containers limit_share}", &[Host, App, Slot]).highest())
                .more_on(CONTAINERS),
            Panel::lines("In use", Unit::Bytes, "What counts towards the quota. Dashed: the quota.")
                .of(Query::by("{disk.containers charged_bytes}", &[Host, App, Slot]).highest())
                .of(Query::by("{disk.containers limit_bytes}", &[Host, App, Slot]).highest().limit()),
            Panel::lines(
                "Growth",
                Unit::BytesPerSecond,
                "What is left divided by this is the time until it is full. Steady growth is usually a log that nobody \
                 rotates.",
            )
            .of(Query::by("{disk.containers growth_bytes_per_second}", &[Host, App, Slot]).highest()),
        ],
    }
}

fn tasks_and_volumes() -> Section {
    Section {
        title: "Tasks and volumes",
        panels: vec![
            Panel::lines(
                "Tasks: share of the quota",
                Unit::Share,
                "Of a task's own quota within a shared sandbox.",
            )
            .alarm_above(0.8, 0.95)
            .of(Query::by("{disk.tasks limit_share}", &[Host, App, Slot]).highest()),
            Panel::lines("Tasks: in use", Unit::Bytes, "What its directory takes.").of(Query::by(
                "{disk.tasks charged_bytes}",
                &[Host, App, Slot],
            )
            .highest()),
            Panel::lines(
                "Persistent volumes",
                Unit::Bytes,
                "They stay when their task ends, and count towards no sandbox. Dashed: their size.",
            )
            .of(Query::by("{disk.volumes charged_bytes}", &[Host, App, Slot]).highest())
            .of(Query::by("{disk.volumes limit_bytes}", &[Host, App, Slot])
                .highest()
                .limit()),
        ],
    }
}

fn hidden() -> Section {
    Section {
        title: "What is easily overlooked",
        panels: vec![
            Panel::lines(
                "Files and directories",
                Unit::Count,
                "Many small ones make a directory slow to measure and use up a file system that has bytes left.",
            )
            .of(Query::by("{disk.containers inodes}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Deleted, but still open",
                Unit::Bytes,
                "Takes space that no listing shows, until the process that holds it closes it: a log that was removed instead \
                 of rotated.",
            )
            .of(Query::by("{disk.containers deleted_bytes}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "How old the numbers are",
                Unit::Seconds,
                "Since the last look at each directory. Old ones: the disk is slow, or the watcher's budget of processor time \
                 is spent.",
            )
            .alarm_above(30.0, 120.0)
            .of(Query::by("{disk.containers age_seconds}", &[Host, App, Slot]).highest())
            .more_on(HEALTH),
        ],
    }
}
