use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// What every secret of the host's begins with; the world's mark follows. Only the two together are a secret, so that
/// the world itself, which the program is given, does not hold one.
pub(crate) const PART_OF_SECRETS: &str = "secret-of-the-host-";

/// Who tries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Task {
    /// A task of root's, from an executor of root's.
    Root,
    /// A task of another user's.
    User,
}

/// Where everything is that is not the task's, by its names on the host.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct World {
    /// In the name or the content of all that a test lays out.
    pub mark: String,
    /// The task's own directory, as the task sees it; the one that it starts in when this is empty.
    pub sandbox: PathBuf,
    /// The only places, as the task sees them, in which it may write, beside its own directory.
    pub writable: Vec<PathBuf>,
    /// Files with a secret that are somebody else's: another task's, the executor's journal, a checkpoint, a credential.
    pub secrets: Vec<PathBuf>,
    /// Directories that everybody may write to, on the host.
    pub open_directories: Vec<PathBuf>,
    /// Sockets of the file system that somebody listens at and that everybody may connect to.
    pub sockets: Vec<PathBuf>,
    /// A process of the host's, of the task's own user.
    pub process: i32,
    /// The executor.
    pub executor: i32,
    /// A key of System V shared memory of the host's.
    pub shared_memory: i32,
    /// A socket in the abstract name space of the host's network that somebody listens at.
    pub abstract_socket: String,
    /// A port of the host's loopback that somebody listens at.
    pub port: u16,
}
