//! What change tracking costs those who write: each file operation with the file system marked and without.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use disk_engine::{Tracker, TreeId, open_root};

use super::image::Image;

const ROUNDS: usize = 9;
/// As often as the engine reads what has changed, unless a limit is near.
const DRAIN_EVERY: Duration = Duration::from_millis(100);

/// Does something so many times in a directory that has a file of 1 MiB.
type Operation = fn(&Path, u32);

/// What to call it, how often in one round.
const OPERATIONS: [(&str, u32, Operation); 7] = [
    ("append 64 B", 200_000, append),
    (
        "append 64 B, to a file that is parked soon",
        8_000_000,
        append,
    ),
    ("overwrite 4 KiB", 200_000, overwrite),
    (
        "overwrite 4 KiB, of a file that is parked soon",
        8_000_000,
        overwrite,
    ),
    ("create, write, close, unlink", 10_000, come_and_go),
    ("create, write, close", 10_000, create),
    ("pread 4 KiB", 200_000, read),
];

pub(super) fn measure() {
    let image = Image::ext4(200_000, 4 << 30);
    println!("| operation | ns, no tracking | with tracking | |\n|---|---|---|---|");
    for (name, count, operation) in OPERATIONS {
        let mut pairs = Vec::new();
        for round in 0..ROUNDS {
            // Now the one first, now the other.
            let mut pair = [0.0; 2];
            for turn in 0..2 {
                let tracked = (round + turn) % 2 == 1;
                pair[usize::from(tracked)] = one_round(&image.path(), count, operation, tracked);
            }
            pairs.push(pair);
        }
        let median_of = |of: fn(&[f64; 2]) -> f64| {
            let mut values: Vec<f64> = pairs.iter().map(of).collect();
            values.sort_by(f64::total_cmp);
            values[ROUNDS / 2]
        };
        let off = median_of(|pair| pair[0]);
        let on = median_of(|pair| pair[1]);
        let ratio = median_of(|pair| pair[1] / pair[0]);
        println!(
            "| {name} | {off:.0} | {on:.0} | {:+.0} % |",
            (ratio - 1.0) * 100.0
        );
    }
    println!("\nMedians of {ROUNDS} pairs; what has changed is read every 100 ms.\n");
}

/// Nanoseconds of one operation.
fn one_round(place: &Path, count: u32, operation: Operation, tracked: bool) -> f64 {
    let directory = place.join("written");
    fs::create_dir(&directory).expect("an empty file system");
    fs::write(directory.join("file"), vec![b'x'; 1 << 20]).expect("room");
    let over = AtomicBool::new(false);
    let took = thread::scope(|scope| {
        if tracked {
            let mut tracker = Tracker::start().expect("rights to track changes");
            let id = TreeId::unused();
            let root = open_root(&directory).expect("just made");
            tracker
                .add(id, root.as_fd(), &[])
                .expect("a file system with handles");
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    thread::sleep(DRAIN_EVERY);
                    tracker.drain().expect("events");
                    if tracker.dirty(id) > 0 {
                        tracker.read(id).expect("a tree");
                    }
                }
            });
        }
        let began = Instant::now();
        operation(&directory, count);
        let took = began.elapsed();
        over.store(true, Ordering::Relaxed);
        took
    });
    fs::remove_dir_all(&directory).expect("what was just made");
    took.as_nanos() as f64 / f64::from(count)
}

fn append(directory: &Path, count: u32) {
    let file = OpenOptions::new().append(true).open(directory.join("file"));
    let mut file = file.expect("a file");
    for _ in 0..count {
        file.write_all(&[b'x'; 64]).expect("room");
    }
}

fn overwrite(directory: &Path, count: u32) {
    let file = OpenOptions::new().write(true).open(directory.join("file"));
    let file = file.expect("a file");
    for turn in 0..count {
        let at = u64::from(turn % 256) * 4096;
        file.write_all_at(&[b'y'; 4096], at).expect("room");
    }
}

fn come_and_go(directory: &Path, count: u32) {
    for turn in 0..count {
        let path = directory.join(turn.to_string());
        fs::write(&path, b"x").expect("room");
        fs::remove_file(&path).expect("just made");
    }
}

fn create(directory: &Path, count: u32) {
    for turn in 0..count {
        fs::write(directory.join(turn.to_string()), b"x").expect("room");
    }
}

fn read(directory: &Path, count: u32) {
    let file = File::open(directory.join("file")).expect("a file");
    let mut buffer = [0; 4096];
    for turn in 0..count {
        let at = u64::from(turn % 256) * 4096;
        file.read_exact_at(&mut buffer, at)
            .expect("a file of that size");
    }
}
