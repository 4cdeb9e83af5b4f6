//! What a journal's bytes mean. Pure: bytes in, records out.
//!
//! ```text
//! frame:   length of the payload, u32 | CRC-32 of the payload, u32 | payload        (integers little-endian)
//! journal: a frame whose payload is the owner, as JSON; then one a record: a kind, u8, and its message, protobuf
//! ```
//!
//! The last frame may be torn, when the writer was killed or the host went down: what is before it counts.

use std::io::{self, ErrorKind, Read};

use executor_core::Record;
use mesos_proto::TaskInfo;
use mesos_proto::prost::Message;
use mesos_proto::v1::TaskStatus;
use mesos_proto::v1::executor::event::Acknowledged;
use serde::{Deserialize, Serialize};

/// The only version so far. A journal of another one is not read.
const VERSION: u32 = 1;

/// The longest payload that is believed. An event of the agent's is no longer than this either.
const LONGEST: usize = 64 << 20;

const TASK: u8 = 1;
const UPDATE: u8 = 2;
const ACKNOWLEDGED: u8 = 3;

/// Whose journal it is: one run of one executor of one framework.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Owner {
    pub(crate) framework: String,
    pub(crate) executor: String,
    /// The container's id, which no other run has.
    pub(crate) container: String,
}

#[derive(Serialize, Deserialize)]
struct Header {
    version: u32,
    // Not flattened: an owner of later days may have more.
    owner: Option<Owner>,
}

/// What was found in a journal.
#[derive(Debug, PartialEq)]
pub(super) struct Found {
    pub(super) records: Vec<Record>,
    /// How many bytes they and the header take, from the beginning.
    pub(super) length: u64,
    pub(super) state: State,
}

/// How far a journal can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// There is nothing in it.
    Empty,
    /// All of it is good.
    Whole,
    /// Something follows the good records that is none.
    Torn,
    /// It is another executor's, or of another version, or no journal.
    Foreign,
}

/// The frame that a journal begins with.
pub(super) fn header(owner: &Owner) -> Vec<u8> {
    let header = Header {
        version: VERSION,
        owner: Some(owner.clone()),
    };
    // Three texts and a number make JSON.
    let payload = serde_json::to_vec(&header).unwrap_or_default();
    framed(|bytes| bytes.extend_from_slice(&payload))
}

/// The frame of a record.
pub(super) fn record(record: &Record) -> Vec<u8> {
    framed(|bytes| match record {
        Record::Task(task) => {
            bytes.push(TASK);
            bytes.extend_from_slice(&task.encode_to_vec());
        }
        Record::Update(status) => {
            bytes.push(UPDATE);
            bytes.extend_from_slice(&status.encode_to_vec());
        }
        Record::Acknowledged { task_id, uuid } => {
            let acknowledged = Acknowledged {
                task_id: task_id.clone(),
                uuid: uuid.clone(),
            };
            bytes.push(ACKNOWLEDGED);
            bytes.extend_from_slice(&acknowledged.encode_to_vec());
        }
    })
}

fn framed(write: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut bytes = vec![0; 8];
    write(&mut bytes);
    let (head, payload) = bytes.split_at_mut(8);
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    head[..4].copy_from_slice(&length.to_le_bytes());
    head[4..].copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
    bytes
}

/// Reads a journal as far as it is good and `owner`'s.
pub(super) fn read(mut from: impl Read, owner: &Owner) -> io::Result<Found> {
    let mut found = Found {
        records: Vec::new(),
        length: 0,
        state: State::Foreign,
    };
    match next(&mut from)? {
        Next::End => {
            found.state = State::Empty;
            return Ok(found);
        }
        Next::Torn => return Ok(found),
        Next::Payload(payload) => {
            let header: Option<Header> = serde_json::from_slice(&payload).ok();
            let is_ours =
                |header: Header| header.version == VERSION && header.owner.as_ref() == Some(owner);
            if !header.is_some_and(is_ours) {
                return Ok(found);
            }
            found.length += 8 + payload.len() as u64;
        }
    }
    loop {
        match next(&mut from)? {
            Next::End => {
                found.state = State::Whole;
                return Ok(found);
            }
            Next::Payload(payload) => {
                if let Some(record) = decode(&payload) {
                    found.length += 8 + payload.len() as u64;
                    found.records.push(record);
                    continue;
                }
                found.state = State::Torn;
            }
            Next::Torn => found.state = State::Torn,
        }
        return Ok(found);
    }
}

enum Next {
    End,
    Torn,
    Payload(Vec<u8>),
}

fn next(from: &mut impl Read) -> io::Result<Next> {
    let mut head = Vec::with_capacity(8);
    from.by_ref().take(8).read_to_end(&mut head)?;
    if head.is_empty() {
        return Ok(Next::End);
    }
    let Ok(head) = <[u8; 8]>::try_from(head) else {
        return Ok(Next::Torn);
    };
    let [length, checksum] = [0, 4].map(|at| {
        let bytes = [head[at], head[at + 1], head[at + 2], head[at + 3]];
        u32::from_le_bytes(bytes)
    });
    let length = length as usize;
    // A frame of zeros would pass: that is what a file has where nothing was written.
    if length == 0 || length > LONGEST {
        return Ok(Next::Torn);
    }
    let mut payload = Vec::new();
    // No more is taken than there is, whatever the length claims.
    match from.by_ref().take(length as u64).read_to_end(&mut payload) {
        Ok(read) if read < length => Ok(Next::Torn),
        Ok(_) if crc32fast::hash(&payload) == checksum => Ok(Next::Payload(payload)),
        Ok(_) => Ok(Next::Torn),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(Next::Torn),
        Err(error) => Err(error),
    }
}

