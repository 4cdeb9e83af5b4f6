//! Archives and compressed files, unpacked beside themselves.
//!
//! The name says whether a file is unpacked (Mesos: `extract` in src/launcher/fetcher.cpp), its first bytes say how:
//! libarchive, which Mesos unpacks with, does not ask for names either.

mod tar;
mod zip;

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::os::unix::ffi::OsStrExt as _;

use bzip2::read::MultiBzDecoder;
use flate2::read::MultiGzDecoder;
use lzma_rust2::XzReader;

use crate::budget::{Budget, BudgetError};
use crate::inside::{Inside, InsideError};
use crate::place::{Growing, Place, PlaceError};

const BUFFER: usize = 128 * 1024;
/// Memory that unpacking one .xz may take, in KiB: enough for what `xz -9` made, 64 MiB of dictionary.
const XZ_MEMORY_KIB: u32 = 100 * 1024;

/// Names of what libarchive unpacks for Mesos.
const ARCHIVES: [&str; 8] = [
    ".tar", ".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip",
];

/// Why something could not be unpacked.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// It is damaged, or not what its name says.
    #[error("read it: {0}")]
    Read(io::Error),
    /// It is a damaged zip, or of a kind that is not known.
    #[error("read it as zip: {0}")]
    Zip(::zip::result::ZipError),
    /// A member would be outside.
    #[error("member: {0}")]
    Name(#[from] InsideError),
    /// A member is no file, directory or link.
    #[error("member '{member}' is {what}, which is not extracted")]
    Kind {
        /// Its path.
        member: String,
        /// What it is.
        what: &'static str,
    },
    /// The archive ends within a member.
    #[error("member '{member}' has {received} bytes of {size}")]
    Length {
        /// Its path.
        member: String,
        /// Bytes that are there.
        received: u64,
        /// Bytes that were announced.
        size: u64,
    },
    /// The description of one member is so long that only an attack makes it.
    #[error("a member with more than {0} bytes of headers")]
    Headers(u64),
    /// A member could not be put into the sandbox.
    #[error("{0}")]
    Place(#[from] PlaceError),
    /// Too many members, or too much time.
    #[error("{0}")]
    Budget(#[from] BudgetError),
}

/// What a file's name says of unpacking it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Form {
    /// An archive of members.
    Archive,
    /// One compressed file, and its name when it is no longer.
    Compressed(Inside),
}

/// What is done with a file of this name; none when it is not unpacked.
pub(crate) fn form(name: &Inside) -> Option<Form> {
    let (_, last) = name.split_last()?;
    let last = last.as_bytes();
    if ARCHIVES.iter().any(|end| last.ends_with(end.as_bytes())) {
        return Some(Form::Archive);
    }
    let bare = last.strip_suffix(b".gz")?;
    Inside::parse(bare)
        .ok()
        .filter(|name| !name.is_root())
        .map(Form::Compressed)
}

/// Unpacks `file` into the sandbox itself, also when the file is in a directory of it (Mesos: `fetchBypassingCache`).
pub(crate) fn extract(
    form: Form,
    mut file: File,
    place: Place<'_>,
    budget: &mut Budget,
) -> Result<(), ArchiveError> {
    file.seek(SeekFrom::Start(0)).map_err(ArchiveError::Read)?;
    let mut magic = Vec::new();
    (&file)
        .take(6)
        .read_to_end(&mut magic)
        .map_err(ArchiveError::Read)?;
    file.seek(SeekFrom::Start(0)).map_err(ArchiveError::Read)?;

    match (form, magic.as_slice()) {
        (Form::Compressed(name), _) => {
            budget.member()?;
            let mut growing = place.create(&name, 0o666, budget)?;
            copy(
                &mut MultiGzDecoder::new(BufReader::new(file)),
                &mut growing,
                budget,
            )?;
            growing.finish()?;
            Ok(())
        }
        (Form::Archive, [b'P', b'K', 3, 4, ..] | [b'P', b'K', 5, 6, ..]) => {
            zip::extract(file, place, budget)
        }
        (Form::Archive, _) => tar::extract(decompressed(file, &magic), place, budget),
    }
}

fn decompressed(file: File, magic: &[u8]) -> Box<dyn Read> {
    let file = BufReader::with_capacity(BUFFER, file);
    match magic {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [b'B', b'Z', b'h', ..] => Box::new(MultiBzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            Box::new(XzReader::new_mem_limit(file, true, XZ_MEMORY_KIB))
        }
        _ => Box::new(file),
    }
}

/// Everything from `from`; how many bytes that were.
fn copy(from: &mut dyn Read, to: &mut Growing, budget: &mut Budget) -> Result<u64, ArchiveError> {
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        match from.read(&mut buffer) {
            Ok(0) => return Ok(bytes),
            Ok(length) => {
                to.write(&buffer[..length], budget)?;
                bytes += length as u64;
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ArchiveError::Read(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn form_of(name: &str) -> Option<Form> {
        form(&Inside::parse(name.as_bytes()).unwrap())
    }

    #[test]
    fn a_files_name_says_whether_it_is_unpacked() {
        for name in [
            "a.tar",
            "a.tgz",
            "d/a.tar.gz",
            "a.tbz2",
            "a.tar.bz2",
            "a.txz",
            "a.tar.xz",
            "a.zip",
            ".tar",
        ] {
            assert_eq!(form_of(name), Some(Form::Archive), "{name}");
        }
        assert_eq!(
            form_of("d/a.gz"),
            Some(Form::Compressed(Inside::parse(b"a").unwrap()))
        );
        for name in [
            "a.jar",
            "a.TGZ",
            "a.tar.gz?x=1",
            "tar",
            "a.bz2",
            "a.xz",
            ".gz",
            "..gz",
            "...gz",
        ] {
            assert_eq!(form_of(name), None, "{name}");
        }
    }
}
