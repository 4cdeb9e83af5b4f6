//! Whether the numbers can be trusted: the collector and the disk watcher themselves.

use crate::board::{Board, Panel, Section, Unit, Variable};
use crate::expression::Part::{Along, Host};
use crate::expression::Query;

pub(super) fn board() -> Board {
    Board {
        name: super::HEALTH,
        title: "Mesos: collector and disk watcher",
        about: "Are the numbers on the other dashboards fresh and complete?",
        variables: &[Variable::Host, Variable::Top],
        sections: vec![collector(), delivery(), cost(), watcher()],
    }
}

fn collector() -> Section {
    Section {
        title: "Collector: what comes in",
        panels: vec![
            Panel::lines(
                "A scrape takes",
                Unit::Seconds,
                "From the first question to the last answer. Near the interval: turns are left out. Usually the agent is slow, \
                 or others ask it as well.",
            )
            .of(Query::by("{collector scrape_seconds}", &[Host]).highest())
            .of(Query::by("{collector scrape_queue_seconds}", &[Host]).highest().suffix("queued")),
            Panel::lines(
                "Age of a sample",
                Unit::Seconds,
                "How old the oldest container's sample was when it came.",
            )
            .alarm_above(30.0, 120.0)
            .of(Query::by("{collector sample_age_seconds}", &[Host]).highest()),
            Panel::lines(
                "Answers that did not come",
                Unit::PerSecond,
                "By what was wrong. The collector's log has the words. While there are some, series have gaps, and no zeros.",
            )
            .of(Query::by("perSecond(interpolate({collector errors.<error>}, 12))", &[Host, Along]).highest()),
            Panel::lines(
                "Left out",
                Unit::Count,
                "Containers without statistics, numbers under names that this version does not know, points beyond the \
                 ceiling on series. Some for a moment are usual while containers come and go; the rest is a setting or an \
                 update away.",
            )
            .of(Query::by("{collector containers_skipped}", &[Host]).highest().suffix("containers"))
            .of(Query::by("{collector unknown_fields}", &[Host]).highest().suffix("unknown fields"))
            .of(Query::by("{collector series_over_ceiling}", &[Host]).highest().suffix("over the ceiling")),
            Panel::lines("Turns left out", Unit::PerSecond, "Since the turn before was not over.")
                .alarm_above(0.01, 0.1)
                .of(Query::by("perSecond(interpolate({collector overruns}, 12))", &[Host]).highest()),
            Panel::lines("Each source takes", Unit::Seconds, "Which of the sources is the slow one.")
                .of(Query::by("{collector sources.<source>.seconds}", &[Host, Along]).highest()),
        ],
    }
}

fn delivery() -> Section {
    Section {
        title: "Collector: what goes out",
        panels: vec![
            Panel::lines(
                "Points",
                Unit::PerSecond,
                "Made and written. Written below made for long: carbon is slow or away, and the spool fills.",
            )
            .of(Query::named("sumSeries(perSecond(interpolate({collector points_pushed}, 12)))", "made"))
            .of(Query::named("sumSeries(perSecond(interpolate({collector points_written}, 12)))", "written")),
            Panel::lines(
                "Lost",
                Unit::PerSecond,
                "Should be 0. Given up for newer ones where there was no room: give the spool more, or carbon less.",
            )
            .alarm_above(0.01, 1.0)
            .of(Query::by("perSecond(interpolate({collector points_lost}, 12))", &[Host]).highest()),
            Panel::lines(
                "Waiting",
                Unit::Count,
                "In memory and, when that is full or the program ends, on disk. It goes to 0 when carbon is back; how fast is \
                 a setting.",
            )
            .of(Query::by("{collector points_waiting}", &[Host]).highest().suffix("in memory"))
            .of(Query::by("{collector spool_points}", &[Host]).highest()),
            Panel::lines(
                "Spool: oldest point",
                Unit::Seconds,
                "How far the graphs are behind for those that wait on disk.",
            )
            .alarm_above(300.0, 3600.0)
            .of(Query::by("{collector spool_age_seconds}", &[Host]).highest()),
            Panel::lines("Spool: bytes", Unit::Bytes, "On disk. At its limit the oldest are dropped, and counted as lost.")
                .of(Query::by("{collector spool_bytes}", &[Host]).highest()),
            Panel::lines(
                "Connections",
                Unit::PerSecond,
                "Made anew. A steady rate is a load balancer that closes what is idle, or a carbon that restarts.",
            )
            .of(Query::by("perSecond(interpolate({collector reconnects}, 12))", &[Host]).highest()),
        ],
    }
}

fn cost() -> Section {
    Section {
        title: "Collector: what it costs",
        panels: vec![
            Panel::lines("Processors", Unit::Cores, "What the collector itself uses.").of(
                Query::by(
                    "perSecond(interpolate({collector cpu_seconds}, 12))",
                    &[Host],
                )
                .highest(),
            ),
            Panel::lines("Memory", Unit::Bytes, "What the collector itself holds.").of(Query::by(
                "{collector memory_bytes}",
                &[Host],
            )
            .highest()),
            Panel::lines(
                "Series",
                Unit::Count,
                "Each is a file in carbon: allow fewer fields if there are too many.",
            )
            .of(Query::by("{collector series}", &[Host]).highest()),
        ],
    }
}

fn watcher() -> Section {
    Section {
        title: "Disk watcher",
        panels: vec![
            Panel::stacked("How directories are measured", Unit::Count, "By quota costs nothing, by change tracking little, by walks the most.")
                .of(Query::named("sumSeries({disk.watcher trees_quota})", "by quota"))
                .of(Query::named("sumSeries({disk.watcher trees_tracking})", "by change tracking"))
                .of(Query::named("sumSeries({disk.watcher trees_walk})", "by walks")),
            Panel::lines("Processors", Unit::Cores, "What measuring costs. Its budget is a setting.")
                .of(Query::by("perSecond(interpolate({disk.watcher cpu_seconds}, 12))", &[Host]).highest()),
            Panel::lines(
                "Looks put off, and hanging",
                Unit::Count,
                "Hanging: a disk does not answer. Put off, each second: the budget of processor time is too small for what \
                 there is to measure.",
            )
            .alarm_above(1.0, 10.0)
            .of(Query::by("{disk.watcher looks_hanging}", &[Host]).highest().suffix("hanging"))
            .of(Query::by("perSecond(interpolate({disk.watcher deferred_looks}, 12))", &[Host]).highest()),
            Panel::lines(
                "What change tracking missed",
                Unit::BytesPerSecond,
                "Found by comparisons. Large: something writes in ways that the kernel does not report.",
            )
            .of(Query::by("perSecond(interpolate({disk.watcher drift_bytes}, 12))", &[Host]).highest()),
            Panel::lines("Failures", Unit::PerSecond, "The agent did not answer; a container could not be ended; events were lost on their way.")
                .alarm_above(0.01, 0.1)
                .of(Query::by("perSecond(interpolate({disk.watcher agent_failures}, 12))", &[Host]).highest().suffix("agent"))
                .of(Query::by("perSecond(interpolate({disk.watcher enforcement_failures}, 12))", &[Host]).highest().suffix("enforcement"))
                .of(Query::by("perSecond(interpolate({disk.watcher events_lost}, 12))", &[Host]).highest().suffix("events")),
            Panel::lines("Uptime", Unit::Seconds, "A line that falls to nothing is a watcher that was started again.")
                .of(Query::by("{disk.watcher uptime_seconds}", &[Host]).lowest()),
        ],
    }
}
