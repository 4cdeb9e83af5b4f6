//! What the disk watcher's daemon publishes, as anybody who listens on its socket's path could tell it.

use disk_figures::{OWN_SERIES, Report, SUBJECT_SERIES};

/// More directories than a report can have.
const TOO_MANY: usize = 50_001;

/// Whatever it is, there is a reason why it is no report, or it is one whose every series has a value or none, and which
/// is written and read again as it is.
pub(crate) fn run(bytes: &[u8]) {
    match Report::parse(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(report) => {
            assert!(report.time.is_finite());
            assert!(report.subjects.len() < TOO_MANY);
            for subject in &report.subjects {
                let values = SUBJECT_SERIES.iter().map(|series| (series.value)(subject));
                assert!(values.count() == SUBJECT_SERIES.len());
                assert!(subject.limit_share().is_none_or(f64::is_finite));
            }
            let own = OWN_SERIES
                .iter()
                .filter_map(|series| (series.value)(&report));
            assert_eq!(own.count(), OWN_SERIES.len());
            let line = report.line();
            assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'));
            match Report::parse(&line) {
                Ok(again) => assert_eq!(again.subjects.len(), report.subjects.len()),
                Err(error) => panic!("what was written cannot be read: {error}"),
            }
        }
    }
}
