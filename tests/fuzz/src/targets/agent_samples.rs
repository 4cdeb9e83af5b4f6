//! What an agent, or whatever answers in its place, tells the stats collector of its containers and of itself.

/// Whatever it is, it is read as each of the replies, or refused; what is worked out of it is finite, and each number is
/// there once.
pub(crate) fn run(bytes: &[u8]) {
    stats_collector::read_any_reply(bytes);
}
