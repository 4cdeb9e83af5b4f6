//! What checks say to people.

use super::*;

#[test]
fn a_message_says_which_check_looked_at_what_and_what_it_found() {
    let output = |status| Probed::Command {
        status: CommandEnd::Exited(status),
        output: "one\nconnection to db lost\n".to_owned(),
    };
    let killed = Probed::Command {
        status: CommandEnd::Signalled(9),
        output: String::new(),
    };
    let elsewhere = Probed::Http {
        status: 404,
        detail: "http://127.0.0.1:9/".to_owned(),
    };
    let table = [
        (
            "web",
            command(),
            output(1),
            "health check 'web': command exited with status 1: one\nconnection to db lost",
        ),
        (
            "",
            command(),
            killed,
            "health check: command was ended by signal 9",
        ),
        (
            "health check 2",
            command(),
            timed_out(),
            "health check 2: command did not end within 20secs",
        ),
        (
            "web",
            http(&[]),
            answered(503),
            "health check 'web': HTTP 127.0.0.1:8080/health?deep=1 answered 503",
        ),
        (
            "web",
            http(&[]),
            elsewhere,
            "health check 'web': HTTP 127.0.0.1:8080/health?deep=1 answered 404: http://127.0.0.1:9/",
        ),
        (
            "web",
            http(&[]),
            timed_out(),
            "health check 'web': HTTP 127.0.0.1:8080/health?deep=1 did not answer within 20secs",
        ),
        (
            "web",
            http(&[]),
            error(),
            "health check 'web': HTTP 127.0.0.1:8080/health?deep=1 gave no answer: no route",
        ),
        (
            "web",
            tcp(),
            connected(false),
            "health check 'web': TCP 127.0.0.1:8080 is not reachable: connection refused",
        ),
    ];
    for (name, probe, outcome, want) in table {
        let check = Check {
            probe,
            ..named(name, Role::Health)
        };
        let mut checks = Checks::new(&[check], at(0));
        let effects = look(&mut checks, 0, &outcome);
        assert_eq!(message(&effects[0]), want);
    }
}

#[test]
fn the_end_of_an_unhealthy_task_says_how_often_and_why() {
    let mut checks = Checks::new(&[named("web", Role::Health)], at(0));
    look(&mut checks, 0, &exited(BAD));
    look(&mut checks, 0, &exited(BAD));
    let effects = look(&mut checks, 0, &exited(7));
    assert_eq!(
        message(&effects[1]),
        "health check 'web' failed 3 times in a row: command exited with status 7"
    );
}

#[test]
fn an_address_of_version_six_is_readable() {
    let check = Check {
        probe: Probe::Tcp {
            target: Target {
                host: "::1".to_owned(),
                port: 80,
            },
        },
        ..check(Role::Health)
    };
    let told = connected(false).verdict(&check).unwrap_err();
    assert!(told.starts_with("TCP [::1]:80 "), "{told}");
}

#[test]
fn a_message_is_bounded_however_much_a_check_says() {
    let flood = Probed::Command {
        status: CommandEnd::Exited(1),
        output: "ä".repeat(1 << 20),
    };
    let mut checks = Checks::new(&[named(&"n".repeat(5000), Role::Health)], at(0));
    let effects = look(&mut checks, 0, &flood);
    assert!(message(&effects[0]).len() < 2048);
}
