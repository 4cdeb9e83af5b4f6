mod messages;

use dialect::{HttpProbe, Program, Target};

use super::*;
use crate::event::CommandEnd;

fn check(role: Role) -> Check {
    Check {
        name: String::new(),
        role,
        probe: command(),
        delay: Duration::from_secs(15),
        interval: Duration::from_secs(10),
        timeout: Some(Duration::from_secs(20)),
        grace_period: Duration::ZERO,
        consecutive_failures: Some(3),
    }
}

fn named(name: &str, role: Role) -> Check {
    Check {
        name: name.to_owned(),
        ..check(role)
    }
}

fn command() -> Probe {
    Probe::Command {
        program: Program::Shell("true".to_owned()),
        environment: vec![],
    }
}

fn target() -> Target {
    Target {
        host: "127.0.0.1".to_owned(),
        port: 8080,
    }
}

fn http(statuses: &[u32]) -> Probe {
    Probe::Http(HttpProbe {
        https: false,
        verify: false,
        target: target(),
        path: "/health?deep=1".to_owned(),
        headers: vec![],
        statuses: statuses.to_vec(),
    })
}

fn tcp() -> Probe {
    Probe::Tcp { target: target() }
}

fn at(seconds: u64) -> Instant {
    Instant(Duration::from_secs(seconds))
}

fn exited(status: i32) -> Probed {
    Probed::Command {
        status: CommandEnd::Exited(status),
        output: String::new(),
    }
}

fn answered(status: u32) -> Probed {
    Probed::Http {
        status,
        detail: String::new(),
    }
}

fn connected(connected: bool) -> Probed {
    let detail = if connected { "" } else { "connection refused" };
    Probed::Tcp {
        connected,
        detail: detail.to_owned(),
    }
}

fn timed_out() -> Probed {
    Probed::TimedOut {
        output: String::new(),
    }
}

fn error() -> Probed {
    Probed::Error {
        message: "no route".to_owned(),
    }
}

const OK: i32 = 0;
const BAD: i32 = 1;

/// Lets check `index` look once, at its own deadline.
fn look(checks: &mut Checks, index: usize, outcome: &Probed) -> Vec<CheckEffect> {
    let Next::Waiting(now) = checks.watched[index].next else {
        panic!("check {index} waits for nothing");
    };
    for look in checks.due(now) {
        // The others come back to that later.
        if look.check != index {
            checks.watched[look.check].next = Next::Waiting(now);
        }
    }
    checks.probed(now, index, outcome)
}

/// `+` healthy, `-` unhealthy, `!` the task is to end, `.` spared, `s` a new status.
fn signs(effects: &[CheckEffect]) -> String {
    let sign = |effect: &CheckEffect| match effect {
        CheckEffect::Health { healthy: true, .. } => '+',
        CheckEffect::Health { healthy: false, .. } => '-',
        CheckEffect::Unhealthy { .. } => '!',
        CheckEffect::Spared { .. } => '.',
        CheckEffect::Status { .. } => 's',
    };
    effects.iter().map(sign).collect()
}

/// The signs of one check's looks, one word a look.
fn story(check: Check, statuses: &[i32]) -> String {
    let mut checks = Checks::new(&[check], at(0));
    let words = statuses
        .iter()
        .map(|status| signs(&look(&mut checks, 0, &exited(*status))));
    words.collect::<Vec<_>>().join(" ")
}

fn message(effect: &CheckEffect) -> &str {
    match effect {
        CheckEffect::Health { message, .. } | CheckEffect::Status { message } => {
            message.as_deref().unwrap_or_default()
        }
        CheckEffect::Unhealthy { message } | CheckEffect::Spared { message } => message,
    }
}

