//! A journal on disk: a byte that says whether what follows is the file itself or, more often, the payloads of its
//! records, each behind two bytes of its length.

use crate::input::Input;
use crate::targets::events;

use frame::{Owner, State, header, read, record};

// It belongs to a program, and no library has it.
#[path = "../../../../executor/src/journal/frame.rs"]
mod frame;

/// What is read is what was written, as far as it is said to be good; and an executor that finds it goes on with it.
pub(crate) fn run(bytes: &[u8]) {
    let mut input = Input::new(bytes);
    let Some(kind) = input.byte() else {
        return;
    };
    let owner = Owner {
        framework: "f".to_owned(),
        executor: "e".to_owned(),
        container: "c".to_owned(),
    };
    let file = match kind % 4 {
        0 => bytes[1..].to_vec(),
        _ => {
            let mut file = header(&owner);
            while let Some(payload) = input.sized() {
                file.extend(
                    u32::try_from(payload.len())
                        .unwrap_or(u32::MAX)
                        .to_le_bytes(),
                );
                file.extend(crc32fast::hash(payload).to_le_bytes());
                file.extend(payload);
            }
            file
        }
    };
    let found = read(file.as_slice(), &owner).expect("memory can be read");
    let length = usize::try_from(found.length).expect("fits the memory");
    assert!(length <= file.len());
    if matches!(found.state, State::Foreign | State::Empty) {
        assert!(found.records.is_empty() && length == 0);
        return;
    }
    // What a new writer goes on from.
    let kept = read(&file[..length], &owner).expect("memory can be read");
    assert_eq!((kept.state, kept.length), (State::Whole, found.length));
    let written = |records: &[_]| records.iter().flat_map(record).collect::<Vec<u8>>();
    assert_eq!(written(&kept.records), written(&found.records));

    let mut again = header(&owner);
    again.extend(written(&found.records));
    let again = read(again.as_slice(), &owner).expect("memory can be read");
    assert_eq!(again.state, State::Whole);
    assert_eq!(written(&again.records), written(&found.records));
    events::recover(found.records);
}
