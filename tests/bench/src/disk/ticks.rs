//! What a tick of change tracking costs: a thousand trees of a million files, nothing or a little happening in them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use disk_engine::{Tracker, TreeId, open_root};

use super::image::{Image, grow};

const TREES: usize = 1_000;
const FILES: usize = 1_000_000;
/// Files in a directory.
const IN_EACH: usize = 100;
/// In a large directory.
const IN_LARGE: usize = 200_000;
const DIRTY: [(usize, usize); 5] = [(0, 200), (1, 50), (10, 50), (100, 20), (1_000, 10)];

pub(super) fn measure() {
    let image = Image::ext4(1_600_000, 8 << 30);
    let trees = plant(&image.path());
    let mut tracker = Tracker::start().expect("rights to track changes");
    let before = resident();
    let began = Instant::now();
    for tree in &trees {
        let root = open_root(tree).expect("just made");
        tracker
            .add(TreeId::unused(), root.as_fd(), &[])
            .expect("a file system with handles");
    }
    let took = began.elapsed();
    let du = median((0..3).map(|_| du(&image.path())).collect());
    println!(
        "{TREES} trees, {FILES} files, {} directories: taken in within {:.0} ms, {:.1} MB more memory; `du` of all of \
         it takes {:.0} ms.\n",
        tracker.directories(),
        millis(took),
        resident().saturating_sub(before) as f64 / 1e6,
        millis(du),
    );
    println!(
        "| directories changed since the last tick | tick, ms, median | of `du` |\n|---|---|---|"
    );
    for (dirty, rounds) in DIRTY {
        let mut ticks = Vec::new();
        for round in 0..rounds {
            touch(&trees, dirty, round);
            let began = Instant::now();
            tick(&mut tracker);
            ticks.push(began.elapsed());
        }
        let tick = median(ticks);
        println!(
            "| {dirty} | {:.3} | 1/{:.0} |",
            millis(tick),
            du.as_secs_f64() / tick.as_secs_f64()
        );
    }
    println!();
    drop(tracker);
    measure_large(&image.path());
}

/// One directory of many files, of which a few change.
fn measure_large(place: &Path) {
    let directory = place.join("large");
    fs::create_dir(&directory).expect("a new directory");
    for name in 0..IN_LARGE {
        fs::write(directory.join(name.to_string()), "some").expect("room");
    }
    let mut tracker = Tracker::start().expect("rights to track changes");
    let root = open_root(&directory).expect("just made");
    tracker
        .add(TreeId::unused(), root.as_fd(), &[])
        .expect("a file system with handles");
    println!("| files changed of {IN_LARGE} in one directory | tick, ms, median |\n|---|---|");
    for changed in [1, 10, 100, 1_000] {
        let mut ticks = Vec::new();
        for round in 0..20 {
            for turn in 0..changed {
                let name = directory.join((round * changed + turn).to_string());
                fs::write(name, "more").expect("room");
            }
            let began = Instant::now();
            tick(&mut tracker);
            ticks.push(began.elapsed());
        }
        println!("| {changed} | {:.3} |", millis(median(ticks)));
    }
    println!();
}

/// A thousand sandboxes of a thousand files in ten directories.
fn plant(place: &Path) -> Vec<PathBuf> {
    let trees = (0..TREES).map(|tree| place.join(format!("sandbox-{tree}")));
    trees
        .inspect(|tree| {
            fs::create_dir(tree).expect("an empty file system");
            grow(tree, FILES / TREES, IN_EACH);
        })
        .collect()
}

/// Appends to a file in each of so many directories, no two of one tree as long as there are trees.
fn touch(trees: &[PathBuf], dirty: usize, round: usize) {
    for turn in 0..dirty {
        let tree = &trees[(turn + round) % trees.len()];
        let directory = round % (FILES / TREES / IN_EACH);
        let file = tree.join(format!(
            "directory-{directory}/file-{}",
            directory * IN_EACH
        ));
        let file = OpenOptions::new().append(true).open(file);
        file.expect("planted").write_all(b"more").expect("room");
    }
}

fn tick(tracker: &mut Tracker) {
    tracker.drain().expect("events");
    let dirty: Vec<TreeId> = tracker.dirty_trees().collect();
    for tree in dirty {
        tracker.read(tree).expect("a tree");
    }
}

fn du(path: &Path) -> Duration {
    let began = Instant::now();
    let mut du = Command::new("du");
    let status = du.args(["-sk"]).arg(path).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{du:?}");
    began.elapsed()
}

fn median(mut values: Vec<Duration>) -> Duration {
    values.sort();
    values[values.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Bytes of memory that this process has.
fn resident() -> u64 {
    let statm = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = statm.split(' ').nth(1).and_then(|pages| pages.parse().ok());
    pages.unwrap_or(0) * 4096
}
