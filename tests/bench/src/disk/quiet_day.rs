//! A day on which nothing happens: an agent with a thousand sandboxes, a million files in them, and nobody who writes.
//! What the daemon takes of the processors, beside what `du` would for the same.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use disk_figures::Report;
use test_support::binaries;

use super::image::{Image, grow};
use super::stopwatch::time;

const SANDBOXES: usize = 1_000;
const FILES: usize = 1_000;
/// Long enough that everything is looked at several times, however seldom that is.
const WATCHED: Duration = Duration::from_secs(60);
/// For the first look at everything.
const PATIENCE: Duration = Duration::from_secs(600);
const DAY: f64 = 86_400.0;
/// `--container_disk_watch_interval`
const INTERVAL: f64 = 15.0;

pub(super) fn measure() {
    let image = Image::ext4(1_300_000, 4 << 30);
    let work_dir = image.path().join("work");
    let sandboxes: Vec<PathBuf> = (0..SANDBOXES).map(|n| sandbox(&work_dir, n)).collect();
    println!(
        "| {SANDBOXES} sandboxes of {FILES} files, nobody writes | seconds of a processor a day |\n|---|---|"
    );
    for tracking in [true, false] {
        let how = if tracking {
            "changes tracked"
        } else {
            "walks alone"
        };
        let Quiet { day, begin, looks } = quiet(&work_dir, tracking);
        println!(
            "| the daemon, {how}: {looks} looks in {} s | {day:.0} |",
            WATCHED.as_secs()
        );
        println!("| its first look at everything, {how} | {begin:.1} once |");
    }
    let round = time(|| sandboxes.iter().for_each(|sandbox| du(sandbox)));
    let each = round.cpu.as_secs_f64() / SANDBOXES as f64;
    let rounds = DAY / INTERVAL;
    println!(
        "| `du -k -s` of one sandbox every {INTERVAL} s, as Mesos's disk/du: each is seen every {:.1} hours | {:.0} |",
        SANDBOXES as f64 * INTERVAL / 3_600.0,
        each * rounds
    );
    println!(
        "| `du -k -s` of each sandbox every {INTERVAL} s | {:.0} |",
        each * rounds * SANDBOXES as f64
    );
    println!();
}

/// One of its own executor's, as an agent lays it out.
fn sandbox(work_dir: &Path, number: usize) -> PathBuf {
    let run = format!("slaves/S/frameworks/F/executors/e{number}/runs/c{number}");
    let sandbox = work_dir.join(run);
    fs::create_dir_all(&sandbox).expect("room");
    grow(&sandbox, FILES, 100);
    sandbox
}

fn du(sandbox: &Path) {
    let mut du = Command::new("du");
    let done = du
        .args(["-k", "-s"])
        .arg(sandbox)
        .stdout(Stdio::null())
        .status();
    assert!(done.is_ok_and(|status| status.success()), "{du:?}");
}

/// What the daemon took.
struct Quiet {
    /// Seconds of a processor a day, from a while of watching.
    day: f64,
    /// Until everything was looked at.
    begin: f64,
    looks: u64,
}

fn quiet(work_dir: &Path, tracking: bool) -> Quiet {
    let directory = tempfile::tempdir().expect("a directory");
    let daemon = Daemon::start(work_dir, directory.path(), tracking);
    let until = Instant::now() + PATIENCE;
    let is_whole = |report: &Report| {
        let measured = report
            .subjects
            .iter()
            .filter(|subject| subject.measured.is_some());
        measured.count() == SANDBOXES
    };
    while !daemon.report().is_some_and(|report| is_whole(&report)) {
        assert!(
            Instant::now() < until,
            "the daemon does not look at everything"
        );
        sleep(Duration::from_millis(200));
    }
    let begin = daemon.cpu();
    let looks = || daemon.report().map_or(0, |report| report.engine.looks);
    // What follows the first look, such as the first comparison, is no part of a quiet day.
    sleep(Duration::from_secs(5));
    let (before, looks_before) = (daemon.cpu(), looks());
    sleep(WATCHED);
    let took = daemon.cpu() - before;
    Quiet {
        day: took / WATCHED.as_secs_f64() * DAY,
        begin,
        looks: looks() - looks_before,
    }
}

/// Ended when it is dropped.
struct Daemon {
    child: Child,
    socket: PathBuf,
}

impl Daemon {
    fn start(work_dir: &Path, directory: &Path, tracking: bool) -> Self {
        let socket = directory.join("figures.sock");
        let mut command = Command::new(binaries::disk_watcher());
        command
            .args(["run", "--log", "error"])
            .arg(format!("--engine-tracking={tracking}"))
            .arg("--work-dir")
            .arg(work_dir)
            .arg("--output-socket")
            .arg(&socket);
        Self {
            child: command.spawn().expect("the daemon"),
            socket,
        }
    }

    fn report(&self) -> Option<Report> {
        disk_figures::read(&self.socket, Duration::from_secs(30)).ok()
    }

    /// Seconds of a processor so far, all threads together.
    fn cpu(&self) -> f64 {
        const TICKS_A_SECOND: f64 = 100.0;
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("the daemon runs");
        // Behind the name, which may hold anything: from the state, the third field, on.
        let (_, rest) = stat.rsplit_once(')').expect("a name");
        let ticks = rest.split_whitespace().skip(11).take(2);
        ticks
            .map(|ticks| ticks.parse::<f64>().expect("a number"))
            .sum::<f64>()
            / TICKS_A_SECOND
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // One that has ended by itself is reaped all the same.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
