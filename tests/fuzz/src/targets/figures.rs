//! What an executor publishes of its tasks, as it lies in a sandbox.

use task_figures::Report;

/// More tasks than a report can have.
const TOO_MANY: usize = 10_001;

/// Whatever it is, there is a reason why it is no report, or it is one which is written and read again as it is.
pub(crate) fn run(bytes: &[u8]) {
    match Report::parse(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(report) => {
            assert!(report.time.is_finite());
            assert!(report.tasks.len() < TOO_MANY);
            let line = report.line();
            assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'));
            match Report::parse(&line) {
                Ok(again) => assert_eq!(again.tasks.len(), report.tasks.len()),
                Err(error) => panic!("what was written cannot be read: {error}"),
            }
        }
    }
}
