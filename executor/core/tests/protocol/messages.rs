//! MESSAGE, both ways.

use executor_core::{Action, Answer, Event, Question, Signal, TaskEvent, Usage};
use mesos_proto::v1::TaskInfoFields;
use mesos_proto::v1::executor::call;
use serde_json::Value;

use crate::rig::{Rig, calls, config, kill, launch, message, task, with_data};

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
    rig.agent(launch(allowing("t", r#"["signal"]"#)));
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

/// A task that allows this.
fn allowing(id: &str, messages: &str) -> TaskInfoFields {
    let data = format!(r#"{{"version":1,"command":{{"value":"x"}},"messages":{messages}}}"#);
    with_data(id, &data)
}

/// The one question among the actions.
fn asked(actions: &[Action]) -> (u64, Question) {
    let mut all = actions.iter().filter_map(|action| match action {
        Action::Ask {
            number, question, ..
        } => Some((*number, *question)),
        _ => None,
    });
    let found = all.next().expect("nothing is asked");
    assert_eq!(all.next(), None);
    found
}

#[test]
fn what_a_task_does_not_allow_is_refused_by_name() {
    let mut rig = Rig::running(allowing("t", r#"["disk"]"#));
    for word in ["usage", "processes"] {
        let error = ask(
            &mut rig,
            &format!(r#"{{"request":"{word}","task_id":"t"}}"#),
        )["error"]
            .clone();
        let wanted = format!("the task does not allow '{word}'");
        assert!(error.as_str().unwrap().starts_with(&wanted), "{error}");
    }
    let signal = r#"{"request":"signal","task_id":"t","signal":"HUP"}"#;
    let actions = rig.agent(message(signal));
    assert!(
        !actions
            .iter()
            .any(|action| matches!(action, Action::Signal { .. }))
    );
    assert!(
        answers(&actions)[0]["error"]
            .as_str()
            .unwrap()
            .contains("'signal'")
    );
    let mut rig = Rig::running(task("t"));
    let disk = r#"{"request":"disk","task_id":"t"}"#;
    assert!(ask(&mut rig, disk)["error"].is_string());
}

#[test]
fn what_is_asked_about_a_task_is_answered_when_the_edge_has_found_it_out() {
    let mut rig = Rig::running(allowing("t", r#"["usage"]"#));
    let actions = rig.agent(message(r#"{"request":"usage","task_id":"t","id":"9"}"#));
    assert_eq!(answers(&actions), Vec::<Value>::new());
    let (number, question) = asked(&actions);
    assert_eq!(question, Question::Usage);
    let usage = Usage {
        memory_bytes: Some(4096),
        ..Usage::default()
    };
    let answer = Answer::Usage(Box::new(usage));
    let again = Event::Answered {
        number,
        answer: answer.clone(),
    };
    let told = answers(&rig.give(Event::Answered { number, answer }));
    assert_eq!(told[0]["usage"]["memory_bytes"], 4096);
    assert_eq!(
        (&told[0]["id"], &told[0]["task_id"]),
        (&"9".into(), &"t".into())
    );
    // One question, one answer.
    assert!(answers(&rig.give(again)).is_empty());
}

#[test]
fn arguments_of_processes_are_asked_for_only_where_the_task_allows_them() {
    for (messages, wanted) in [(r#"["processes"]"#, false), (r#"["arguments"]"#, true)] {
        let mut rig = Rig::running(allowing("t", messages));
        let (_, question) = asked(&rig.agent(message(r#"{"request":"processes","task_id":"t"}"#)));
        assert_eq!(question, Question::Processes { arguments: wanted });
    }
}

#[test]
fn what_the_edge_does_not_know_is_told_as_an_error() {
    let mut rig = Rig::running(allowing("t", r#"["disk"]"#));
    let (number, _) = asked(&rig.agent(message(r#"{"request":"disk","task_id":"t"}"#)));
    let answer = Answer::Unknown("it has ended".to_owned());
    let told = answers(&rig.give(Event::Answered { number, answer }));
    assert_eq!(told[0]["error"], "it has ended");
}

#[test]
fn questions_that_are_open_are_bounded() {
    let mut rig = Rig::running(allowing("t", r#"["disk"]"#));
    let disk = r#"{"request":"disk","task_id":"t"}"#;
    let numbers: Vec<u64> = (0..16)
        .map(|_| asked(&rig.agent(message(disk))).0)
        .collect();
    assert!(
        ask(&mut rig, disk)["error"]
            .as_str()
            .unwrap()
            .contains("too many")
    );
    let answer = Answer::Unknown(String::new());
    rig.give(Event::Answered {
        number: numbers[3],
        answer,
    });
    asked(&rig.agent(message(disk)));
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
