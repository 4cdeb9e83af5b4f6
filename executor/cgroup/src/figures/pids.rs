use std::path::Path;

use super::PidsFigures;
use crate::Error;
use crate::kernel_file::{Keyed, read_number_if_present};

impl PidsFigures {
    pub(crate) fn read(&mut self, directory: &Path) -> Result<(), Error> {
        self.current = read_number_if_present(&directory.join("pids.current"))?;
        self.limit = read_number_if_present(&directory.join("pids.max"))?;
        // Those of cgroups that the task made below are in it from Linux 6.11 on.
        let path = directory.join("pids.events");
        self.refused = Keyed::read_if_present(&path)?.get("max")?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn no_limit_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(at.join("pids.current"), "3\n").unwrap();
        fs::write(at.join("pids.max"), "max\n").unwrap();
        fs::write(at.join("pids.events"), "max 12\n").unwrap();
        let mut figures = PidsFigures::default();
        figures.read(at).unwrap();
        let expected = PidsFigures {
            current: Some(3),
            limit: None,
            refused: Some(12),
        };
        assert_eq!(figures, expected);
    }
}
