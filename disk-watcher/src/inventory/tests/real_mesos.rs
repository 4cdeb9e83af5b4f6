//! The inventory of a real agent.

use std::time::Duration;

use mesos_agent::Access;
use mesos_proto::v1::TaskState::{TaskFailed, TaskKilled, TaskRunning};
use test_support::{FrameworkOptions, RealMesos, Scheduler, binaries, task};

use super::*;
use crate::agent::Isolation;

/// Long enough for anything that should come at once on a busy machine.
const SOON: Duration = Duration::from_secs(60);

struct Scene {
    // The fixtures block on a runtime of their own: the tests are not asynchronous themselves.
    runtime: tokio::runtime::Runtime,
    inventory: Inventory,
    known: BTreeMap<Key, Arc<Subject>>,
    scheduler: Scheduler,
    // Last, since it then asserts that nothing was left behind.
    mesos: RealMesos,
}

impl Scene {
    fn new(settings: test_support::Settings) -> Self {
        let mesos = RealMesos::start(settings.command_executor(&binaries::sandbox_executor()));
        let scheduler = Scheduler::subscribe(&mesos, FrameworkOptions::default());
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let inventory = open(&runtime, &mesos);
        Self {
            runtime,
            inventory,
            known: BTreeMap::new(),
            scheduler,
            mesos,
        }
    }

    fn until(&mut self, what: &str, is_so: impl Fn(&BTreeMap<Key, Arc<Subject>>) -> bool) {
        let (inventory, known) = (&mut self.inventory, &mut self.known);
        let waited = self.runtime.block_on(async {
            tokio::time::timeout(SOON, async {
                while !is_so(known) {
                    for change in inventory.changes().await {
                        match change {
                            Change::Came(subject) | Change::Changed(subject) => {
                                known.insert(subject.key.clone(), subject);
                            }
                            Change::Gone(key) => {
                                known.remove(&key);
                            }
                        }
                    }
                }
            })
            .await
        });
        assert!(waited.is_ok(), "in vain: {what}: {:#?}", self.known.keys());
    }

    fn is_still(&self, subject: &Subject) -> Result<Listed, NotStill> {
        let verifier = self.inventory.verifier();
        self.runtime
            .block_on(verifier.is_still(subject, &subject.holders[0]))
    }

    fn call(&self, what: &'static str, call: &serde_json::Value) {
        let answer = self
            .runtime
            .block_on(agent_of(&self.mesos).call(what, &call.to_string()));
        answer.unwrap_or_else(|error| panic!("{error}"));
    }

    /// The one container that there is.
    fn container(&self) -> Arc<Subject> {
        let mut found = self.known.values().filter(|subject| is_container(subject));
        let container = found.next().expect("a container").clone();
        assert!(found.next().is_none(), "there is another");
        container
    }
}

fn is_container(subject: &Subject) -> bool {
    matches!(subject.key, Key::Container(_))
}

fn is_listed(known: &BTreeMap<Key, Arc<Subject>>) -> bool {
    let found = known.values().find(|subject| is_container(subject));
    found.is_some_and(|subject| {
        subject
            .listed
            .is_some_and(|listed| listed.process.is_some())
    })
}

fn agent_of(mesos: &RealMesos) -> Agent {
    Agent::new(mesos.agent_url().parse().unwrap(), &Access::default()).unwrap()
}

fn open(runtime: &tokio::runtime::Runtime, mesos: &RealMesos) -> Inventory {
    let _within = runtime.enter();
    Inventory::open(Settings {
        work_dir: mesos.work_dir(),
        agent: Some(agent_of(mesos)),
        interval: Duration::from_millis(500),
    })
    .unwrap()
}

#[test]
fn a_real_agent_that_is_killed_and_restarted_leaves_no_gap_in_what_is_known() {
    let mut scene = Scene::new(test_support::Settings::posix());
    let sleeper = task("t")
        .disk(22.0)
        .label("tier", "gold")
        .command("sleep 600");
    scene.scheduler.launch([sleeper]).unwrap();
    scene.until("it is listed", is_listed);
    let before = scene.container();
    assert_eq!(before.limit, Some(Bytes::new(22 << 20)));
    assert_eq!(before.task_id.as_deref(), Some("t"));
    assert!(
        before
            .labels
            .contains(&("tier".to_owned(), "gold".to_owned()))
    );
    let sandbox = scene.mesos.sandbox(&scene.scheduler.framework_id(), "t");
    assert_eq!(before.path.canonicalize().unwrap(), sandbox);
    let facts = scene.inventory.facts().expect("the agent's flags");
    assert_eq!(facts.isolation, Isolation::Du);
    assert!(!facts.enforces);
    assert_eq!(
        facts.work_dir.as_deref(),
        Some(scene.mesos.work_dir().as_path())
    );
    let still = scene.is_still(&before).unwrap();
    assert_eq!(Some(still), before.listed);
    scene.scheduler.wait_for("t", TaskRunning, SOON).unwrap();

    scene.mesos.kill_9();
    scene.until("nobody lists it", |known| !is_listed(known));
    assert_eq!(scene.container().limit, before.limit);
    let away = scene.is_still(&before).unwrap_err();
    assert!(matches!(away, NotStill::Unknown { .. }), "{away}");

    // The daemon is restarted meanwhile.
    scene.inventory = open(&scene.runtime, &scene.mesos);
    scene.known.clear();
    scene.until("its limit is known", |known| {
        known.values().any(|subject| subject.limit == before.limit)
    });
    assert!(!is_listed(&scene.known));

    scene.mesos.restart();
    scene.until("it is listed again", is_listed);
    let after = scene.container();
    assert_eq!(
        (after.id, after.limit, after.listed),
        (before.id, before.limit, before.listed)
    );
    scene.is_still(&after).unwrap();

    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    scene.until("it is over", BTreeMap::is_empty);
    assert!(sandbox.is_dir(), "the agent keeps what it left");
    let gone = scene.is_still(&after).unwrap_err();
    assert!(matches!(gone, NotStill::NotListed { .. }), "{gone}");
}

