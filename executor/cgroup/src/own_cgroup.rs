//! The lines of `/proc/self/cgroup` (cgroups(7)).

use std::path::{Path, PathBuf};

use crate::Error;
use crate::kernel_file::malformed;

/// The cgroup of this process in one hierarchy.
pub(crate) struct OwnCgroup {
    /// Empty for v2.
    pub(crate) controllers: Vec<String>,
    pub(crate) path: PathBuf,
}

/// Every one of `text`, the content of `path`. Lines are `hierarchy-id:controller,...:path` (cgroups(7)); the path may hold colons.
pub(crate) fn own_cgroups(path: &Path, text: &str) -> Result<Vec<OwnCgroup>, Error> {
    text.lines()
        .enumerate()
        .map(|(index, line)| {
            let mut fields = line.splitn(3, ':').skip(1);
            let (Some(controllers), Some(own)) = (fields.next(), fields.next()) else {
                return Err(malformed(path, index + 1, line));
            };
            Ok(OwnCgroup {
                controllers: controllers
                    .split(',')
                    .filter(|c| !c.is_empty())
                    .map(str::to_owned)
                    .collect(),
                path: PathBuf::from(own),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_may_hold_colons() {
        let own = own_cgroups(Path::new("cgroup"), "1:cpu,cpuacct:/a:b\n0::/\n").unwrap();
        assert_eq!(own[0].controllers, ["cpu", "cpuacct"]);
        assert_eq!(own[0].path, Path::new("/a:b"));
        assert!(own[1].controllers.is_empty());
    }

    #[test]
    fn a_line_without_colons_is_named() {
        let path = Path::new("/proc/self/cgroup");
        let error = own_cgroups(path, "4:memory:/\ngarbage\n").map(drop);
        let error = error.unwrap_err().to_string();
        assert!(
            error.contains("proc/self/cgroup line 2: 'garbage'"),
            "{error}"
        );
    }
}
