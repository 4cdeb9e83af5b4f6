//! Schedulers that nobody here wrote drive the executor on a real Mesos: pymesos of PyPI names it as a custom executor,
//! npm's mesos-framework has it in place of Mesos's command executor.
#![allow(clippy::unwrap_used, reason = "a test")]

use serde_json::{Value, json};
use test_support::{FileServer, ForeignScheduler, RealMesos, Settings, binaries};

/// A Mesos, the executor offered as a URI, and pymesos as the scheduler.
struct Scene {
    // Dropped in this order: Mesos last, since it then asserts that nothing was left behind.
    scheduler: ForeignScheduler,
    url: String,
    _files: FileServer,
    _mesos: RealMesos,
}

impl Scene {
    fn new() -> Self {
        let mesos = RealMesos::start(Settings::posix().known_as_master());
        let files = FileServer::start();
        let url = files.offer(&binaries::sandbox_executor());
        let framework = json!({ "user": "root", "name": "pymesos", "checkpoint": true });
        Self {
            scheduler: ForeignScheduler::pymesos(&mesos, &framework),
            url,
            _files: files,
            _mesos: mesos,
        }
    }

    /// Sends the executor a message and returns its answer, which has the same `id`. Messages may be lost, but not here.
    fn ask(&mut self, request: &Value) -> Value {
        let message = json!({ "executor": "shared", "data": request.to_string() });
        self.scheduler.tell(&json!({ "message": message }));
        self.scheduler
            .wait_for(&format!("an answer to {request}"), |event| {
                let data = event["message"]["data"].as_str()?;
                let answer: Value = serde_json::from_str(data).ok()?;
                (answer["id"] == request["id"]).then_some(answer)
            })
    }

    /// A task as the users of pymesos write it.
    fn task(&self, id: &str, data: &str) -> Value {
        json!({
            "name": id,
            "task_id": { "value": id },
            "data": data,
            "resources": [scalar("cpus", 0.1), scalar("mem", 32.0)],
            "executor": {
                "type": "CUSTOM",
                "executor_id": { "value": "shared" },
                "name": "sandboxes",
                "resources": [scalar("cpus", 0.1), scalar("mem", 64.0)],
                "command": {
                    "value": "./mesos-sandbox-executor",
                    "uris": [{ "value": self.url, "executable": true }],
                    "environment": { "variables": [
                        { "name": "MESOS_SANDBOX_EXECUTOR_IDLE_TIMEOUT", "value": "200ms" },
                    ] },
                },
            },
        })
    }
}

/// The data of a task that shares the directory `shared` with the others of its executor, and can be sent signals.
fn sharing(command: &str) -> String {
    let source =
        json!({ "type": "SANDBOX_PATH", "sandbox_path": { "type": "PARENT", "path": "shared" } });
    let volume = json!({ "mode": "RW", "container_path": "shared", "source": source });
    let sandbox = json!({ "volumes": [volume] });
    let command = json!({ "value": command });
    json!({ "version": 1, "command": command, "sandbox": sandbox, "messages": ["signal"] })
        .to_string()
}

fn scalar(name: &str, value: f64) -> Value {
    json!({ "name": name, "type": "SCALAR", "scalar": { "value": value } })
}

#[test]
fn pymesos_sees_every_end_of_its_tasks_in_one_executor() {
    let mut scene = Scene::new();
    let envelope = r#"{"version":1,"command":{"value":"exit 3"}}"#;
    let tasks = [
        scene.task("finishes", "exit 0"),
        scene.task("fails", envelope),
        scene.task("dies", "kill -SEGV $$"),
        scene.task("stays", "exec sleep 1000"),
    ];
    scene.scheduler.tell(&json!({ "launch": tasks }));
    for (task, state, message) in [
        ("finishes", "TASK_FINISHED", "Command exited with status 0"),
        ("fails", "TASK_FAILED", "Command exited with status 3"),
        (
            "dies",
            "TASK_FAILED",
            "Command terminated with signal Segmentation fault",
        ),
    ] {
        let status = scene.scheduler.wait_for_state(task, state);
        let told = status["message"].as_str().unwrap();
        assert!(told.starts_with(message), "{told}");
        assert_eq!(status["source"], "SOURCE_EXECUTOR");
        assert_eq!(status["executor_id"]["value"], "shared");
        let states = scene.scheduler.states_of(task);
        assert_eq!(states, ["TASK_STARTING", "TASK_RUNNING", state]);
    }
    // A framework without the capability for it hears nothing of TASK_KILLING.
    scene.scheduler.wait_for_state("stays", "TASK_RUNNING");
    scene.scheduler.tell(&json!({ "kill": "stays" }));
    scene.scheduler.wait_for_state("stays", "TASK_KILLED");
    let states = scene.scheduler.states_of("stays");
    assert_eq!(states, ["TASK_STARTING", "TASK_RUNNING", "TASK_KILLED"]);
}

