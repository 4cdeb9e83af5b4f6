use std::collections::HashMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, Write};
use std::process::{ChildStdin, ChildStdout};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use crate::programs::Programs;
use crate::{UP, boot};

/// How long the machine may take to boot. It takes ten seconds on two processors that nobody else uses.
const BOOT: Duration = Duration::from_secs(240);

/// How long a script may take unless it is said otherwise.
const SCRIPT: Duration = Duration::from_secs(120);

/// How much longer the machine may take to say how a script ended, before it is held to hang.
const ANSWER: Duration = Duration::from_secs(60);

/// The end of the last words of a kernel that is told to panic at a soft lockup (Linux: kernel/watchdog.c).
const LOCKED_UP: &str = "softlockup: hung tasks";

/// How much of the console a failure shows, in bytes.
const CONSOLE_SHOWN: usize = 20_000;

/// A running virtual machine.
#[derive(Debug)]
pub struct Machine {
    requests: Mutex<ChildStdin>,
    waiting: Arc<Waiting>,
    next: AtomicU64,
    console: Mutex<File>,
    programs: Programs,
}

/// Who waits for which answer; `None` once the machine is gone.
type Waiting = Mutex<Option<HashMap<u64, Sender<Output>>>>;

/// What a script gave.
#[derive(Debug, Clone)]
pub struct Output {
    /// Its exit status; 128 and the number of the signal that ended it.
    pub status: i64,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Machine {
    /// Boots it, with all programs in [`crate::PROGRAMS`]. `guest` is the one that carries out what it is told:
    /// `env!("CARGO_BIN_EXE_vm-guest")` in a test.
    ///
    /// # Panics
    /// When it cannot be made or does not boot.
    pub fn boot(guest: &str) -> Machine {
        let directory = tempfile::tempdir().expect("a directory");
        let image = directory.path().join("programs.img");
        let programs = Programs::build(directory.path(), guest);
        boot::make_image(programs.directory(), &image);

        let console = tempfile::tempfile().expect("a file");
        let appended = console.try_clone().expect("a descriptor");
        let waiting = Arc::new(Mutex::new(Some(HashMap::new())));
        let (up, is_up) = mpsc::channel();
        lock(&waiting).get_or_insert_default().insert(UP, up);
        let to_answer = Arc::clone(&waiting);
        let (started, pipes) = mpsc::channel();
        // The machine lives as long as this thread does, which is as long as the process, at the most.
        thread::Builder::new()
            .name("machine".to_owned())
            .spawn(move || {
                let mut qemu = boot::start(&image, appended);
                let requests = qemu.stdin.take().expect("piped");
                let answers = qemu.stdout.take().expect("piped");
                started.send(requests).expect("who boots waits for it");
                pass_on(answers, &to_answer);
                // Nobody is told: those who wait see that the machine is gone, and show its last words.
                let _ = qemu.wait();
            })
            .expect("a thread");
        let machine = Machine {
            requests: Mutex::new(pipes.recv().expect("a machine that starts")),
            waiting,
            next: AtomicU64::new(UP + 1),
            console: Mutex::new(console),
            programs,
        };
        machine.await_answer(&is_up, BOOT, "boot");
        machine.programs.settle(&machine);
        // The machine has its programs open by now: their directory goes.
        machine
    }

    /// Runs a script by bash, as root, and waits for its end and that of all that writes to its output. One that does
    /// not end in time is killed, its status is 124. Scripts of several threads run at once.
    ///
    /// # Panics
    /// When the machine is gone or hangs; the message has the last of its console.
    pub fn run(&self, script: &str) -> Output {
        self.run_within(SCRIPT, script)
    }

    /// As [`Machine::run`], for who cleans up: a machine that is gone needs none, and gives nothing.
    pub fn run_if_up(&self, script: &str) -> Option<Output> {
        let answered = self.request(SCRIPT, script).ok()?;
        answered.recv_timeout(SCRIPT + ANSWER).ok()
    }

    /// As [`Machine::run`], with another time limit.
    ///
    /// # Panics
    /// As there.
    pub fn run_within(&self, limit: Duration, script: &str) -> Output {
        let answered = self
            .request(limit, script)
            .unwrap_or_else(|why| self.fail(&why, script));
        self.await_answer(&answered, limit + ANSWER, script)
    }

    /// As [`Machine::run`], for a script that has to succeed: what it wrote to standard output, without white space at
    /// its end.
    ///
    /// # Panics
    /// As there, and when the script fails.
    pub fn succeed(&self, script: &str) -> String {
        let output = self.run(script);
        assert_eq!(
            output.status, 0,
            "in the virtual machine:\n{script}\nsaid:\n{}{}",
            output.stdout, output.stderr
        );
        output.stdout.trim_end().to_owned()
    }

    /// Waits for the process with exactly this command line, and gives its id.
    ///
    /// # Panics
    /// When it does not come.
    pub fn await_process(&self, command: &str) -> u32 {
        let wait = format!("until pgrep -xf '{command}'; do sleep 0.1; done");
        self.succeed(&wait).parse().expect("a process id")
    }

    /// Waits until no process has this command line.
    ///
    /// # Panics
    /// When one stays.
    pub fn await_no_process(&self, command: &str) {
        self.succeed(&format!("while pgrep -xf '{command}'; do sleep 0.1; done"));
    }

    /// Waits until the cgroup at this path within the hierarchy is gone.
    ///
    /// # Panics
    /// When it stays.
    pub fn await_no_cgroup(&self, path: &str) {
        self.succeed(&format!(
            "while [ -e '/sys/fs/cgroup{path}' ]; do sleep 0.1; done"
        ));
    }

    /// The cgroup of a process, as a path within the hierarchy.
    ///
    /// # Panics
    /// When there is no such process.
    pub fn cgroup_of(&self, pid: u32) -> String {
        let line = self.succeed(&format!("cat /proc/{pid}/cgroup"));
        let path = line.strip_prefix("0::").expect("v2 alone");
        path.to_owned()
    }

    pub(crate) fn programs(&self) -> &Programs {
        &self.programs
    }

    /// Sends a script; what it gives comes by the channel.
    fn request(&self, limit: Duration, script: &str) -> Result<Receiver<Output>, String> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let (answer, answered) = mpsc::channel();
        match lock(&self.waiting).as_mut() {
            Some(waiting) => waiting.insert(id, answer),
            None => return Err("it is gone".to_owned()),
        };
        let request = json!({"id": id, "script": script, "seconds": limit.as_secs()});
        let request = format!("{request}\n");
        let sent = lock(&self.requests).write_all(request.as_bytes());
        sent.map(|()| answered).map_err(|error| error.to_string())
    }

