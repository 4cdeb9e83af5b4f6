//! How fast points come from the disk, by a clock that only the test moves.

use graphite::Sink;
use tempfile::TempDir;
use tokio::io::AsyncReadExt;
use tokio::time::Instant;

use crate::carbon::{Carbon, LONG, batch, config, listen_at, nobody, spool_of, spooled, until};

/// Two tenths of a second's points: what may be under way at the ends of a span.
fn slack(rate: u64) -> u64 {
    rate / 5
}

#[tokio::test]
async fn no_span_of_time_has_more_replayed_points_than_the_rate_allows() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    let (count, rate) = (20_000, 1_000);
    spooled(&address, directory.path(), 0..count).await;
    let listener = listen_at(&address).await;
    // From here on time goes on when nothing is left to do, to the next moment that anybody waits for.
    tokio::time::pause();
    let mut limited = config(&address, directory.path());
    spool_of(&mut limited).replay_points_per_second = 1_000;
    let sink = Sink::start(limited);
    // Lost over and over: what is sent again counts, too.
    let (mut arrivals, mut buffer) = (Vec::new(), vec![0; 1 << 16]);
    for connection in 0..3 {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut here = 0;
        while connection == 2 || here < count / 4 {
            let read = stream.read(&mut buffer).await.unwrap();
            let points = buffer[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
            here += points;
            arrivals.push((Instant::now(), points));
            if sink.counters().waiting() == 0 {
                break;
            }
        }
    }
    assert_eq!(sink.counters().spool.replayed, count);
    let all: u64 = arrivals.iter().map(|(_, points)| points).sum();
    assert!(all > count * 5 / 4, "{all}: nothing was sent again");
    for (index, (from, _)) in arrivals.iter().enumerate() {
        let mut points = 0;
        for (until, more) in &arrivals[index..] {
            points += more;
            let span = (*until - *from).as_millis() as u64;
            let allowed = rate * span / 1000 + slack(rate);
            assert!(points <= allowed, "{points} points in {span} ms");
        }
    }
}

#[tokio::test]
async fn live_points_do_not_wait_for_those_from_the_disk() {
    let (directory, address) = (TempDir::new().unwrap(), nobody().await);
    spooled(&address, directory.path(), 0..5_000).await;
    let mut trickle = config(&address, directory.path());
    spool_of(&mut trickle).replay_points_per_second = 10;
    let sink = Sink::start(trickle);
    let carbon = Carbon::start(listen_at(&address).await);
    until(&sink, |counters| counters.spool.replayed > 0).await;
    for number in 5_000..5_100 {
        sink.push(batch(number..number + 1));
    }
    carbon
        .until(|lines| lines.iter().any(|line| line == "p 5099 1"))
        .await;
    let counters = sink.finish(LONG).await.unwrap();
    assert_eq!((counters.written, counters.spool.stored), (100, 0));
    let left = counters.spool.points;
    assert!(
        left > 4_000,
        "only {left} points of the disk are left behind those pushed later"
    );
}
