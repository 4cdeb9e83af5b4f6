use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::PathBuf;
use std::sync::Mutex;

use super::*;
use crate::FileId;

/// A file system that counts as it is told.
struct Fake {
    device: u64,
    usage: Mutex<BTreeMap<u32, ProjectUsage>>,
}

impl Account for Fake {
    fn device(&self) -> u64 {
        self.device
    }

    fn usage(&self, id: ProjectId) -> Result<ProjectUsage, QuotaError> {
        let usage = self.usage.lock().unwrap();
        Ok(usage.get(&id.get()).copied().unwrap_or_default())
    }

    fn clear(&self, id: ProjectId) -> Result<(), QuotaError> {
        let mut usage = self.usage.lock().unwrap();
        usage.entry(id.get()).or_default().limits = ProjectLimits::NONE;
        Ok(())
    }
}

impl Fake {
    fn uses(&self, id: u32, inodes: u64, hard: Option<u64>) {
        let usage = ProjectUsage {
            bytes: inodes * 4096,
            inodes,
            limits: ProjectLimits {
                hard,
                ..ProjectLimits::NONE
            },
        };
        self.usage.lock().unwrap().insert(id, usage);
    }
}

struct Place {
    directory: tempfile::TempDir,
    account: Fake,
}

impl Place {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let device = FileId::of(File::open(directory.path()).unwrap())
            .unwrap()
            .dev;
        Self {
            directory,
            account: Fake {
                device,
                usage: Mutex::default(),
            },
        }
    }

    fn ids(&self, range: RangeInclusive<u32>) -> ProjectIds {
        self.ids_but(range, Vec::new())
    }

    fn ids_but(
        &self,
        range: RangeInclusive<u32>,
        forbidden: Vec<RangeInclusive<u32>>,
    ) -> ProjectIds {
        ProjectIds::open(&self.directory.path().join("records"), range, forbidden).unwrap()
    }

    fn sandbox(&self, name: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        fs::create_dir_all(&path).unwrap();
        path
    }

    fn allocate(&self, ids: &ProjectIds, name: &str) -> Result<u32, IdsError> {
        let root = File::open(self.sandbox(name)).unwrap();
        ids.allocate_from(&self.account, root.as_fd())
            .map(ProjectId::get)
    }

    fn reclaim(&self, ids: &ProjectIds) -> Vec<u32> {
        let free = reclaim_from(&ids.records.lock().unwrap(), &self.account).unwrap();
        free.into_iter().map(ProjectId::get).collect()
    }
}

#[test]
fn a_directory_has_the_same_id_whoever_asks_and_no_other_has_it() {
    let place = Place::new();
    let ids = place.ids(5_000..=5_009);
    let a = place.allocate(&ids, "a").unwrap();
    let b = place.allocate(&ids, "b").unwrap();
    assert_eq!((a, b), (5_000, 5_001));
    let others = place.ids(5_000..=5_009);
    assert_eq!(place.allocate(&others, "b").unwrap(), b);
    assert_eq!(place.allocate(&others, "c").unwrap(), 5_002);
}

#[test]
fn an_id_that_has_files_or_is_forbidden_is_given_to_nobody() {
    let place = Place::new();
    let ids = place.ids_but(0..=9, vec![1..=2, 5..=7]);
    place.account.uses(3, 1, None);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 4);
    assert_eq!(place.allocate(&ids, "b").unwrap(), 8);
    assert_eq!(place.allocate(&ids, "c").unwrap(), 9);
    let error = place.allocate(&ids, "d").unwrap_err();
    assert_eq!(error.to_string(), "no project id from 0 to 9 is free");
}

#[test]
fn limits_that_an_unused_id_was_left_with_are_lifted_before_it_is_given() {
    let place = Place::new();
    place.account.uses(7, 0, Some(1 << 20));
    let ids = place.ids(7..=7);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 7);
    let usage = place.account.usage(ProjectId::new(7).unwrap()).unwrap();
    assert_eq!(usage.limits, ProjectLimits::NONE);
}

