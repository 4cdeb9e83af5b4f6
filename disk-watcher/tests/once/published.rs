//! Rows of tasks of which their executor tells.

use serde_json::{Value, json};

use crate::work_dir::WorkDir;
use crate::{MB, row};

#[test]
fn a_directory_that_is_not_named_as_its_task_has_the_limit_of_the_task() {
    let dir = WorkDir::new();
    let sandbox = dir.run("F/executors/E", "C", 1);
    dir.checkpoint_executor("F/executors/E", None);
    dir.checkpoint_task("F/executors/E/runs/C", "again", 10.0);
    for name in ["again", "again.1", "web_1~0"] {
        dir.fill(&format!("{sandbox}/tasks/{name}"), 100_000);
    }
    let disk = json!({ "used_bytes": 1, "limit_bytes": 7 << 20, "age_seconds": 1.0 });
    let tasks = json!([
        { "task_id": "again", "directory": "again.1", "disk": disk },
        { "task_id": "web/1", "directory": "web_1~0", "disk": disk },
    ]);
    dir.publish(&sandbox, &tasks);
    let rows = dir.rows(&[]);
    let task = |name: &str| row(&rows, &format!("{sandbox}/tasks/{name}"));
    assert_eq!(
        task("again")["limit_bytes"],
        Value::Null,
        "of the id before"
    );
    assert_eq!(task("again.1")["limit_bytes"], 10 * MB);
    assert_eq!(task("web_1~0")["limit_bytes"], 7 * MB);
    assert_eq!(task("web_1~0")["task_id"], "web/1");
    let measured = dir.du(&format!("{sandbox}/tasks/web_1~0"));
    assert_eq!(task("web_1~0")["used_bytes"], measured);
}

#[test]
fn what_an_executor_publishes_changes_no_other_executors_rows() {
    let dir = WorkDir::new();
    let victim = dir.run("F/executors/victim", "V", 1);
    dir.checkpoint_executor("F/executors/victim", None);
    dir.checkpoint_task("F/executors/victim/runs/V", "t", 10.0);
    dir.fill(&format!("{victim}/tasks/t"), 100);
    let hostile = dir.run("F/executors/hostile", "H", 1);
    dir.publish(&hostile, &json!([]));
    let others = |rows: Vec<Value>| -> Vec<Value> {
        let is_other = |row: &Value| row["executor_id"] != "hostile";
        rows.into_iter().filter(is_other).collect()
    };
    let before = dir.rows(&[]);
    let absolute = dir.path().join(&victim).join("tasks/t");
    let up = "../../../../victim/runs/V/tasks/t";
    let claims = [
        "t",
        "",
        ".",
        "..",
        "/etc",
        "tasks/t",
        up,
        absolute.to_str().unwrap(),
    ]
    .map(|name| {
        let disk = json!({ "used_bytes": 1, "limit_bytes": u64::MAX, "age_seconds": -1.0 });
        json!({ "task_id": "t", "directory": name, "disk": disk })
    });
    dir.publish(&hostile, &claims.as_slice().into());
    let after = dir.rows(&[]);
    assert_eq!(after.len(), before.len());
    assert_eq!(others(after), others(before));
}
