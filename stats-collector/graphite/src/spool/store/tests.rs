use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::Address;

const LARGE: u64 = 1 << 30;

fn name() -> SpoolName {
    let host = "carbon".to_owned();
    SpoolName::of(&Address { host, port: 2003 }, None)
}

fn open(all: &Path) -> Store {
    Store::open(all, &name(), LARGE, 0).unwrap()
}

fn own(all: &Path) -> PathBuf {
    all.join("carbon:2003")
}

/// The lines of lot `number`: that many points, none like any other.
fn lines(number: u64, points: u64) -> String {
    let line = |n| format!("host.p{n} {} {number}\n", number * 1000 + n);
    (0..points).map(line).collect()
}

fn append(store: &mut Store, number: u64, points: u64) {
    let lines = lines(number, points);
    let encoded = store
        .append([(lines.as_bytes(), false)].into_iter())
        .unwrap();
    assert_eq!(encoded.first, points);
}

/// Reads all there is; the lines of each record.
fn read_all(store: &mut Store) -> Vec<String> {
    std::iter::from_fn(|| store.read().unwrap())
        .map(|record| String::from_utf8(record.batch.bytes().to_vec()).unwrap())
        .collect()
}

fn segments(all: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(own(all))
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut segments: Vec<_> = entries.filter(|path| path.extension().is_some()).collect();
    segments.sort();
    segments
}

#[test]
fn what_was_stored_is_read_in_order_by_this_process_and_the_next() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    for number in 1..=3 {
        append(&mut store, number, 5);
    }
    let expected: Vec<_> = (1..=3).map(|number| lines(number, 5)).collect();
    assert_eq!((store.points(), store.oldest()), (15, Some(1)));
    assert_eq!(read_all(&mut store), expected);
    drop(store);

    let mut next = open(all.path());
    assert_eq!((next.points(), next.oldest()), (15, Some(1)));
    append(&mut next, 4, 2);
    assert_eq!(read_all(&mut next), [expected, vec![lines(4, 2)]].concat());
    assert_eq!(
        (next.points(), next.oldest(), next.losses()),
        (0, None, Losses::default())
    );
}

#[test]
fn what_is_confirmed_is_removed_and_what_is_not_is_read_again_after_a_rewind() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    for number in 1..=3 {
        append(&mut store, number, 5);
    }
    let first = store.read().unwrap().unwrap();
    read_all(&mut store);
    store.confirm(first.end);
    store.rewind();
    assert_eq!((store.points(), store.oldest()), (10, Some(2)));
    assert_eq!(read_all(&mut store), [lines(2, 5), lines(3, 5)]);
    append(&mut store, 4, 1);
    let last = store.read().unwrap().unwrap();
    assert_eq!(segments(all.path()).len(), 1);
    store.confirm(last.end);
    assert_eq!((store.bytes(), segments(all.path()).len()), (0, 0));
    append(&mut store, 5, 1);
    assert_eq!(read_all(&mut store), [lines(5, 1)]);
}

