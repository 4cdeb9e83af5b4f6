//! The socket: who connects is told the figures of this moment, on one line, and the connection is closed.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use tokio::io::AsyncWriteExt;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};

use super::Publisher;
use crate::logs::locked;

/// Who connects while so many are being served is not heard.
const MOST_CLIENTS: usize = 4;

/// Who does not read in this time is not told the rest.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// Who asks again within this time is told the same: looking costs something.
const FRESH: Duration = Duration::from_millis(500);

/// After an error of the kernel's: it may have no descriptors left.
const AFTER_AN_ERROR: Duration = Duration::from_secs(1);

/// What was told last, and when.
type Last = Arc<Mutex<Option<(Instant, Arc<Vec<u8>>)>>>;

pub(super) async fn listen(listener: UnixListener, publisher: Publisher) {
    let last = Last::default();
    serve(listener, |client| {
        let (publisher, last) = (publisher.clone(), Arc::clone(&last));
        async move {
            let line = spawn_blocking(move || line(&publisher, &last)).await;
            if let Ok(line) = line {
                // One who goes away is nobody's trouble.
                let _ = timeout(PATIENCE, tell(client, &line)).await;
            }
        }
    })
    .await;
}

/// Serves each who connects, a few at the same time.
pub(super) async fn serve<S>(listener: UnixListener, mut one: impl FnMut(UnixStream) -> S)
where
    S: Future<Output = ()> + Send + 'static,
{
    let clients = Arc::new(Semaphore::new(MOST_CLIENTS));
    loop {
        let Ok((client, _)) = listener.accept().await else {
            sleep(AFTER_AN_ERROR).await;
            continue;
        };
        // Dropping the connection closes it.
        let Ok(place) = Arc::clone(&clients).try_acquire_owned() else {
            continue;
        };
        let served = one(client);
        tokio::spawn(async move {
            let _place = place;
            served.await;
        });
    }
}

pub(super) async fn tell(mut client: UnixStream, line: &[u8]) -> std::io::Result<()> {
    client.write_all(line).await?;
    client.shutdown().await
}

fn line(publisher: &Publisher, last: &Last) -> Arc<Vec<u8>> {
    let mut last = locked(last);
    if let Some((at, line)) = &*last
        && at.elapsed() < FRESH
    {
        return Arc::clone(line);
    }
    let line = Arc::new(publisher.line(publisher.roll.samples(), SystemTime::now()));
    *last = Some((Instant::now(), Arc::clone(&line)));
    line
}
