//! Hooks that break a limit of their task.

use mesos_proto::TaskInfo;
use mesos_proto::v1::TaskState::{TaskFailed, TaskFinished};
use mesos_proto::v1::value::{Scalar, Type};
use mesos_proto::v1::{Resource, TaskInfoFields};
use serde_json::json;

use crate::life::{end, living, running};

#[test]
fn a_hook_that_fills_the_disk_is_ended_for_it() {
    let disk = Resource {
        name: "disk".into(),
        r#type: Type::Scalar.into(),
        scalar: Some(Scalar { value: 2.0 }),
        ..Default::default()
    };
    let hook = json!({ "command": "dd if=/dev/zero of=big bs=1M count=8 2>&-; sleep 980",
                       "timeout_seconds": 300 });
    let task = living("exit 0", json!({ "hooks": { "after_stop": hook } }));
    let task = TaskInfo::from(TaskInfoFields {
        resources: vec![disk],
        ..(*task).clone()
    });
    let (agent, executor, _) = running(task);
    let finished = agent.wait_for_state("t", TaskFinished);
    let told = "hook after_stop could not be run: Disk usage (";
    assert!(finished.message().contains(told), "{}", finished.message());
    end(&agent, executor);
}

#[test]
fn a_hook_that_is_ended_for_its_memory_is_told_of_so() {
    let hog = json!({ "command": "python3 -c 'bytearray(200 << 20)'", "on_failure": "fail" });
    for (moment, starts) in [("before_start", false), ("after_stop", true)] {
        let keys = json!({ "limits": { "memory": "32MB" }, "hooks": { moment: hog } });
        let (agent, executor, directory) = running(living("touch runs", keys));
        let failed = agent.wait_for_state("t", TaskFailed);
        let message = failed.message();
        assert!(message.contains(&format!("hook {moment} ")), "{message}");
        let told = "it broke its task's memory limit";
        assert!(message.contains(told), "{message}");
        assert_eq!(directory.join("runs").exists(), starts);
        end(&agent, executor);
    }
}
