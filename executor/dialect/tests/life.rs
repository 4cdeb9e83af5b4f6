//! Hooks, stop sequences and restart policies, in data and in labels.

use std::time::Duration;

use dialect::{Hook, Life, Program, Restart, RestartPolicy, Stop, StopSignal};

use crate::task::{exec, labels, refusal, resolve, task, with_data, with_labels};

fn life(keys: &str) -> Life {
    let data = format!(r#"{{"version":1,"command":{{"value":"x"}},{keys}}}"#);
    resolve(&with_data(&data)).unwrap().life
}

fn refused(keys: &str) -> String {
    refusal(&with_data(&format!(
        r#"{{"version":1,"command":{{"value":"x"}},{keys}}}"#
    )))
}

fn shell(line: &str, must_succeed: bool) -> Hook {
    Hook {
        program: Program::Shell(line.into()),
        environment: Vec::new(),
        timeout: Duration::from_secs(10),
        must_succeed,
    }
}

#[test]
fn a_task_that_says_nothing_of_its_life_asks_for_nothing() {
    let request = resolve(&with_data("x")).unwrap();
    assert_eq!(request.life, Life::default());
    assert_eq!(life(r#""hooks":{},"stop":{}"#), Life::default());
    assert_eq!(request.life.restart.policy, RestartPolicy::Never);
}

#[test]
fn hooks_before_and_after_the_start_must_succeed_unless_they_say_otherwise_the_others_need_not() {
    let hooks = life(
        r#""hooks":{"before_start":{"command":"a"},"after_start":{"command":"b","on_failure":"ignore"},
                    "before_stop":{"command":"c"},"after_stop":{"command":"d","on_failure":"fail"}}"#,
    )
    .hooks;
    assert_eq!(hooks.before_start, Some(shell("a", true)));
    assert_eq!(hooks.after_start, Some(shell("b", false)));
    assert_eq!(hooks.before_stop, Some(shell("c", false)));
    assert_eq!(hooks.after_stop, Some(shell("d", true)));
}

#[test]
fn a_hooks_command_may_be_all_that_a_command_is() {
    let hooks = life(
        r#""hooks":{"after_stop":{"timeout_seconds":0.5,"command":{"value":"/bin/x","shell":false,
            "arguments":["/bin/x","y"],"environment":{"variables":[{"name":"A","value":"1"}]}}}}"#,
    )
    .hooks;
    let hook = hooks.after_stop.unwrap();
    let Program::Exec { file, argv } = hook.program else {
        panic!("no shell was asked for");
    };
    assert_eq!(
        (file.as_str(), argv),
        ("/bin/x", vec!["/bin/x".into(), "y".into()])
    );
    assert_eq!(hook.environment, [("A".to_owned(), "1".to_owned())]);
    assert_eq!(hook.timeout, Duration::from_millis(500));
}

#[test]
fn a_stop_sequence_is_understood() {
    let stop = life(
        r#""stop":{"deregister":{"command":"leave"},"drain_seconds":2.5,"signal":"SIGQUIT","signal_seconds":7}"#,
    )
    .stop;
    assert_eq!(
        stop,
        Stop {
            deregister: Some(shell("leave", false)),
            drain: Duration::from_millis(2500),
            signal: Some(StopSignal::Quit),
            signal_wait: Duration::from_secs(7),
        }
    );
}