/// P-19: delay counts from the task's start, interval from the end of the last look.
#[test]
fn looks_begin_after_the_delay_and_an_interval_after_the_end_of_the_last() {
    let mut checks = Checks::new(&[check(Role::Health)], at(100));
    assert_eq!(checks.next_deadline(), Some(at(115)));
    assert_eq!(checks.due(at(114)), []);
    let looks = checks.due(at(115));
    assert_eq!(looks.len(), 1);
    assert_eq!(looks[0].check, 0);
    assert_eq!(*looks[0].probe, command());
    assert_eq!(looks[0].timeout, Some(Duration::from_secs(20)));
    checks.probed(at(122), 0, &exited(OK));
    assert_eq!(checks.next_deadline(), Some(at(132)));
}

#[test]
fn a_look_never_overlaps_another_of_its_check() {
    let mut checks = Checks::new(&[check(Role::Health)], at(0));
    assert_eq!(checks.due(at(15)).len(), 1);
    assert_eq!(checks.next_deadline(), None);
    assert_eq!(checks.due(at(1000)), []);
    checks.probed(at(1000), 0, &exited(OK));
    assert_eq!(checks.due(at(1009)), []);
    assert_eq!(checks.due(at(1010)).len(), 1);
}

#[test]
fn an_outcome_that_nobody_asked_for_makes_no_second_chain() {
    let mut checks = Checks::new(&[check(Role::Health)], at(0));
    assert_eq!(checks.probed(at(1), 0, &exited(OK)), []);
    assert_eq!(checks.probed(at(1), 7, &exited(OK)), []);
    assert_eq!(checks.next_deadline(), Some(at(15)));
    checks.due(at(15));
    assert_eq!(signs(&checks.probed(at(16), 0, &exited(OK))), "+");
    assert_eq!(checks.probed(at(17), 0, &exited(BAD)), []);
    assert_eq!(checks.next_deadline(), Some(at(26)));
}

#[test]
fn an_interval_of_nothing_still_leaves_time_for_other_things() {
    let mut eager = check(Role::Health);
    eager.interval = Duration::ZERO;
    eager.delay = Duration::ZERO;
    let mut checks = Checks::new(&[eager], at(5));
    assert_eq!(checks.due(at(5)).len(), 1);
    checks.probed(at(5), 0, &exited(OK));
    assert_eq!(checks.due(at(5)), []);
    assert!(checks.next_deadline() <= Some(at(6)));
}

#[test]
fn healthy_is_said_at_the_first_success_and_at_each_recovery_unhealthy_at_each_failure() {
    let table = [
        (&[OK, OK, OK][..], "+  "),
        (&[BAD, OK, OK], "- + "),
        (&[OK, BAD, BAD, OK, BAD], "+ - - + -"),
        (&[BAD, BAD, OK, BAD, BAD, BAD], "- - + - - -!"),
        (&[OK, BAD, BAD, BAD, BAD], "+ - - -! -!"),
    ];
    for (statuses, want) in table {
        assert_eq!(story(check(Role::Health), statuses), want, "{statuses:?}");
    }
}

#[test]
fn the_task_ends_when_as_many_failures_as_allowed_came_in_a_row() {
    let table = [
        (Some(1), &[OK, BAD][..], "+ -!"),
        (Some(2), &[BAD, OK, BAD, BAD], "- + - -!"),
        // Mesos compares with `>=`: nothing allowed is over at the first failure.
        (Some(0), &[BAD], "-!"),
        (None, &[BAD, BAD, BAD, BAD], "- - - -"),
    ];
    for (consecutive_failures, statuses, want) in table {
        let check = Check {
            consecutive_failures,
            ..check(Role::Health)
        };
        assert_eq!(story(check, statuses), want, "{consecutive_failures:?}");
    }
}

