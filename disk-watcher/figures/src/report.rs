//! A report: written whole, or read and bounded.

use std::fmt;

use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::{Daemon, Engine, Subject};

/// What a key means changes with it.
const VERSION: u32 = 1;

/// More directories than are worth watching on any agent.
const MOST_SUBJECTS: usize = 50_000;

/// What the daemon knows at one moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    version: u32,
    /// That moment, in seconds since the epoch.
    pub time: f64,
    /// How long the daemon has run.
    #[serde(default)]
    pub uptime_seconds: f64,
    /// What it watches.
    #[serde(deserialize_with = "a_bounded_number")]
    pub subjects: Vec<Subject>,
    /// How it measures.
    #[serde(default)]
    pub engine: Engine,
    /// What it did.
    #[serde(default)]
    pub daemon: Daemon,
}

/// Why a text is no report.
#[derive(Debug, thiserror::Error)]
pub enum NoReport {
    /// It is no JSON, or has other values than a report.
    #[error("read a report of disks: {0}")]
    Broken(serde_json::Error),
    /// Of a version that this one does not know.
    #[error("read a report of disks: version {0} is unknown")]
    Version(u32),
}

impl Report {
    /// An empty one of this time, in seconds since the epoch.
    pub fn at(time: f64) -> Self {
        Self {
            version: VERSION,
            time,
            uptime_seconds: 0.0,
            subjects: Vec::new(),
            engine: Engine::default(),
            daemon: Daemon::default(),
        }
    }

    /// One line, with its end.
    pub fn line(&self) -> Vec<u8> {
        // Texts and numbers alone: it cannot fail.
        let mut line = serde_json::to_vec(self).unwrap_or_default();
        line.push(b'\n');
        line
    }

    /// Reads a report. It takes no more memory than some times that of the text, and no more subjects than there may be.
    ///
    /// # Errors
    /// See [`NoReport`].
    pub fn parse(text: &[u8]) -> Result<Self, NoReport> {
        let report: Self = serde_json::from_slice(text).map_err(NoReport::Broken)?;
        match report.version {
            VERSION => Ok(report),
            other => Err(NoReport::Version(other)),
        }
    }
}

/// Counted while they are read: a subject takes more room than its text.
fn a_bounded_number<'de, D: Deserializer<'de>>(subjects: D) -> Result<Vec<Subject>, D::Error> {
    struct Subjects;

    impl<'de> Visitor<'de> for Subjects {
        type Value = Vec<Subject>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "at most {MOST_SUBJECTS} subjects")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Vec<Subject>, A::Error> {
            let mut subjects = Vec::new();
            while let Some(subject) = sequence.next_element()? {
                if subjects.len() == MOST_SUBJECTS {
                    return Err(A::Error::invalid_length(MOST_SUBJECTS + 1, &self));
                }
                subjects.push(subject);
            }
            Ok(subjects)
        }
    }

    subjects.deserialize_seq(Subjects)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Identity, Kind, Mode, Source};

    const TEXT: &str = r#"{"version":1,"time":1000.5,"news":7,"subjects":[{"kind":"task","framework_id":"F",
        "executor_id":"e","container_id":"c","task_id":"web/1","path":"slaves/x","mode":"enforce","limit_bytes":1024,
        "mood":"good","measured":{"used_bytes":512,"charged_bytes":768,"inodes":2,"source":"quota",
        "age_seconds":0.5,"deleted_bytes":256}}],"engine":{"looks":3,"file_systems":[{"name":"ext4 8:1","source":"walk","trees":1}]}}"#;

    #[test]
    fn what_is_known_is_taken_and_the_rest_passed_over() {
        let report = Report::parse(TEXT.as_bytes()).unwrap();
        let identity = Identity {
            kind: Kind::Task,
            framework_id: "F".to_owned(),
            executor_id: "e".to_owned(),
            container_id: "c".to_owned(),
            task_id: Some("web/1".to_owned()),
            path: "slaves/x".to_owned(),
            ..Identity::default()
        };
        assert_eq!((report.time, report.subjects.len()), (1000.5, 1));
        let subject = &report.subjects[0];
        assert_eq!(subject.identity, identity);
        assert_eq!(
            (subject.mode, subject.limit_bytes),
            (Some(Mode::Enforce), Some(1024))
        );
        let measured = subject.measured.as_ref().unwrap();
        assert_eq!(
            (measured.source, measured.deleted_bytes),
            (Source::Quota, Some(256))
        );
        assert_eq!(subject.limit_share(), Some(0.75));
        assert_eq!(
            (report.engine.looks, report.engine.file_systems[0].trees),
            (3, 1)
        );
    }

    #[test]
    fn what_is_written_is_read_as_it_was() {
        let mut report = Report::parse(TEXT.as_bytes()).unwrap();
        report.subjects.push(Subject::default());
        report.subjects[1].identity.path = "a\nb\u{1b}[2J\"".to_owned();
        let line = report.line();
        assert_eq!(line.iter().filter(|byte| **byte == b'\n').count(), 1);
        assert_eq!(Report::parse(&line).unwrap(), report);
    }

    #[test]
    fn what_is_no_report_is_refused_however_it_is_wrong() {
        for text in [
            "",
            "null",
            "[]",
            r#"{"version":2,"time":1,"subjects":[]}"#,
            r#"{"version":1,"time":1e999,"subjects":[]}"#,
            r#"{"version":1,"time":1,"subjects":[{"kind":"planet","path":"x"}]}"#,
            r#"{"version":1,"time":1,"subjects":[{"kind":"task"}]}"#,
            r#"{"version":1,"time":1,"subjects":[{"kind":"task","path":"x","limit_bytes":-1}]}"#,
        ] {
            assert!(Report::parse(text.as_bytes()).is_err(), "{text}");
        }
        let one = r#"{"kind":"task","path":""}"#;
        let many = vec![one; MOST_SUBJECTS + 1].join(",");
        let flood = format!(r#"{{"version":1,"time":1,"subjects":[{many}]}}"#);
        assert!(Report::parse(flood.as_bytes()).is_err());
    }

    #[test]
    fn a_report_that_is_changed_anywhere_is_read_or_refused() {
        for at in 0..TEXT.len() {
            let mut bytes = TEXT.as_bytes().to_vec();
            for byte in [0, b'"', b'9', b'-', b'[', b'{', b',', 0xff] {
                bytes[at] = byte;
                if let Ok(report) = Report::parse(&bytes) {
                    assert!(report.time.is_finite());
                }
            }
            assert!(Report::parse(&TEXT.as_bytes()[..at]).is_err());
        }
    }
}