    /// Whether its kernel gave up since its processors were stuck.
    pub(crate) fn has_locked_up(&self) -> bool {
        let (_, console) = self.console();
        String::from_utf8_lossy(&console).contains(LOCKED_UP)
    }

    fn console(&self) -> (std::io::Result<usize>, Vec<u8>) {
        let mut console = Vec::new();
        let mut file = lock(&self.console);
        let read = file.rewind().and_then(|()| file.read_to_end(&mut console));
        (read, console)
    }

    fn await_answer(&self, answered: &Receiver<Output>, limit: Duration, script: &str) -> Output {
        match answered.recv_timeout(limit) {
            Ok(output) => output,
            Err(RecvTimeoutError::Timeout) => {
                self.fail(&format!("no answer within {limit:?}"), script)
            }
            Err(RecvTimeoutError::Disconnected) => self.fail("it is gone", script),
        }
    }

    fn fail(&self, why: &str, script: &str) -> ! {
        let (read, console) = self.console();
        let shown = &console[console.len().saturating_sub(CONSOLE_SHOWN)..];
        panic!(
            "the virtual machine: {why}; it was to run:\n{script}\nits console ({read:?} bytes):\n{}",
            String::from_utf8_lossy(shown)
        );
    }
}

/// Hands each answer to who waits for it, until the machine is gone.
fn pass_on(answers: ChildStdout, waiting: &Waiting) {
    for line in BufReader::new(answers).lines().map_while(Result::ok) {
        let Ok(answer) = serde_json::from_str::<Value>(&line) else {
            eprintln!("the virtual machine says: {line}");
            continue;
        };
        let text = |key: &str| answer[key].as_str().unwrap_or_default().to_owned();
        let output = Output {
            status: answer["status"].as_i64().unwrap_or(-1),
            stdout: text("stdout"),
            stderr: text("stderr"),
        };
        let id = answer["id"].as_u64();
        let waits = id.and_then(|id| lock(waiting).as_mut()?.remove(&id));
        if let Some(waits) = waits {
            // Fails when it was waited for too long, and somebody panicked.
            let _ = waits.send(output);
        }
    }
    // With it go the senders, which wakes everybody.
    *lock(waiting) = None;
}

/// A panic under one of these locks leaves nothing half done.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