#[test]
fn failures_within_the_grace_period_count_for_nothing_until_the_first_success() {
    // Looks are at 15, 25, 35, 45, 55 seconds; the end of the period belongs to it.
    let table = [
        (25, &[BAD, BAD, BAD, BAD, BAD][..], ".  - - -!"),
        (25, &[BAD, OK, BAD], ". + -"),
        (60, &[OK, BAD, BAD, BAD], "+ - - -!"),
        (0, &[BAD, BAD, BAD], "- - -!"),
    ];
    for (seconds, statuses, want) in table {
        let check = Check {
            grace_period: Duration::from_secs(seconds),
            ..check(Role::Health)
        };
        assert_eq!(story(check, statuses), want, "{seconds} s, {statuses:?}");
    }
}

#[test]
fn every_later_update_can_say_what_the_last_one_said() {
    let mut checks = Checks::new(&[check(Role::Health)], at(0));
    assert_eq!(checks.healthy(), None);
    for (status, want) in [(OK, true), (BAD, false), (OK, true)] {
        look(&mut checks, 0, &exited(status));
        assert_eq!(checks.healthy(), Some(want));
    }
    checks.stop();
    assert_eq!(checks.healthy(), Some(true));
}

#[test]
fn of_several_health_checks_each_must_succeed_and_none_may_fail() {
    let both = [named("web", Role::Health), named("db", Role::Health)];
    let mut checks = Checks::new(&both, at(0));
    let table = [
        (0, OK, ""),
        (1, OK, "+"),
        (0, BAD, "-"),
        (1, BAD, "-"),
        (0, OK, ""),
        (1, BAD, "-"),
        (1, BAD, "-!"),
        (1, OK, "+"),
        (0, OK, ""),
    ];
    for (step, (index, status, want)) in table.into_iter().enumerate() {
        let effects = look(&mut checks, index, &exited(status));
        assert_eq!(signs(&effects), want, "step {step}");
    }
}

#[test]
fn a_task_is_not_healthy_before_it_is_ready_and_readiness_looks_no_more_then() {
    let both = [named("live", Role::Health), named("warm", Role::Readiness)];
    let mut checks = Checks::new(&both, at(0));
    assert_eq!(signs(&look(&mut checks, 0, &exited(OK))), "");
    assert_eq!(checks.healthy(), None);
    for _ in 0..10 {
        let effects = look(&mut checks, 1, &exited(BAD));
        assert!(matches!(signs(&effects).as_str(), "" | "."), "{effects:?}");
    }
    assert_eq!(signs(&look(&mut checks, 1, &exited(OK))), "+");
    assert_eq!(checks.healthy(), Some(true));
    assert_eq!(checks.watched[1].next, Next::Over);
    // It is alive, and then it is not: readiness has no say in that.
    assert_eq!(signs(&look(&mut checks, 0, &exited(BAD))), "-");
}

#[test]
fn readiness_alone_makes_a_task_healthy_and_never_unhealthy() {
    assert_eq!(
        story(check(Role::Readiness), &[BAD, BAD, BAD, BAD, OK]),
        ".    +"
    );
}

#[test]
fn a_failure_that_counts_for_nothing_is_told_again_when_its_cause_is_another() {
    let mut checks = Checks::new(&[named("warm", Role::Readiness)], at(0));
    let first = look(&mut checks, 0, &exited(1));
    assert_eq!(
        message(&first[0]),
        "readiness check 'warm': command exited with status 1 (not ready yet)"
    );
    assert_eq!(look(&mut checks, 0, &exited(1)), []);
    assert_eq!(signs(&look(&mut checks, 0, &exited(2))), ".");
}

