use std::io;
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;

use super::{PressureFigures, Stalls};
use crate::Error;
use crate::kernel_file::{malformed, read_if_present};

impl PressureFigures {
    pub(super) fn read(&mut self, directory: &Path) -> Result<(), Error> {
        self.cpu = stalls(&directory.join("cpu.pressure"))?;
        self.memory = stalls(&directory.join("memory.pressure"))?;
        self.io = stalls(&directory.join("io.pressure"))?;
        Ok(())
    }
}

/// Lines are `some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, the total in microseconds.
fn stalls(path: &Path) -> Result<Option<Stalls>, Error> {
    let text = match read_if_present(path) {
        // What a kernel says that has it compiled in and switched off.
        Err(Error::Read { source, .. }) if is_off(&source) => None,
        text => text?,
    };
    let Some(text) = text else {
        return Ok(None);
    };
    let mut stalls = Stalls::default();
    for (index, line) in text.lines().enumerate() {
        let bad = || malformed(path, index + 1, line);
        let total = line.split_once("total=").ok_or_else(bad)?.1;
        let total = Duration::from_micros(total.trim().parse().map_err(|_| bad())?);
        match line.split(' ').next() {
            Some("some") => stalls.some = total,
            Some("full") => stalls.full = total,
            _ => return Err(bad()),
        }
    }
    Ok(Some(stalls))
}

fn is_off(error: &io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_totals_of_both_lines_are_read() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(
            directory.path().join("memory.pressure"),
            "some avg10=0.12 avg60=0.03 avg300=0.00 total=2500000\n\
             full avg10=0.00 avg60=0.00 avg300=0.00 total=1000\n",
        )
        .unwrap();
        let mut figures = PressureFigures::default();
        figures.read(directory.path()).unwrap();
        let memory = Stalls {
            some: Duration::from_millis(2500),
            full: Duration::from_millis(1),
        };
        assert_eq!(figures.memory, Some(memory));
        assert_eq!((figures.cpu, figures.io), (None, None));
    }

    #[test]
    fn a_line_without_a_total_is_named() {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("cpu.pressure"), "some nothing\n").unwrap();
        let error = PressureFigures::default().read(directory.path());
        let text = error.unwrap_err().to_string();
        assert!(
            text.contains("cpu.pressure line 1: 'some nothing'"),
            "{text}"
        );
    }
}
