//! What an agent has, what it has promised, and what is used of it.

use super::{CONTAINERS, DISK, HEALTH, PRESSURE};
use crate::board::{Board, Panel, Section, Unit, Variable};
use crate::expression::Part::{Along, App, Host};
use crate::expression::Query;

pub(super) fn board() -> Board {
    Board {
        name: super::AGENT,
        title: "Mesos: agents",
        about: "Is each agent well, what has it promised to tasks, and what do they use of it?",
        variables: &[Variable::Host, Variable::Top],
        sections: vec![now(), promised(), machine(), coming_and_going(), apps()],
    }
}

fn now() -> Section {
    Section {
        title: "Now",
        panels: vec![
            Panel::number(
                "Agents",
                Unit::Count,
                "Agents that tell of themselves. One that is missing here is down, or its collector is.",
            )
            .of(Query::named("countSeries({agent slave.uptime_secs})", "agents"))
            .more_on(HEALTH),
            Panel::number(
                "Registered, at least",
                Unit::Count,
                "1 when every agent is registered with a master. 0: one is not; it runs what it runs, and gets nothing new. \
                 Look at its log and at its way to the masters.",
            )
            .alarm_below(1.0, 0.5)
            .of(Query::named("minSeries({agent slave.registered})", "registered")),
            Panel::number("Tasks", Unit::Count, "Tasks that run, by the agents' own count.")
                .of(Query::named("sumSeries({agent slave.tasks_running})", "tasks"))
                .more_on(CONTAINERS),
            Panel::number(
                "Processors promised, at most",
                Unit::Share,
                "Of the agent that has promised the largest share of its processors. At 1 it takes no further task, however \
                 idle it is.",
            )
            .alarm_above(0.9, 0.98)
            .of(Query::named("maxSeries({agent slave.cpus_percent})", "promised")),
            Panel::number(
                "Memory promised, at most",
                Unit::Share,
                "Of the agent that has promised the largest share of its memory. At 1 it takes no further task.",
            )
            .alarm_above(0.9, 0.98)
            .of(Query::named("maxSeries({agent slave.mem_percent})", "promised")),
            Panel::number(
                "Disk promised, at most",
                Unit::Share,
                "Of the agent that has promised the largest share of its disk. At 1 it takes no further task.",
            )
            .alarm_above(0.9, 0.98)
            .of(Query::named("maxSeries({agent slave.disk_percent})", "promised"))
            .more_on(DISK),
        ],
    }
}

fn promised() -> Section {
    Section {
        title: "Promised and used",
        panels: vec![
            Panel::lines(
                "Processors",
                Unit::Cores,
                "What agents offer, what tasks have asked for of it, and what containers use. Used far below promised: tasks \
                 ask for more than they need, and machines stand idle that no task can get. Used above promised: without \
                 hard limits tasks live on what others leave them.",
            )
            .of(Query::named("sumSeries({agent slave.cpus_total})", "offered"))
            .of(Query::named("sumSeries({agent slave.cpus_used})", "promised"))
            .of(Query::named("sumSeries({containers cpus_used})", "used"))
            .more_on(PRESSURE),
            Panel::lines(
                "Memory",
                Unit::Bytes,
                "What agents offer, what tasks have asked for of it, what containers hold that cannot be reclaimed, and that \
                 with page cache.",
            )
            .of(Query::named("scale(sumSeries({agent slave.mem_total}), 1048576)", "offered"))
            .of(Query::named("scale(sumSeries({agent slave.mem_used}), 1048576)", "promised"))
            .of(Query::named("sumSeries({containers mem_rss_bytes})", "used"))
            .of(Query::named("sumSeries({containers mem_total_bytes})", "used with page cache"))
            .more_on(PRESSURE),
            Panel::lines(
                "Disk",
                Unit::Bytes,
                "What agents offer, what tasks have asked for of it, and what sandboxes take as mesos-disk-watcher measures \
                 them.",
            )
            .of(Query::named("scale(sumSeries({agent slave.disk_total}), 1048576)", "offered"))
            .of(Query::named("scale(sumSeries({agent slave.disk_used}), 1048576)", "promised"))
            .of(Query::named("sumSeries({disk.containers charged_bytes})", "used"))
            .more_on(DISK),
            Panel::lines(
                "Processors promised, by agent",
                Unit::Share,
                "Near 1 on some and low on others: tasks are asked to run where they cannot, or shares are too large to fit.",
            )
            .alarm_above(0.9, 0.98)
            .of(Query::by("{agent slave.cpus_percent}", &[Host]).highest()),
            Panel::lines("Memory promised, by agent", Unit::Share, "As for processors.")
                .alarm_above(0.9, 0.98)
                .of(Query::by("{agent slave.mem_percent}", &[Host]).highest()),
            Panel::lines("Disk promised, by agent", Unit::Share, "As for processors.")
                .alarm_above(0.9, 0.98)
                .of(Query::by("{agent slave.disk_percent}", &[Host]).highest()),
        ],
    }
}

