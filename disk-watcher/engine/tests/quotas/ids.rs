//! Ids are given to one directory each, and taken back when nothing of it is left.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::Path;

use disk_engine::quota::{ProjectId, ProjectIds, ProjectLimits, ProjectQuota, assign};

use crate::filesystem::{FileSystem, Kind, eventually, id, write};

fn ids(filesystem: &FileSystem) -> ProjectIds {
    let records = filesystem.path().join("records");
    ProjectIds::open(&records, 5_000..=5_003, vec![5_002..=5_002]).unwrap()
}

fn give(ids: &ProjectIds, quota: &ProjectQuota, path: &Path) -> ProjectId {
    fs::create_dir_all(path).unwrap();
    let root = File::open(path).unwrap();
    let id = ids.allocate(quota, root.as_fd()).unwrap();
    assign(root.as_fd(), id, &[]).unwrap();
    id
}

#[test]
fn an_id_that_the_file_system_knows_files_of_is_given_to_nobody() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let of_mesos = filesystem.sandbox(5_000);
        let given = give(
            &ids(&filesystem),
            &of_mesos.quota,
            &filesystem.path().join("a"),
        );
        assert_eq!(given, id(5_001), "{kind:?}");
        let next = give(
            &ids(&filesystem),
            &of_mesos.quota,
            &filesystem.path().join("b"),
        );
        assert_eq!(next, id(5_003), "{kind:?}");
    }
}

#[test]
fn an_id_is_free_again_once_its_directory_is_gone_and_its_limits_with_it() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let quota = filesystem.probe().unwrap();
        let ids = ids(&filesystem);
        let path = filesystem.path().join("a");
        let given = give(&ids, &quota, &path);
        let limits = ProjectLimits {
            hard: Some(8 << 20),
            ..ProjectLimits::NONE
        };
        quota.set_limits(given, limits).unwrap();
        write(&path.join("f"), 1 << 20).unwrap();
        assert_eq!(ids.reclaim(&quota).unwrap(), []);

        let open = File::open(path.join("f")).unwrap();
        fs::remove_dir_all(&path).unwrap();
        assert_eq!(
            ids.reclaim(&quota).unwrap(),
            [],
            "{kind:?}: a file is open still"
        );
        drop(open);
        let free = eventually("the id", || {
            Some(ids.reclaim(&quota).unwrap()).filter(|free| !free.is_empty())
        });
        assert_eq!(free, [given], "{kind:?}");
        assert_eq!(quota.usage(given).unwrap(), Default::default());
    }
}

#[test]
fn a_probe_does_not_keep_a_directory_that_is_removed() {
    for kind in Kind::BOTH {
        let filesystem = FileSystem::new(kind);
        let path = filesystem.path().join("work/sandbox");
        let ids = ids(&filesystem);
        let quota = {
            fs::create_dir_all(&path).unwrap();
            ProjectQuota::probe(File::open(&path).unwrap().as_fd()).unwrap()
        };
        let given = give(&ids, &quota, &path);
        fs::remove_dir(&path).unwrap();
        eventually("the directory's inode", || {
            (quota.usage(given).unwrap().inodes == 0).then_some(())
        });
    }
}
