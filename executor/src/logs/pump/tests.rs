use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::mpsc::sync_channel;

use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::*;
use crate::logs::files::{Files, Place};
use crate::sys;

/// A pump whose log is a pipe itself, so that its disk hangs for as long as nobody reads that.
struct Rig {
    _directory: TempDir,
    task: File,
    disk: File,
    drains: UnboundedSender<SyncSender<()>>,
    scribe: Arc<Mutex<Scribe>>,
    counts: Arc<Counts>,
}

fn rig(turns: &Turns) -> Rig {
    let directory = tempfile::tempdir().unwrap();
    let (disk, log) = nix::unistd::pipe2(nix::fcntl::OFlag::O_CLOEXEC).unwrap();
    let place = Place {
        directory: Arc::new(File::open(directory.path()).unwrap().into()),
        path: directory.path().to_owned(),
        name: "stdout",
        owner: None,
    };
    // A pipe has one name, and never grows.
    let files = Files::new(place, log.into(), u64::MAX >> 1, 2);
    let counts = Arc::new(Counts::default());
    let scribe = Scribe::new(files, false, None, Arc::clone(&counts), Instant::now());
    let scribe = Arc::new(Mutex::new(scribe));
    let (reader, task) = pipe().unwrap();
    let pump = Pump {
        reader: Arc::new(sys::when_readable(reader).unwrap()),
        scribe: Arc::clone(&scribe),
        counts: Arc::clone(&counts),
        turns: turns.clone(),
        passed_over: None,
    };
    let (drains, wanted) = unbounded_channel();
    tokio::spawn(pump.run(wanted));
    Rig {
        _directory: directory,
        task: task.into(),
        disk: disk.into(),
        drains,
        scribe,
        counts,
    }
}

fn with_runtime<F: Future>(test: impl FnOnce() -> F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let _inside = runtime.enter();
    let outcome = runtime.block_on(async {
        timeout(Duration::from_secs(60), test())
            .await
            .expect("it takes too long")
    });
    runtime.shutdown_background();
    outcome
}

/// Has the task say something, on a thread of its own.
fn begins_to_say(rig: &Rig, text: Vec<u8>) -> JoinHandle<()> {
    let mut task = rig.task.try_clone().unwrap();
    spawn_blocking(move || task.write_all(&text).unwrap())
}

async fn says(rig: &Rig, text: Vec<u8>) {
    begins_to_say(rig, text).await.unwrap();
}

async fn drained(rig: &Rig) -> bool {
    let (done, drained) = sync_channel(1);
    rig.drains.send(done).unwrap();
    let patience = Duration::from_secs(20);
    spawn_blocking(move || drained.recv_timeout(patience).is_ok())
        .await
        .unwrap()
}

fn lines(count: usize) -> Vec<u8> {
    let lines = (0..count).map(|n| format!("line {n:06} of a task that says much\n"));
    lines.collect::<String>().into_bytes()
}

#[test]
fn everything_said_before_a_drain_is_written_when_it_is_over() {
    with_runtime(|| async {
        let rig = rig(&Turns::new());
        for text in ["one\n", "two", "\n"] {
            says(&rig, text.into()).await;
            assert!(drained(&rig).await);
        }
        assert_eq!(rig.counts.written.load(Ordering::Relaxed), 8);
        let mut written = [0; 8];
        (&rig.disk).read_exact(&mut written).unwrap();
        assert_eq!(&written, b"one\ntwo\n");
    });
}

#[test]
fn a_disk_that_is_slow_costs_no_line() {
    with_runtime(|| async {
        let rig = rig(&Turns::new());
        let text = lines(100_000);
        let mut disk = rig.disk.try_clone().unwrap();
        let wanted = text.len();
        let reader = spawn_blocking(move || {
            let mut all = vec![0; wanted];
            for (number, part) in all.chunks_mut(256 << 10).enumerate() {
                disk.read_exact(part).unwrap();
                if number % 4 == 0 {
                    std::thread::sleep(Duration::from_millis(200));
                }
            }
            all
        });
        says(&rig, text.clone()).await;
        assert!(reader.await.unwrap() == text, "lines are lost or changed");
        assert_eq!(rig.counts.dropped.load(Ordering::Relaxed), 0);
    });
}

#[test]
fn a_disk_that_hangs_stalls_neither_its_task_nor_the_logs_of_others() {
    with_runtime(|| async {
        let turns = Turns::new();
        let hanging: Vec<Rig> = (0..12).map(|_| rig(&turns)).collect();
        // More than all pipes on the way hold.
        let text = lines(10_000);
        let all = hanging.iter().map(|rig| begins_to_say(rig, text.clone()));
        for says in all.collect::<Vec<_>>() {
            says.await.unwrap();
        }
        let other = rig(&turns);
        says(&other, "hello\n".into()).await;
        assert!(drained(&other).await);
        let mut written = [0; 6];
        (&other.disk).read_exact(&mut written).unwrap();
        assert_eq!(&written, b"hello\n");
        for rig in &hanging {
            // It answers again.
            let mut disk = rig.disk.try_clone().unwrap();
            spawn_blocking(move || std::io::copy(&mut disk, &mut std::io::sink()));
        }
        for rig in &hanging {
            assert!(drained(rig).await);
            assert!(rig.counts.dropped.load(Ordering::Relaxed) > 0);
        }
    });
}

#[test]
fn what_was_lost_while_a_disk_hung_is_told_and_every_line_is_whole() {
    with_runtime(|| async {
        let rig = rig(&Turns::new());
        says(&rig, lines(10_000)).await;
        let mut disk = rig.disk.try_clone().unwrap();
        let reader = spawn_blocking(move || {
            let mut all = Vec::new();
            let mut part = [0; 4096];
            while !all.ends_with(b"the end\n") {
                let count = disk.read(&mut part).unwrap();
                all.extend_from_slice(&part[..count]);
            }
            String::from_utf8(all).unwrap()
        });
        assert!(drained(&rig).await);
        says(&rig, "the end\n".into()).await;
        let text = reader.await.unwrap();
        let (told, written): (Vec<&str>, Vec<&str>) = text
            .lines()
            .partition(|line| line.starts_with("mesos-sandbox-executor: "));
        let [note] = told[..] else {
            panic!("{told:?}");
        };
        let lost: usize = note.split(' ').nth(1).unwrap().parse().unwrap();
        let whole = written
            .iter()
            .filter(|line| line.ends_with("says much"))
            .count();
        // One may have broken off in the middle.
        assert!(
            (0..=1).contains(&(10_000 - lost - whole)),
            "{lost}, {whole}"
        );
        assert!(locked(&rig.scribe).written() > 0);
    });
}

#[test]
fn the_tasks_end_of_a_pipe_waits_and_the_executors_does_not() {
    let (reader, writer) = pipe().unwrap();
    let flags = |fd: &OwnedFd| {
        let flags = nix::fcntl::fcntl(fd, nix::fcntl::FcntlArg::F_GETFL).unwrap();
        nix::fcntl::OFlag::from_bits_truncate(flags)
    };
    assert!(flags(&reader).contains(nix::fcntl::OFlag::O_NONBLOCK));
    assert!(!flags(&writer).contains(nix::fcntl::OFlag::O_NONBLOCK));
    assert!(reader.as_raw_fd() > 2);
}