#[test]
fn at_its_limit_the_oldest_points_go_and_are_counted_and_it_never_takes_more() {
    let all = TempDir::new().unwrap();
    let limit = 400_000;
    let mut store = Store::open(all.path(), &name(), limit, 0).unwrap();
    let mut stored = 0;
    // Text that cannot be packed well, so that it is not too many.
    let noise = |seed: u64| -> String {
        let word = |n: u64| (seed * 1_000 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        (0..500)
            .map(|n| format!("p{:x} {} {seed}\n", word(n), word(n + 500)))
            .collect()
    };
    for number in 1..=100 {
        let encoded = store
            .append([(noise(number).as_bytes(), false)].into_iter())
            .unwrap();
        stored += encoded.first;
        let on_disk: u64 = segments(all.path())
            .iter()
            .map(|path| path.metadata().unwrap().len())
            .sum();
        assert!(on_disk <= limit && on_disk == store.bytes());
    }
    let dropped = store.losses().dropped;
    assert!(dropped > 0);
    assert_eq!(store.points() + dropped, stored);
    let kept = read_all(&mut store);
    let first = 101 - kept.len() as u64;
    assert_eq!(kept, (first..=100).map(noise).collect::<Vec<_>>());
    // A spool that may take less from now on keeps the newest.
    drop(store);
    let smaller = Store::open(all.path(), &name(), limit / 2, 0).unwrap();
    assert!(smaller.bytes() <= limit / 2 && smaller.points() > 0);
}

#[test]
fn what_can_never_fit_is_counted_as_dropped() {
    let all = TempDir::new().unwrap();
    let mut store = Store::open(all.path(), &name(), 50, 0).unwrap();
    append(&mut store, 1, 5);
    assert_eq!(
        (store.losses().dropped, store.points(), store.bytes()),
        (5, 0, 0)
    );
}

#[test]
fn dropped_while_it_was_on_its_way_and_never_confirmed_is_counted_as_lost() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    append(&mut store, 1, 5);
    assert_eq!(read_all(&mut store).len(), 1);
    store.remove_first();
    assert_eq!(store.losses().dropped, 0);
    store.rewind();
    assert_eq!((store.losses().dropped, store.points()), (5, 0));
}

#[test]
fn a_crash_at_any_byte_of_a_write_leaves_all_that_was_written_before() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    append(&mut store, 1, 5);
    let before = segments(all.path())[0].metadata().unwrap().len();
    append(&mut store, 2, 5);
    drop(store);
    let segment = segments(all.path()).remove(0);
    let whole = fs::read(&segment).unwrap();
    for cut in before..whole.len() as u64 {
        // What the file system may leave behind the cut: nothing, or bytes that were never written.
        for length in [cut, whole.len() as u64] {
            let mut torn = whole.clone();
            torn[usize::try_from(cut).unwrap()..].fill(0);
            torn.truncate(usize::try_from(length).unwrap());
            if torn == whole {
                continue; // It ends in a zero.
            }
            fs::write(&segment, &torn).unwrap();
            let mut store = open(all.path());
            append(&mut store, 3, 1);
            assert_eq!(
                read_all(&mut store),
                [lines(1, 5), lines(3, 1)],
                "cut at {cut}"
            );
            drop(store);
            fs::remove_file(segments(all.path()).remove(1)).unwrap();
        }
    }
    for cut in 0..before {
        fs::write(&segment, &whole[..usize::try_from(cut).unwrap()]).unwrap();
        let mut store = open(all.path());
        assert_eq!(read_all(&mut store), Vec::<String>::new());
        assert!(
            !segment.exists(),
            "a segment with nothing in it stays, cut at {cut}"
        );
    }
}

#[test]
fn a_damaged_record_is_skipped_and_its_points_are_counted() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    for number in 1..=3 {
        append(&mut store, number, 5);
    }
    let segment = segments(all.path()).remove(0);
    let whole = fs::read(&segment).unwrap();
    drop(store);
    let record = (whole.len() - START) / 3;
    // Its payload, and its header.
    for place in [START + record + HEADER + 3, START + record + 5] {
        let mut damaged = whole.clone();
        damaged[place] ^= 1;
        fs::write(&segment, &damaged).unwrap();
        let mut store = open(all.path());
        assert_eq!(read_all(&mut store), [lines(1, 5), lines(3, 5)]);
        assert_eq!((store.losses().places, store.points()), (1, 0));
        // A header is damaged before anybody has read how many points there are.
        let known = if place == START + record + 5 { 0 } else { 5 };
        assert_eq!(store.losses().damaged, known);
    }
}

#[test]
fn a_segment_that_vanishes_or_changes_under_it_costs_its_points_and_no_others() {
    let all = TempDir::new().unwrap();
    let mut store = open(all.path());
    append(&mut store, 1, 5);
    store.close().unwrap();
    append(&mut store, 2, 5);
    store.close().unwrap();
    append(&mut store, 3, 5);
    let files = segments(all.path());
    fs::remove_file(&files[0]).unwrap();
    assert!(store.read().is_err());
    store.skip();
    let mut damaged = fs::read(&files[1]).unwrap();
    damaged[START + 8] ^= 1;
    fs::write(&files[1], damaged).unwrap();
    assert_eq!(read_all(&mut store), [lines(3, 5)]);
    assert_eq!((store.losses().damaged, store.points()), (10, 0));
}

