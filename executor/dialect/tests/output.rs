//! What a task asks for of its output, and what it allows by MESSAGE.

use dialect::{Allowed, LogWishes};

use crate::task::{labels, refusal, resolve, task, with_data, with_labels};

#[test]
fn data_and_labels_say_it_alike() {
    let data =
        r#"{"version":1,"command":{"value":"x"},"logs":{"max_files":2},"messages":["usage"]}"#;
    let by_labels = with_labels(&[
        ("mesos-sandbox-executor.command", "x"),
        ("mesos-sandbox-executor.logs", r#"{"max_files":2}"#),
        ("mesos-sandbox-executor.messages", r#"["usage"]"#),
    ]);
    for task in [with_data(data), by_labels] {
        let request = resolve(&task).unwrap();
        assert_eq!(request.logs.max_files, Some(2));
        assert!(request.messages.usage && !request.messages.signal);
    }
}

#[test]
fn a_task_that_says_nothing_allows_nothing() {
    let request = resolve(&with_data("x")).unwrap();
    assert_eq!(request.messages, Allowed::default());
    assert_eq!(request.logs, LogWishes::default());
}

#[test]
fn data_that_allows_nothing_takes_the_place_of_a_label_that_does() {
    let task = task(|task| {
        task.data = Some(r#"{"version":1,"command":{"value":"x"},"messages":[]}"#.into());
        task.labels = Some(labels(&[(
            "mesos-sandbox-executor.messages",
            r#"["signal"]"#,
        )]));
    });
    assert_eq!(resolve(&task).unwrap().messages, Allowed::default());
}

#[test]
fn what_makes_no_sense_is_refused_with_its_place() {
    let data = r#"{"version":1,"command":{"value":"x"},"logs":{"max_size":"1B"}}"#;
    assert_eq!(
        refusal(&with_data(data)),
        "TaskInfo.data: logs.max_size must be 64KB or more"
    );
    let label = [("mesos-sandbox-executor.messages", "signal")];
    assert!(
        refusal(&with_labels(&label))
            .starts_with("the label 'mesos-sandbox-executor.messages': it is not the JSON")
    );
}
