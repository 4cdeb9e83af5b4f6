//! MESSAGE, both ways.

use executor_core::{Action, Signal, TaskEvent};
use mesos_proto::v1::executor::call;
use serde_json::Value;

use crate::rig::{Rig, calls, config, kill, launch, message, task};

/// The answers among the actions.
fn answers(actions: &[Action]) -> Vec<Value> {
    let calls = calls(actions, call::Type::Message).into_iter();
    let answers = calls.filter_map(|call| call.message);
    answers
        .map(|message| serde_json::from_slice(&message.data).expect("answers are JSON"))
        .collect()
}

fn ask(rig: &mut Rig, text: &str) -> Value {
    let mut answers = answers(&rig.agent(message(text)));
    assert_eq!(answers.len(), 1);
    answers.remove(0)
}

#[test]
fn a_framework_learns_what_runs_and_since_when() {
    let mut rig = Rig::running(task("t"));
    let answer = ask(&mut rig, r#"{"request":"tasks","id":"1"}"#);
    assert_eq!(answer["id"], "1");
    assert_eq!(answer["tasks"][0]["task_id"], "t");
    assert_eq!(answer["tasks"][0]["state"], "TASK_RUNNING");
    assert_eq!(answer["tasks"][0]["since"], 1_700_000_000.25);
    let answer = ask(&mut rig, r#"{"request":"ping"}"#);
    assert_eq!(
        (&answer["tasks"], &answer["executor_id"]),
        (&1.into(), &"e".into())
    );
}

#[test]
fn an_answer_is_bounded_however_many_tasks_there_are() {
    let mut rig = Rig::subscribed(config());
    for n in 0..600 {
        rig.agent(launch(task(&format!("{n}"))));
    }
    let answer = ask(&mut rig, r#"{"request":"tasks"}"#);
    assert_eq!(answer["tasks"].as_array().map(Vec::len), Some(500));
    assert_eq!(answer["omitted"], 100);
}

#[test]
fn a_signal_reaches_a_task_that_runs_and_no_other() {
    let ask_for = r#"{"request":"signal","task_id":"t","signal":"HUP"}"#;
    let signal = |action: &Action| {
        matches!(
            action,
            Action::Signal {
                signal: Signal::Hangup,
                ..
            }
        )
    };
    let mut rig = Rig::subscribed(config());
    assert_eq!(ask(&mut rig, ask_for)["error"], "there is no such task");
    rig.agent(launch(task("t")));
    assert!(ask(&mut rig, ask_for)["error"].is_string());
    rig.task("t", TaskEvent::Started);
    let actions = rig.agent(message(ask_for));
    assert!(actions.iter().any(signal));
    assert_eq!(answers(&actions)[0]["signal"], "HUP");
    rig.agent(kill("t", None));
    let actions = rig.agent(message(ask_for));
    assert!(!actions.iter().any(signal));
    assert!(answers(&actions)[0]["error"].is_string());
}

#[test]
fn what_is_no_request_is_answered_by_what_could_be_asked_and_an_echo_by_nothing() {
    let mut rig = Rig::subscribed(config());
    let answer = ask(&mut rig, "hello");
    assert_eq!(answer["reply"], "error");
    assert!(
        answer["requests"]
            .as_array()
            .unwrap()
            .contains(&"tasks".into())
    );
    assert!(answers(&rig.agent(message(&answer.to_string()))).is_empty());
}

/// P-28
#[test]
fn messages_go_at_most_once() {
    let mut rig = Rig::subscribed(config());
    rig.agent(message(r#"{"request":"ping"}"#));
    rig.cut();
    rig.pass(crate::rig::SECOND);
    let actions = rig.agent(crate::rig::subscribed());
    assert!(calls(&actions, call::Type::Message).is_empty());
}
