//! Disks that are full, read-only, hanging or taken away, in a mount namespace of the test's own
//! thread.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use graphite::Sink;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use tempfile::TempDir;

use crate::carbon::{Carbon, LONG, batch, config, lines, listen_at, nobody, set, spool_of, until};

const NONE: Option<&str> = None;

/// A file system for spools, gone with the test.
struct Disk {
    directory: TempDir,
    frozen: bool,
}

impl Disk {
    fn new(mount: impl FnOnce(&Path)) -> Self {
        unshare(CloneFlags::CLONE_NEWNS).unwrap();
        nix::mount::mount(NONE, "/", NONE, MsFlags::MS_REC | MsFlags::MS_PRIVATE, NONE).unwrap();
        let directory = TempDir::new().unwrap();
        fs::create_dir(directory.path().join("disk")).unwrap();
        mount(&directory.path().join("disk"));
        Self {
            directory,
            frozen: false,
        }
    }

    /// So many kilobytes of memory.
    fn small(kilobytes: u32) -> Self {
        Self::new(|at| {
            let size = format!("size={kilobytes}k,mode=700");
            mount(
                Some("tmpfs"),
                at,
                Some("tmpfs"),
                MsFlags::empty(),
                Some(size.as_str()),
            )
            .unwrap();
        })
    }

