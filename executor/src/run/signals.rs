//! The signals that are passed on to the command.

use std::future::poll_fn;
use std::io;
use std::task::Poll;

use executor_core::Signal;
use tokio::signal::unix::{self, SignalKind};

/// A signal to pass on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    pub(super) signal: Signal,
    pub(super) number: i32,
    /// Whether it is meant to end the command.
    pub(super) ends: bool,
}

/// Those that this process hears of.
pub(super) struct Signals(Vec<(unix::Signal, Heard)>);

impl Signals {
    /// From now on none of them ends this process.
    ///
    /// # Errors
    ///
    /// When no handler can be set up.
    pub(super) fn listen() -> io::Result<Self> {
        let all = [
            (SignalKind::terminate(), Signal::Terminate, true),
            (SignalKind::interrupt(), Signal::Interrupt, true),
            (SignalKind::hangup(), Signal::Hangup, true),
            (SignalKind::quit(), Signal::Quit, true),
            (SignalKind::user_defined1(), Signal::User1, false),
            (SignalKind::user_defined2(), Signal::User2, false),
        ];
        let listen = |(kind, signal, ends): (SignalKind, Signal, bool)| {
            let number = kind.as_raw_value();
            let heard = Heard {
                signal,
                number,
                ends,
            };
            Ok((unix::signal(kind)?, heard))
        };
        all.into_iter()
            .map(listen)
            .collect::<io::Result<_>>()
            .map(Self)
    }

    /// The next one.
    pub(super) async fn next(&mut self) -> Heard {
        poll_fn(|context| {
            for (signal, heard) in &mut self.0 {
                if signal.poll_recv(context).is_ready() {
                    return Poll::Ready(*heard);
                }
            }
            Poll::Pending
        })
        .await
    }
}
