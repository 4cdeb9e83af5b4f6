//! A watch over real directories, by walks and by change tracking.

#![allow(clippy::unwrap_used)]

mod tree;
mod watching;

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use disk_engine::{Amount, Event, FileId, Limits, Processes, Settings, Source, open_root};
use tree::{Tree, du};
use watching::{BOTH, Watching, limited, settings, unlimited};

const MB: u64 = 1 << 20;

#[test]
fn a_breach_is_told_once_and_so_is_its_end() {
    for settings in BOTH.map(settings) {
        let directory = Tree::new();
        let watching = Watching::start(settings);
        let tree = watching.add(limited(&directory, MB));
        let file = directory.file("large", 3 << 20);
        let breach = watching.breach();
        assert_eq!(
            (breach.tree, breach.limit, breach.of),
            (tree, MB, Amount::Bytes)
        );
        assert!(breach.confirmed && breach.charged() > MB);
        fs::remove_file(file).unwrap();
        watching.look_now(tree);
        let told = watching.event();
        assert_eq!(told, Event::Recovered { tree });
        assert!(watching.latest(tree).unwrap().sample.usage.bytes < MB);
    }
}

#[test]
fn a_writer_at_full_speed_is_caught_and_its_neighbour_is_left_alone() {
    for settings in BOTH.map(settings) {
        let (writer, neighbour) = (Tree::new(), Tree::new());
        neighbour.file("small", 1 << 16);
        let watching = Watching::start(settings);
        let quiet = watching.add(limited(&neighbour, 8 * MB));
        let loud = watching.add(limited(&writer, 64 * MB));
        let file = writer.join("log");
        let stop = Arc::new(AtomicBool::new(false));
        let writing = thread::spawn({
            let stop = Arc::clone(&stop);
            move || {
                let mut file = File::create(file).unwrap();
                let mut written = 0u64;
                while !stop.load(Ordering::Relaxed) && written < 4 << 30 {
                    file.write_all(&[1; MB as usize]).unwrap();
                    written += MB;
                    // 500 MB/s at the most.
                    thread::sleep(Duration::from_millis(2));
                }
                written
            }
        });
        let breach = watching.breach();
        stop.store(true, Ordering::Relaxed);
        let written = writing.join().unwrap();
        assert_eq!((breach.tree, breach.confirmed), (loud, true));
        assert!(breach.growth.unwrap() > MB as f64, "{breach:?}");
        assert_eq!(breach.largest[0].path, Path::new("log"));
        assert!(written < 2 << 30, "{written} bytes were written");
        assert!(watching.wait_for(quiet).sample.usage.bytes < MB);
        let more = watching.so_far();
        assert!(
            !more.iter().any(|event| matches!(event, Event::Breach(_))),
            "{more:?}"
        );
    }
}

#[test]
fn the_best_way_to_measure_is_chosen_and_told() {
    let directory = Tree::new();
    directory.directory("a");
    directory.file("a/b", 10_000);
    let watching = Watching::start(settings(true));
    let tree = watching.add(unlimited(&directory));
    let sample = watching.wait_for(tree).sample;
    assert_eq!(sample.source, Source::ChangeTracking);
    let figures = watching.figures();
    assert_eq!(figures.tracked_directories, 2);
    let [only] = &figures.file_systems[..] else {
        panic!("{figures:?}");
    };
    assert_eq!((only.source, only.trees), (Source::ChangeTracking, 1));
    assert!(!only.why.is_empty(), "why there is no project quota");
    assert_eq!(
        only.file_system.dev,
        FileId::of(open_root(directory.path()).unwrap())
            .unwrap()
            .dev
    );
    assert!(watching.all_so_far().iter().any(|event| matches!(
        event,
        Event::Layer { source: Source::ChangeTracking, file_system, .. } if *file_system == only.file_system
    )));
}

#[test]
fn a_soft_limit_is_told_before_the_hard_one_and_once() {
    for settings in BOTH.map(settings) {
        let directory = Tree::new();
        let watching = Watching::start(settings);
        let limits = Limits {
            soft: Some(2 * MB),
            hard: Some(4 * MB),
            ..Limits::default()
        };
        let tree = watching.add(disk_engine::Tree {
            limits,
            ..unlimited(&directory)
        });
        watching.wait_for(tree);
        directory.file("first", 3 << 20);
        watching.look_now(tree);
        let Event::SoftLimit(soft) = watching.event() else {
            panic!("no soft limit");
        };
        assert_eq!((soft.tree, soft.limit), (tree, 2 * MB));
        watching.look_again(tree);
        assert_eq!(watching.so_far(), [], "it is told once");
        directory.file("second", 3 << 20);
        watching.look_now(tree);
        assert_eq!(watching.breach().limit, 4 * MB);
    }
}

