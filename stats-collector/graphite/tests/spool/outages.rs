//! Carbon away, slow, half-open, or gone in the middle.

use std::fs;
use std::time::Duration;

use graphite::{Destination, FinishError, Fleet, FleetConfig, Route, Sink, SpoolConfig};
use tempfile::TempDir;
use tokio::io::AsyncReadExt;

use crate::carbon::{
    Carbon, LONG, batch, config, lines, listen, listen_at, nobody, set, spool_of, spooled, until,
};

#[tokio::test]
async fn what_carbon_missed_while_two_processes_came_and_went_arrives_in_order() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    for first in [0, 100] {
        let sink = Sink::start(config(&address, directory.path()));
        for number in first..first + 100 {
            sink.push(batch(number..number + 1));
        }
        let counters = sink.finish(LONG).await.unwrap();
        assert_eq!(
            (counters.spool.stored, counters.in_memory(), counters.lost()),
            (100, 0, 0)
        );
        assert_eq!(
            (counters.spool.points, counters.spool.oldest),
            (first + 100, Some(1))
        );
    }
    let carbon = Carbon::start(listen_at(&address).await);
    let sink = Sink::start(config(&address, directory.path()));
    carbon.until(|lines| lines.len() >= 200).await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(carbon.lines(), lines(0..200));
    assert_eq!(
        (counters.spool.replayed, counters.resent, counters.waiting()),
        (200, 0, 0)
    );
    assert_eq!(
        counters.spool.bytes, 0,
        "what carbon has read stays on disk"
    );
}

#[tokio::test]
async fn what_is_pushed_during_an_outage_goes_to_disk_and_later_to_carbon() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let sink = Sink::start(config(&address, directory.path()));
    for number in 0..20 {
        sink.push(batch(number..number + 1));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    until(&sink, |counters| counters.spool.points == 20).await;
    assert_eq!(sink.counters().in_memory(), 0);
    let carbon = Carbon::start(listen_at(&address).await);
    until(&sink, |counters| counters.connections == 1).await;
    sink.push(batch(20..21));
    carbon.until(|lines| lines.len() >= 21).await;
    let counters = sink.finish(LONG).await.unwrap();
    let replayed: Vec<_> = carbon
        .lines()
        .into_iter()
        .filter(|line| line != "p 20 1")
        .collect();
    assert_eq!(replayed, lines(0..20));
    assert_eq!((counters.written, counters.spool.replayed), (1, 20));
}

#[tokio::test]
async fn a_producer_waits_for_the_disk_while_carbon_is_away_and_loses_nothing() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let mut config = config(&address, directory.path());
    config.queue_bytes = 512 << 10;
    let sink = Sink::start(config);
    for turn in 0..200 {
        sink.push(batch(turn * 3000..(turn + 1) * 3000));
        tokio::time::timeout(LONG, sink.caught_up()).await.unwrap();
    }
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!((counters.spool.stored, counters.dropped), (600_000, 0));
}

#[tokio::test]
async fn what_a_slow_carbon_does_not_take_waits_on_disk_and_not_in_memory() {
    let (directory, (listener, address)) = (TempDir::new().unwrap(), listen().await);
    let mut config = config(&address, directory.path());
    config.queue_bytes = 512 << 10;
    spool_of(&mut config).hold = Duration::from_millis(50);
    let sink = Sink::start(config);
    let (mut slow, _) = listener.accept().await.unwrap();
    let count = 700_000;
    for first in (0..count).step_by(2000) {
        sink.push(batch(first..first + 2000));
        tokio::time::timeout(LONG, sink.caught_up()).await.unwrap();
    }
    until(&sink, |counters| counters.in_memory() < 5000).await;
    let counters = sink.counters();
    assert!(
        counters.spool.points > 0 && counters.connections == 1,
        "{counters:?}"
    );
    let reading = tokio::spawn(async move {
        let mut all = String::new();
        slow.read_to_string(&mut all).await.unwrap();
        all.lines().map(str::to_owned).collect::<Vec<_>>()
    });
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!((counters.lost(), counters.spool.bytes), (0, 0));
    assert_eq!(counters.written + counters.spool.replayed, count);
    assert_eq!(set(reading.await.unwrap()), set(lines(0..count)));
}

#[tokio::test]
async fn a_healthy_carbon_slower_than_a_burst_is_waited_for_and_nothing_is_spooled() {
    let (directory, (listener, address)) = (TempDir::new().unwrap(), listen().await);
    let mut config = config(&address, directory.path());
    config.queue_bytes = 1 << 20;
    spool_of(&mut config).hold = LONG;
    let sink = Sink::start(config);
    let carbon = Carbon::start(listener);
    let count = 600_000;
    for first in (0..count).step_by(2000) {
        sink.push(batch(first..first + 2000));
        tokio::time::timeout(LONG, sink.caught_up()).await.unwrap();
    }
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!(
        (counters.written, counters.spool.stored, counters.dropped),
        (count, 0, 0)
    );
    assert_eq!(carbon.lines().len() as u64, count);
}

