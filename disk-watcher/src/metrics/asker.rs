//! Asking the daemon's loop for a report.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_figures::Report;
use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::time::timeout;

/// Who asks again within this time is told the same.
const FRESH: Duration = Duration::from_millis(500);

/// A loop that does not answer in this time is stuck.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was told last, and when.
type Last = Option<(Instant, Arc<Report>)>;

/// Asks. Each clone asks the same loop.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    asks: mpsc::Sender<Ask>,
    last: Arc<Mutex<Last>>,
}

/// Somebody waits for a report.
#[derive(Debug)]
pub(crate) struct Ask(oneshot::Sender<Report>);

impl Ask {
    /// Tells it.
    pub(crate) fn answer(self, report: Report) {
        // Who has gone meanwhile does not miss it.
        let _ = self.0.send(report);
    }
}

impl Asker {
    /// One who asks, and what the loop is to answer.
    pub(crate) fn new() -> (Self, mpsc::Receiver<Ask>) {
        let (asks, asked) = mpsc::channel(1);
        let last = Arc::default();
        (Self { asks, last }, asked)
    }

    /// What is known now, or was half a second ago. `None` if the loop has ended or is stuck.
    pub(crate) async fn report(&self) -> Option<Arc<Report>> {
        // One at a time: those who wait meanwhile are told the same.
        let mut last = self.last.lock().await;
        if let Some((at, report)) = &*last
            && at.elapsed() < FRESH
        {
            return Some(Arc::clone(report));
        }
        let (answer, answered) = oneshot::channel();
        let asking = async {
            self.asks.send(Ask(answer)).await.ok()?;
            answered.await.ok()
        };
        let report = Arc::new(timeout(PATIENCE, asking).await.ok()??);
        *last = Some((Instant::now(), Arc::clone(&report)));
        Some(report)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_asks_at_the_same_time_is_told_the_same_and_the_loop_asked_once() {
        let (asker, mut asked) = Asker::new();
        let answering = tokio::spawn(async move {
            let mut answers = 0;
            while let Some(ask) = asked.recv().await {
                answers += 1;
                ask.answer(Report::at(f64::from(answers)));
            }
            answers
        });
        let (a, b) = tokio::join!(asker.report(), asker.report());
        assert_eq!(a.unwrap().time, 1.0);
        assert_eq!(b.unwrap().time, 1.0);
        drop(asker);
        assert_eq!(answering.await.unwrap(), 1);
    }

    #[tokio::test]
    async fn a_loop_that_has_ended_or_is_stuck_tells_nothing() {
        let (asker, asked) = Asker::new();
        assert!(asker.report().await.is_none(), "stuck");
        drop(asked);
        assert!(asker.report().await.is_none(), "ended");
    }
}