/// A second task with the same executor id is launched by the executor that runs (P-36).
#[test]
fn pymesos_adds_a_task_to_an_executor_that_runs() {
    let mut scene = Scene::new();
    let waits = "while [ ! -e shared/done ]; do sleep 0.05; done";
    let waits = scene.task("first", &sharing(waits));
    scene.scheduler.tell(&json!({ "launch": [waits] }));
    scene.scheduler.wait_for_state("first", "TASK_RUNNING");
    let second = scene.task("second", &sharing("touch shared/done"));
    scene.scheduler.tell(&json!({ "launch": [second] }));
    scene.scheduler.wait_for_state("second", "TASK_FINISHED");
    // It saw the second's file: both have a directory of one executor's sandbox.
    scene.scheduler.wait_for_state("first", "TASK_FINISHED");
}

/// A message of the scheduler's comes as MESSAGE, and the answer goes back as one (P-28).
#[test]
fn pymesos_asks_by_message_what_runs_signals_a_task_and_hears_the_answers() {
    let mut scene = Scene::new();
    let waits = "trap 'exit 5' USR1; touch shared/ready; while :; do sleep 0.05; done";
    // It ends when the other has set its trap, so that the signal cannot come too early.
    let tells = "while [ ! -e shared/ready ]; do sleep 0.05; done";
    let tasks = [("waits", waits), ("tells", tells)];
    let tasks = tasks.map(|(id, command)| scene.task(id, &sharing(command)));
    scene.scheduler.tell(&json!({ "launch": tasks }));
    scene.scheduler.wait_for_state("waits", "TASK_RUNNING");
    scene.scheduler.wait_for_state("tells", "TASK_FINISHED");
    let answer = scene.ask(&json!({ "request": "tasks", "id": "7" }));
    assert_eq!(answer["reply"], "tasks");
    let running = answer["tasks"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|task| task["state"] == "TASK_RUNNING");
    assert_eq!(
        running.map(|task| &task["task_id"]).collect::<Vec<_>>(),
        ["waits"]
    );
    let signal = json!({ "request": "signal", "id": "8", "task_id": "waits", "signal": "USR1" });
    assert_eq!(scene.ask(&signal)["reply"], "signal");
    let status = scene.scheduler.wait_for_state("waits", "TASK_FAILED");
    let message = status["message"].as_str().unwrap();
    assert!(
        message.starts_with("Command exited with status 5"),
        "{message}"
    );
}

/// npm's mesos-framework knows no executors that work (it sends a command along, which the master refuses), so that its
/// tasks are the command executor's: ours in that one's place.
fn npm(tasks: &Value) -> Npm {
    let settings = Settings::posix()
        .known_as_master()
        .command_executor(&binaries::sandbox_executor());
    let mesos = RealMesos::start(settings);
    // Its stream is read as dead after ten seconds of silence, less than a master's heartbeat.
    let options = json!({ "frameworkName": "npm", "masterConnectionTimeout": 60, "tasks": tasks });
    Npm {
        scheduler: ForeignScheduler::mesos_framework(&mesos, &options),
        _mesos: mesos,
    }
}

struct Npm {
    // Dropped before Mesos, which asserts that nothing was left behind.
    scheduler: ForeignScheduler,
    _mesos: RealMesos,
}

fn npm_task(command: &str) -> Value {
    json!({
        "command": { "value": command, "environment": { "GREETING": "hello" } },
        "resources": { "cpus": 0.1, "mem": 32, "disk": 10, "ports": 1 },
    })
}

#[test]
fn mesos_frameworks_tasks_run_sandboxed_with_their_environment_and_ports() {
    let sees = "test \"$GREETING\" = hello && test \"$HOST\" = 127.0.0.1 && test \"$PORT0\" -ge 31000 && \
        test -d \"$MESOS_SANDBOX\" && test \"$PWD\" = \"$MESOS_SANDBOX\" && echo \"$MESOS_TASK_ID\" | grep -q '^npm.sees-1' && \
        test $$ -lt 10 && grep -q :memory:.*/mesos-sandbox-executor/ /proc/self/cgroup";
    let npm = npm(&json!({ "sees": npm_task(sees) }));
    let status = npm.scheduler.wait_for_state("npm.sees-1", "TASK_FINISHED");
    assert_eq!(status["message"], "Command exited with status 0");
    let states = npm.scheduler.states_of("npm.sees-1");
    assert_eq!(states, ["TASK_STARTING", "TASK_RUNNING", "TASK_FINISHED"]);
}