#[test]
fn an_id_is_taken_back_once_its_directory_is_gone_and_nothing_of_it_is_left() {
    let place = Place::new();
    let ids = place.ids(7..=8);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 7);
    assert_eq!(place.allocate(&ids, "b").unwrap(), 8);
    place.account.uses(7, 2, Some(4096));
    assert_eq!(place.reclaim(&ids), [] as [u32; 0], "both are there");
    fs::remove_dir(place.sandbox("a")).unwrap();
    assert_eq!(
        place.reclaim(&ids),
        [] as [u32; 0],
        "a deleted file is open still"
    );
    place.account.uses(7, 0, Some(4096));
    assert_eq!(place.reclaim(&ids), [7]);
    let usage = place.account.usage(ProjectId::new(7).unwrap()).unwrap();
    assert_eq!(usage.limits, ProjectLimits::NONE);
    assert_eq!(place.reclaim(&ids), [] as [u32; 0]);
}

#[test]
fn a_directory_that_was_moved_keeps_its_id() {
    let place = Place::new();
    let ids = place.ids(7..=9);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 7);
    place.account.uses(7, 1, None);
    let moved = place.directory.path().join("moved");
    fs::rename(place.sandbox("a"), moved).unwrap();
    assert_eq!(place.reclaim(&ids), [] as [u32; 0]);
    assert_eq!(place.allocate(&ids, "moved").unwrap(), 7);
}

#[test]
fn ids_of_another_file_system_are_not_taken_back() {
    let place = Place::new();
    let ids = place.ids(7..=9);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 7);
    fs::remove_dir(place.sandbox("a")).unwrap();
    let other = Fake {
        device: place.account.device + 1,
        usage: Mutex::default(),
    };
    let locked = ids.records.lock().unwrap();
    assert_eq!(reclaim_from(&locked, &other).unwrap(), []);
}

#[test]
fn a_range_that_is_used_up_is_looked_through_for_what_is_free_again() {
    let place = Place::new();
    let ids = place.ids(7..=7);
    assert_eq!(place.allocate(&ids, "a").unwrap(), 7);
    fs::remove_dir(place.sandbox("a")).unwrap();
    assert_eq!(place.allocate(&ids, "b").unwrap(), 7);
    assert!(matches!(
        place.allocate(&ids, "c"),
        Err(IdsError::NoneLeft { .. })
    ));
}

#[test]
fn a_directory_elsewhere_is_refused() {
    let place = Place::new();
    let ids = place.ids(7..=7);
    let proc = File::open("/proc").unwrap();
    assert!(matches!(
        ids.allocate_from(&place.account, proc.as_fd()),
        Err(IdsError::Elsewhere)
    ));
}

#[test]
fn those_who_ask_at_once_are_given_different_ids() {
    let place = Place::new();
    let given = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (place, given) = (&place, &given);
            // Locks are by open file: threads exclude each other as processes do.
            scope.spawn(move || {
                let ids = place.ids(1..=100);
                for number in 0..15 {
                    let id = place.allocate(&ids, &format!("{thread}-{number}")).unwrap();
                    given.lock().unwrap().push(id);
                }
            });
        }
    });
    let given = given.into_inner().unwrap();
    assert_eq!(given.len(), 60);
    assert_eq!(given.iter().collect::<BTreeSet<_>>().len(), 60);
}

#[test]
fn an_id_is_ours_on_record_and_not_because_a_directory_says_so() {
    let place = Place::new();
    let ids = place.ids(7..=9);
    let given = ProjectId::new(place.allocate(&ids, "a").unwrap()).unwrap();
    let is_given = |ids: &ProjectIds, id, name: &str| {
        let root = File::open(place.sandbox(name)).unwrap();
        ids.is_given(id, root.as_fd()).unwrap()
    };
    assert!(is_given(&ids, given, "a"));
    assert!(!is_given(&ids, given, "b"), "a neighbour's");
    let nobodys = ProjectId::new(9).unwrap();
    assert!(!is_given(&ids, nobodys, "a"), "nobody's");
    assert!(
        !is_given(&place.ids(10..=20), given, "a"),
        "that of a program with another range"
    );
    // Whoever made it anew has not been given anything.
    fs::remove_dir(place.sandbox("a")).unwrap();
    assert!(!is_given(&ids, given, "a"));
}
