//! A watch over real directories.

mod tree;

use std::sync::mpsc::{Receiver, channel};
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
    let breach = loop {
        match events.recv_timeout(SOON).unwrap() {
            Event::Breach(breach) => break breach,
            Event::Layer { .. } => {}
            other => panic!("{other:?}"),
        }
    };
    assert_eq!((breach.tree, breach.limit), (tree, 1 << 20));
    assert!(breach.confirmed && breach.charged() >= 3 << 20);
    std::fs::remove_file(file).unwrap();
    watch.look_now(tree);
    assert_eq!(
        events.recv_timeout(SOON).unwrap(),
        Event::Recovered { tree }
    );
    assert!(watch.latest(tree).unwrap().sample.usage.bytes < 1 << 20);
}
