//! A watch, and what it told.

// Every test program uses a part of this.
#![allow(dead_code)]

use std::ops::Deref;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use disk_engine::{Breach, Event, Limits, Measured, Settings, TreeId, Watch, open_root};

use crate::tree::Tree;

/// What is waited for comes within this, or the test fails.
const SOON: Duration = Duration::from_secs(30);

/// By walks, and by change tracking.
pub(crate) const BOTH: [bool; 2] = [false, true];

pub(crate) fn settings(tracking: bool) -> Settings {
    Settings {
        tracking,
        budget: 1.0,
        ..Settings::default()
    }
}

pub(crate) fn unlimited(directory: &Tree) -> disk_engine::Tree {
    disk_engine::Tree::new(open_root(directory.path()).unwrap())
}

pub(crate) fn limited(directory: &Tree, hard: u64) -> disk_engine::Tree {
    disk_engine::Tree {
        limits: Limits {
            hard: Some(hard),
            ..Limits::default()
        },
        ..unlimited(directory)
    }
}

pub(crate) struct Watching {
    watch: Watch,
    events: Receiver<Event>,
    layers: Mutex<Vec<Event>>,
}

impl Deref for Watching {
    type Target = Watch;

    fn deref(&self) -> &Watch {
        &self.watch
    }
}

impl Watching {
    pub(crate) fn start(settings: Settings) -> Self {
        let (sender, events) = channel();
        let watch = Watch::start(settings, move |event| {
            // The test may be over already.
            let _ = sender.send(event);
        });
        Self {
            watch: watch.unwrap(),
            events,
            layers: Mutex::default(),
        }
    }

    /// The next event, but for those that tell of layers.
    pub(crate) fn event(&self) -> Event {
        loop {
            let event = self.events.recv_timeout(SOON).unwrap();
            if !matches!(event, Event::Layer { .. }) {
                return event;
            }
            self.layers.lock().unwrap().push(event);
        }
    }

    /// The next event, which is a breach.
    pub(crate) fn breach(&self) -> Breach {
        match self.event() {
            Event::Breach(breach) => breach,
            other => panic!("{other:?}"),
        }
    }

    /// What was told since it was asked last, but for layers.
    pub(crate) fn so_far(&self) -> Vec<Event> {
        let events = self.events.try_iter();
        events
            .filter(|event| !matches!(event, Event::Layer { .. }))
            .collect()
    }

    /// What was told, layers too.
    pub(crate) fn all_so_far(&self) -> Vec<Event> {
        let before = std::mem::take(&mut *self.layers.lock().unwrap());
        before.into_iter().chain(self.events.try_iter()).collect()
    }

    /// What is known of a tree, once it was looked at.
    pub(crate) fn wait_for(&self, tree: TreeId) -> Measured {
        self.until(|| self.latest(tree))
    }

    /// Has a tree looked at, and waits until it was.
    pub(crate) fn look_again(&self, tree: TreeId) {
        // A look that follows another at once goes by what was told of changes to that.
        thread::sleep(Duration::from_millis(20));
        let now = Instant::now();
        self.look_now(tree);
        self.until(|| {
            self.latest(tree)
                .filter(|latest| latest.sample.taken >= now)
        });
    }

    fn until<T>(&self, mut known: impl FnMut() -> Option<T>) -> T {
        let end = Instant::now() + SOON;
        loop {
            if let Some(known) = known() {
                return known;
            }
            assert!(Instant::now() < end, "in vain: {:?}", self.figures());
            thread::sleep(Duration::from_millis(2));
        }
    }
}