#[test]
fn too_many_inodes_are_a_breach() {
    let directory = Tree::new();
    for n in 0..20 {
        directory.file(format!("f{n}"), 0);
    }
    let watching = Watching::start(settings(false));
    let limits = Limits {
        inodes: Some(20),
        ..Limits::default()
    };
    watching.add(disk_engine::Tree {
        limits,
        ..unlimited(&directory)
    });
    let breach = watching.breach();
    assert_eq!(
        (breach.of, breach.charged(), breach.limit),
        (Amount::Inodes, 21, 20)
    );
}

#[test]
fn a_tree_beyond_what_a_walk_may_count_is_a_lower_bound_and_says_so() {
    let directory = Tree::new();
    for n in 0..20 {
        directory.file(format!("f{n}"), 0);
    }
    let watching = Watching::start(Settings {
        max_entries: Some(10),
        ..settings(false)
    });
    let tree = watching.add(unlimited(&directory));
    let Event::Trouble { tree: whose, text } = watching.event() else {
        panic!("no trouble");
    };
    assert_eq!(whose, Some(tree));
    assert!(
        text.contains("more entries than the walk may count"),
        "{text}"
    );
}

#[test]
fn a_deleted_file_that_is_open_counts_where_it_is_to() {
    let directory = Tree::new();
    let path = directory.file("held", 3 << 20);
    let held = File::open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    let watching = Watching::start(settings(false));
    let own: Processes = Processes::List(Arc::new(|| vec![std::process::id()]));
    let limits = Limits {
        count_deleted: true,
        ..limited(&directory, MB).limits
    };
    watching.add(disk_engine::Tree {
        limits,
        processes: own,
        ..unlimited(&directory)
    });
    let breach = watching.breach();
    assert!(breach.charged() > 3 * MB && breach.sample.usage.bytes < MB);
    let message = breach.message();
    assert!(
        message.contains("3.0 MB in 1 file deleted but still open, counted"),
        "{message}"
    );
    drop(held);
}

#[test]
fn what_is_in_a_tree_inside_counts_once_and_toward_both() {
    for settings in BOTH.map(settings) {
        let outer = Tree::new();
        outer.file("own", 1 << 20);
        let inside = outer.directory("task");
        outer.file("task/file", 2 << 20);
        let watching = Watching::start(settings);
        let above = watching.add(limited(&outer, 6 * MB));
        watching.wait_for(above);
        let below = watching.add(disk_engine::Tree {
            inside: Some(above),
            ..disk_engine::Tree::new(open_root(&inside).unwrap())
        });
        watching.wait_for(below);
        watching.look_again(above);
        let sum = watching.latest(above).unwrap().sample.usage;
        let whole = du(outer.path(), &[]);
        assert_eq!(sum.bytes, whole, "{:?}", watching.latest(above));
        outer.file("task/more", 5 << 20);
        watching.look_now(above);
        let breach = watching.breach();
        assert_eq!(breach.tree, above);
        // It may have been caught in the middle of the file.
        assert!(breach.charged() > 6 * MB);
    }
}

#[test]
fn renames_replacements_and_links_while_it_looks_are_never_a_breach() {
    for settings in BOTH.map(settings) {
        let directory = Tree::new();
        for n in 0..30 {
            directory.directory(format!("d{n}"));
            directory.file(format!("d{n}/small"), 4_000);
        }
        directory.file("d0/large", 2 << 20);
        let watching = Watching::start(settings);
        // What there is and half of the large file, which must not be counted twice.
        let tree = watching.add(limited(&directory, 3 * MB + MB / 2));
        let end = Instant::now() + Duration::from_secs(3);
        let mut at = 0;
        while Instant::now() < end {
            let next = (at + 17) % 30;
            let (from, to) = (format!("d{at}/large"), format!("d{next}/large"));
            fs::rename(directory.join(&from), directory.join(&to)).unwrap();
            fs::hard_link(directory.join(&to), directory.join("link")).unwrap();
            fs::remove_file(directory.join("link")).unwrap();
            fs::rename(directory.join(format!("d{at}")), directory.join("moved")).unwrap();
            fs::rename(directory.join("moved"), directory.join(format!("d{at}"))).unwrap();
            at = next;
            watching.look_now(tree);
        }
        watching.look_again(tree);
        let told = watching.so_far();
        assert!(
            told.iter()
                .all(|event| matches!(event, Event::Drift { .. })),
            "{told:?}"
        );
        assert_eq!(
            watching.latest(tree).unwrap().sample.usage.bytes,
            du(directory.path(), &[])
        );
    }
}

