//! Whatever comes in from outside: no panic, no memory for what is only claimed, and what is accepted makes sense.
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;

use mesos_proto::environment::ExecutorEnvironment;
use mesos_proto::prost::Message;
use mesos_proto::recordio::{Decoder, encode};
use mesos_proto::v1::executor::{Event, event};
use mesos_proto::v1::{self, AgentId, TaskId, TaskInfoFields};
use mesos_proto::{Bytes, MesosDuration, TaskInfo, checkpoint};
use proptest::prelude::*;

/// Far above what decoding these inputs takes (a few MB; each test's thread adds a heap of its own), far below what
/// they claim.
const ADDRESS_SPACE_KB: u64 = 1 << 20;

/// The most address space that this process has had, in kB: memory counts even if it was never touched.
fn peak_kb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:"));
    let kb = line.and_then(|value| value.trim().strip_suffix(" kB"));
    kb.unwrap().parse().unwrap()
}

/// Runs `test` on many inputs and checks that none of them made it claim much memory.
fn on_any<I: Strategy>(input: I, test: impl Fn(I::Value) -> Result<(), TestCaseError>) {
    let before = peak_kb();
    let mut runner = proptest::test_runner::TestRunner::default();
    runner.run(&input, test).unwrap();
    let grown = peak_kb() - before;
    assert!(grown < ADDRESS_SPACE_KB, "address space grew by {grown} kB");
}

/// A base-128 number: a length of a protobuf field, among other things.
fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// `valid` with some bytes replaced by others or by a huge length, then cut.
fn damaged(valid: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    let end = valid.len();
    let replacement = prop_oneof![
        any::<u8>().prop_map(|byte| vec![byte]),
        any::<u64>().prop_map(varint),
        prop::collection::vec(any::<u8>(), 0..8),
    ];
    let damage = prop::collection::vec((0..end, replacement), 0..6);
    (damage, 0..=2 * end).prop_map(move |(damage, cut)| {
        let mut bytes = valid.clone();
        for (at, replacement) in damage {
            let at = at.min(bytes.len());
            let one = usize::from(at < bytes.len());
            bytes.splice(at..at + one, replacement);
        }
        bytes.truncate(cut);
        bytes
    })
}

fn launch() -> Event {
    let task = TaskInfoFields {
        name: "task".to_owned(),
        task_id: TaskId {
            value: "t1".to_owned(),
        },
        agent_id: AgentId {
            value: "a1".to_owned(),
        },
        resources: vec![v1::Resource {
            name: "cpus".to_owned(),
            scalar: Some(v1::value::Scalar { value: 0.5 }),
            ..v1::Resource::default()
        }],
        executor: Some(v1::ExecutorInfo::default()),
        command: Some(v1::CommandInfo {
            value: Some("exit 0".to_owned()),
            ..v1::CommandInfo::default()
        }),
        limits: [("mem".to_owned(), v1::value::Scalar { value: 32.0 })].into(),
        ..TaskInfoFields::default()
    };
    Event {
        r#type: Some(event::Type::Launch.into()),
        launch: Some(event::Launch {
            task: TaskInfo::from(task),
        }),
        ..Event::default()
    }
}

#[test]
fn any_stream_in_any_chunks_gives_no_more_bytes_than_came() {
    let stream = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..300),
        damaged([encode(b"hello"), encode(b""), encode(&[b'x'; 40])].concat()),
        "([0-9]{1,3}\n){1,20}".prop_map(String::into_bytes),
        "[0-9]{1,19}\n".prop_map(String::into_bytes),
    ];
    let limit = prop_oneof![Just(usize::MAX), 0..50_usize];
    on_any((stream, 1..20_usize, limit), |(stream, chunk, limit)| {
        let mut decoder = Decoder::new(limit);
        let mut given = 0;
        'stream: for chunk in stream.chunks(chunk) {
            decoder.push(chunk);
            loop {
                match decoder.next_record() {
                    Ok(Some(record)) => {
                        prop_assert!(record.len() <= limit);
                        given += record.len();
                    }
                    Ok(None) => break,
                    Err(error) => {
                        prop_assert_eq!(decoder.next_record(), Err(error));
                        break 'stream;
                    }
                }
            }
        }
        prop_assert!(given <= stream.len());
        Ok(())
    });
}

#[test]
fn any_event_that_decodes_encodes_to_what_decodes_to_the_same() {
    let bytes = prop_oneof![
        1 => prop::collection::vec(any::<u8>(), 0..200),
        9 => damaged(launch().encode_to_vec()),
    ];
    on_any(bytes, |bytes| {
        if let Ok(event) = Event::decode(&bytes[..]) {
            let encoded = event.encode_to_vec();
            let again = Event::decode(&encoded[..]).map(|event| event.encode_to_vec());
            prop_assert_eq!(again, Ok(encoded));
        }
        Ok(())
    });
}

