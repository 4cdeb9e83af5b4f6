//! The journal: what the agent has not acknowledged, on disk, so that it outlives this process.
//!
//! A thread of its own writes: the driver hands records over and goes on, and a call that depends on a record waits for
//! it ([`Progress`]). Records that come while it writes go out together. A record of a terminal update is on the disk
//! itself before anyone may count on it; others are with the kernel, which outlives the process.
//!
//! The file grows by every record and is written anew, with the few that matter, when those are the lesser part. When
//! it cannot be written, it is removed, as half a journal says what is not so, and the executor does without.

mod frame;
mod place;
mod progress;
#[cfg(test)]
mod tests;

use std::fs::File;
use std::io::{self, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, TryRecvError, channel};
use std::thread;

use executor_core::Record;
use tracing::{info, warn};

pub(crate) use self::frame::Owner;
pub(crate) use self::place::{DIRECTORY, Place as OwnDirectory, PlaceError};
pub(crate) use self::progress::Progress;

use self::frame::State;
use self::place::Place;
use self::progress::Reporter;

/// A journal is not made short before it is this long, in bytes.
const LONG: u64 = 256 << 10;

/// Why there is no journal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JournalError {
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error("{attempt} {}: {source}", .path.display())]
    File {
        attempt: &'static str,
        path: PathBuf,
        source: io::Error,
    },
    #[error("no thread to write it: {0}")]
    Thread(io::Error),
}

/// The driver's side of it.
pub(crate) struct Journal {
    /// None without a journal.
    orders: Option<Sender<Order>>,
    progress: Progress,
    /// How long the file is once everything has been written, and how long it was when it was last made short.
    length: u64,
    short: u64,
}

enum Order {
    Append {
        sequence: u64,
        frame: Vec<u8>,
        sync: bool,
    },
    /// In place of everything so far.
    Replace(Vec<u8>),
    Remove,
}

impl Journal {
    /// No journal: whoever waits for a record waits for nothing.
    pub(crate) fn none() -> Self {
        let (reporter, progress) = progress::new();
        reporter.give_up();
        Self {
            orders: None,
            progress,
            length: 0,
            short: 0,
        }
    }

    /// Opens the journal in this sandbox, and returns what an executor before this one, of the same ids and in the same
    /// container, has left in it. Anybody else's is discarded.
    ///
    /// # Errors
    ///
    /// When there can be none. The executor can do without.
    pub(crate) fn open(sandbox: &Path, owner: Owner) -> Result<(Self, Vec<Record>), JournalError> {
        let place = Place::open(sandbox)?;
        let path = place.journal_path();
        let failed = |attempt| {
            let path = path.clone();
            move |source| JournalError::File {
                attempt,
                path,
                source,
            }
        };
        let file = place.journal()?;
        let mut found = frame::read(BufReader::new(&file), &owner).map_err(failed("read"))?;
        match found.state {
            State::Whole | State::Empty => {}
            State::Torn => warn!(
                "{} is good for {} bytes; what follows is not counted",
                path.display(),
                found.length
            ),
            State::Foreign => info!(
                "{} is not this executor's, and is begun anew",
                path.display()
            ),
        }
        file.set_len(found.length).map_err(failed("shorten"))?;
        let header = frame::header(&owner);
        if found.length == 0 {
            found.length = header.len() as u64;
            (&file).write_all(&header).map_err(failed("write"))?;
            file.sync_data().map_err(failed("write"))?;
        }
        let (orders, received) = channel();
        let (reporter, progress) = progress::new();
        let writer = Writer {
            place,
            file,
            header,
            reporter,
        };
        thread::Builder::new()
            .name("journal".into())
            .spawn(move || writer.run(&received))
            .map_err(JournalError::Thread)?;
        let journal = Self {
            orders: Some(orders),
            progress,
            length: found.length,
            short: 0,
        };
        Ok((journal, found.records))
    }

    /// Hands a record over. Records are written in the order of their sequence numbers.
    pub(crate) fn append(&mut self, sequence: u64, record: &Record) {
        if self.orders.is_some() {
            let frame = frame::record(record);
            self.length += frame.len() as u64;
            self.order(Order::Append {
                sequence,
                frame,
                sync: record.wants_sync(),
            });
        }
    }

    /// Whether most of it says nothing any more, so that [`Journal::replace`] is due.
    pub(crate) fn is_long(&self) -> bool {
        self.orders.is_some() && self.length > LONG + 2 * self.short
    }

