//! Persistent volumes: those below the work directory, whoever uses them, and those on other disks that a run has
//! mounted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use disk_engine::FileId;
use mesos_proto::paths::Id;

use super::run::{Run, identified};
use super::{Key, Listed, Subject, Trouble};
use crate::directory::Directory;
use crate::limits::{Volume, VolumeSource};

/// The volumes, by key.
#[derive(Debug, Default)]
pub(super) struct Volumes {
    subjects: BTreeMap<Key, Arc<Subject>>,
}

/// A volume, and who has it mounted.
#[derive(Default)]
struct Use<'a> {
    volume: Option<&'a Volume>,
    holders: Vec<&'a Run>,
}

impl Volumes {
    /// Looks at all volumes anew: `on_disk` are those of the work directory, by role and id. Gives those that are gone.
    pub(super) fn gather<'a>(
        &mut self,
        work_dir: &Directory,
        on_disk: Vec<(OsString, OsString)>,
        runs: impl Iterator<Item = &'a Run>,
        troubles: &mut Vec<Trouble>,
    ) -> Vec<Key> {
        let mut uses: BTreeMap<Key, Use<'a>> = BTreeMap::new();
        for (role, id) in on_disk {
            let (Some(role), Some(id)) = (role.to_str(), id.to_str()) else {
                continue;
            };
            // Mesos writes a role's slashes as spaces, which no role has (Mesos: src/slave/paths.cpp).
            let key = Key::Volume {
                role: role.replace(' ', "/"),
                persistence_id: id.to_owned(),
                source: None,
            };
            uses.entry(key).or_default();
        }
        for run in runs {
            for volume in run.volumes() {
                let one = uses.entry(key(volume)).or_default();
                one.volume = Some(volume);
                one.holders.push(run);
            }
        }
        let before = std::mem::take(&mut self.subjects);
        for (key, one) in uses {
            match open(work_dir, &key, one.volume) {
                Ok(Some((directory, id))) => {
                    let kept = before.get(&key).filter(|before| before.id == id);
                    let directory = kept
                        .map_or_else(|| Arc::new(directory), |kept| Arc::clone(&kept.directory));
                    let subject = subject(key.clone(), directory, id, &one);
                    self.subjects.insert(key, Arc::new(subject));
                }
                // Made when it is mounted first.
                Ok(None) => {}
                Err(trouble) => troubles.push(trouble),
            }
        }
        let gone = before.into_keys();
        gone.filter(|key| !self.subjects.contains_key(key))
            .collect()
    }

    /// What was gathered last.
    pub(super) fn subjects(&self) -> impl Iterator<Item = &Arc<Subject>> {
        self.subjects.values()
    }

    /// The directories of these volumes.
    pub(super) fn ids(&self, volumes: &[Volume]) -> Vec<FileId> {
        let ids = volumes
            .iter()
            .filter_map(|volume| self.subjects.get(&key(volume)));
        ids.map(|subject| subject.id).collect()
    }
}

/// The key of a volume that a run has mounted.
pub(super) fn key(volume: &Volume) -> Key {
    Key::Volume {
        role: volume.role.clone(),
        persistence_id: volume.persistence_id.clone(),
        source: match &volume.source {
            VolumeSource::WorkDir => None,
            VolumeSource::Path(root) | VolumeSource::Mount(root) => Some(root.clone()),
        },
    }
}

fn open(
    work_dir: &Directory,
    key: &Key,
    volume: Option<&Volume>,
) -> Result<Option<(Directory, FileId)>, Trouble> {
    let Key::Volume {
        role,
        persistence_id,
        source,
    } = key
    else {
        return Ok(None);
    };
    let root = match source {
        None => None,
        // The operator's choice, as the agent tells it. What is relative is so to the work directory.
        Some(root) => match Directory::open(&work_dir.path().join(root)) {
            Ok(root) => Some(root),
            Err(error) => return Err(error.into()),
        },
    };
    let is_mount = matches!(
        volume.map(|volume| &volume.source),
        Some(VolumeSource::Mount(_))
    );
    let found = match root {
        Some(root) if is_mount => Some(root),
        root => match below_root(role, persistence_id) {
            Some(path) => root.as_ref().unwrap_or(work_dir).enter_all(path)?,
            None => None,
        },
    };
    found.map(identified).transpose()
}

/// Where a volume is below the root of its disk; `None` if the names are none that Mesos would have made directories of.
fn below_root(role: &str, persistence_id: &str) -> Option<PathBuf> {
    let role = Id::new(role.replace('/', " ")).ok()?;
    let id = Id::new(persistence_id).ok()?;
    Some(Path::new("volumes/roles").join(role).join(id))
}

fn subject(key: Key, directory: Arc<Directory>, id: FileId, one: &Use<'_>) -> Subject {
    let listed: Vec<&Run> = one
        .holders
        .iter()
        .copied()
        .filter(|run| run.is_listed())
        .collect();
    let owner = match one.holders.as_slice() {
        [run] => Some(*run),
        _ => None,
    };
    let known = owner.and_then(Run::known);
    Subject {
        key,
        path: directory.path().to_owned(),
        directory,
        id,
        task_id: None,
        executor_id: owner.map(|run| run.path.executor.executor_id.to_string()),
        framework: known.map(|known| Arc::clone(&known.framework)),
        labels: known.map(|known| known.labels.clone()).unwrap_or_default(),
        limit: one.volume.and_then(|volume| volume.limit),
        listed: (!listed.is_empty()).then(Listed::default),
        inside: None,
        exclude: Vec::new(),
        holders: one.holders.iter().map(|run| run.path.clone()).collect(),
    }
}