#[tokio::test]
async fn a_half_open_connection_costs_nothing() {
    let (directory, (listener, address)) = (TempDir::new().unwrap(), listen().await);
    let mut config = config(&address, directory.path());
    config.write_timeout = Duration::from_millis(100);
    spool_of(&mut config).hold = Duration::from_millis(50);
    let sink = Sink::start(config);
    // Its kernel takes what its buffer holds, and it reads nothing, as if it were not there.
    let (dead, _) = listener.accept().await.unwrap();
    let count = 500_000;
    for first in (0..count).step_by(2000) {
        sink.push(batch(first..first + 2000));
    }
    until(&sink, |counters| {
        counters.connections > 1 || counters.spool.stored > 0
    })
    .await;
    drop(dead);
    let carbon = Carbon::start(listener);
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!((counters.lost(), counters.spool.bytes), (0, 0));
    assert_eq!(set(carbon.lines()), set(lines(0..count)));
    assert!(counters.resent + counters.spool.stored_again > 0);
}

#[tokio::test]
async fn a_replay_that_is_cut_off_goes_on_behind_what_carbon_can_have_read() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let count = 400_000;
    spooled(&address, directory.path(), 0..count).await;
    let listener = listen_at(&address).await;
    let sink = Sink::start(config(&address, directory.path()));
    let (mut first, _) = listener.accept().await.unwrap();
    let mut received = vec![0; 2 << 20];
    first.read_exact(&mut received).await.unwrap();
    // Closing with something unread resets the connection: that is lost.
    drop(first);
    let carbon = Carbon::start(listener);
    until(&sink, |counters| counters.waiting() == 0).await;
    let counters = sink.finish(LONG).await.unwrap();
    let end = received.iter().rposition(|&byte| byte == b'\n').unwrap();
    let before = std::str::from_utf8(&received[..end])
        .unwrap()
        .lines()
        .map(str::to_owned);
    let second = carbon.lines();
    assert_eq!(
        set(before.chain(second.clone()).collect()),
        set(lines(0..count))
    );
    let begins: u64 = second[0].split(' ').nth(1).unwrap().parse().unwrap();
    assert_eq!(second, lines(begins..count), "in order, and to the end");
    assert!(begins > 0 && counters.resent > 0);
    assert_eq!((counters.spool.replayed, counters.spool.bytes), (count, 0));
}

#[tokio::test]
async fn what_is_not_confirmed_at_the_end_is_sent_again_by_the_next_process() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    spooled(&address, directory.path(), 0..10).await;
    let listener = listen_at(&address).await;
    let mut deaf = config(&address, directory.path());
    deaf.write_timeout = Duration::from_millis(100);
    let sink = Sink::start(deaf);
    sink.push(batch(10..15));
    until(&sink, |counters| counters.waiting() == 0).await;
    let never_read = listener.accept().await.unwrap();
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!((counters.written, counters.spool.stored_again), (5, 5));
    drop((never_read, listener));

    let carbon = Carbon::start(listen_at(&address).await);
    let next = Sink::start(config(&address, directory.path()));
    carbon.until(|lines| lines.len() >= 15).await;
    let counters = next.finish(LONG).await.unwrap();
    assert_eq!(carbon.lines(), lines(0..15));
    assert_eq!((counters.spool.replayed, counters.resent), (10, 5));
}

#[tokio::test]
async fn two_processes_never_share_a_spool_and_the_second_has_it_once_the_first_is_gone() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let first = Sink::start(config(&address, directory.path()));
    first.push(batch(0..1));
    until(&first, |counters| counters.spool.stored == 1).await;
    let second = Sink::start(config(&address, directory.path()));
    second.push(batch(1..2));
    until(&second, |counters| counters.spool.errors > 0).await;
    assert_eq!(second.counters().spool.stored, 0);
    first.finish(LONG).await.unwrap();
    until(&second, |counters| counters.spool.stored == 1).await;
    let counters = second.finish(LONG).await.unwrap();
    assert_eq!(counters.spool.points, 2);
}

#[tokio::test]
async fn without_a_carbon_and_without_a_disk_the_end_says_what_is_lost() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let file = directory.path().join("a file");
    fs::write(&file, "").unwrap();
    let sink = Sink::start(config(&address, &file));
    sink.push(batch(0..7));
    let error = sink.finish(Duration::from_secs(1)).await.unwrap_err();
    assert!(
        matches!(error, FinishError::Unreachable { waiting: 7, .. }),
        "{error:?}"
    );
}

#[tokio::test]
async fn each_carbon_of_several_has_a_spool_of_its_own_and_that_of_none_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let ((listener, there), away) = (listen().await, nobody().await);
    let strangers = directory.path().join("old.example.com:2003");
    fs::create_dir(&strangers).unwrap();
    fs::write(strangers.join("0000000000000001.points"), "what it left").unwrap();
    let both = [&there, &away].map(|address| Destination::plaintext(address.clone()));
    let fleet = Fleet::start(FleetConfig {
        destinations: both.to_vec(),
        route: Route::All,
        connect_timeout: LONG,
        write_timeout: LONG,
        queue_bytes: 1 << 20,
        spool: Some(SpoolConfig::new(directory.path().to_owned())),
    })
    .unwrap();
    let carbon = Carbon::start(listener);
    fleet.push(batch(0..10));
    carbon.until(|lines| lines.len() == 10).await;
    let counters = fleet.finish(LONG).await.unwrap();
    assert_eq!((counters.written, counters.spool.stored), (10, 10));
    assert_eq!(
        fs::read(strangers.join("0000000000000001.points")).unwrap(),
        b"what it left"
    );

    let late = Carbon::start(listen_at(&away).await);
    let sink = Sink::start(config(&away, directory.path()));
    late.until(|lines| lines.len() == 10).await;
    sink.finish(LONG).await.unwrap();
    assert_eq!(late.lines(), lines(0..10));
}
