use std::io;
use std::path::Path;

use cgroups_rs::fs::cpuset::CpuSetController;

use super::{Limits, Place, refused};
use crate::Error;
use crate::kernel_file::{self, read};
use crate::version::Version;

/// What v1 wants to be filled in before anybody can join, and what stands in its place where it is
/// empty.
const FILES: [(&str, &str); 2] = [
    ("cpuset.cpus", "cpuset.effective_cpus"),
    ("cpuset.mems", "cpuset.effective_mems"),
];

pub(super) fn write(limits: &Limits, place: Place<'_>) -> Result<(), Error> {
    let directory = place.directory;
    if place.version == Version::V1
        && let Some(above) = directory.parent()
    {
        // Also for what is not asked for, and for what is not any more.
        for (file, _) in FILES {
            inherit(directory, above, file)?;
        }
    }
    let v2 = place.version == Version::V2;
    let controller = CpuSetController::new(directory.to_owned(), directory.to_owned(), v2);
    match &limits.cpuset.cpus {
        Some(cpus) => controller
            .set_cpus(cpus)
            .map_err(refused(directory, "cpuset.cpus", cpus))?,
        None if v2 && !place.is_new => lift(directory, "cpuset.cpus")?,
        None => {}
    }
    match &limits.cpuset.mems {
        Some(mems) => controller
            .set_mems(mems)
            .map_err(refused(directory, "cpuset.mems", mems)),
        None if v2 && !place.is_new => lift(directory, "cpuset.mems"),
        None => Ok(()),
    }
}

/// Takes back what was asked for on v2, where an empty file stands for all that is above. With processes inside, a kernel
/// may refuse to make it empty again (6.1 does); then it names all that there is above at this time.
fn lift(directory: &Path, file: &str) -> Result<(), Error> {
    match (
        kernel_file::write(&directory.join(file), "\n"),
        directory.parent(),
    ) {
        (Err(Error::Write { source, .. }), Some(above))
            if source.kind() == io::ErrorKind::StorageFull =>
        {
            let all = read(&above.join(format!("{file}.effective")))?;
            kernel_file::write(&directory.join(file), all.trim())
        }
        (written, _) => written,
    }
}

/// Fills in what v1 leaves empty in a cgroup that was just made in `above`, unless somebody has.
pub(crate) fn fill(directory: &Path, above: &Path) -> Result<(), Error> {
    for (file, _) in FILES {
        if read(&directory.join(file))?.trim().is_empty() {
            inherit(directory, above, file)?;
        }
    }
    Ok(())
}

/// Gives `directory` what `above` has in `file`.
fn inherit(directory: &Path, above: &Path, file: &str) -> Result<(), Error> {
    let mut text = read(&above.join(file))?;
    if text.trim().is_empty() {
        let effective = FILES.iter().find(|(name, _)| *name == file);
        if let Some((_, effective)) = effective {
            text = read(&above.join(effective))?;
        }
    }
    kernel_file::write(&directory.join(file), text.trim())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::limits::Cpuset;
    use std::fs;

    fn tree() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (file, text) in [("cpuset.cpus", "0-3\n"), ("cpuset.mems", "0\n")] {
            fs::write(root.path().join(file), text).unwrap();
            fs::create_dir_all(root.path().join("task")).unwrap();
            fs::write(root.path().join("task").join(file), "\n").unwrap();
        }
        root
    }

    fn put(directory: &Path, version: Version, cpus: Option<&str>, is_new: bool) -> String {
        let limits = Limits {
            cpuset: Cpuset {
                cpus: cpus.map(str::to_owned),
                mems: None,
            },
            ..Limits::of_cpus(1.0)
        };
        let place = Place {
            version,
            directory,
            is_new,
        };
        write(&limits, place).unwrap();
        let text = |file| {
            fs::read_to_string(directory.join(file))
                .unwrap()
                .trim()
                .to_owned()
        };
        format!("{} {}", text("cpuset.cpus"), text("cpuset.mems"))
            .trim()
            .to_owned()
    }

    #[test]
    fn on_v1_what_is_not_asked_for_is_as_above() {
        let root = tree();
        let task = root.path().join("task");
        assert_eq!(put(&task, Version::V1, Some("1"), true), "1 0");
        assert_eq!(put(&task, Version::V1, None, false), "0-3 0");
    }

    #[test]
    fn on_v2_what_is_not_asked_for_is_empty() {
        let root = tree();
        let task = root.path().join("task");
        assert_eq!(put(&task, Version::V2, Some("1"), true), "1");
        assert_eq!(put(&task, Version::V2, None, false), "");
    }

    #[test]
    fn what_is_empty_above_is_taken_as_it_is_in_effect_and_what_is_filled_stays() {
        let root = tree();
        let task = root.path().join("task");
        fs::write(root.path().join("cpuset.cpus"), "\n").unwrap();
        fs::write(root.path().join("cpuset.effective_cpus"), "0-1\n").unwrap();
        fs::write(task.join("cpuset.mems"), "1\n").unwrap();
        fill(&task, root.path()).unwrap();
        assert_eq!(fs::read_to_string(task.join("cpuset.cpus")).unwrap(), "0-1");
        assert_eq!(fs::read_to_string(task.join("cpuset.mems")).unwrap(), "1\n");
    }
}
