//! Writes down who has which slot, beside the turns: a disk that hangs holds none of them up.

use std::path::PathBuf;
use std::time::Duration;

use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::timeout;
use tracing::warn;

use crate::model::Memory;
use crate::names::{Registry, SlotFile, SlotFileError};

/// Keeps slots in a file, if there is one.
#[derive(Debug)]
pub(super) struct SlotKeeper {
    path: Option<PathBuf>,
    writing: Option<JoinHandle<Result<(), SlotFileError>>>,
    /// Whether it failed the last time, which was told.
    has_failed: bool,
}

impl SlotKeeper {
    /// Gives the registry what was kept, at this time in seconds since the epoch. Blocks. A file that cannot be read, is
    /// damaged or somebody else's is told of, and replaced when slots change. A single turn beside a daemon has the slots
    /// that the daemon has, and must not take the file from it.
    pub(super) fn recall(
        path: Option<PathBuf>,
        registry: &mut Registry<Memory>,
        now: u64,
        is_only_turn: bool,
    ) -> Self {
        match path.as_deref().map(SlotFile::read) {
            Some(Ok(Some(file))) => registry.recall(file, now),
            Some(Ok(None)) | None => {}
            Some(Err(error)) => warn!("slots are given anew: {error}"),
        }
        Self {
            path: path.filter(|_| !is_only_turn),
            writing: None,
            has_failed: false,
        }
    }

    /// Writes down what has changed, unless it still writes.
    pub(super) async fn keep(&mut self, registry: &mut Registry<Memory>) {
        if self
            .writing
            .as_ref()
            .is_some_and(|writing| !writing.is_finished())
        {
            return;
        }
        self.written().await;
        let Some(path) = self.path.clone() else {
            return;
        };
        if self.has_failed {
            registry.slots_are_not_kept();
        }
        if let Some(file) = registry.slots() {
            self.writing = Some(spawn_blocking(move || file.write(&path)));
        }
    }

    /// Writes down the last changes, within this time.
    pub(super) async fn finish(mut self, registry: &mut Registry<Memory>, deadline: Duration) {
        let last = async {
            self.written().await;
            self.keep(registry).await;
            self.written().await;
        };
        if timeout(deadline, last).await.is_err() {
            warn!("the last changes of slots are not kept: the disk takes too long");
        }
    }

    /// Waits for what is being written.
    async fn written(&mut self) {
        let Some(writing) = self.writing.take() else {
            return;
        };
        let failed = match writing.await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(error) => Some(error.to_string()),
        };
        if let Some(error) = &failed
            && !self.has_failed
        {
            warn!("slots are not kept: {error}");
        }
        self.has_failed = failed.is_some();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::sync::Arc;

    use super::*;
    use crate::model::{Kind, Origin};
    use crate::names::{Identity, NamesSettings, Naming};

    struct Web(&'static str);

    impl Identity for Web {
        fn id(&self) -> &str {
            self.0
        }

        fn origin(&self) -> Origin {
            Origin::default()
        }
    }

    fn registry() -> Registry<Memory> {
        let prefix = graphite::MetricPath::parse("m").unwrap();
        let settings = NamesSettings::new(prefix, "h".to_owned());
        let naming = Naming::new(&settings).unwrap();
        Registry::new(Arc::new(naming), settings.slot_reuse_after)
    }

    fn slots<const N: usize>(registry: &mut Registry<Memory>, ids: [&str; N]) -> [Option<u32>; N] {
        ids.map(|id| registry.call(Kind::Task, id).unwrap().subject.slot)
    }

    const LONG: Duration = Duration::from_secs(20);

    #[tokio::test]
    async fn a_restart_finds_the_slots_that_the_last_one_left_and_a_single_turn_leaves_them() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        let mut before = registry();
        let mut keeper = SlotKeeper::recall(Some(path.clone()), &mut before, 0, false);
        before.take_in(Kind::Task, [Web("a"), Web("b")].iter(), 0);
        keeper.keep(&mut before).await;
        before.take_in(Kind::Task, [Web("b"), Web("c")].iter(), 10);
        keeper.keep(&mut before).await;
        keeper.finish(&mut before, LONG).await;
        for is_only_turn in [true, false] {
            let mut after = registry();
            let keeper = SlotKeeper::recall(Some(path.clone()), &mut after, 20, is_only_turn);
            after.take_in(Kind::Task, [Web("d"), Web("c"), Web("b")].iter(), 20);
            let found = slots(&mut after, ["b", "c", "d"]);
            assert_eq!(found, [Some(1), Some(2), Some(3)], "a's slot still rests");
            let written = fs::read(&path).unwrap();
            keeper.finish(&mut after, LONG).await;
            assert_eq!(fs::read(&path).unwrap() == written, is_only_turn);
        }
    }

    #[tokio::test]
    async fn a_file_of_something_else_is_replaced() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("slots");
        fs::write(&path, "something else").unwrap();
        let mut registry = registry();
        let keeper = SlotKeeper::recall(Some(path.clone()), &mut registry, 0, false);
        registry.take_in(Kind::Task, [Web("a")].iter(), 0);
        keeper.finish(&mut registry, LONG).await;
        assert!(SlotFile::read(&path).unwrap().is_some());
    }

    #[tokio::test]
    async fn what_could_not_be_written_is_written_when_it_can_be() {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path().join("not yet");
        let path = place.join("slots");
        let mut registry = registry();
        let mut keeper = SlotKeeper::recall(Some(path.clone()), &mut registry, 0, false);
        registry.take_in(Kind::Task, [Web("a")].iter(), 0);
        keeper.keep(&mut registry).await;
        keeper.written().await;
        assert!(keeper.has_failed);
        fs::create_dir(&place).unwrap();
        keeper.finish(&mut registry, LONG).await;
        assert!(SlotFile::read(&path).unwrap().is_some());
    }
}