    /// Puts these records in place of all that were handed over so far.
    pub(crate) fn replace(&mut self, records: &[Record]) {
        let bytes: Vec<u8> = records.iter().flat_map(frame::record).collect();
        self.length = bytes.len() as u64;
        self.short = self.length;
        self.order(Order::Replace(bytes));
    }

    /// How far it is.
    pub(crate) fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits until everything has been written, and for that no longer than for any record. When everything is
    /// `delivered`, nothing is left to say, and it is removed.
    pub(crate) async fn close(mut self, delivered: bool) {
        if delivered {
            self.order(Order::Remove);
        }
        self.orders = None;
        self.progress.end().await;
    }

    fn order(&mut self, order: Order) {
        let sent = self.orders.as_ref().map(|orders| orders.send(order));
        if let Some(Err(_)) = sent {
            // The thread has said why it went.
            self.orders = None;
        }
    }
}

/// The thread's side of it.
struct Writer {
    place: Place,
    file: File,
    header: Vec<u8>,
    reporter: Reporter,
}

/// What can be written at once.
#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    /// The last record that wants no more than to be written, and the last of all.
    written: u64,
    last: u64,
    sync: bool,
}

impl Batch {
    fn add(&mut self, sequence: u64, frame: &[u8], sync: bool) {
        self.bytes.extend_from_slice(frame);
        self.sync |= sync;
        self.last = sequence;
        if !self.sync {
            self.written = sequence;
        }
    }
}

impl Writer {
    fn run(mut self, orders: &Receiver<Order>) {
        if let Err(error) = self.carry_out(orders) {
            warn!("no journal any more, so a killed executor's last updates are lost: {error}");
            // Half a journal would say what is not so. What cannot be removed can perhaps be emptied.
            let emptied = self.file.set_len(0);
            if let (Err(error), Err(_)) = (self.place.remove(), emptied) {
                warn!("what there is of it stays, and is not true any more: {error}");
            }
        }
        self.reporter.give_up();
    }

    /// Until it is to be removed, or nobody is left to order.
    fn carry_out(&mut self, orders: &Receiver<Order>) -> Result<(), JournalError> {
        let mut left_over = None;
        loop {
            let Some(order) = left_over.take().or_else(|| orders.recv().ok()) else {
                return Ok(());
            };
            if self.reporter.is_given_up() {
                let path = self.place.journal_path();
                return Err(JournalError::File {
                    attempt: "write",
                    path,
                    source: io::ErrorKind::TimedOut.into(),
                });
            }
            self.reporter.begin();
            match order {
                Order::Append { .. } => left_over = self.append(order, orders)?,
                Order::Replace(records) => self.replace(&records)?,
                Order::Remove => {
                    self.place.remove()?;
                    return Ok(());
                }
            }
            self.reporter.end();
        }
    }

    /// Writes this record and all that wait behind it. Returns an order of another kind that stopped it.
    fn append(
        &mut self,
        first: Order,
        orders: &Receiver<Order>,
    ) -> Result<Option<Order>, JournalError> {
        let mut batch = Batch::default();
        let mut next = Ok(first);
        let other = loop {
            match next {
                Ok(Order::Append {
                    sequence,
                    frame,
                    sync,
                }) => batch.add(sequence, &frame, sync),
                Ok(other) => break Some(other),
                Err(TryRecvError::Empty | TryRecvError::Disconnected) => break None,
            }
            next = orders.try_recv();
        };
        self.file
            .write_all(&batch.bytes)
            .map_err(|e| self.failed("write", e))?;
        if batch.written > 0 {
            self.reporter.reached(batch.written);
        }
        if batch.sync {
            self.file.sync_data().map_err(|e| self.failed("sync", e))?;
        }
        self.reporter.reached(batch.last);
        Ok(other)
    }

    fn replace(&mut self, records: &[u8]) -> Result<(), JournalError> {
        let mut file = self.place.next()?;
        file.write_all(&self.header)
            .and_then(|()| file.write_all(records))
            .and_then(|()| file.sync_data())
            .map_err(|e| self.failed("write anew", e))?;
        self.place.put_in_place()?;
        self.file = file;
        Ok(())
    }

    fn failed(&self, attempt: &'static str, source: io::Error) -> JournalError {
        let path = self.place.journal_path();
        JournalError::File {
            attempt,
            path,
            source,
        }
    }
}
