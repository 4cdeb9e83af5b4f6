//! What an agent, or whatever answers in its place, tells the disk watcher of its containers.

/// Whatever it is, it is read as an answer to each question, or refused.
pub(crate) fn run(bytes: &[u8]) {
    disk_watcher::read_any_answer(bytes);
}
