//! The survey's result, as a table for people and as JSON for programs.

use std::cmp::Ordering;
use std::io::{self, Write};
use std::path::PathBuf;

use disk_engine::{Completeness, Usage};
use mesos_proto::Bytes;
use mesos_proto::paths::RunPath;
use serde::Serialize;

use crate::escape::{escaped, text};
use crate::sandboxes::Place;

/// One sandbox, measured.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) run: RunPath,
    pub(crate) place: Place,
    /// Of the task that has it, where its executor tells.
    pub(crate) task_id: Option<String>,
    /// Below the work directory.
    pub(crate) path: PathBuf,
    pub(crate) usage: Usage,
    pub(crate) limit: Option<Bytes>,
}

impl Row {
    /// Used bytes as part of the limit; infinite where there is something and may be nothing.
    fn share(&self) -> Option<f64> {
        let used = self.usage.bytes as f64;
        self.limit.map(|limit| {
            if used > 0.0 {
                used / limit.as_u64() as f64
            } else {
                0.0
            }
        })
    }
}

/// The largest share of its limit first; those without a limit after, by usage.
pub(crate) fn fullest_first(a: &Row, b: &Row) -> Ordering {
    let share = |row: &Row| row.share().unwrap_or(-1.0);
    share(b)
        .total_cmp(&share(a))
        .then(b.usage.bytes.cmp(&a.usage.bytes))
        .then_with(|| a.path.cmp(&b.path))
}

/// Writes the rows in columns, the numbers flush right.
pub(crate) fn write_table(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let header = [
        "USED",
        "LIMIT",
        "USE%",
        "FRAMEWORK",
        "EXECUTOR",
        "CONTAINER",
    ]
    .map(str::to_owned);
    let lines: Vec<[String; 6]> = std::iter::once(header)
        .chain(rows.iter().map(cells))
        .collect();
    let width = |column: usize| {
        lines
            .iter()
            .map(|line| line[column].chars().count())
            .max()
            .unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for [used, limit, share, framework, executor, container] in &lines {
        let [w0, w1, w2, w3, w4, _] = widths;
        writeln!(
            out,
            "{used:>w0$}  {limit:>w1$}  {share:>w2$}  {framework:w3$}  {executor:w4$}  {container}"
        )?;
    }
    Ok(())
}

fn cells(row: &Row) -> [String; 6] {
    let at_least = if row.usage.completeness == Completeness::Complete {
        ""
    } else {
        ">="
    };
    let unknown = || "-".to_owned();
    let executor = &row.run.executor;
    let container = row.place.below(row.run.container_id.as_os_str().into());
    [
        format!("{at_least}{}", in_units(row.usage.bytes)),
        row.limit
            .map_or_else(unknown, |limit| in_units(limit.as_u64())),
        row.share().map_or_else(unknown, percent),
        escaped(executor.framework_id.as_os_str()),
        escaped(executor.executor_id.as_os_str()),
        escaped(container.as_os_str()),
    ]
}

/// Rounded up, so that only what is within the limit shows as 100 % or less.
fn percent(share: f64) -> String {
    if share < 100.0 {
        format!("{}%", (share * 100.0).ceil())
    } else {
        ">9999%".to_owned()
    }
}

/// In the largest unit that leaves a number of at least 1, with one decimal.
fn in_units(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} B");
    }
    let mut amount = bytes as f64 / 1024.0;
    let mut unit = 0;
    // What would be rounded to 1024.0 is 1.0 of the next unit.
    while amount >= 1023.95 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    format!("{amount:.1} {}", UNITS[unit])
}

#[derive(Serialize)]
struct JsonRow {
    kind: &'static str,
    agent_id: String,
    framework_id: String,
    executor_id: String,
    container_id: String,
    /// The ids of nested containers, from the outermost on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nested_container_ids: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<String>,
    /// Not there where the executor does not tell; otherwise `task` is the id, or what could be made of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    task_id: Option<String>,
    path: String,
    used_bytes: u64,
    limit_bytes: Option<u64>,
    inodes: u64,
    mounts_skipped: u64,
    complete: bool,
    /// Why it is not complete.
    #[serde(skip_serializing_if = "Option::is_none")]
    incomplete_because: Option<String>,
}

/// Writes the rows as a JSON array.
pub(crate) fn write_json(rows: &[Row], out: &mut impl Write) -> io::Result<()> {
    let rows: Vec<JsonRow> = rows.iter().map(json_row).collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

fn json_row(row: &Row) -> JsonRow {
    let executor = &row.run.executor;
    let (kind, nested_container_ids, task) = match &row.place {
        Place::Container => ("container", Vec::new(), None),
        Place::Nested(ids) => ("nested", ids.iter().map(|id| text(id)).collect(), None),
        Place::Task(name) => ("task", Vec::new(), Some(text(name))),
    };
    JsonRow {
        kind,
        agent_id: text(executor.agent_id.as_os_str()),
        framework_id: text(executor.framework_id.as_os_str()),
        executor_id: text(executor.executor_id.as_os_str()),
        container_id: text(row.run.container_id.as_os_str()),
        nested_container_ids,
        task,
        task_id: row.task_id.clone(),
        path: text(row.path.as_os_str()),
        used_bytes: row.usage.bytes,
        limit_bytes: row.limit.map(Bytes::as_u64),
        inodes: row.usage.inodes,
        mounts_skipped: row.usage.mounts_skipped,
        complete: row.usage.completeness == Completeness::Complete,
        incomplete_because: match &row.usage.completeness {
            Completeness::Complete => None,
            Completeness::LowerBound(gaps) => Some(gaps.to_string()),
        },
    }
}

#[cfg(test)]
mod tests {
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
            limit: limit.map(Bytes::new),
        }
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
        write_table(&[hostile, row("D", 100, None)], &mut table).unwrap();
        let expected = "   USED     LIMIT  USE%  FRAMEWORK  EXECUTOR  CONTAINER\n\
                        3.0 MiB  10.0 MiB   30%  F          E         C/tasks/evil\\nname\n  \
                          100 B         -     -  F          E         D\n";
        assert_eq!(String::from_utf8(table).unwrap(), expected);
    }

    #[test]
    fn a_lower_bound_is_marked() {
        let mut short = row("C", 2048, None);
        short.usage.completeness = Completeness::LowerBound(disk_engine::Gaps {
            over_budget: true,
            ..Default::default()
        });
        assert_eq!(cells(&short)[0], ">=2.0 KiB");
        let json = serde_json::to_value(json_row(&short)).unwrap();
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
}