#[test]
fn sigterm_comes_in_any_case_and_is_no_signal_of_ones_own() {
    assert_eq!(life(r#""stop":{"signal":"TERM"}"#).stop, Stop::default());
}

#[test]
fn a_restart_policy_has_sensible_defaults() {
    let restart = life(r#""restart":{"policy":"on_failure"}"#).restart;
    assert_eq!(
        restart,
        Restart {
            policy: RestartPolicy::OnFailure,
            most: Some(10),
            backoff: Duration::from_secs(1),
            longest_backoff: Duration::from_secs(60),
            reset_after: Duration::from_secs(600),
            on_limit: false,
        }
    );
    assert_eq!(life(r#""restart":{"policy":"always"}"#).restart.most, None);
    let slow = life(r#""restart":{"policy":"always","backoff_seconds":100}"#).restart;
    assert_eq!(slow.longest_backoff, Duration::from_secs(100));
}

#[test]
fn labels_say_the_same_as_data() {
    let said = [
        ("hooks", r#"{"before_stop":{"command":"c"}}"#),
        ("stop", r#"{"drain_seconds":3}"#),
        (
            "restart",
            r#"{"policy":"always","max_restarts":5,"backoff_seconds":0.1,"backoff_max_seconds":2,
                "reset_after_seconds":30,"on_limit":true}"#,
        ),
    ];
    let names = said.map(|(key, _)| format!("mesos-sandbox-executor.{key}"));
    let pairs: Vec<(&str, &str)> = names
        .iter()
        .map(String::as_str)
        .zip(said.map(|s| s.1))
        .collect();
    let by_labels = resolve(&with_labels(&pairs)).unwrap().life;
    let keys = said
        .map(|(key, value)| format!(r#""{key}":{value}"#))
        .join(",");
    assert_eq!(by_labels, life(&keys));
    assert_eq!(by_labels.restart.most, Some(5));
}

#[test]
fn what_data_says_of_one_object_leaves_the_labels_of_the_others() {
    let both = task(|task| {
        task.data =
            Some(r#"{"version":1,"command":{"value":"x"},"stop":{"drain_seconds":1}}"#.into());
        task.labels = Some(labels(&[
            ("mesos-sandbox-executor.stop", r#"{"drain_seconds":9}"#),
            ("mesos-sandbox-executor.restart", r#"{"policy":"always"}"#),
        ]));
    });
    let life = resolve(&both).unwrap().life;
    assert_eq!(life.stop.drain, Duration::from_secs(1));
    assert_eq!(life.restart.policy, RestartPolicy::Always);
}

#[test]
fn a_mistake_is_refused_with_the_path_to_it() {
    for (keys, wanted) in [
        (r#""hooks":[]"#, "hooks must be an object"),
        (
            r#""hooks":{"at_start":{"command":"x"}}"#,
            "hooks.at_start is not a key that is known here",
        ),
        (
            r#""hooks":{"after_stop":{}}"#,
            "hooks.after_stop.command is missing",
        ),
        (
            r#""hooks":{"after_stop":{"command":7}}"#,
            "hooks.after_stop.command must be an object",
        ),
        (
            r#""hooks":{"after_stop":{"command":""}}"#,
            "hooks.after_stop: the command has no value",
        ),
        (
            r#""hooks":{"after_stop":{"command":{"value":"x","user":"root"}}}"#,
            "hooks.after_stop.command.user is not a key that is known here",
        ),
        (
            r#""hooks":{"after_stop":{"command":"x","timeout_seconds":301}}"#,
            "hooks.after_stop.timeout_seconds must be a number of seconds from 0.1 to 300",
        ),
        (
            r#""hooks":{"after_stop":{"command":"x","timeout_seconds":0}}"#,
            "hooks.after_stop.timeout_seconds must be a number of seconds from 0.1 to 300",
        ),
        (
            r#""hooks":{"after_stop":{"command":"x","on_failure":"panic"}}"#,
            "hooks.after_stop.on_failure must be fail or ignore",
        ),
        (
            r#""stop":{"signal":"KILL"}"#,
            "stop.signal must be TERM, HUP, INT, QUIT, USR1 or USR2",
        ),
        (
            r#""stop":{"drain_seconds":-1}"#,
            "stop.drain_seconds must be a number of seconds from 0 to 3600",
        ),
        (
            r#""stop":{"drain":1}"#,
            "stop.drain is not a key that is known here",
        ),
        (r#""restart":{}"#, "restart.policy is missing"),
        (
            r#""restart":{"policy":"sometimes"}"#,
            "restart.policy must be never, on_failure or always",
        ),
        (
            r#""restart":{"policy":"always","max_restarts":-1}"#,
            "restart.max_restarts must be a whole number",
        ),
        (
            r#""restart":{"policy":"always","backoff_seconds":5,"backoff_max_seconds":4}"#,
            "restart.backoff_max_seconds must be no less than backoff_seconds",
        ),
        (
            r#""restart":{"policy":"always","reset_after_seconds":0}"#,
            "restart.reset_after_seconds must be a number of seconds from 1 to 86400",
        ),
        (
            r#""restart":{"policy":"always","on_limit":1}"#,
            "restart.on_limit must be true or false",
        ),
    ] {
        let error = refused(keys);
        assert!(
            error.contains(&format!("TaskInfo.data: {wanted}")),
            "{error}"
        );
    }
    let error = refusal(&with_labels(&[(
        "mesos-sandbox-executor.stop",
        r#"{"drian_seconds":1}"#,
    )]));
    assert_eq!(
        error,
        "the label 'mesos-sandbox-executor.stop': drian_seconds is not a key that is known here"
    );
}

#[test]
fn a_hook_of_a_program_names_it_as_commands_do() {
    let hooks = life(r#""hooks":{"before_start":{"command":{"value":"x","shell":false}}}"#).hooks;
    assert_eq!(hooks.before_start.unwrap().program, exec(&["x"]));
}
