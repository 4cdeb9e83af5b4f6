//! Schedulers that nobody here wrote, as they are on PyPI and npm: what the programs of `programs/` make of them.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

use crate::{RealMesos, poll_until, setup};

/// How long an event, or the framework's end, may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// The file that the program's standard error goes to: its library writes much there that is nobody's concern.
const ERRORS: &str = "stderr";

/// A framework of somebody else's, subscribed. Mesos must be known by the master's paths
/// ([`Settings::known_as_master`](crate::Settings::known_as_master)): these schedulers know no others.
///
/// Dropping it ends the framework, and with it its executors.
pub struct ForeignScheduler {
    child: Child,
    commands: Option<ChildStdin>,
    heard: Arc<Heard>,
    reader: Option<JoinHandle<()>>,
    logs: TempDir,
}

/// What the program has printed.
#[derive(Default)]
struct Heard {
    lines: Mutex<Lines>,
    changed: Condvar,
}

#[derive(Default)]
struct Lines {
    events: Vec<Value>,
    others: Vec<String>,
}

impl ForeignScheduler {
    /// pymesos, with this FrameworkInfo.
    ///
    /// # Panics
    /// When it is not to be had, or is not registered in time.
    pub fn pymesos(mesos: &RealMesos, framework: &Value) -> Self {
        let mut command = Command::new(setup::pymesos().join("bin/python"));
        command
            .arg(program("pymesos_scheduler.py"))
            .args([mesos.authority(), framework.to_string()]);
        Self::start(command, logs())
    }

    /// npm's mesos-framework, with these options: its tasks, restartStates and so on, as `mesos_framework_scheduler.js`
    /// has them.
    ///
    /// # Panics
    /// When it is not to be had, or is not registered in time.
    pub fn mesos_framework(mesos: &RealMesos, options: &Value) -> Self {
        let logs = logs();
        let mut command = Command::new("node");
        command
            .arg("--no-deprecation")
            .arg(program("mesos_framework_scheduler.js"))
            .arg(mesos.port().to_string())
            .arg(logs.path())
            .arg(options.to_string())
            .env(
                "NODE_PATH",
                setup::directory("mesos-framework").join("node_modules"),
            );
        Self::start(command, logs)
    }

    fn start(mut command: Command, logs: TempDir) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(File::create(logs.path().join(ERRORS)).expect("a new file"))
            .current_dir(logs.path())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
        let (commands, output) = (child.stdin.take(), child.stdout.take());
        let heard = Arc::new(Heard::default());
        let reader = std::thread::spawn({
            let heard = Arc::clone(&heard);
            move || {
                let lines = output.map(|output| BufReader::new(output).lines());
                for line in lines.into_iter().flatten().map_while(Result::ok) {
                    heard.take_in(line);
                }
            }
        });
        let scheduler = Self {
            child,
            commands,
            heard,
            reader: Some(reader),
            logs,
        };
        scheduler.wait_for("its registration", |event| {
            event["registered"].is_string().then_some(())
        });
        scheduler
    }

    /// Gives the program a command of its own, a JSON object.
    ///
    /// # Panics
    /// When it has ended.
    pub fn tell(&mut self, command: &Value) {
        let commands = self.commands.as_mut().expect("open until it is dropped");
        writeln!(commands, "{command}").expect("the scheduler has ended");
    }

    /// Waits for an event that is what is looked for, from the first on.
    ///
    /// # Panics
    /// When none comes in time, with all that was heard.
    pub fn wait_for<T>(&self, what: &str, look: impl Fn(&Value) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        let mut lines = self.heard.lock();
        loop {
            if let Some(found) = lines.events.iter().find_map(&look) {
                return found;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            assert!(!left.is_zero(), "{what} never came:{}", self.told(&lines));
            lines = self
                .heard
                .changed
                .wait_timeout(lines, left)
                .unwrap_or_else(PoisonError::into_inner)
                .0;
        }
    }

    /// Waits for the first status of a state of a task whose id begins like this.
    ///
    /// # Panics
    /// When none comes in time, with all that was heard.
    pub fn wait_for_state(&self, task: &str, state: &str) -> Value {
        self.wait_for(&format!("{state} of {task}"), |event| {
            let status = &event["update"];
            (status["state"] == state && is_of(status, task)).then(|| status.clone())
        })
    }

    /// All of it, to be read by a person.
    fn told(&self, lines: &Lines) -> String {
        let errors = fs::read_to_string(self.logs.path().join(ERRORS)).unwrap_or_default();
        format!("{}\n{errors}", lines.told())
    }

    /// The states of the tasks whose ids begin like this, as they came, repetitions too.
    pub fn states_of(&self, task: &str) -> Vec<String> {
        let lines = self.heard.lock();
        let statuses = lines.events.iter().map(|event| &event["update"]);
        statuses
            .filter(|status| is_of(status, task))
            .filter_map(|status| status["state"].as_str().map(str::to_owned))
            .collect()
    }
}

fn is_of(status: &Value, task: &str) -> bool {
    let id = status["task_id"]["value"].as_str();
    id.is_some_and(|id| id.starts_with(task))
}

fn logs() -> TempDir {
    tempfile::tempdir().expect("cannot make a directory for temporary files")
}

fn program(name: &str) -> PathBuf {
    crate::workspace().join("tests/support/programs").join(name)
}

impl Heard {
    fn lock(&self) -> std::sync::MutexGuard<'_, Lines> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is no event is the library's own log.
    fn take_in(&self, line: String) {
        let mut lines = self.lock();
        match serde_json::from_str(&line) {
            Ok(event @ Value::Object(_)) => lines.events.push(event),
            Ok(_) | Err(_) => lines.others.push(line),
        }
        self.changed.notify_all();
    }
}

impl Lines {
    /// A line each; of a status what says most.
    fn told(&self) -> String {
        let mut text = String::new();
        for event in &self.events {
            let Some(status) = event.get("update") else {
                let _ = write!(text, "\n  {event}");
                continue;
            };
            let told = ["source", "reason", "healthy", "message"].map(|key| &status[key]);
            let (task, state) = (&status["task_id"]["value"], &status["state"]);
            let _ = write!(text, "\n  {task} {state}");
            for value in told.into_iter().filter(|value| !value.is_null()) {
                let _ = write!(text, " {value}");
            }
        }
        for line in &self.others {
            let _ = write!(text, "\n  log: {line}");
        }
        text
    }
}

impl Drop for ForeignScheduler {
    fn drop(&mut self) {
        self.commands = None;
        let has_ended = poll_until(PATIENCE, || {
            std::thread::panicking() || self.child.try_wait().is_ok_and(|status| status.is_some())
        });
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(reader) = self.reader.take() {
            let _ = reader.join();
        }
        if !std::thread::panicking() {
            assert!(
                has_ended,
                "the framework did not end:{}",
                self.heard.lock().told()
            );
        }
    }
}
