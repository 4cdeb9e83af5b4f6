//! Whether a directory that is to be ended for still has more than it may, by a walk of its own.
//!
//! A breach was found by a walk when it began. What is known of it later may come from an account that others can write
//! to: the owner of a file anywhere may put it into a neighbour's project. Nobody is ended for that.

use std::os::fd::BorrowedFd;

use disk_engine::{Amount, Error, FileId, Options, deleted, measure};

/// Whether the directory `root` without those in `exclude` has more than `limit`. What `holders` have deleted and hold
/// open counts. Blocks for a walk.
///
/// # Errors
/// When it cannot be measured.
pub(super) fn is_over(
    root: BorrowedFd<'_>,
    exclude: &[FileId],
    (of, limit): (Amount, u64),
    holders: Vec<u32>,
) -> Result<bool, Error> {
    let options = Options {
        exclude: exclude.to_vec(),
        ..Options::default()
    };
    let mut usage = measure(root, &options)?;
    Ok(match of {
        Amount::Inodes => usage.inodes > limit,
        Amount::Bytes => {
            let held = deleted(holders, &[root]);
            usage.bytes += held.iter().map(|held| held.bytes).sum::<u64>();
            usage.exceeds(limit)
        }
    })
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File};
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn what_is_there_and_what_is_held_open_counts_and_nothing_that_an_account_says() {
        let place = tempfile::tempdir().unwrap();
        let root = File::open(place.path()).unwrap();
        let bytes = |limit, holders| {
            let of = (Amount::Bytes, limit);
            is_over(root.as_fd(), &[], of, holders).unwrap()
        };
        let path = place.path().join("f");
        fs::write(&path, vec![b'x'; 1 << 20]).unwrap();
        assert!(bytes(1 << 20, Vec::new()));
        assert!(!bytes(2 << 20, Vec::new()));
        let held = File::open(&path).unwrap();
        fs::remove_file(&path).unwrap();
        assert!(!bytes(512 << 10, Vec::new()));
        assert!(bytes(512 << 10, vec![std::process::id()]));
        drop(held);
        assert!(!bytes(512 << 10, vec![std::process::id()]));
    }

    #[test]
    fn what_is_left_out_does_not_count_and_files_may_be_too_many() {
        let place = tempfile::tempdir().unwrap();
        let volume = place.path().join("volume");
        fs::create_dir(&volume).unwrap();
        fs::write(volume.join("f"), "x").unwrap();
        let root = File::open(place.path()).unwrap();
        let exclude = [FileId::of(File::open(&volume).unwrap()).unwrap()];
        let inodes = |exclude: &[FileId], limit| {
            let of = (Amount::Inodes, limit);
            is_over(root.as_fd(), exclude, of, Vec::new()).unwrap()
        };
        assert!(inodes(&[], 2));
        assert!(!inodes(&[], 3));
        assert!(!inodes(&exclude, 2));
    }
}
