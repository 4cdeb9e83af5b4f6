//! A process that is killed in the middle.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use graphite::{Address, Sink};
use tempfile::TempDir;

use crate::carbon::{Carbon, LONG, batch, config, lines, listen_at, nobody, spool_of};

/// Tells the other process where its spool is, and its carbon.
const SPOOL: &str = "SPOOL_OF_THE_KILLED";
const PORT: &str = "PORT_OF_THE_KILLED";

#[tokio::test]
async fn a_process_killed_at_any_moment_has_on_disk_what_it_said_was_there() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let mut told = 0;
    for round in 0..4 {
        let mut other = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "killed::another_process_fills_a_spool",
                "--nocapture",
            ])
            .env(SPOOL, directory.path())
            .env(PORT, address.port.to_string())
            .env("FIRST_OF_THE_KILLED", told.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(other.stdout.take().unwrap());
        let stored = output.lines().filter_map(|line| {
            let line = line.unwrap();
            line.strip_prefix("stored ")
                .map(|number| number.parse::<u64>().unwrap())
        });
        let enough = told + 1 + round * 3_000;
        told = stored.into_iter().find(|stored| *stored >= enough).unwrap();
        other.kill().unwrap();
        other.wait().unwrap();
        // The next one goes on behind what there is.
        told = on_disk(&address, &directory).await.max(told);
    }
    let carbon = Carbon::start(listen_at(&address).await);
    let sink = Sink::start(config(&address, directory.path()));
    carbon.until(|lines| lines.len() as u64 >= told).await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(carbon.lines(), lines(0..told));
    assert_eq!(
        (counters.spool.damaged, counters.spool.damaged_places),
        (0, 0)
    );
}

/// How many points the spool holds, as its next owner sees it.
async fn on_disk(address: &Address, directory: &TempDir) -> u64 {
    let sink = Sink::start(config(address, directory.path()));
    sink.finish(LONG).await.unwrap().spool.points
}

/// Not a test of its own: what the one above kills. It says how much is stored, again and again.
#[tokio::test]
async fn another_process_fills_a_spool() {
    let Some(directory) = std::env::var_os(SPOOL) else {
        return;
    };
    let number = |name| std::env::var(name).unwrap().parse::<u64>().unwrap();
    let address = Address {
        host: "127.0.0.1".to_owned(),
        port: u16::try_from(number(PORT)).unwrap(),
    };
    let mut config = config(&address, &PathBuf::from(directory));
    spool_of(&mut config).hold = Duration::from_millis(1);
    let sink = Sink::start(config);
    let first = number("FIRST_OF_THE_KILLED");
    for point in first.. {
        sink.push(batch(point..point + 1));
        println!("stored {}", first + sink.counters().spool.stored);
        if point % 20 == 0 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }
}
