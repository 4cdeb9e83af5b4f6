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
fn an_agent_without_a_container_answers_with_the_type_alone() {
    assert!(
        containers_v1(br#"{"type":"GET_CONTAINERS"}"#)
            .unwrap()
            .is_empty()
    );
    for other in ["{}", r#"{"type":"GET_STATE"}"#] {
        assert!(containers_v1(other.as_bytes()).is_err(), "{other}");
    }
}

#[test]
fn more_containers_than_any_agent_runs_are_refused() {
    let reply = format!("[{}{{}}]", "{},".repeat(CONTAINERS_MAX));
    let error = containers(reply.as_bytes()).unwrap_err().to_string();
    assert!(error.contains("20000 containers"), "{error}");
}

#[test]
fn both_lists_name_the_same_containers() {
    let v0 = br#"[{"container_id":"c","executor_id":"e","framework_id":"f","source":"s","statistics":{"timestamp":1},
        "status":{"container_id":{"value":"c"},"executor_pid":7}}]"#;
    let v1 = br#"{"type":"GET_CONTAINERS","get_containers":{"containers":[
        {"container_id":{"value":"c"},"executor_id":{"value":"e"},"framework_id":{"value":"f"},
         "container_status":{"container_id":{"value":"c"}},"resource_statistics":{"timestamp":1}}]}}"#;
    for list in [containers(v0).unwrap(), containers_v1(v1).unwrap()] {
        let [one] = list.as_slice() else {
            panic!("{list:?}");
        };
        let ids = (&*one.container_id, &*one.executor_id, &*one.framework_id);
        assert_eq!(ids, ("c", "e", "f"));
        assert!(one.parents.is_empty());
        assert_eq!(one.statistics().unwrap().unwrap().timestamp, 1.0);
    }
}

#[test]
fn a_nested_container_s_parents_are_told_by_its_id_or_by_its_status() {
    let by_id = r#""container_id":{"value":"n","parent":{"value":"m","parent":{"value":"c"}}}"#;
    // As a real Mesos 1.11.0 answers.
    let by_status = r#""container_id":{"value":"n"},"container_status":{
        "container_id":{"value":"n","parent":{"value":"m","parent":{"value":"c"}}}}"#;
    for entry in [by_id, by_status] {
        let reply = format!(r#"{{"get_containers":{{"containers":[{{{entry}}}]}}}}"#);
        let list = containers_v1(reply.as_bytes()).unwrap();
        assert_eq!(list[0].container_id, "n");
        assert_eq!(list[0].parents, ["m", "c"]);
        assert!(list[0].executor_id.is_empty() && list[0].statistics().is_none());
    }
}

#[test]
fn an_agent_without_containers_leaves_the_list_out_of_its_v1_answer() {
    let reply = br#"{"type":"GET_CONTAINERS","get_containers":{}}"#;
    assert!(containers_v1(reply).unwrap().is_empty());
    for reply in [&b"{}"[..], b"[]", br#"{"type":"GET_STATE"}"#] {
        assert!(containers_v1(reply).is_err());
    }
}