fn machine() -> Section {
    Section {
        title: "Machines",
        panels: vec![
            Panel::lines(
                "Processors",
                Unit::Share,
                "Busy, of all processors of the machine, whoever uses them. Busy here and idle in containers: something runs \
                 that Mesos knows nothing of.",
            )
            .alarm_above(0.9, 0.98)
            .of(Query::by("{host cpu_used_share}", &[Host]).highest()),
            Panel::lines(
                "Waiting",
                Unit::Share,
                "Waiting for disks: they are the bottleneck. Stolen: other virtual machines run in this one's place.",
            )
            .alarm_above(0.1, 0.3)
            .of(Query::by("{host cpu_iowait_share}", &[Host]).highest().suffix("for disks"))
            .of(Query::by("{host cpu_steal_share}", &[Host]).highest().suffix("stolen")),
            Panel::lines(
                "Load",
                Unit::Count,
                "Threads that run or wait, over one minute. Far above the number of processors for long: something waits, \
                 for a processor or for a disk.",
            )
            .of(Query::by("{host load_1m}", &[Host]).highest())
            .more_on(PRESSURE),
            Panel::lines(
                "Memory",
                Unit::Share,
                "Of the whole machine, without page cache. Near 1 the kernel ends somebody, who may be a neighbour of the \
                 one that took it: offer less memory to Mesos.",
            )
            .alarm_above(0.9, 0.97)
            .of(Query::by("{host mem_used_share}", &[Host]).highest()),
            Panel::lines(
                "File systems",
                Unit::Share,
                "Of what each holds. An agent removes the sandboxes of tasks that ended the earlier, the fuller its disk is; \
                 from 0.9 on at once.",
            )
            .alarm_above(0.8, 0.9)
            .of(Query::by("{host filesystems.<filesystem>.used_share}", &[Host, Along]).highest())
            .more_on(DISK),
            Panel::lines("Disks", Unit::Share, "Of the time, how much each had something to do.")
                .of(Query::by("{host disks.<device>.busy_share}", &[Host, Along]).highest()),
            Panel::lines("Network: in", Unit::BytesPerSecond, "By interface of the machine.")
                .of(Query::by("{host interfaces.<interface>.rx_bytes_per_second}", &[Host, Along]).highest()),
            Panel::lines("Network: out", Unit::BytesPerSecond, "By interface of the machine.")
                .of(Query::by("{host interfaces.<interface>.tx_bytes_per_second}", &[Host, Along]).highest()),
            Panel::lines(
                "Ended by the kernel for memory",
                Unit::PerSecond,
                "Processes, whether for their container's limit or the machine's.",
            )
            .of(Query::by("perSecond(interpolate({host oom_kills}, 12))", &[Host]).highest()),
        ],
    }
}

fn coming_and_going() -> Section {
    Section {
        title: "Tasks and executors",
        panels: vec![
            Panel::stacked("Tasks", Unit::Count, "By what they are about to do. Many that start or are being killed for long are stuck.")
                .of(Query::named("sumSeries({agent slave.tasks_running})", "running"))
                .of(Query::named("sumSeries({agent slave.tasks_staging})", "staging"))
                .of(Query::named("sumSeries({agent slave.tasks_starting})", "starting"))
                .of(Query::named("sumSeries({agent slave.tasks_killing})", "being killed")),
            Panel::lines(
                "Tasks that ended",
                Unit::PerSecond,
                "Failed ones at a steady rate are a task that its scheduler starts again and again: find it by its app below, \
                 and in the agent's log.",
            )
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.tasks_finished}, 12)))", "finished"))
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.tasks_failed}, 12)))", "failed"))
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.tasks_killed}, 12)))", "killed"))
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.tasks_lost}, 12)))", "lost")),
            Panel::lines(
                "What went wrong in agents",
                Unit::PerSecond,
                "Anything but 0 is for the agent's log. Fetches that fail: a URI or its server. Launches that fail: an \
                 isolator, an image, a user. Containers that cannot be destroyed hold their resources until the agent is \
                 restarted.",
            )
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.container_launch_errors}, 12)))", "launches"))
            .of(Query::named("sumSeries(perSecond(interpolate({agent containerizer.fetcher.task_fetches_failed}, 12)))", "fetches"))
            .of(Query::named(
                "sumSeries(perSecond(interpolate({agent containerizer.mesos.container_destroy_errors}, 12)))",
                "containers not destroyed",
            ))
            .of(Query::named("sumSeries(perSecond(interpolate({agent slave.invalid_status_updates}, 12)))", "invalid updates"))
            .of(Query::named("sumSeries(perSecond(interpolate({agent gc.path_removals_failed}, 12)))", "sandboxes not removed")),
            Panel::lines("Executors", Unit::Count, "By agent. Executors that run on without a task are usually forgotten ones.")
                .of(Query::by("{agent slave.executors_running}", &[Host]).highest()),
            Panel::lines("Uptime", Unit::Seconds, "A line that falls to nothing is an agent that was started again.")
                .of(Query::by("{agent slave.uptime_secs}", &[Host]).lowest()),
            Panel::lines(
                "Sandboxes to be removed",
                Unit::Count,
                "Directories of tasks that ended, kept until their time has come or the disk is short.",
            )
            .of(Query::by("{agent gc.path_removals_pending}", &[Host]).highest())
            .more_on(DISK),
        ],
    }
}

fn apps() -> Section {
    Section {
        title: "Largest apps",
        panels: vec![
            Panel::lines(
                "Processors, by app",
                Unit::Cores,
                "All instances of an app on these agents together.",
            )
            .of(Query::sum_by("{apps cpus_used.sum}", App).highest())
            .more_on(CONTAINERS),
            Panel::lines(
                "Memory, by app",
                Unit::Bytes,
                "What cannot be reclaimed, of all instances of an app together.",
            )
            .of(Query::sum_by("{apps mem_rss_bytes.sum}", App).highest())
            .more_on(CONTAINERS),
            Panel::lines(
                "Instances, by app",
                Unit::Count,
                "Containers of an app on these agents.",
            )
            .of(Query::sum_by("{apps count}", App).highest())
            .more_on(CONTAINERS),
        ],
    }
}
