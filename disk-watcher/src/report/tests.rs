use super::*;
use mesos_proto::paths::{ExecutorPath, Id};

fn row(container: &str, bytes: u64, limit: Option<u64>) -> Row {
    let id = |name: &str| Id::new(name).unwrap();
    let executor = ExecutorPath {
        agent_id: id("A"),
        framework_id: id("F"),
        executor_id: id("E"),
    };
    Row {
        run: RunPath {
            executor,
            container_id: id(container),
        },
        place: Place::Container,
        task_id: None,
        path: PathBuf::from("slaves").join(container),
        usage: Usage {
            bytes,
            inodes: 1,
            ..Usage::default()
        },
        cost: Duration::ZERO,
        limit: limit.map(Bytes::new),
    }
}

/// A daemon that watches /w, of which it knows what is at `path` below it, and a volume.
fn told(path: &str, mut measured: Measured) -> Watched {
    measured.deleted_bytes = Some(4096);
    measured.growth_bytes_per_second = Some(-2048.0);
    measured.source = Source::Quota;
    let of = |kind: Kind, path: String| Subject {
        identity: Identity {
            kind,
            path,
            role: Some("r".to_owned()),
            persistence_id: Some("data\u{1b}".to_owned()),
            ..Identity::default()
        },
        limit_bytes: Some(1 << 20),
        measured: Some(measured.clone()),
        ..Subject::default()
    };
    let mut report = Report::at(1000.0);
    report.subjects = vec![
        of(Kind::Container, format!("/w/{path}")),
        of(Kind::Volume, "/w/volumes/roles/r/data".to_owned()),
    ];
    Watched::new(Some(report), Path::new("/w"))
}

#[test]
fn the_fullest_come_first_and_the_unlimited_last() {
    let mut rows = [
        row("big-unlimited", 1 << 40, None),
        row("half", 50, Some(100)),
        row("over", 12, Some(10)),
        row("small-unlimited", 1, None),
        row("no-room-at-all", 1, Some(0)),
    ];
    rows.sort_by(fullest_first);
    let order: Vec<_> = rows
        .iter()
        .map(|row| row.run.container_id.to_string())
        .collect();
    assert_eq!(
        order,
        [
            "no-room-at-all",
            "over",
            "half",
            "big-unlimited",
            "small-unlimited"
        ]
    );
}

#[test]
fn columns_are_aligned_and_hostile_names_stay_on_their_line() {
    let mut hostile = row("C", 3 << 20, Some(10 << 20));
    hostile.place = Place::Task("evil\nname".into());
    let mut table = Vec::new();
    let rows = [hostile, row("D", 100, None)];
    write_table(&rows, &Watched::default(), &mut table).unwrap();
    let expected = "   \
        USED     LIMIT  USE%  INODES  DELETED  GROWTH  WATCHED  FRAMEWORK  EXECUTOR  CONTAINER\n\
        3.0 MiB  10.0 MiB   30%       1        -       -  -        F          E         C/tasks/evil\\nname\n  \
          100 B         -     -       1        -       -  -        F          E         D\n";
    assert_eq!(String::from_utf8(table).unwrap(), expected);
}

#[test]
fn what_a_daemon_knows_stands_beside_what_was_measured_and_volumes_below() {
    let here = row("C", 3 << 20, Some(10 << 20));
    let measured = here.subject().measured.unwrap();
    let watched = told("slaves/C", measured);
    let rows = [here];
    let mut table = Vec::new();
    write_table(&rows, &watched, &mut table).unwrap();
    let table = String::from_utf8(table).unwrap();
    let lines: Vec<&str> = table.lines().collect();
    assert!(lines[1].contains("4.0 KiB  -2.0 KiB/s  quota"), "{table}");
    assert!(lines[2].ends_with("volume data\\u{1b} of r"), "{table}");
    let mut json = Vec::new();
    write_json(&rows, &watched, &mut json).unwrap();
    let json: serde_json::Value = serde_json::from_slice(&json).unwrap();
    assert_eq!(json[0]["watched"]["source"], "quota");
    assert_eq!(
        (&json[1]["kind"], &json[1]["used_bytes"]),
        (&"volume".into(), &(3 << 20).into())
    );
    let elsewhere = Watched::new(None, Path::new("/w"));
    assert!(elsewhere.of(&rows[0]).is_none());
}

#[test]
fn a_lower_bound_is_marked() {
    let mut short = row("C", 2048, None);
    short.usage.completeness = Completeness::LowerBound(disk_engine::Gaps {
        over_budget: true,
        ..Default::default()
    });
    assert_eq!(cells(&short, None)[0], ">=2.0 KiB");
    let json = serde_json::to_value(json_row(&short, None)).unwrap();
    assert_eq!(json["complete"], false);
    assert_eq!(
        json["incomplete_because"],
        "more entries than the walk may count"
    );
}

#[test]
fn json_has_exact_bytes_and_null_for_an_unknown_limit() {
    let mut out = Vec::new();
    write_json(
        &[row("C", 4097, None), row("D", 1, Some(1 << 53))],
        &Watched::default(),
        &mut out,
    )
    .unwrap();
    let json: serde_json::Value = serde_json::from_slice(&out).unwrap();
    assert_eq!(json[0]["used_bytes"], 4097);
    assert_eq!(json[0]["limit_bytes"], serde_json::Value::Null);
    assert_eq!(json[1]["limit_bytes"], 1u64 << 53);
    assert_eq!(json[0]["kind"], "container");
    assert!(json[0].get("task").is_none());
}

#[test]
fn sizes_are_shown_in_the_unit_that_fits() {
    for (bytes, shown) in [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (1_048_575, "1.0 MiB"),
        (1_073_741_824, "1.0 GiB"),
        (u64::MAX, "16384.0 PiB"),
    ] {
        assert_eq!(in_units(bytes), shown);
    }
}

#[test]
fn one_byte_over_the_limit_is_more_than_100_percent() {
    assert_eq!(percent(1.0), "100%");
    assert_eq!(
        percent((1u64 << 30) as f64 / ((1u64 << 30) - 1) as f64),
        "101%"
    );
}