#[test]
fn what_is_not_its_own_is_left_as_it_is() {
    let all = TempDir::new().unwrap();
    append(&mut open(all.path()), 1, 5);
    let own = own(all.path());
    let mut newer = segment::start();
    newer[8] = 9;
    let sum = crc32fast::hash(&newer[..12]);
    newer[12..].copy_from_slice(&sum.to_le_bytes());
    let outside = all.path().join("outside");
    fs::write(&outside, b"not a segment").unwrap();
    let foreign: [(&str, &[u8]); 3] = [
        ("0000000000000007.points", &newer),
        ("0000000000000008.points", b"what an administrator put here"),
        ("notes.txt", b"notes"),
    ];
    for (name, bytes) in foreign {
        fs::write(own.join(name), bytes).unwrap();
    }
    symlink(&outside, own.join("0000000000000009.points")).unwrap();
    fs::create_dir(own.join("000000000000000a.points")).unwrap();

    let mut store = open(all.path());
    append(&mut store, 2, 5);
    assert_eq!(read_all(&mut store), [lines(1, 5), lines(2, 5)]);
    assert!(
        own.join("000000000000000b.points").exists(),
        "numbers are not given twice"
    );
    let last = store.read;
    store.confirm(last);
    for (name, bytes) in foreign {
        assert_eq!(fs::read(own.join(name)).unwrap(), bytes);
    }
    assert_eq!(fs::read(&outside).unwrap(), b"not a segment");
    assert!(own.join("0000000000000009.points").is_symlink());
}

#[test]
fn a_spool_is_one_process_s_at_a_time() {
    let all = TempDir::new().unwrap();
    let first = open(all.path());
    let second = Store::open(all.path(), &name(), LARGE, 0).err().unwrap();
    assert!(
        matches!(second, StoreError::Directory(DirectoryError::InUse { .. })),
        "{second}"
    );
    drop(first);
    open(all.path());
}

#[test]
fn it_is_for_its_owner_alone_and_follows_no_link() {
    let all = TempDir::new().unwrap();
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    let spools = all.path().join("spools");
    append(&mut open(&spools), 1, 1);
    assert_eq!((mode(&spools), mode(&own(&spools))), (0o700, 0o700));
    let segment = own(&spools).join("0000000000000001.points");
    assert_eq!(
        (mode(&segment), mode(&own(&spools).join("lock"))),
        (0o600, 0o600)
    );

    fs::set_permissions(&spools, fs::Permissions::from_mode(0o777)).unwrap();
    let refused = Store::open(&spools, &name(), LARGE, 0).err().unwrap();
    assert!(
        matches!(
            refused,
            StoreError::Directory(DirectoryError::NotOurs { .. })
        ),
        "{refused}"
    );

    let elsewhere = TempDir::new().unwrap();
    let linked = TempDir::new().unwrap();
    symlink(elsewhere.path(), own(linked.path())).unwrap();
    assert!(Store::open(linked.path(), &name(), LARGE, 0).is_err());
    let linked_lock = TempDir::new().unwrap();
    fs::create_dir(own(linked_lock.path())).unwrap();
    symlink(
        elsewhere.path().join("made"),
        own(linked_lock.path()).join("lock"),
    )
    .unwrap();
    assert!(Store::open(linked_lock.path(), &name(), LARGE, 0).is_err());
    assert_eq!(fs::read_dir(elsewhere.path()).unwrap().count(), 0);
}

