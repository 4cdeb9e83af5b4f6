//! The tree of processes, for tasks that have no pid namespace.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// The ids of all descendants of `ancestor`, by the parents that `proc` names now. Processes come
/// and go meanwhile: who has to be sure asks again until there are none.
pub(crate) fn descendants(proc: &Path, ancestor: i32) -> Vec<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in fs::read_dir(proc).into_iter().flatten().flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        // It may have ended.
        let Ok(stat) = fs::read(entry.path().join("stat")) else {
            continue;
        };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found = children.remove(&ancestor).unwrap_or_default();
    let mut next = 0;
    while next < found.len() {
        // Taken out, so that even a circle, which reused ids could form, ends.
        found.extend(children.remove(&found[next]).unwrap_or_default());
        next += 1;
    }
    found
}

/// The fourth field of a `stat` line. The second is the program's name in parentheses, which may
/// itself hold spaces and parentheses, so that it ends with the last of the latter (proc(5)).
fn parent(stat: &[u8]) -> Option<i32> {
    let end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(end + 1..)?).ok()?;
    rest.split_ascii_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proc(processes: &[(i32, &str, i32)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (pid, name, parent) in processes {
            let directory = root.path().join(pid.to_string());
            fs::create_dir(&directory).unwrap();
            fs::write(
                directory.join("stat"),
                format!("{pid} ({name}) S {parent} 1 1 0"),
            )
            .unwrap();
        }
        root
    }

    #[test]
    fn children_and_their_children_are_found_and_nobody_else() {
        let proc = proc(&[(2, "a", 1), (3, "b", 2), (4, "c", 3), (5, "other", 1)]);
        let mut found = descendants(proc.path(), 2);
        found.sort_unstable();
        assert_eq!(found, [3, 4]);
    }

    #[test]
    fn a_name_that_imitates_the_fields_behind_it_does_not_hide_a_process() {
        let proc = proc(&[(3, "x) S 99 (y", 2)]);
        assert_eq!(descendants(proc.path(), 2), [3]);
    }

    #[test]
    fn a_process_that_ends_meanwhile_is_passed_over() {
        let proc = proc(&[(3, "b", 2)]);
        fs::create_dir(proc.path().join("7")).unwrap();
        assert_eq!(descendants(proc.path(), 2), [3]);
    }
}