fn decode(payload: &[u8]) -> Option<Record> {
    let (kind, message) = payload.split_first()?;
    match *kind {
        TASK => {
            let task = TaskInfo::decode(message).ok()?;
            Some(Record::Task(Box::new(task)))
        }
        UPDATE => {
            let status = TaskStatus::decode(message).ok()?;
            Some(Record::Update(Box::new(status)))
        }
        ACKNOWLEDGED => {
            let Acknowledged { task_id, uuid } = Acknowledged::decode(message).ok()?;
            Some(Record::Acknowledged { task_id, uuid })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use mesos_proto::v1::{AgentId, TaskId, TaskInfoFields};

    fn owner() -> Owner {
        Owner {
            framework: "f".into(),
            executor: "e".into(),
            container: "c".into(),
        }
    }

    fn records() -> Vec<Record> {
        let task_id = TaskId { value: "t".into() };
        let task = TaskInfo::from(TaskInfoFields {
            name: "a task".into(),
            task_id: task_id.clone(),
            agent_id: AgentId { value: "a".into() },
            ..Default::default()
        });
        let uuid = Bytes::from_static(&[7; 16]);
        let status = TaskStatus {
            task_id: task_id.clone(),
            uuid: Some(uuid.clone()),
            ..Default::default()
        };
        vec![
            Record::Task(Box::new(task)),
            Record::Update(Box::new(status)),
            Record::Acknowledged { task_id, uuid },
        ]
    }

    /// A journal of these records, and where each frame of it ends.
    fn journal(records: &[Record]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header(&owner());
        let mut ends = vec![bytes.len()];
        for one in records {
            bytes.extend_from_slice(&record(one));
            ends.push(bytes.len());
        }
        (bytes, ends)
    }

    #[test]
    fn what_was_written_is_read() {
        let (bytes, _) = journal(&records());
        let found = read(&bytes[..], &owner()).unwrap();
        assert_eq!(found.records, records());
        assert_eq!(found.state, State::Whole);
        assert_eq!(found.length, bytes.len() as u64);
    }

    #[test]
    fn wherever_a_journal_is_torn_what_is_before_counts() {
        let (bytes, ends) = journal(&records());
        for length in ends[0]..bytes.len() {
            let whole = ends.iter().filter(|end| **end <= length).count() - 1;
            let found = read(&bytes[..length], &owner()).unwrap();
            assert_eq!(found.records, records()[..whole], "at {length}");
            assert_eq!(found.length, ends[whole] as u64, "at {length}");
            let at_end = ends.contains(&length);
            let state = if at_end { State::Whole } else { State::Torn };
            assert_eq!(found.state, state, "at {length}");
        }
        for length in 1..ends[0] {
            let found = read(&bytes[..length], &owner()).unwrap();
            assert_eq!(found.state, State::Foreign, "at {length}");
        }
        assert_eq!(read(&[][..], &owner()).unwrap().state, State::Empty);
    }

    #[test]
    fn whichever_byte_is_changed_what_is_before_counts() {
        let (bytes, ends) = journal(&records());
        for place in ends[0]..bytes.len() {
            let mut changed = bytes.clone();
            changed[place] ^= 0x40;
            let whole = ends.iter().filter(|end| **end <= place).count() - 1;
            let found = read(&changed[..], &owner()).unwrap();
            assert_eq!(found.records, records()[..whole], "at {place}");
            assert_eq!(found.state, State::Torn, "at {place}");
        }
    }

    #[test]
    fn zeros_after_the_records_are_none() {
        let (mut bytes, ends) = journal(&records());
        bytes.resize(bytes.len() + 4096, 0);
        let found = read(&bytes[..], &owner()).unwrap();
        assert_eq!(found.records, records());
        assert_eq!((found.state, found.length), (State::Torn, ends[3] as u64));
    }

    #[test]
    fn a_length_is_not_believed() {
        let mut bytes = header(&owner());
        bytes.extend_from_slice(&[0xff, 0xff, 0xff, 0x03, 1, 2, 3, 4, 5]);
        let found = read(&bytes[..], &owner()).unwrap();
        assert_eq!(found.state, State::Torn);
    }

    #[test]
    fn a_journal_of_another_executor_or_run_or_version_is_foreign() {
        let (bytes, _) = journal(&records());
        for other in [
            Owner {
                framework: "g".into(),
                ..owner()
            },
            Owner {
                executor: "g".into(),
                ..owner()
            },
            Owner {
                container: "g".into(),
                ..owner()
            },
        ] {
            let found = read(&bytes[..], &other).unwrap();
            assert_eq!((found.state, found.records), (State::Foreign, vec![]));
        }
        let newer = serde_json::json!({"version": 2, "owner": owner(), "more": 1});
        let newer = framed(|bytes| bytes.extend_from_slice(newer.to_string().as_bytes()));
        assert_eq!(read(&newer[..], &owner()).unwrap().state, State::Foreign);
        let text = b"what is this? not a journal, that is certain";
        assert_eq!(read(&text[..], &owner()).unwrap().state, State::Foreign);
    }
}
