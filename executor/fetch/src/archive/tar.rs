//! Members of a tar archive.

use std::cell::Cell;
use std::ffi::OsStr;
use std::io::{self, Read};
use std::os::unix::ffi::OsStrExt as _;
use std::rc::Rc;

use ::tar::{Archive, EntryType};

use super::{ArchiveError, copy};
use crate::budget::Budget;
use crate::inside::Inside;
use crate::place::Place;

/// What may be read to learn of one member: names and extensions of some kilobytes, or content of a member that has
/// none to speak of. The reader of archives keeps it in memory.
const HEADERS: u64 = 1 << 20;
/// What may follow the archive's end in the same compressed stream; it is read for the stream's checksum.
const TRAILER: u64 = 1 << 20;

pub(super) fn extract(
    from: Box<dyn Read>,
    place: Place<'_>,
    budget: &mut Budget,
) -> Result<(), ArchiveError> {
    let left = Rc::new(Cell::new(HEADERS));
    let bounded = Bounded {
        from,
        left: Rc::clone(&left),
    };
    let mut archive = Archive::new(bounded);
    let mut entries = archive.entries().map_err(ArchiveError::Read)?;
    loop {
        left.set(HEADERS);
        let entry = match entries.next() {
            None => break,
            Some(Ok(entry)) => entry,
            Some(Err(_)) if left.get() == 0 => return Err(ArchiveError::Headers(HEADERS)),
            Some(Err(error)) => return Err(ArchiveError::Read(error)),
        };
        left.set(u64::MAX);
        member(entry, place, budget)?;
    }
    let mut rest = archive.into_inner().from.take(TRAILER);
    io::copy(&mut rest, &mut io::sink()).map_err(ArchiveError::Read)?;
    Ok(())
}

fn member(
    mut entry: ::tar::Entry<'_, impl Read>,
    place: Place<'_>,
    budget: &mut Budget,
) -> Result<(), ArchiveError> {
    let kind = entry.header().entry_type();
    if kind == EntryType::XGlobalHeader {
        return Ok(());
    }
    budget.member()?;
    let path = Inside::parse(&entry.path_bytes())?;
    let refuse = |what| {
        Err(ArchiveError::Kind {
            member: path.to_string(),
            what,
        })
    };
    let mode = entry.header().mode().map_err(ArchiveError::Read)?;
    match kind {
        // An old tar marks a directory by a slash alone.
        EntryType::Regular if entry.path_bytes().ends_with(b"/") => {
            Ok(place.directory(&path, mode, budget)?)
        }
        EntryType::Regular | EntryType::Continuous | EntryType::GNUSparse => {
            let size = entry.size();
            budget.announce(size)?;
            let time = entry.header().mtime().map_err(ArchiveError::Read)?;
            let mut growing = place.create(&path, mode, budget)?;
            let received = copy(&mut entry, &mut growing, budget)?;
            if received != size {
                return Err(ArchiveError::Length {
                    member: path.to_string(),
                    received,
                    size,
                });
            }
            growing.set_time(time)?;
            growing.finish()?;
            Ok(())
        }
        EntryType::Directory => Ok(place.directory(&path, mode, budget)?),
        EntryType::Symlink | EntryType::Link => {
            let Some(target) = entry.link_name_bytes() else {
                return refuse("a link to nothing");
            };
            if kind == EntryType::Link {
                return Ok(place.hard_link(&path, &Inside::parse(&target)?, budget)?);
            }
            Ok(place.symlink(&path, OsStr::from_bytes(&target), budget)?)
        }
        EntryType::Char | EntryType::Block => refuse("a device"),
        EntryType::Fifo => refuse("a pipe"),
        _ => refuse("of an unknown kind"),
    }
}

/// A reader that gives no more than was granted.
struct Bounded {
    from: Box<dyn Read>,
    left: Rc<Cell<u64>>,
}

impl Read for Bounded {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = self.left.get();
        if left == 0 {
            return Err(io::Error::other("more than was granted"));
        }
        let most = buffer
            .len()
            .min(usize::try_from(left).unwrap_or(usize::MAX));
        let length = self.from.read(&mut buffer[..most])?;
        self.left.set(left - length as u64);
        Ok(length)
    }
}
