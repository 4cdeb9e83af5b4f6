//! A work directory, and an agent that says what it is told to.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mesos_agent::Access;
use mesos_proto::paths::{ExecutorPath, Id, RunPath};
use mesos_proto::v1;
use prost::Message;
use serde_json::{Value, json};

use super::super::{Change, Inventory, Key, Settings, Subject, Trouble};
use crate::agent::Agent;

/// Long enough on the slowest machine; whoever waits so long has failed.
const SOON: Duration = Duration::from_secs(60);

/// What the agent answers.
#[derive(Clone, Debug, Default)]
pub(super) struct Script {
    /// Executors as they stand in the answer to `GET_STATE`.
    pub(super) executors: Vec<Value>,
    pub(super) tasks: Vec<Value>,
    /// Containers as they stand in the answer of `GET /containers`.
    pub(super) containers: Vec<Value>,
    /// Instead of all that.
    pub(super) instead: Option<(u16, String)>,
    /// How often it has been asked for its state.
    pub(super) asked: usize,
}

/// An agent that answers until it is dropped.
pub(super) struct FakeAgent {
    pub(super) script: Arc<Mutex<Script>>,
    address: SocketAddr,
}

impl FakeAgent {
    pub(super) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let script = Arc::new(Mutex::new(Script::default()));
        let answers = Arc::clone(&script);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // The last one, which ends it, comes from the agent's own drop.
                if Arc::strong_count(&answers) == 1 {
                    return;
                }
                // Who hangs up early has been told enough.
                let _ = answer(stream, &answers);
            }
        });
        Self { script, address }
    }

    pub(super) fn set(&self, change: impl FnOnce(&mut Script)) {
        change(&mut self.script.lock().unwrap());
    }

    pub(super) fn client(&self) -> Agent {
        let address = format!("http://{}", self.address).parse().unwrap();
        Agent::new(address, &Access::default()).unwrap()
    }
}

impl Drop for FakeAgent {
    fn drop(&mut self) {
        self.script = Arc::default();
        let _ = TcpStream::connect(self.address);
    }
}

