use super::*;

#[test]
fn one_container_s_odd_statistics_do_not_spoil_the_others() {
    let reply = br#"[{"container_id":"a","statistics":{"timestamp":"x"}},
        {"container_id":"b","statistics":{"timestamp":1}},{"container_id":"c"}]"#;
    let containers = containers(reply).unwrap();
    assert!(containers[0].statistics().unwrap().is_err());
    assert!(containers[1].statistics().unwrap().is_ok());
    assert!(containers[2].statistics().is_none());
}

#[test]
fn names_are_borrowed_from_the_reply_unless_they_hold_escapes() {
    let reply = br#"[{"container_id":"a","executor_id":"x\ny"}]"#;
    let containers = containers(reply).unwrap();
    assert!(matches!(containers[0].container_id, Cow::Borrowed("a")));
    assert_eq!(containers[0].executor_id, "x\ny");
}

#[test]
fn what_is_not_a_whole_array_of_containers_is_refused() {
    for reply in [
        "",
        "[",
        r#"[{"container_id":"a"}"#,
        "{}",
        "null",
        "[1]",
        "[] []",
    ] {
        assert!(containers(reply.as_bytes()).is_err(), "{reply:?}");
    }
    assert!(containers(b" [ ]\n").unwrap().is_empty());
}

#[test]
fn more_containers_than_any_agent_runs_are_refused() {
    let reply = format!("[{}{{}}]", "{},".repeat(CONTAINERS_MAX));
    let error = containers(reply.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("100000 containers"), "{error}");
}
