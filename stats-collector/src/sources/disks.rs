//! The disk watcher: what it knows of every sandbox's and volume's disk, and of itself.

use std::path::PathBuf;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use disk_figures::{Figure, OWN_SERIES, Report, SUBJECT_SERIES, Series, Subject, Type};
use graphite::Value;

use super::LookError;
use super::look::Looker;
use crate::model::{Field, Kind, Memory, Nature, Origin, Put, Unit};
use crate::names::{Entry, Identity, Registry};
use crate::output::Outlet;

/// Asks the watcher.
#[derive(Debug)]
pub(crate) struct Disks {
    socket: PathBuf,
    patience: Duration,
    looker: Looker,
}

impl Disks {
    /// The one that listens on this socket.
    pub(crate) fn new(socket: PathBuf, patience: Duration) -> Self {
        Self {
            socket,
            patience,
            looker: Looker::new("the disk watcher", patience),
        }
    }

    /// All that it knows now.
    ///
    /// # Errors
    /// It is away, slow, or tells something else.
    pub(crate) async fn ask(&mut self) -> Result<Report, LookError> {
        let (socket, patience) = (self.socket.clone(), self.patience);
        let look = move || Ok(disk_figures::read(&socket, patience)?);
        self.looker.look(look).await
    }
}

impl Identity for &Subject {
    fn id(&self) -> &str {
        &self.identity.path
    }

    fn origin(&self) -> Origin {
        let whose = &self.identity;
        let known = |text: &String| (!text.is_empty()).then(|| Arc::from(text.as_str()));
        let told = |text: &Option<String>| text.as_deref().map(Arc::from);
        let (own, parents) = match whose.nested_container_ids.split_last() {
            None => (known(&whose.container_id), None),
            Some((own, [])) => (Some(own.as_str().into()), known(&whose.container_id)),
            Some((own, [.., parent])) => (Some(own.as_str().into()), Some(parent.as_str().into())),
        };
        Origin {
            framework: told(&whose.framework_name),
            framework_id: known(&whose.framework_id),
            role: told(&whose.role),
            executor_id: known(&whose.executor_id),
            task_id: told(&whose.task_id),
            container_id: own,
            parent_container_id: parents,
            persistence_id: told(&whose.persistence_id),
            ..Origin::default()
        }
    }
}

/// Puts the numbers of a report.
pub(crate) async fn tell(report: &Report, registry: &mut Registry<Memory>, outlet: &mut Outlet) {
    for (theirs, kind) in [
        (disk_figures::Kind::Container, Kind::DiskContainer),
        (disk_figures::Kind::Nested, Kind::DiskNested),
        (disk_figures::Kind::Task, Kind::DiskTask),
        (disk_figures::Kind::Volume, Kind::DiskVolume),
    ] {
        let subjects = report.subjects.iter();
        let all: Vec<&Subject> = subjects
            .filter(|subject| subject.identity.kind == theirs)
            .collect();
        registry.take_in(kind, all.iter(), report.time as u64);
        for one in all {
            let Some(Entry { subject, head, .. }) = registry.call(kind, &one.identity.path) else {
                continue;
            };
            if let Some(mut writer) = outlet.begin(subject, head, report.time) {
                put(&SUBJECT, one, &mut writer);
            }
            outlet.caught_up().await;
        }
    }
    let Entry { subject, head, .. } = registry.single(Kind::Watcher);
    if let Some(mut writer) = outlet.begin(subject, head, report.time) {
        put(&WATCHER, report, &mut writer);
    }
}

/// The watcher's own table of figures, and the fields that they are.
#[derive(Debug)]
struct Table<T: 'static> {
    series: &'static [Series<T>],
    fields: Vec<Field>,
}

static SUBJECT: LazyLock<Table<Subject>> = LazyLock::new(|| Table::new(SUBJECT_SERIES));
static WATCHER: LazyLock<Table<Report>> = LazyLock::new(|| Table::new(OWN_SERIES));

impl<T> Table<T> {
    fn new(series: &'static [Series<T>]) -> Self {
        let fields = series.iter().map(|series| Field {
            name: series.name,
            along: None,
            nature: match series.of {
                Type::Gauge => Nature::Gauge,
                Type::Counter => Nature::Counter,
            },
            unit: unit(series.name),
            help: series.help,
        });
        Self {
            series,
            fields: fields.collect(),
        }
    }
}

/// The watcher has it in the name.
fn unit(name: &str) -> Unit {
    let has = |end: &str| name.ends_with(end);
    match () {
        () if has("_bytes_per_second") => Unit::BytesPerSecond,
        () if has("_bytes") => Unit::Bytes,
        () if has("_seconds") => Unit::Seconds,
        () if has("_share") => Unit::Share,
        () => Unit::Count,
    }
}

fn put<T>(table: &'static Table<T>, of: &T, put: &mut impl Put) {
    for (series, field) in table.series.iter().zip(&table.fields) {
        let value = match (series.value)(of) {
            None => continue,
            Some(Figure::Integer(value)) => Value::Integer(value),
            Some(Figure::Float(value)) => Value::Float(value),
        };
        put.put(field, None, value);
    }
}

/// All that there can be of a directory, for the reference.
pub(crate) fn fields() -> &'static [Field] {
    &SUBJECT.fields
}

/// All that there can be of the watcher itself.
pub(crate) fn watcher_fields() -> &'static [Field] {
    &WATCHER.fields
}

#[cfg(test)]
mod tests {
    use disk_figures::Identity as Whose;

    use super::*;

    #[test]
    fn a_nested_container_lies_in_the_one_before_it() {
        let mut subject = Subject {
            identity: Whose {
                container_id: "a".to_owned(),
                ..Whose::default()
            },
            ..Subject::default()
        };
        for (nested, own, parent) in [
            (vec![], "a", None),
            (vec!["b"], "b", Some("a")),
            (vec!["b", "c"], "c", Some("b")),
        ] {
            subject.identity.nested_container_ids = nested.into_iter().map(str::to_owned).collect();
            let origin = (&subject).origin();
            assert_eq!(origin.container_id.as_deref(), Some(own));
            assert_eq!(origin.parent_container_id.as_deref(), parent);
        }
    }

    #[test]
    fn the_unit_is_in_the_name() {
        let unit_of = |name: &str| {
            let mut fields = fields().iter().chain(watcher_fields());
            fields.find(|field| field.name == name).unwrap().unit
        };
        assert_eq!(unit_of("used_bytes"), Unit::Bytes);
        assert_eq!(unit_of("growth_bytes_per_second"), Unit::BytesPerSecond);
        assert_eq!(unit_of("limit_share"), Unit::Share);
        assert_eq!(unit_of("uptime_seconds"), Unit::Seconds);
        assert_eq!(unit_of("inodes"), Unit::Count);
    }
}