fn answer(mut stream: TcpStream, script: &Mutex<Script>) -> std::io::Result<()> {
    let mut request = Vec::new();
    let mut buffer = [0; 4096];
    let has_all = |request: &[u8]| {
        let text = String::from_utf8_lossy(request);
        text.ends_with("}") || text.starts_with("GET ") && text.ends_with("\r\n\r\n")
    };
    while !has_all(&request) {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            read => request.extend(&buffer[..read]),
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let mut script = script.lock().unwrap();
    let (status, body) = match &script.instead {
        Some(instead) => instead.clone(),
        None if request.contains("GET_STATE") => {
            script.asked += 1;
            let state = json!({"type": "GET_STATE", "get_state": {
                "get_frameworks": {"frameworks": [{"framework_info": {
                    "id": {"value": "F"}, "name": "marathon", "roles": ["web"], "principal": "p"}}]},
                "get_executors": {"executors": script.executors},
                "get_tasks": {"launched_tasks": script.tasks}}});
            (200, state.to_string())
        }
        None if request.contains("GET_FLAGS") => {
            let flags = json!([{"name": "isolation", "value": "disk/du"}]);
            (
                200,
                json!({"type": "GET_FLAGS", "get_flags": {"flags": flags}}).to_string(),
            )
        }
        None => (200, Value::from(script.containers.clone()).to_string()),
    };
    drop(script);
    write!(
        stream,
        "HTTP/1.1 {status} X\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// An executor of framework F with this much disk, in MB, and other resources.
pub(super) fn executor(id: &str, disk: f64, other: &[Value]) -> Value {
    let mut resources = vec![json!({"name": "disk", "type": "SCALAR", "scalar": {"value": disk}})];
    resources.extend(other.iter().cloned());
    json!({"executor_info": {"executor_id": {"value": id}, "framework_id": {"value": "F"},
        "resources": resources, "labels": {"labels": [{"key": "tier", "value": "gold"}]}}})
}

/// A volume of role `web`, in MB.
pub(super) fn volume(id: &str, disk: f64) -> Value {
    json!({"name": "disk", "type": "SCALAR", "scalar": {"value": disk}, "reservations": [{"role": "web"}],
        "disk": {"persistence": {"id": id}, "volume": {"container_path": id, "mode": "RW"}}})
}

/// A task with this much disk, in MB, in the nested container of these ids.
pub(super) fn task(id: &str, executor_id: &str, disk: f64, container: &[&str]) -> Value {
    let mut container_id = Value::Null;
    for id in container {
        container_id = match container_id {
            Value::Null => json!({"value": id}),
            parent => json!({"value": id, "parent": parent}),
        };
    }
    let mut task = json!({"task_id": {"value": id}, "framework_id": {"value": "F"},
        "executor_id": {"value": executor_id},
        "resources": [{"name": "disk", "type": "SCALAR", "scalar": {"value": disk}}],
        "labels": {"labels": [{"key": "task", "value": id}]}});
    if !container.is_empty() {
        let status = json!({"container_id": container_id, "executor_pid": std::process::id()});
        task["statuses"] = json!([{"container_status": status}]);
    }
    task
}

/// A work directory with what is known of it.
pub(super) struct Scene {
    // The client goes first, so that no question is under way when the agent goes.
    pub(super) inventory: Inventory,
    pub(super) agent: Option<FakeAgent>,
    pub(super) dir: tempfile::TempDir,
    pub(super) known: BTreeMap<Key, Arc<Subject>>,
    pub(super) troubles: Vec<Trouble>,
}

impl Scene {
    /// With an agent that knows nothing yet; what is made by `prepare` is there before.
    pub(super) fn new(prepare: impl FnOnce(&Path)) -> Self {
        Self::with(Some(FakeAgent::start()), prepare)
    }

    pub(super) fn with(agent: Option<FakeAgent>, prepare: impl FnOnce(&Path)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("slaves")).unwrap();
        fs::create_dir_all(dir.path().join("meta/slaves/A")).unwrap();
        symlink("A", dir.path().join("meta/slaves/latest")).unwrap();
        prepare(dir.path());
        Self {
            inventory: open(dir.path(), agent.as_ref()),
            agent,
            dir,
            known: BTreeMap::new(),
            troubles: Vec::new(),
        }
    }

    /// Ends the daemon and starts another.
    pub(super) fn start_again(&mut self) {
        self.inventory = open(self.dir.path(), self.agent.as_ref());
        self.known.clear();
    }

    pub(super) fn script(&self, change: impl FnOnce(&mut Script)) {
        self.agent.as_ref().unwrap().set(change);
    }

    /// Takes changes until what is known is as wanted.
    pub(super) async fn until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let waited = tokio::time::timeout(SOON, async {
            while !is_so(self) {
                let changes = self.inventory.changes().await;
                self.take(changes);
            }
        })
        .await;
        assert!(
            waited.is_ok(),
            "in vain: {what}\nknown: {:#?}\ntroubles: {:?}",
            self.known.keys(),
            self.troubles
        );
    }

    /// Has the agent asked once more after all that has been set, and takes what comes of it.
    pub(super) async fn settle(&mut self) {
        for _ in 0..2 {
            let asked = |scene: &Self| {
                let agent = scene.agent.as_ref().unwrap();
                agent.script.lock().unwrap().asked
            };
            let before = asked(self);
            let _ = tokio::time::timeout(SOON, async {
                while asked(self) == before {
                    let next =
                        tokio::time::timeout(Duration::from_millis(20), self.inventory.changes());
                    if let Ok(changes) = next.await {
                        self.take(changes);
                    }
                }
            })
            .await;
        }
        let next = tokio::time::timeout(Duration::from_millis(100), self.inventory.changes());
        if let Ok(changes) = next.await {
            self.take(changes);
        }
    }

    fn take(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Came(subject) => {
                    if let Some(outer) = &subject.inside {
                        assert!(
                            self.known.contains_key(outer),
                            "an outer directory comes first"
                        );
                    }
                    let before = self.known.insert(subject.key.clone(), subject);
                    assert!(before.is_none(), "it came twice: {before:?}");
                }
                Change::Changed(subject) => {
                    let before = self.known.insert(subject.key.clone(), Arc::clone(&subject));
                    let before = before.expect("only what is known changes");
                    assert_eq!(
                        before.id, subject.id,
                        "another directory is another subject"
                    );
                }
                Change::Gone(key) => {
                    self.known.remove(&key).expect("only what is known goes");
                    let is_inner = |subject: &&Arc<Subject>| subject.inside.as_ref() == Some(&key);
                    assert_eq!(
                        self.known.values().filter(is_inner).count(),
                        0,
                        "inner ones go first"
                    );
                }
            }
        }
        self.troubles.extend(self.inventory.troubles());
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Subject> {
        self.known.get(key).map(|subject| &**subject)
    }

    pub(super) fn container(&self, executor: &str, container: &str) -> Option<&Subject> {
        self.get(&Key::Container(run(executor, container)))
    }
}

