//! A made-up work directory with what an agent and its executors leave in it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use mesos_proto::v1;
use prost::Message;
use serde_json::Value;
use tempfile::TempDir;

/// A work directory with what an agent and its executors leave there.
pub(crate) struct WorkDir(TempDir);

impl WorkDir {
    /// With one agent, `A`, the newest.
    pub(crate) fn new() -> Self {
        let dir = Self(tempfile::tempdir().unwrap());
        dir.make("slaves/A/frameworks");
        dir.make("meta/slaves/A");
        symlink(
            dir.0.path().join("meta/slaves/A"),
            dir.0.path().join("meta/slaves/latest"),
        )
        .unwrap();
        dir
    }

    pub(crate) fn make(&self, path: &str) -> PathBuf {
        let path = self.0.path().join(path);
        fs::create_dir_all(&path).unwrap();
        path
    }

    pub(crate) fn fill(&self, directory: &str, bytes: usize) {
        fs::write(self.make(directory).join("file"), vec![1; bytes]).unwrap();
    }

    /// The sandbox of a run, with so many bytes in it, and the `latest` link to it.
    pub(crate) fn run(&self, executor: &str, container: &str, bytes: usize) -> String {
        let runs = format!("slaves/A/frameworks/{executor}/runs");
        let sandbox = format!("{runs}/{container}");
        self.fill(&sandbox, bytes);
        let latest = self.0.path().join(runs).join("latest");
        let _ = fs::remove_file(&latest);
        symlink(self.0.path().join(&sandbox), latest).unwrap();
        sandbox
    }

    pub(crate) fn checkpoint(&self, path: &str, message: &impl Message) {
        let mut file = u32::try_from(message.encoded_len())
            .unwrap()
            .to_ne_bytes()
            .to_vec();
        file.extend(message.encode_to_vec());
        let path = self.0.path().join("meta/slaves/A/frameworks").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, file).unwrap();
    }

    pub(crate) fn checkpoint_executor(&self, executor: &str, disk: Option<f64>) {
        let info = v1::ExecutorInfo {
            resources: resources(disk),
            ..v1::ExecutorInfo::default()
        };
        self.checkpoint(&format!("{executor}/executor.info"), &info);
    }

    pub(crate) fn checkpoint_task(&self, run: &str, task: &str, disk: f64) {
        let info = v1::Task {
            name: "named".into(),
            task_id: v1::TaskId { value: task.into() },
            resources: resources(Some(disk)),
            ..v1::Task::default()
        };
        self.checkpoint(&format!("{run}/tasks/{task}/task.info"), &info);
    }

    pub(crate) fn watcher(&self, args: &[&str]) -> Output {
        let binary = env!("CARGO_BIN_EXE_mesos-disk-watcher");
        Command::new(binary)
            .arg("--once")
            .arg(self.0.path())
            .args(args)
            .output()
            .unwrap()
    }

    /// The rows as JSON, from a run without a flaw.
    pub(crate) fn rows(&self, args: &[&str]) -> Vec<Value> {
        let output = self.watcher(&[&["--json"], args].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Writes the record of an update with this state for a task of a run, as the agent appends it
    /// (Mesos: `StatusUpdateRecord`, src/messages/messages.proto).
    pub(crate) fn checkpoint_update(&self, run: &str, task: &str, state: v1::TaskState) {
        let field = |number: u8, content: Vec<u8>| {
            let length = u8::try_from(content.len()).unwrap();
            [vec![number << 3 | 2, length], content].concat()
        };
        let status = v1::TaskStatus {
            state: state as i32,
            ..v1::TaskStatus::default()
        };
        let record = [vec![8, 0], field(2, field(4, status.encode_to_vec()))].concat();
        let file = [
            u32::try_from(record.len()).unwrap().to_ne_bytes().to_vec(),
            record,
        ]
        .concat();
        let directory = self.make(&format!("meta/slaves/A/frameworks/{run}/tasks/{task}"));
        fs::write(directory.join("task.updates"), file).unwrap();
    }

    /// Writes what the executor in this sandbox publishes now: tasks as JSON.
    pub(crate) fn publish(&self, sandbox: &str, tasks: &Value) {
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
        let report = serde_json::json!({ "version": 1, "time": now, "tasks": tasks });
        let directory = self.make(&format!("{sandbox}/.mesos-sandbox-executor"));
        fs::write(directory.join("figures.json"), report.to_string()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn du(&self, path: &str) -> u64 {
        let output = Command::new("du")
            .args(["-s", "-B1"])
            .arg(self.0.path().join(path))
            .output()
            .unwrap();
        String::from_utf8(output.stdout)
            .unwrap()
            .split('\t')
            .next()
            .unwrap()
            .parse()
            .unwrap()
    }
}

/// Some cpus, and the disk if any.
fn resources(disk: Option<f64>) -> Vec<v1::Resource> {
    [("cpus", Some(0.1)), ("disk", disk)]
        .into_iter()
        .filter_map(|(name, amount)| {
            Some(v1::Resource {
                name: name.into(),
                r#type: v1::value::Type::Scalar as i32,
                scalar: Some(v1::value::Scalar { value: amount? }),
                ..v1::Resource::default()
            })
        })
        .collect()
}

pub(crate) fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}
