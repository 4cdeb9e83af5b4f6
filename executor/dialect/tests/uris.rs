//! What is to be fetched for a task.

use dialect::{Checksum, Uri};
use mesos_proto::v1::CommandInfo;
use mesos_proto::v1::command_info::Uri as UriInfo;

use crate::task::{command, refusal, resolve, task, with_data};

fn with_uris(uris: Vec<UriInfo>) -> CommandInfo {
    CommandInfo {
        uris,
        ..command("x")
    }
}

fn plain(value: &str) -> Uri {
    Uri {
        value: value.into(),
        executable: false,
        extract: true,
        output_file: None,
        checksum: None,
    }
}

#[test]
fn the_uris_of_a_task_of_a_group_are_the_executors_to_fetch() {
    let uris = vec![
        UriInfo {
            value: "http://h/a.tar.gz".into(),
            ..Default::default()
        },
        UriInfo {
            value: "/srv/tool".into(),
            executable: Some(true),
            extract: Some(false),
            cache: Some(true),
            output_file: Some("bin/tool".into()),
        },
    ];
    let request = resolve(&task(|task| task.command = Some(with_uris(uris)))).unwrap();
    let tool = Uri {
        executable: true,
        extract: false,
        output_file: Some("bin/tool".into()),
        ..plain("/srv/tool")
    };
    assert_eq!(request.uris, [plain("http://h/a.tar.gz"), tool]);
}

#[test]
fn the_uris_of_a_command_task_were_fetched_by_the_agent() {
    let uris = vec![UriInfo {
        value: "http://h/f".into(),
        ..Default::default()
    }];
    let command_task = task(|task| {
        task.executor = None;
        task.command = Some(with_uris(uris));
    });
    assert_eq!(resolve(&command_task).unwrap().uris, []);
}

#[test]
fn data_names_uris_with_checksums() {
    let digest = "AB".repeat(32);
    let data = format!(
        r#"{{"version":1,"command":{{"value":"x","uris":[
            {{"value":"https://h/f","checksum":"sha256:{digest}","cache":false}},
            {{"value":"file:///g"}}]}}}}"#
    );
    let request = resolve(&with_data(&data)).unwrap();
    let first = Uri {
        checksum: Some(Checksum::Sha256("ab".repeat(32))),
        ..plain("https://h/f")
    };
    assert_eq!(request.uris, [first, plain("file:///g")]);
}

#[test]
fn an_output_file_outside_of_the_sandbox_is_refused() {
    for bad in [
        "/etc/passwd",
        "..",
        "a/../b",
        "a//b",
        "",
        "a/",
        "./a",
        "a\0",
    ] {
        let uris = vec![
            UriInfo {
                value: "http://h/f".into(),
                ..Default::default()
            },
            UriInfo {
                value: "http://h/f".into(),
                output_file: Some(bad.into()),
                ..Default::default()
            },
        ];
        let error = refusal(&task(|task| task.command = Some(with_uris(uris))));
        assert_eq!(
            error, "TaskInfo.command: URI 2: its output_file must be a relative path without '..'",
            "{bad:?}"
        );
    }
}

#[test]
fn a_uri_without_a_value_and_one_that_breaks_a_line_are_refused() {
    for (bad, wanted) in [
        ("", "no value"),
        ("  ", "no value"),
        ("http://h/\r\nX: y", "control"),
    ] {
        let uris = vec![UriInfo {
            value: bad.into(),
            ..Default::default()
        }];
        let error = refusal(&task(|task| task.command = Some(with_uris(uris))));
        assert!(error.contains(wanted), "{bad:?}: {error}");
    }
}

#[test]
fn a_checksum_of_the_wrong_length_kind_or_alphabet_is_refused() {
    for bad in [
        "ab",
        "sha256:",
        &format!("sha256:{}", "ab".repeat(31)),
        &format!("sha1:{}", "ab".repeat(20)),
        &format!("sha256:{}", "xy".repeat(32)),
    ] {
        let data = format!(
            r#"{{"version":1,"command":{{"value":"x","uris":[{{"value":"http://h/f","checksum":"{bad}"}}]}}}}"#
        );
        let error = refusal(&with_data(&data));
        assert!(
            error.contains("URI 1: its checksum must be"),
            "{bad}: {error}"
        );
    }
}
