//! What a framework asks of its tasks by MESSAGE, through master and agent.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::time::{Duration, Instant};

use mesos_proto::v1::TaskState::TaskKilled;
use mesos_tests::{SOON, Scene};
use serde_json::{Value, json};

/// Asks the executor `e` until an answer comes, since messages may be lost.
fn ask(scene: &Scene, request: &Value) -> Value {
    let deadline = Instant::now() + SOON;
    while Instant::now() < deadline {
        scene.scheduler.message("e", request.to_string()).unwrap();
        let asked = Instant::now();
        while asked.elapsed() < Duration::from_secs(2) {
            let answers = scene.scheduler.messages().into_iter();
            let mut answers = answers.filter_map(|(_, data)| serde_json::from_slice(&data).ok());
            if let Some(answer) = answers.find(|answer: &Value| answer["id"] == request["id"]) {
                return answer;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    panic!("{request} was never answered");
}

#[test]
fn a_framework_learns_what_its_task_uses_as_far_as_the_task_allows_it() {
    for scene in Scene::under_each_launcher() {
        let executor = scene.executor("e");
        let data = json!({
            "version": 1,
            "command": { "value": "head -c 1000000 /dev/zero > big; touch ready; exec sleep 1000" },
            "messages": ["usage", "processes", "disk"],
        });
        let task = test_support::task("t")
            .executor(&executor)
            .data(data.to_string());
        scene.run(task.mem(64.0).disk(10.0));
        scene.await_file("e", "tasks/t/ready");
        let about = |word: &str| {
            ask(
                &scene,
                &json!({ "request": word, "id": word, "task_id": "t" }),
            )
        };
        let usage = about("usage")["usage"].clone();
        assert_eq!(usage["memory_limit_bytes"], 64 << 20, "{usage}");
        assert!(usage["memory_bytes"].as_u64().unwrap() > 0, "{usage}");
        let processes = about("processes")["processes"].clone();
        assert_eq!(processes.as_array().unwrap().len(), 1);
        assert!(processes[0]["memory_bytes"].is_u64() && processes[0]["arguments"] == json!([]));
        let disk = about("disk")["disk"].clone();
        assert_eq!(disk["limit_bytes"], 10 << 20);
        assert!(disk["used_bytes"].is_u64(), "{disk}");
        let signal = json!({ "request": "signal", "id": "no", "task_id": "t", "signal": "INT" });
        assert!(
            ask(&scene, &signal)["error"]
                .as_str()
                .unwrap()
                .contains("does not allow")
        );
        scene.scheduler.kill("t", None).unwrap();
        scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    }
}
