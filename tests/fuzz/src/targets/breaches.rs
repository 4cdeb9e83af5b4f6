//! What is told to an executor on its socket, and what it answers.

use task_figures::breach::{Answer, Command, LONGEST_LINE};

/// Whatever it is, there is a reason why it is neither, or it is one which is written and read again as it is.
pub(crate) fn run(bytes: &[u8]) {
    match Command::parse(bytes) {
        Err(error) => assert!(!error.to_string().is_empty()),
        Ok(command) => {
            let line = command.line();
            check(&line);
            match Command::parse(&line) {
                Ok(Command::DiskBreach(breach)) => assert!(breach.used_bytes > breach.limit_bytes),
                // A text that was short may be written longer, as what JSON need not escape and we do.
                Err(error) => assert!(line.len() > LONGEST_LINE, "{error}"),
            }
        }
    }
    if let Ok(answer) = Answer::parse(bytes) {
        let line = answer.line();
        check(&line);
        if line.len() <= LONGEST_LINE {
            assert_eq!(Answer::parse(&line).ok(), Some(answer));
        }
    }
}

fn check(line: &[u8]) {
    assert!(line.ends_with(b"\n") && !line[..line.len() - 1].contains(&b'\n'));
}