#[test]
fn a_directory_that_is_removed_or_replaced_is_noticed_before_anything_is_written_to_it() {
    let all = TempDir::new().unwrap();
    let gone = |store: &mut Store| {
        let lines = lines(9, 1);
        let error = store
            .append([(lines.as_bytes(), false)].into_iter())
            .unwrap_err();
        matches!(error, StoreError::Directory(DirectoryError::Gone { .. }))
    };
    let mut store = open(all.path());
    append(&mut store, 1, 1);
    fs::rename(own(all.path()), all.path().join("moved")).unwrap();
    assert!(gone(&mut store));
    fs::create_dir(own(all.path())).unwrap();
    assert!(gone(&mut store));
    let mut anew = Store::open(all.path(), &name(), LARGE, store.next_number()).unwrap();
    assert!(anew.next_number() >= store.next_number());
    append(&mut anew, 2, 1);
    assert_eq!(read_all(&mut anew), [lines(2, 1)]);
}

#[test]
fn spools_of_no_destination_are_found_and_nothing_else() {
    let all = TempDir::new().unwrap();
    let orphans =
        |known: &[SpoolName]| super::super::directory::orphans(all.path(), known).unwrap();
    assert_eq!(orphans(&[name()]), Vec::<String>::new());
    drop(open(all.path()));
    fs::create_dir(all.path().join("old:2003")).unwrap();
    fs::write(all.path().join("file"), "").unwrap();
    assert_eq!(orphans(&[name()]), ["old:2003"]);
    assert_eq!(orphans(&[]), ["carbon:2003", "old:2003"]);
    let missing = all.path().join("missing");
    assert_eq!(
        super::super::directory::orphans(&missing, &[]).unwrap(),
        Vec::<String>::new()
    );
}

#[derive(Clone, Debug)]
enum Step {
    Append(u64),
    Read,
    /// The oldest of what was read and not confirmed.
    Confirm,
    Rewind,
    /// The process is killed, and another one begins.
    Restart,
}

fn any_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1_u64..20).prop_map(Step::Append),
        4 => Just(Step::Read),
        2 => Just(Step::Confirm),
        1 => Just(Step::Rewind),
        1 => Just(Step::Restart),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn whatever_happens_every_record_is_read_in_order_until_it_is_confirmed(
        steps in prop::collection::vec(any_step(), 1..60),
    ) {
        let all = TempDir::new().unwrap();
        // Small enough that there are many segments, large enough that none is dropped.
        let mut store = open(all.path());
        let mut written = BTreeMap::new();
        let (mut next, mut confirmed) = (1, 0);
        // Numbers and ends of what was read and not confirmed.
        let mut on_their_way: VecDeque<(u64, Place)> = VecDeque::new();
        let mut expected = 1;
        for step in steps {
            match step {
                Step::Append(points) => {
                    append(&mut store, next, points);
                    if next % 3 == 0 {
                        store.close().unwrap();
                    }
                    written.insert(next, points);
                    next += 1;
                }
                Step::Read => match store.read().unwrap() {
                    Some(record) => {
                        let text = String::from_utf8(record.batch.bytes().to_vec()).unwrap();
                        prop_assert_eq!(&text, &lines(expected, written[&expected]));
                        on_their_way.push_back((expected, record.end));
                        expected += 1;
                    }
                    None => prop_assert_eq!(expected, next),
                },
                Step::Confirm => {
                    if let Some((number, end)) = on_their_way.pop_front() {
                        store.confirm(end);
                        confirmed = number;
                    }
                }
                Step::Rewind => {
                    store.rewind();
                    on_their_way.clear();
                    expected = confirmed + 1;
                }
                Step::Restart => {
                    drop(store);
                    store = open(all.path());
                    on_their_way.clear();
                    // Of a segment that was confirmed in part all is read again.
                    let unread: u64 = store.points();
                    expected = next;
                    let mut sum = 0;
                    while sum < unread {
                        expected -= 1;
                        sum += written[&expected];
                    }
                    prop_assert_eq!(sum, unread);
                    prop_assert!(expected <= confirmed + 1);
                    confirmed = expected - 1;
                }
            }
            let unread: u64 = (expected..next).map(|number| written[&number]).sum();
            prop_assert_eq!(store.points(), unread);
        }
        prop_assert_eq!(store.losses(), Losses::default());
    }
}