    /// One whose writes can be made to hang.
    fn freezable() -> Self {
        Self::new(|at| {
            let image = at.with_file_name("image");
            File::create(&image).unwrap().set_len(16 << 20).unwrap();
            run(Command::new("mkfs.ext4").arg("-q").arg(&image));
            run(Command::new("mount")
                .args(["-o", "loop"])
                .arg(&image)
                .arg(at));
        })
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    fn remount(&self, flags: MsFlags, options: &str) {
        let flags = flags | MsFlags::MS_REMOUNT;
        mount(NONE, &self.path(), NONE, flags, Some(options)).unwrap();
    }

    fn freeze(&mut self) {
        run(Command::new("fsfreeze").arg("--freeze").arg(self.path()));
        self.frozen = true;
    }

    fn thaw(&mut self) {
        if std::mem::take(&mut self.frozen) {
            run(Command::new("fsfreeze").arg("--unfreeze").arg(self.path()));
        }
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        let _ = umount2(&self.path(), MntFlags::MNT_DETACH);
    }
}

fn run(command: &mut Command) {
    let status = command.status().unwrap();
    assert!(status.success(), "{command:?}: {status}");
}

#[tokio::test]
async fn a_full_disk_costs_what_does_not_fit_in_memory_and_is_used_again_when_there_is_room() {
    let (disk, address) = (Disk::small(64), nobody().await);
    let mut config = config(&address, &disk.path());
    config.queue_bytes = 64 << 10;
    let sink = Sink::start(config);
    let mut pushed = 0;
    let mut push = |count: u64| {
        for _ in 0..count {
            sink.push(batch(pushed..pushed + 500));
            pushed += 500;
        }
    };
    while sink.counters().spool.errors == 0 || sink.counters().dropped == 0 {
        push(1);
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    let full = sink.counters();
    assert!(full.spool.stored > 0);
    disk.remount(MsFlags::empty(), "size=16m");
    push(1);
    until(&sink, |counters| counters.spool.stored > full.spool.stored).await;
    let carbon = Carbon::start(listen_at(&address).await);
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    let received = set(carbon.lines());
    assert_eq!(received.len() as u64, pushed - counters.lost());
    assert_eq!(counters.spool.damaged, 0);
}

#[tokio::test]
async fn a_disk_that_becomes_read_only_is_told_and_used_again_later() {
    let (disk, address) = (Disk::small(4096), nobody().await);
    let sink = Sink::start(config(&address, &disk.path()));
    sink.push(batch(0..10));
    until(&sink, |counters| counters.spool.stored == 10).await;
    // What is open for writing would keep it from being so.
    sink.finish(LONG).await.unwrap();
    disk.remount(MsFlags::MS_RDONLY, "");
    let sink = Sink::start(config(&address, &disk.path()));
    sink.push(batch(10..20));
    until(&sink, |counters| counters.spool.errors > 1).await;
    assert_eq!(sink.counters().waiting(), 10);
    disk.remount(MsFlags::empty(), "");
    until(&sink, |counters| counters.spool.points == 20).await;
    assert_eq!(sink.finish(LONG).await.unwrap().lost(), 0);
}

#[tokio::test]
async fn a_disk_that_hangs_costs_points_and_holds_nobody_up() {
    let (mut disk, address) = (Disk::freezable(), nobody().await);
    let mut config = config(&address, &disk.path());
    config.queue_bytes = 256 << 10;
    let sink = Sink::start(config);
    sink.push(batch(0..10));
    until(&sink, |counters| counters.spool.stored == 10).await;
    disk.freeze();
    let mut pushed = 10;
    while sink.counters().dropped == 0 {
        sink.push(batch(pushed..pushed + 1000));
        pushed += 1000;
        // Were it to wait for the disk, this would never end.
        tokio::time::timeout(LONG, sink.caught_up()).await.unwrap();
    }
    let carbon = Carbon::start(listen_at(&address).await);
    sink.push(batch(pushed..pushed + 1));
    let newest = format!("p {pushed} 1");
    carbon.until(|lines| lines.contains(&newest)).await;
    disk.thaw();
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    let received = set(carbon.lines());
    assert_eq!(received.len() as u64, pushed + 1 - counters.lost());
    assert_eq!(counters.lost(), counters.dropped);
}

#[tokio::test]
async fn at_the_end_a_disk_that_hangs_is_waited_for_until_the_deadline_and_no_longer() {
    let (mut disk, address) = (Disk::freezable(), nobody().await);
    let sink = Sink::start(config(&address, &disk.path()));
    sink.push(batch(0..10));
    until(&sink, |counters| counters.spool.stored == 10).await;
    disk.freeze();
    sink.push(batch(10..20));
    let ended = tokio::time::timeout(LONG, sink.finish(Duration::from_secs(1)))
        .await
        .unwrap();
    let error = ended.unwrap_err().to_string();
    assert!(error.contains("10 points were not delivered"), "{error}");
    disk.thaw();
}

#[tokio::test]
async fn what_went_out_before_and_hangs_on_the_way_to_the_disk_is_not_taken_for_stored() {
    let (mut disk, address) = (Disk::freezable(), nobody().await);
    let carbon = Carbon::start(listen_at(&address).await);
    let sink = Sink::start(config(&address, &disk.path()));
    sink.push(batch(0..10));
    until(&sink, |counters| counters.written == 10).await;
    disk.freeze();
    drop(carbon);
    // What was written is on its way to the disk, and nothing else is left to be done.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let ended = tokio::time::timeout(LONG, sink.finish(Duration::from_secs(1)));
    assert!(ended.await.unwrap().is_err());
    disk.thaw();
}

#[tokio::test]
async fn a_directory_removed_while_it_is_in_use_is_made_anew() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let all = directory.path().join("spools");
    let mut config = config(&address, &all);
    spool_of(&mut config).hold = Duration::from_millis(1);
    let sink = Sink::start(config);
    sink.push(batch(0..10));
    until(&sink, |counters| counters.spool.stored == 10).await;
    fs::remove_dir_all(&all).unwrap();
    sink.push(batch(10..20));
    until(&sink, |counters| counters.spool.stored == 20).await;
    assert_eq!(sink.counters().spool.damaged, 10);
    let carbon = Carbon::start(listen_at(&address).await);
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(carbon.lines(), lines(10..20));
    assert_eq!((counters.lost(), counters.spool.bytes), (10, 0));
}
