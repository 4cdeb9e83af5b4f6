//! The way back to the launcher.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::exit;

use nix::errno::Errno;
use serde::de::DeserializeOwned;

use super::failed;
use crate::conversation::Order;
use crate::line;
use crate::report::{Degraded, Failure, Feature, Report, Step};

/// It is closed, at the latest by exec, when there is no more to tell.
pub(super) struct Reporter(UnixStream);

impl Reporter {
    pub(super) fn new(socket: UnixStream) -> Reporter {
        Reporter(socket)
    }

    /// The order, and the descriptors that come with it.
    ///
    /// # Errors
    /// There is none, or it makes no sense.
    pub(super) fn receive<P: DeserializeOwned, const MOST: usize>(
        &mut self,
    ) -> io::Result<(Order<P>, Vec<OwnedFd>)> {
        let mut length = [0; size_of::<u32>()];
        let (bytes, descriptors) = line::take::<MOST>(&self.0, &mut length, true)?;
        self.0.read_exact(&mut length[bytes..])?;
        let mut text = vec![0; u32::from_ne_bytes(length) as usize];
        self.0.read_exact(&mut text)?;
        Ok((serde_json::from_slice(&text)?, descriptors))
    }

    /// Pid 1's first word. Unless it is said nothing may be done: who asked for it would think that
    /// there is none, and ask for another.
    pub(super) fn introduce(&mut self) {
        if self.write(&Report::Init).is_err() {
            exit(1);
        }
    }

    pub(super) fn send(&mut self, report: &Report) {
        // Nobody to tell it to is no reason to stop: then the executor is gone and so are we soon.
        let _ = self.write(report);
    }

    /// Tells of something that is not to be had.
    pub(super) fn without(&mut self, feature: Feature, errno: Errno) {
        self.send(&Report::Without(Degraded {
            feature,
            errno: errno as i32,
        }));
    }

    fn write(&mut self, report: &Report) -> io::Result<()> {
        let mut line = serde_json::to_vec(report)?;
        line.push(b'\n');
        self.0.write_all(&line)
    }

    /// Tells that all is set up, and waits for the word to go on. A launcher that is gone, or has
    /// given the task up, gives none.
    pub(super) fn hold(&mut self) -> Result<(), Failure> {
        self.send(&Report::Ready);
        let answer = self.0.read_exact(&mut [0]);
        answer.map_err(|error| {
            let errno = error.raw_os_error().map(Errno::from_raw);
            failed(Step::Hold)(errno.unwrap_or(Errno::ECANCELED))
        })
    }

    /// Whether the launcher still waits: it closes its side, or half of it, to give a launch up.
    pub(super) fn is_wanted(&self) -> bool {
        !line::is_left(&self.0)
    }

    /// The end of a process that could not do its part.
    pub(super) fn fail(&mut self, failure: Failure) -> ! {
        self.send(&Report::Failed(failure));
        exit(1);
    }
}