#[test]
fn a_type_of_event_that_is_not_known_survives_with_its_number() {
    let event = Event {
        r#type: Some(4711),
        ..Event::default()
    };
    let decoded = Event::decode(&event.encode_to_vec()[..]).unwrap();
    assert_eq!(decoded.r#type, Some(4711));
    assert_eq!(decoded, event);
}

#[test]
fn an_enum_value_that_is_not_known_survives_everywhere() {
    let status = v1::TaskStatus {
        state: 4711,
        source: Some(-1),
        reason: Some(i32::MAX),
        ..v1::TaskStatus::default()
    };
    let decoded = v1::TaskStatus::decode(&status.encode_to_vec()[..]).unwrap();
    assert_eq!(
        (decoded.state, decoded.source, decoded.reason),
        (4711, Some(-1), Some(i32::MAX))
    );

    let mut event = launch();
    let mut task = (*event.launch.take().unwrap().task).clone();
    task.resources[0].r#type = 4711;
    event.launch = Some(event::Launch {
        task: TaskInfo::from(task),
    });
    let decoded = Event::decode(&event.encode_to_vec()[..]).unwrap();
    assert_eq!(
        decoded.launch.as_ref().unwrap().task.resources[0].r#type,
        4711
    );
    assert_eq!(decoded.encode_to_vec(), event.encode_to_vec());
}

#[test]
fn any_environment_is_refused_or_makes_sense() {
    const VALID: [(&str, &str); 12] = [
        ("MESOS_FRAMEWORK_ID", "f"),
        ("MESOS_EXECUTOR_ID", "e"),
        ("MESOS_SLAVE_ID", "a"),
        ("MESOS_SLAVE_PID", "slave(1)@10.0.0.1:5051"),
        ("MESOS_AGENT_ENDPOINT", "10.0.0.1:5051"),
        ("MESOS_DIRECTORY", "/sandbox"),
        ("MESOS_SANDBOX", "/sandbox"),
        ("MESOS_CHECKPOINT", "1"),
        ("MESOS_RECOVERY_TIMEOUT", "15mins"),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", "5secs"),
        ("MESOS_DOMAIN_SOCKET", "/agent.sock"),
        ("MESOS_EXECUTOR_AUTHENTICATION_TOKEN", "token"),
    ];
    let any_value = prop_oneof![
        "[a-z0-9]{0,9}[@:/]?[a-z0-9@:()/?\\[\\].]{0,20}".prop_map(OsString::from),
        "/?[0-9.]{1,5}(secs|hrs)?".prop_map(OsString::from),
        prop::collection::vec(1..=255_u8, 0..30).prop_map(OsString::from_vec),
    ];
    let change = (0..VALID.len(), prop::option::of(any_value));
    let vars = prop::collection::vec(change, 0..5).prop_map(|changes| {
        let mut vars = VALID.map(|(name, value)| (name, Some(OsString::from(value))));
        for (at, value) in changes {
            vars[at].1 = value;
        }
        vars
    });
    on_any(vars, |vars| {
        let vars = vars
            .into_iter()
            .filter_map(|(name, value)| Some((OsString::from(name), value?)));
        match ExecutorEnvironment::from_vars(vars) {
            Ok(environment) => {
                let path = &environment.api_path;
                prop_assert!(path.starts_with('/') && path.ends_with("/api/v1/executor"));
                prop_assert!(path.bytes().all(|byte| byte.is_ascii_graphic()), "{path:?}");
                prop_assert_ne!(environment.agent_endpoint.port, 0);
                prop_assert!(environment.directory.is_absolute());
                prop_assert!(environment.sandbox.is_absolute());
                prop_assert!(!environment.framework_id.contains('/'));
                prop_assert_eq!(
                    environment.recovery_timeout.is_some(),
                    environment.checkpoint
                );
            }
            Err(errors) => {
                prop_assert!(!errors.errors().is_empty());
            }
        }
        Ok(())
    });
}

#[test]
fn any_text_that_is_a_duration_or_a_byte_count_prints_as_one() {
    let text = prop_oneof![
        any::<String>(),
        "[0-9.]{0,400}(ns|us|ms|secs|mins|hrs|days|weeks)",
        "[0-9.]{0,30}[kKmMgGtT]?[bB]",
    ];
    on_any(text, |text| {
        if let Ok(duration) = text.parse::<MesosDuration>() {
            prop_assert!(duration.to_std().is_some());
            prop_assert!(duration.to_string().parse::<MesosDuration>().is_ok());
        }
        if let Ok(bytes) = text.parse::<Bytes>() {
            prop_assert_eq!(bytes.to_string().parse(), Ok(bytes));
        }
        Ok(())
    });
}

#[test]
fn any_checkpoint_is_refused_or_as_long_as_it_says() {
    let message = v1::Task {
        name: "task".to_owned(),
        ..v1::Task::default()
    }
    .encode_to_vec();
    let length = u32::try_from(message.len()).unwrap().to_ne_bytes();
    let file = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..50),
        (any::<u32>(), prop::collection::vec(any::<u8>(), 0..50)).prop_map(|(length, rest)| [
            &length.to_ne_bytes()[..],
            &rest
        ]
        .concat()),
        damaged([&length[..], &message].concat()),
    ];
    on_any(file, |file| {
        if checkpoint::decode::<v1::Task>(&file).is_ok() {
            let (length, rest) = file.split_first_chunk::<4>().unwrap();
            prop_assert_eq!(u32::from_ne_bytes(*length) as usize, rest.len());
        }
        Ok(())
    });
}
