//! Looks that hang, and how many threads they take.

use std::sync::mpsc::channel;
use std::time::Duration;

use super::super::{MOST_TURNS, blocking, turn};

/// Long enough for a thread to start that may.
const A_MOMENT: Duration = Duration::from_millis(200);

#[tokio::test]
async fn looks_that_hang_leave_threads_for_everything_else_and_the_next_ones_wait_for_them() {
    let (begun, begins) = channel();
    let mut hanging = Vec::new();
    let mut releases = Vec::new();
    for _ in 0..MOST_TURNS + 2 {
        let (release, released) = channel::<()>();
        let begun = begun.clone();
        hanging.push(tokio::spawn(async move {
            let work = move || {
                begun.send(()).unwrap();
                // Until it is released, or the test has failed.
                let _ended = released.recv();
            };
            blocking(turn().await, work).await.unwrap();
        }));
        releases.push(release);
    }
    tokio::time::sleep(A_MOMENT).await;
    // Other tests may have turns at the same time.
    let at_once = begins.try_iter().count();
    assert!((1..=MOST_TURNS).contains(&at_once), "{at_once} at once");
    drop(releases);
    for one in hanging {
        one.await.unwrap();
    }
    assert_eq!(at_once + begins.try_iter().count(), MOST_TURNS + 2);
}
