//! Members of a zip archive.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;

use ::zip::ZipArchive;
use ::zip::result::ZipError;

use super::{ArchiveError, copy};
use crate::budget::Budget;
use crate::inside::Inside;
use crate::place::Place;

/// Of members that were packed where files have no permissions.
const MODE: u32 = 0o644;
const DIRECTORY_MODE: u32 = 0o755;
/// The longest target that Linux lets a link have.
const LONGEST_TARGET: u64 = 4095;

pub(super) fn extract(
    file: File,
    place: Place<'_>,
    budget: &mut Budget,
) -> Result<(), ArchiveError> {
    let mut archive = ZipArchive::new(file).map_err(explain)?;
    for index in 0..archive.len() {
        budget.member()?;
        let mut member = archive.by_index(index).map_err(explain)?;
        let path = Inside::parse(member.name_raw())?;
        let mode = member.unix_mode();
        if member.is_dir() {
            place.directory(&path, mode.unwrap_or(DIRECTORY_MODE), budget)?;
        } else if member.is_symlink() {
            let mut target = Vec::new();
            (&mut member)
                .take(LONGEST_TARGET + 1)
                .read_to_end(&mut target)
                .map_err(ArchiveError::Read)?;
            place.symlink(&path, OsStr::from_bytes(&target), budget)?;
        } else {
            let size = member.size();
            budget.announce(size)?;
            let mut growing = place.create(&path, mode.unwrap_or(MODE), budget)?;
            let received = copy(&mut member, &mut growing, budget)?;
            if received != size {
                return Err(ArchiveError::Length {
                    member: path.to_string(),
                    received,
                    size,
                });
            }
            growing.finish()?;
        }
    }
    Ok(())
}

fn explain(error: ZipError) -> ArchiveError {
    match error {
        ZipError::Io(error) => ArchiveError::Read(error),
        error => ArchiveError::Zip(error),
    }
}