#[test]
fn a_real_agents_nested_container_is_found_and_asked_for_by_itself() {
    let mut scene = Scene::new(test_support::Settings::posix());
    scene
        .scheduler
        .launch([task("t").disk(5.0).command("sleep 600")])
        .unwrap();
    scene.scheduler.wait_for("t", TaskRunning, SOON).unwrap();
    scene.until("it is listed", is_listed);
    let parent = scene.container().holders[0].container_id.to_string();
    let id = serde_json::json!({"value": "debug", "parent": {"value": parent}});
    let launch = serde_json::json!({"type": "LAUNCH_NESTED_CONTAINER", "launch_nested_container":
        {"container_id": id, "command": {"value": "sleep 600"}}});
    scene.call("LAUNCH_NESTED_CONTAINER", &launch);
    let is_nested = |subject: &&Arc<Subject>| matches!(subject.key, Key::Nested(..));
    scene.until("it is found", |known| {
        known.values().any(|subject| is_nested(&subject))
    });
    let nested = scene.known.values().find(is_nested).unwrap().clone();
    assert_eq!(nested.inside, Some(scene.container().key.clone()));
    assert_eq!(
        nested.limit, None,
        "Mesos holds the container around it to a limit"
    );
    let still = scene.is_still(&nested).unwrap();
    let process = still.process.expect("its first process");
    assert!(process.is_there());
    assert_ne!(Some(process), scene.container().listed.unwrap().process);

    let kill = serde_json::json!({"type": "KILL_NESTED_CONTAINER",
        "kill_nested_container": {"container_id": id}});
    scene.call("KILL_NESTED_CONTAINER", &kill);
    let wait = serde_json::json!({"type": "WAIT_NESTED_CONTAINER",
        "wait_nested_container": {"container_id": id}});
    scene.call("WAIT_NESTED_CONTAINER", &wait);
    let over = scene.is_still(&nested);
    assert!(matches!(over, Err(NotStill::NotListed { .. })), "{over:?}");
    scene.scheduler.kill("t", None).unwrap();
    scene.scheduler.wait_for("t", TaskKilled, SOON).unwrap();
    scene.until("both are over", BTreeMap::is_empty);
}

#[test]
fn a_real_masters_volume_is_found_when_it_is_made() {
    let resources = "cpus:8;mem:8192;disk(web/shop):1000;disk:20000;ports:[31000-32000]";
    let mut scene = Scene::new(test_support::Settings::posix().resources(resources));
    let state = scene.mesos.agent_state();
    let volume = serde_json::json!([{"name": "disk", "type": "SCALAR", "scalar": {"value": 64.0},
        "reservations": [{"type": "STATIC", "role": "web/shop"}],
        "disk": {"persistence": {"id": "v", "principal": "p"}, "volume": {"container_path": "d", "mode": "RW"}}}]);
    let call = serde_json::json!({"type": "CREATE_VOLUMES",
        "create_volumes": {"agent_id": {"value": state["id"]}, "volumes": volume}});
    let output = std::process::Command::new("curl")
        .args([
            "-sS",
            "-f",
            "-X",
            "POST",
            "-H",
            "Content-Type: application/json",
            "-d",
        ])
        .arg(call.to_string())
        .arg(format!("{}/api/v1", scene.mesos.master_url()))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let key = Key::Volume {
        role: "web/shop".to_owned(),
        persistence_id: "v".to_owned(),
        source: None,
    };
    scene.until("it is found", |known| known.contains_key(&key));
    assert!(
        scene.known[&key].holders.is_empty(),
        "nobody has mounted it"
    );
}

#[test]
fn a_real_task_that_fails_leaves_no_subject_behind() {
    let mut scene = Scene::new(test_support::Settings::posix());
    for n in 0..5 {
        scene
            .scheduler
            .launch([task(&format!("t{n}")).disk(5.0).command("exit 1")])
            .unwrap();
    }
    for n in 0..5 {
        scene
            .scheduler
            .wait_for(&format!("t{n}"), TaskFailed, SOON)
            .unwrap();
    }
    scene
        .scheduler
        .launch([task("last").command("sleep 600")])
        .unwrap();
    scene.until("the last one is alone", |known| {
        let last = |subject: &Arc<Subject>| subject.executor_id.as_deref() == Some("last");
        known.len() == 1 && known.values().all(last)
    });
    scene.scheduler.kill("last", None).unwrap();
    scene.scheduler.wait_for("last", TaskKilled, SOON).unwrap();
}
