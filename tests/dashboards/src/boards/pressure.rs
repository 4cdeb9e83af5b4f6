//! Who is held back, and who is about to be ended.

use super::CONTAINERS;
use crate::board::{Board, Panel, Section, Unit, Variable};
use crate::expression::Part::{Along, App, Host, Slot};
use crate::expression::Query;

pub(super) fn board() -> Board {
    Board {
        name: super::PRESSURE,
        title: "Mesos: throttling and pressure",
        about: "Who waits for a processor, who is short of memory, and who is about to be ended for it?",
        variables: &[
            Variable::Host,
            Variable::App,
            Variable::Slot,
            Variable::Task,
            Variable::Top,
        ],
        sections: vec![throttling(), memory(), tasks(), machines()],
    }
}

fn throttling() -> Section {
    Section {
        title: "Held back at the processor limit",
        panels: vec![
            Panel::lines(
                "Throttled share",
                Unit::Share,
                "Of the periods (100 ms) in which it wanted to run, those in which it had used up its part and stood still for \
                 the rest. A server above 0.05 answers late, even if it uses little on average: give it a higher limit, or \
                 fewer threads.",
            )
            .alarm_above(0.05, 0.25)
            .of(Query::by("{containers cpus_throttled_share}", &[Host, App, Slot]).highest())
            .more_on(CONTAINERS),
            Panel::lines(
                "Time stood still",
                Unit::SecondsPerSecond,
                "Of each second, what it stood still. Above 1 more than one processor's worth waits.",
            )
            .of(Query::by("{containers cpus_throttled_seconds_per_second}", &[Host, App, Slot]).highest()),
            Panel::lines("Use of the limit", Unit::Share, "Low here and throttled there: it works in bursts, or with many threads at once.")
                .alarm_above(0.9, 1.0)
                .of(Query::by("{containers cpus_used_share_of_limit}", &[Host, App, Slot]).highest()),
            Panel::bars("Apps, by their most throttled instance", Unit::Share, "The worst instance of each app, now.")
                .wide(24)
                .alarm_above(0.05, 0.25)
                .of(Query::max_by("{apps cpus_throttled_share.max}", App).highest()),
        ],
    }
}

fn memory() -> Section {
    Section {
        title: "Short of memory",
        panels: vec![
            Panel::lines(
                "Headroom before the kernel ends it",
                Unit::Bytes,
                "What its memory may still grow by; the smallest are shown. What falls towards 0 is ended soon: raise its \
                 limit or find its leak before.",
            )
            .of(Query::by("{containers mem_headroom_bytes}", &[Host, App, Slot]).lowest())
            .more_on(CONTAINERS),
            Panel::lines("Share of the limit", Unit::Share, "What cannot be reclaimed, of the limit.")
                .alarm_above(0.85, 0.95)
                .of(Query::by("{containers mem_used_share}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "With page cache",
                Unit::Share,
                "Near 1 alone is no harm: cache fills what is free. Near 1 with pressure is.",
            )
            .of(Query::by("{containers mem_total_share}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Pressure, critical",
                Unit::PerSecond,
                "The kernel finds next to nothing to reclaim: it is about to end somebody in the container.",
            )
            .alarm_above(0.1, 1.0)
            .of(Query::by("{containers mem_pressure_critical_per_second}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Pressure, medium",
                Unit::PerSecond,
                "The kernel swaps or throws away what is in use: the container is slower than with more memory.",
            )
            .of(Query::by("{containers mem_pressure_medium_per_second}", &[Host, App, Slot]).highest()),
            Panel::lines("Pressure, low", Unit::PerSecond, "The kernel reclaims page cache, which costs little.")
                .of(Query::by("{containers mem_pressure_low_per_second}", &[Host, App, Slot]).highest()),
        ],
    }
}

fn machines() -> Section {
    Section {
        title: "Machines",
        panels: vec![
            Panel::lines(
                "Something waits",
                Unit::Share,
                "Of the time, how long at least one thread of the machine waited for a processor, for memory or for a disk. \
                 Memory above 0.1 is thrashing: too much is promised.",
            )
            .alarm_above(0.5, 0.9)
            .of(Query::by("{host pressure.<resource>.some_share}", &[Host, Along]).highest()),
            Panel::lines(
                "Everything waits",
                Unit::Share,
                "Of the time, how long nothing got on since all of it waited: lost to everybody.",
            )
            .alarm_above(0.1, 0.3)
            .of(Query::by("{host pressure.<resource>.full_share}", &[Host, Along]).highest()),
            Panel::lines("Blocked on disks", Unit::Count, "Threads that wait for a disk at this moment.")
                .of(Query::by("{host processes_blocked}", &[Host]).highest()),
        ],
    }
}

fn tasks() -> Section {
    Section {
        title: "Tasks of mesos-sandbox-executor",
        panels: vec![
            Panel::lines("Time stood still", Unit::SecondsPerSecond, "Of each second, what the task was held back by its own hard limit.")
                .of(Query::by("{tasks cpus_throttled_seconds_per_second}", &[Host, App, Slot]).highest()),
            Panel::lines(
                "Shortages of memory",
                Unit::PerSecond,
                "Seconds in which it was short of memory, of all seconds. Anything but 0 for long is a limit too low.",
            )
            .of(Query::by("perSecond(interpolate({tasks memory_shortages}, 12))", &[Host, App, Slot]).highest()),
            Panel::lines("Share of the memory limit", Unit::Share, "Of a task's own limit within its executor's container.")
                .alarm_above(0.85, 0.95)
                .of(Query::by("{tasks memory_used_share}", &[Host, App, Slot]).highest()),
            Panel::lines("Most memory ever", Unit::Bytes, "The most each has held since it was launched; dashed: its limit.")
                .of(Query::by("{tasks memory_peak_bytes}", &[Host, App, Slot]).highest())
                .of(Query::by("{tasks memory_limit_bytes}", &[Host, App, Slot]).highest().limit()),
        ],
    }
}