/// P-19: `check_status` carries its type and the message of that type, from the first update on.
#[test]
fn a_check_without_a_finding_has_a_status_that_the_agent_takes() {
    for (probe, kind) in [(command(), 1), (http(&[]), 2), (tcp(), 3)] {
        let check = Check {
            probe,
            ..check(Role::General)
        };
        let status = Checks::new(&[check], at(0)).check_status().unwrap();
        assert_eq!(status.r#type, Some(kind));
        assert_eq!(status.command.is_some(), kind == 1);
        assert_eq!(status.http.is_some(), kind == 2);
        assert_eq!(status.tcp.is_some(), kind == 3);
        assert_eq!(status.command.and_then(|found| found.exit_code), None);
        assert_eq!(status.http.and_then(|found| found.status_code), None);
        assert_eq!(status.tcp.and_then(|found| found.succeeded), None);
    }
    assert_eq!(
        Checks::new(&[check(Role::Health)], at(0)).check_status(),
        None
    );
}

/// P-19: what every finding becomes, and that only a change is an update.
#[test]
fn a_check_tells_its_status_when_it_changes() {
    let signaled = Probed::Command {
        status: CommandEnd::Signalled(9),
        output: String::new(),
    };
    let table = [
        (
            command(),
            vec![
                (exited(0), "s", Some(0)),
                (exited(0), "", Some(0)),
                (exited(3), "s", Some(3)),
                (signaled, "s", None),
                (timed_out(), "", None),
                (error(), "", None),
                (exited(3), "s", Some(3)),
            ],
        ),
        (
            http(&[]),
            vec![
                (error(), "", None),
                (answered(503), "s", Some(503)),
                (answered(503), "", Some(503)),
                (answered(200), "s", Some(200)),
                (timed_out(), "s", None),
            ],
        ),
        (
            tcp(),
            vec![
                (connected(false), "s", Some(0)),
                (connected(false), "", Some(0)),
                (connected(true), "s", Some(1)),
                (timed_out(), "s", None),
            ],
        ),
    ];
    for (probe, looks) in table {
        let check = Check {
            probe,
            ..check(Role::General)
        };
        let mut checks = Checks::new(&[check], at(0));
        for (outcome, want, number) in looks {
            assert_eq!(signs(&look(&mut checks, 0, &outcome)), want, "{outcome:?}");
            let status = checks.check_status().unwrap();
            let code = status.command.and_then(|found| found.exit_code);
            let answer = status.http.and_then(|found| found.status_code);
            let tcp = status.tcp.and_then(|found| found.succeeded);
            let found = code.or(answer.map(u32::cast_signed)).or(tcp.map(i32::from));
            assert_eq!(found, number, "{outcome:?}");
        }
        assert_eq!(checks.healthy(), None);
    }
}

#[test]
fn of_several_general_checks_the_first_looks() {
    let both = [check(Role::General), check(Role::General)];
    let mut checks = Checks::new(&both, at(0));
    let looks: Vec<_> = checks.due(at(15)).iter().map(|look| look.check).collect();
    assert_eq!(looks, [0]);
}

#[test]
fn statuses_from_200_to_399_are_healthy_unless_the_framework_names_its_own() {
    let table = [
        (&[][..], 199, false),
        (&[], 200, true),
        (&[], 204, true),
        (&[], 399, true),
        (&[], 400, false),
        (&[], 503, false),
        (&[200], 200, true),
        (&[200], 204, false),
        (&[200, 404], 404, true),
    ];
    for (statuses, status, want) in table {
        let check = Check {
            probe: http(statuses),
            ..check(Role::Health)
        };
        let healthy = answered(status).verdict(&check).is_ok();
        assert_eq!(healthy, want, "{statuses:?} {status}");
    }
}

#[test]
fn stopped_checks_look_no_more_say_nothing_and_name_what_is_under_way() {
    let all = [
        check(Role::Health),
        check(Role::Health),
        check(Role::General),
    ];
    let mut checks = Checks::new(&all, at(0));
    checks.due(at(15));
    checks.probed(at(16), 1, &exited(OK));
    assert_eq!(checks.stop(), [0, 2]);
    assert_eq!(checks.stop(), Vec::<usize>::new());
    assert_eq!(checks.next_deadline(), None);
    assert_eq!(checks.due(at(1000)), []);
    for index in 0..3 {
        assert_eq!(checks.probed(at(17), index, &exited(BAD)), []);
    }
}
