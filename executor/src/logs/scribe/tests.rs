use std::fs::{self, File};
use std::num::NonZeroU64;
use std::os::fd::OwnedFd;
use std::time::UNIX_EPOCH;

use tempfile::TempDir;

use super::*;
use crate::logs::files::Place;

struct Rig {
    directory: TempDir,
    scribe: Scribe,
    counts: Arc<Counts>,
    begin: Instant,
}

impl Rig {
    fn new(timestamps: bool, rate_limit: Option<RateLimit>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let handle = Arc::new(OwnedFd::from(File::open(directory.path()).unwrap()));
        let path = directory.path().to_owned();
        let current = sandbox::directory::log_file(&handle, &path, "stdout", None).unwrap();
        let place = Place {
            directory: handle,
            path,
            name: "stdout",
            owner: None,
        };
        let files = Files::new(place, current, 1 << 20, 2);
        let (counts, begin) = (Arc::new(Counts::default()), Instant::now());
        let scribe = Scribe::new(
            files,
            timestamps,
            rate_limit.as_ref(),
            Arc::clone(&counts),
            begin,
        );
        Self {
            directory,
            scribe,
            counts,
            begin,
        }
    }

    fn says(&mut self, text: &str, after: Duration) {
        let time = UNIX_EPOCH + Duration::from_secs(951_782_400) + after;
        self.scribe.begin(self.begin + after);
        self.scribe.take(text.as_bytes(), self.begin + after, time);
    }

    fn pauses(&mut self, after: Duration) {
        self.scribe.pause(self.begin + after);
    }

    fn text(&self) -> String {
        fs::read_to_string(self.directory.path().join("stdout")).unwrap()
    }

    /// Nothing can be written any more.
    fn break_disk(&mut self) {
        let handle = Arc::new(OwnedFd::from(File::open(self.directory.path()).unwrap()));
        let path = self.directory.path().to_owned();
        let place = Place {
            directory: handle,
            path,
            name: "stdout",
            owner: None,
        };
        // As a full disk does.
        let full = File::options().read(true).append(true).open("/dev/full");
        self.scribe.files = Files::new(place, full.unwrap(), 1 << 20, 2);
    }

    fn mend_disk(&mut self) {
        let handle = Arc::new(OwnedFd::from(File::open(self.directory.path()).unwrap()));
        let path = self.directory.path().to_owned();
        let file = File::options()
            .read(true)
            .append(true)
            .open(path.join("stdout"));
        let place = Place {
            directory: handle,
            path,
            name: "stdout",
            owner: None,
        };
        self.scribe.files = Files::new(place, file.unwrap(), 1 << 20, 2);
    }

    fn dropped(&self) -> u64 {
        self.counts.dropped.load(Ordering::Relaxed)
    }
}

const NOW: Duration = Duration::ZERO;

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn lines_per_second(lines: u64) -> Option<RateLimit> {
    Some(RateLimit {
        bytes_per_second: None,
        lines_per_second: NonZeroU64::new(lines),
        burst: seconds(1),
    })
}

#[test]
fn what_is_said_is_written_at_once_and_as_it_is() {
    let mut rig = Rig::new(false, None);
    for part in ["one\ntw", "o\n", "prompt> "] {
        rig.says(part, NOW);
    }
    assert_eq!(rig.text(), "one\ntwo\nprompt> ");
    assert_eq!(rig.counts.written.load(Ordering::Relaxed), 16);
}

#[test]
fn each_line_begins_with_the_time_when_it_began_to_come() {
    let mut rig = Rig::new(true, None);
    rig.says("one\ntw", NOW);
    rig.says("o\nthree\n", seconds(1));
    assert_eq!(
        rig.text(),
        "2000-02-29T00:00:00.000Z one\n2000-02-29T00:00:00.000Z two\n2000-02-29T00:00:01.000Z three\n"
    );
}

#[test]
fn lines_beyond_the_rate_are_dropped_whole_and_counted() {
    let mut rig = Rig::new(false, lines_per_second(2));
    rig.says("1\n2\n3\n4", NOW);
    rig.says("4\n", NOW);
    assert_eq!(rig.text(), "1\n2\n");
    assert_eq!(rig.dropped(), 2);
    rig.says("5\n", seconds(1));
    rig.pauses(seconds(1));
    assert_eq!(
        rig.text(),
        "1\n2\n5\nmesos-sandbox-executor: 2 lines (5 bytes) dropped: they came faster than the rate limit of \
         the task allows\n"
    );
}

#[test]
fn a_line_whose_begin_was_let_through_is_there_to_its_end() {
    let mut rig = Rig::new(false, lines_per_second(1));
    rig.says("a long", NOW);
    rig.says(" line\nanother\n", NOW);
    assert_eq!(rig.text(), "a long line\n");
}

#[test]
fn one_note_tells_of_all_that_was_dropped_in_a_while() {
    let mut rig = Rig::new(false, lines_per_second(1));
    for second in 0..12 {
        rig.says("one\ntwo\n", seconds(second));
    }
    let notes = rig.text().matches("dropped").count();
    assert_eq!(notes, 2, "{}", rig.text());
    assert_eq!(rig.dropped(), 12);
}

#[test]
fn what_the_disk_does_not_take_is_counted_and_told_when_it_takes_again() {
    let mut rig = Rig::new(false, None);
    rig.says("before\n", NOW);
    rig.break_disk();
    rig.says("lost 1\nlost 2\nlo", seconds(1));
    rig.says("st 3\nlost 4\n", seconds(2));
    rig.mend_disk();
    rig.says("after\n", seconds(3));
    rig.pauses(seconds(3));
    assert_eq!(
        rig.text(),
        "before\nafter\nmesos-sandbox-executor: 4 lines (28 bytes) dropped: the disk did not take them\n"
    );
    assert_eq!(rig.dropped(), 4);
}

#[test]
fn the_note_itself_waits_for_a_disk_that_takes_it() {
    let mut rig = Rig::new(false, None);
    rig.break_disk();
    rig.says("lost\n", NOW);
    rig.pauses(seconds(1));
    assert!(rig.scribe.note_at().is_some());
    rig.mend_disk();
    rig.says("after\n", seconds(30));
    assert!(rig.text().ends_with("take them\nafter\n"), "{}", rig.text());
    assert_eq!(rig.scribe.note_at(), None);
}

#[test]
fn a_line_that_broke_off_is_not_continued_by_another() {
    let mut rig = Rig::new(false, None);
    rig.says("half a", NOW);
    let dropped = Dropped {
        lines: 1,
        bytes: 10,
    };
    rig.scribe.was_passed_over(dropped, true, rig.begin);
    rig.says(" line\nafter\n", NOW);
    assert_eq!(rig.text(), "half a\nafter\n");
    // The other's line, and the rest of the one that it ended in.
    assert_eq!(rig.dropped(), 2);
}

#[test]
fn a_note_does_not_break_a_line_in_two() {
    let mut rig = Rig::new(false, lines_per_second(1));
    rig.says("one\ntwo\n", NOW);
    rig.says("three is", seconds(2));
    rig.says(" long\n", seconds(8));
    rig.says("four\n", seconds(15));
    let text = rig.text();
    assert!(text.contains("three is long\n"), "{text}");
    assert!(text.contains("1 lines (4 bytes)"), "{text}");
}
