//! v2's `memory.low` in the cgroups above a task's: what a cgroup is protected to is at most what
//! those above it are.

use std::path::Path;

use crate::Error;
use crate::kernel_file::{read_if_present, write};
use crate::parent::children;

const FILE: &str = "memory.low";

/// Protects the cgroup at `directory`, and the one above it, as far as all cgroups in each are
/// together.
///
/// # Errors
/// A file that cannot be read or written.
pub(crate) fn pass_up(directory: &Path) -> Result<(), Error> {
    for directory in directory.ancestors().take(2) {
        let mut sum = 0_u64;
        for child in children(directory)? {
            // One that is gone, or has no memory controller, is not protected.
            let text = read_if_present(&child.join(FILE))?.unwrap_or_default();
            sum = match text.trim() {
                "max" => u64::MAX,
                text => sum.saturating_add(text.parse().unwrap_or(0)),
            };
        }
        // The kernel's largest number of bytes is that of a signed one.
        write(
            &directory.join(FILE),
            &sum.min(i64::MAX.cast_unsigned()).to_string(),
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_is_above_is_protected_as_far_as_all_in_it_are() {
        let top = tempfile::tempdir().unwrap();
        let executor = top.path().join("executor");
        for (cgroup, low) in [
            ("", "0"),
            ("other", "4096\n"),
            ("executor", "0"),
            ("executor/one", "8192\n"),
            ("executor/two", "1024\n"),
            ("executor/none", "0\n"),
        ] {
            fs::create_dir_all(top.path().join(cgroup)).unwrap();
            fs::write(top.path().join(cgroup).join(FILE), low).unwrap();
        }
        pass_up(&executor).unwrap();
        let low = |directory: &Path| fs::read_to_string(directory.join(FILE)).unwrap();
        assert_eq!(low(&executor), "9216");
        assert_eq!(low(top.path()), "13312");
    }
}
