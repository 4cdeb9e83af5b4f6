//! A watch over real directories.

mod tree;

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use disk_engine::{Event, Limits, Settings, Watch, open_root};
use tree::Tree;

/// Events come within this, or the test fails.
const SOON: Duration = Duration::from_secs(20);

fn start() -> (Watch, Receiver<Event>) {
    let (sender, events) = channel();
    let watch = Watch::start(Settings::default(), move |event| {
        // The test may be over already.
        let _ = sender.send(event);
    });
    (watch.unwrap(), events)
}

fn limited(directory: &Tree, hard: u64) -> disk_engine::Tree {
    disk_engine::Tree {
        limits: Limits {
            hard: Some(hard),
            ..Limits::default()
        },
        ..disk_engine::Tree::new(open_root(directory.path()).unwrap())
    }
}

#[test]
fn a_breach_is_told_once_and_so_is_its_end() {
    let directory = Tree::new();
    let (watch, events) = start();
    let tree = watch.add(limited(&directory, 1 << 20));
    let file = directory.file("large", 3 << 20);
    let breach = next_breach(&events);
    assert_eq!((breach.tree, breach.limit), (tree, 1 << 20));
    assert!(breach.confirmed && breach.charged() > 1 << 20);
    std::fs::remove_file(file).unwrap();
    watch.look_now(tree);
    assert_eq!(
        events.recv_timeout(SOON).unwrap(),
        Event::Recovered { tree }
    );
    assert!(watch.latest(tree).unwrap().sample.usage.bytes < 1 << 20);
}

#[test]
fn a_writer_at_full_speed_is_caught_and_its_neighbour_is_left_alone() {
    let (writer, neighbour) = (Tree::new(), Tree::new());
    neighbour.file("small", 1 << 16);
    let (watch, events) = start();
    let quiet = watch.add(limited(&neighbour, 8 << 20));
    let loud = watch.add(limited(&writer, 64 << 20));
    let file = writer.join("log");
    let stop = Arc::new(AtomicBool::new(false));
    let writing = thread::spawn({
        let stop = Arc::clone(&stop);
        move || {
            let mut file = File::create(file).unwrap();
            let mut written = 0u64;
            while !stop.load(Ordering::Relaxed) && written < 4 << 30 {
                file.write_all(&[1; 1 << 20]).unwrap();
                written += 1 << 20;
                // 500 MB/s at the most.
                thread::sleep(Duration::from_millis(2));
            }
            written
        }
    });
    let breach = next_breach(&events);
    stop.store(true, Ordering::Relaxed);
    let written = writing.join().unwrap();
    assert_eq!((breach.tree, breach.confirmed), (loud, true));
    assert!(breach.growth.unwrap() > (1 << 20) as f64, "{breach:?}");
    assert_eq!(breach.largest[0].path, Path::new("log"));
    assert!(written < 2 << 30, "{written} bytes were written");
    assert!(watch.latest(quiet).unwrap().sample.usage.bytes < 1 << 20);
    assert!(
        events
            .try_iter()
            .all(|event| !matches!(event, Event::Breach(_))),
        "one breach, once"
    );
}

/// The next breach; anything but layers on the way is a failure.
fn next_breach(events: &Receiver<Event>) -> disk_engine::Breach {
    loop {
        match events.recv_timeout(SOON).unwrap() {
            Event::Breach(breach) => return breach,
            Event::Layer { .. } => {}
            other => panic!("{other:?}"),
        }
    }
}