fn open(work_dir: &Path, agent: Option<&FakeAgent>) -> Inventory {
    Inventory::open(Settings {
        work_dir: work_dir.to_owned(),
        agent: agent.map(FakeAgent::client),
        interval: Duration::from_millis(200),
    })
    .unwrap()
}

/// A run of framework F.
pub(super) fn run(executor: &str, container: &str) -> RunPath {
    let id = |name: &str| Id::new(name).unwrap();
    RunPath {
        executor: ExecutorPath {
            agent_id: id("A"),
            framework_id: id("F"),
            executor_id: id(executor),
        },
        container_id: id(container),
    }
}

/// Makes a run's sandbox, and the link to it, as the agent does.
pub(super) fn make_run(work_dir: &Path, executor: &str, container: &str) -> PathBuf {
    let run = run(executor, container);
    let sandbox = work_dir.join(run.executor.runs()).join(container);
    fs::create_dir_all(&sandbox).unwrap();
    let latest = work_dir.join(run.executor.latest_run());
    let _ = fs::remove_file(&latest);
    symlink(&sandbox, latest).unwrap();
    sandbox
}

/// Writes the checkpoints of a run with this much disk, in MB, and those of its tasks.
pub(super) fn checkpoint(work_dir: &Path, run: &RunPath, own: f64, tasks: &[(&str, f64)]) {
    let write = |path: PathBuf, message: Vec<u8>| {
        let path = work_dir.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        let length = u32::try_from(message.len()).unwrap().to_ne_bytes();
        fs::write(path, [&length[..], &message].concat()).unwrap();
    };
    let disk = |megabytes| {
        vec![v1::Resource {
            name: "disk".to_owned(),
            r#type: v1::value::Type::Scalar as i32,
            scalar: Some(v1::value::Scalar { value: megabytes }),
            ..v1::Resource::default()
        }]
    };
    let framework = v1::FrameworkInfo {
        name: "written".to_owned(),
        roles: vec!["role".to_owned()],
        ..v1::FrameworkInfo::default()
    };
    write(run.executor.framework_info(), framework.encode_to_vec());
    for (id, megabytes) in tasks {
        let task = v1::Task {
            task_id: v1::TaskId {
                value: (*id).to_owned(),
            },
            resources: disk(*megabytes),
            ..v1::Task::default()
        };
        write(run.task_info(&Id::new(*id).unwrap()), task.encode_to_vec());
    }
    fs::create_dir_all(work_dir.join(run.checkpoint())).unwrap();
    let executor = v1::ExecutorInfo {
        resources: disk(own),
        ..v1::ExecutorInfo::default()
    };
    write(run.executor.executor_info(), executor.encode_to_vec());
}