#[test]
fn mesos_framework_starts_again_what_failed_and_not_what_finished_or_was_killed() {
    let mut npm = npm(&json!({
        "fails": npm_task("sleep 0.2; exit 4"),
        "finishes": npm_task("true"),
        "stays": npm_task("exec sleep 1000"),
    }));
    let running = npm.scheduler.wait_for_state("npm.stays-1", "TASK_RUNNING");
    let kill =
        json!({ "task": running["task_id"]["value"], "agent": running["agent_id"]["value"] });
    npm.scheduler.tell(&json!({ "kill": kill }));
    let killed = npm.scheduler.wait_for_state("npm.stays-1", "TASK_KILLED");
    assert_eq!(
        killed["message"],
        "Command terminated with signal Terminated"
    );
    let failed = npm.scheduler.wait_for_state("npm.fails-1", "TASK_FAILED");
    assert!(
        failed["message"]
            .as_str()
            .unwrap()
            .starts_with("Command exited with status 4"),
        "{failed}"
    );
    let again = npm
        .scheduler
        .wait_for("another run of what failed", |event| {
            let status = &event["update"];
            let is_another =
                status["state"] == "TASK_FAILED" && status["task_id"] != failed["task_id"];
            is_another.then(|| status["task_id"]["value"].as_str().unwrap().to_owned())
        });
    assert!(again.starts_with("npm.fails-1."), "{again}");
    npm.scheduler
        .wait_for_state("npm.finishes-1", "TASK_FINISHED");
    assert_eq!(runs_of(&npm.scheduler, "npm.finishes-1"), 1);
    assert_eq!(runs_of(&npm.scheduler, "npm.stays-1"), 1);
}

fn runs_of(scheduler: &ForeignScheduler, task: &str) -> usize {
    let states = scheduler.states_of(task);
    states
        .iter()
        .filter(|state| *state == "TASK_STARTING")
        .count()
}

/// It always asks for status 200 and no other, which Mesos's own executors do not heed, and starts a task again only when
/// it failed: an unhealthy one that is TASK_KILLED would stay away.
#[test]
fn mesos_frameworks_health_checks_heed_the_status_it_asks_for_and_an_unhealthy_task_is_started_again()
 {
    let server = "exec /usr/bin/python3 -c 'import http.server, os\n\
        class Answer(http.server.BaseHTTPRequestHandler):\n \
        def do_GET(self): self.send_response(STATUS); self.end_headers()\n\
        http.server.HTTPServer((\"127.0.0.1\", PORT), Answer).serve_forever()'";
    let task = |status: &str, port: u16| {
        let server = server
            .replace("STATUS", status)
            .replace("PORT", &port.to_string());
        json!({
            "command": { "value": server },
            "resources": { "cpus": 0.1, "mem": 64, "disk": 10, "ports": 0 },
            "labels": { "labels": [{ "key": "mesos-sandbox-executor.unhealthy", "value": "failed" }] },
            "timedHealthCheck": {
                "http": { "port": port, "path": "/health?deep=1", "statuses": [200] },
                "delay": 0.2, "interval": 0.2, "timeout": 5.0, "failures": 2, "grace": 5.0,
            },
        })
    };
    let ports = [31500, 31501];
    let npm = npm(&json!({ "well": task("200", ports[0]), "odd": task("204", ports[1]) }));
    let failed = npm.scheduler.wait_for_state("npm.odd-1", "TASK_FAILED");
    assert_eq!(failed["healthy"], false);
    assert!(
        failed["message"].as_str().unwrap().contains("204"),
        "{failed}"
    );
    npm.scheduler
        .wait_for("another run of the unhealthy one", |event| {
            let status = &event["update"];
            let is_another =
                status["state"] == "TASK_RUNNING" && status["task_id"] != failed["task_id"];
            let id = status["task_id"]["value"].as_str().unwrap_or_default();
            (is_another && id.starts_with("npm.odd-1.")).then_some(())
        });
    npm.scheduler.wait_for("the healthy one", |event| {
        let status = &event["update"];
        let id = status["task_id"]["value"].as_str().unwrap_or_default();
        (status["healthy"] == true && id.starts_with("npm.well-1.")).then_some(())
    });
    assert_eq!(runs_of(&npm.scheduler, "npm.well-1"), 1);
}
