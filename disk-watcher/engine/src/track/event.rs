//! What the kernel writes into a fanotify group's queue, parsed. Pure; believes no length that it is told.
//!
//! Linux: include/uapi/linux/fanotify.h.

use std::ffi::CStr;
use std::fmt;

use crate::sys::Handle;

const METADATA: usize = 24;
const VERSION: u8 = 3;
/// Header, file system and the two fields before a handle's bytes.
const RECORD: usize = 20;

/// The kinds of record that name a file or a directory. A group that asks for directories alone gets its directory
/// as a file's record when the event is of a file in it.
const FILE: u8 = 1;
const DIRECTORY_AND_NAME: u8 = 2;
const DIRECTORY: u8 = 3;

/// Something that happened in a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<'a> {
    /// What it was, in the bits `FAN_MODIFY` and so on: several when the kernel has merged events.
    pub mask: u64,
    /// Where. `None`: not in any one directory, such as the loss of events.
    pub directory: Option<(FileSystemId, Handle)>,
    /// To which name in it, where a group tells names; `.` for the directory itself.
    pub name: Option<&'a CStr>,
}

/// The directory and the name of an event.
type Place<'a> = (Option<(FileSystemId, Handle)>, Option<&'a CStr>);

/// The id of a file system, as `statfs` tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileSystemId(pub [i32; 2]);

/// What was read cannot be what a kernel wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the kernel's events are in a form that is not known here")
    }
}

impl std::error::Error for Malformed {}

/// The events in what one `read` returned.
#[derive(Clone, Debug)]
pub struct Events<'a> {
    rest: &'a [u8],
}

impl<'a> Events<'a> {
    /// Of these bytes. Ends after the first that is malformed.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn take(&mut self) -> Option<Event<'a>> {
        let length = u32_at(self.rest, 0)? as usize;
        let (event, rest) = self.rest.split_at_checked(length)?;
        let header = usize::from(u16_at(event, 6)?);
        if header < METADATA || *event.get(4)? != VERSION {
            return None;
        }
        let mask = u64::from_ne_bytes(array_at(event, 8)?);
        let (directory, name) = place(event.get(header..)?)?;
        self.rest = rest;
        Some(Event {
            mask,
            directory,
            name,
        })
    }
}

impl<'a> Iterator for Events<'a> {
    type Item = Result<Event<'a>, Malformed>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let event = self.take().ok_or(Malformed);
        if event.is_err() {
            self.rest = &[];
        }
        Some(event)
    }
}

/// What the records behind an event's header name; `None` when they are malformed.
fn place(mut records: &[u8]) -> Option<Place<'_>> {
    while !records.is_empty() {
        let length = usize::from(u16_at(records, 2)?);
        if length < 4 {
            return None;
        }
        let (record, rest) = records.split_at_checked(length)?;
        if matches!(record[0], FILE | DIRECTORY_AND_NAME | DIRECTORY) {
            let id = [i32_at(record, 4)?, i32_at(record, 8)?];
            let length = u32_at(record, 12)? as usize;
            let kind = i32_at(record, 16)?;
            let (bytes, rest) = record.get(RECORD..)?.split_at_checked(length)?;
            let name = match record[0] {
                DIRECTORY_AND_NAME => Some(CStr::from_bytes_until_nul(rest).ok()?),
                _ => None,
            };
            // A longer handle than any that is kept is of no directory that is known.
            let directory = Handle::new(kind, bytes).map(|handle| (FileSystemId(id), handle));
            return Some((directory, name));
        }
        records = rest;
    }
    Some((None, None))
}

fn array_at<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..)?.first_chunk().copied()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    array_at(bytes, at).map(u16::from_ne_bytes)
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    array_at(bytes, at).map(u32::from_ne_bytes)
}

fn i32_at(bytes: &[u8], at: usize) -> Option<i32> {
    array_at(bytes, at).map(i32::from_ne_bytes)
}