#[test]
fn a_tree_may_be_removed_at_any_moment() {
    for settings in BOTH.map(settings) {
        let directory = Tree::new();
        for n in 0..200 {
            directory.directory(format!("d{}", n % 20));
            directory.file(format!("d{}/f{n}", n % 20), 1_000);
        }
        let watching = Watching::start(settings);
        for n in 0..200u64 {
            let tree = watching.add(limited(&directory, 1000));
            thread::sleep(Duration::from_micros(n * 37 % 3_000));
            watching.remove(tree);
            assert_eq!(watching.latest(tree), None);
        }
        // And somebody else may have the same one afterwards.
        let last = watching.add(unlimited(&directory));
        assert_eq!(
            watching.wait_for(last).sample.usage.bytes,
            du(directory.path(), &[])
        );
    }
}

#[test]
fn what_is_written_through_a_mapping_is_found_by_comparing_and_told_as_drift() {
    let directory = Tree::new();
    let path = directory.join("mapped");
    File::create(&path).unwrap().set_len(4 * MB).unwrap();
    let watching = Watching::start(Settings {
        reconcile: Duration::from_millis(50),
        ..settings(true)
    });
    let tree = watching.add(unlimited(&directory));
    watching.wait_for(tree);
    let mut writer = Command::new("python3")
        .args(["-c", WRITE_THROUGH_A_MAPPING])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut written = String::new();
    BufReader::new(writer.stdout.take().unwrap())
        .read_line(&mut written)
        .unwrap();
    assert_eq!(written, "written\n");
    let drift = loop {
        watching.look_again(tree);
        let drift = watching.so_far().into_iter().find_map(|event| match event {
            Event::Drift { bytes, .. } => Some(bytes),
            _ => None,
        });
        if let Some(drift) = drift {
            break drift;
        }
    };
    assert_eq!(drift, 4 * MB as i64);
    assert_eq!(watching.figures().drift, 4 * MB);
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
}

#[test]
fn what_the_kernel_tells_nobody_of_is_found_when_the_file_system_has_grown_by_it() {
    let directory = Tree::in_memory();
    let path = directory.join("mapped");
    File::create(&path).unwrap().set_len(64 * MB).unwrap();
    let watching = Watching::start(settings(true));
    let tree = watching.add(limited(&directory, 32 * MB));
    // From the second look on it is known what the file system held when it was looked at.
    watching.wait_for(tree);
    watching.look_again(tree);
    watching.look_again(tree);
    let mut writer = Command::new("python3")
        .args(["-c", WRITE_THROUGH_A_MAPPING])
        .arg(&path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    // The tracker learns of it before anything is told of the limit.
    let breach = loop {
        match watching.event() {
            Event::Breach(breach) => break breach,
            Event::Drift { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((breach.tree, breach.confirmed), (tree, true));
    let figures = watching.figures();
    assert!(figures.drift > 0, "{figures:?}");
    // And it is known from then on.
    watching.look_again(tree);
    watching.look_again(tree);
    let told = watching.so_far();
    assert!(
        told.iter()
            .all(|event| matches!(event, Event::Drift { .. })),
        "{told:?}"
    );
    drop(writer.stdin.take());
    assert!(writer.wait().unwrap().success());
}

/// Keeps the mapping until its input ends.
const WRITE_THROUGH_A_MAPPING: &str = "
import mmap, sys
with open(sys.argv[1], 'r+b') as file:
    mapped = mmap.mmap(file.fileno(), 0)
mapped[:] = b'x' * len(mapped)
mapped.flush()
print('written', flush=True)
sys.stdin.read()
";
