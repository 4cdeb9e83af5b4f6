//! One walker's directories still to enter, deepest first, with a bound on the descriptors that they hold.

use std::collections::VecDeque;
use std::ffi::CStr;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use crate::names::Names;
use crate::node::Node;

/// At most so many directories of one walker stay open to be returned to.
const HELD_OPEN: usize = 64;
/// Fewer directories than this are not worth the hand-over to another walker.
const WORTH_SPLITTING: usize = 8;

/// A directory that has been listed, and its subdirectories that have not been entered yet.
#[derive(Debug)]
pub(crate) struct Frame {
    pub(crate) node: Arc<Node>,
    /// `None` once it had to be closed in favour of deeper ones.
    pub(crate) fd: Option<Arc<OwnedFd>>,
    pub(crate) names: Names,
}

/// A stack of frames, none of them without names.
#[derive(Debug, Default)]
pub(crate) struct Stack {
    frames: VecDeque<Frame>,
    /// Below this index every frame is closed: those are needed last.
    first_open: usize,
    /// Names in all frames.
    pending: usize,
}

impl Stack {
    pub(crate) fn push(&mut self, frame: Frame) {
        if frame.names.is_empty() {
            return;
        }
        self.pending += frame.names.len();
        self.frames.push_back(frame);
        if self.frames.len() - self.first_open > HELD_OPEN {
            self.frames[self.first_open].fd = None;
            self.first_open += 1;
        }
    }

    pub(crate) fn top(&self) -> Option<&Frame> {
        self.frames.back()
    }

    /// Gives the top frame the handle that it needed again.
    pub(crate) fn reopened(&mut self, fd: Arc<OwnedFd>) {
        if let Some(top) = self.frames.back_mut() {
            top.fd = Some(fd);
            self.first_open = self.first_open.min(self.frames.len() - 1);
        }
    }

    /// Takes one name off the top frame, and the frame with it if that was its last: then nothing holds the
    /// directory open any more but what is below it.
    pub(crate) fn take_name(&mut self) -> Option<(Arc<Node>, Box<CStr>)> {
        let top = self.frames.back_mut()?;
        let name = top.names.pop()?.into();
        self.pending -= 1;
        if !top.names.is_empty() {
            return Some((Arc::clone(&top.node), name));
        }
        self.pop().map(|frame| (frame.node, name))
    }

    /// Gives up the top frame and tells how many names go with it.
    pub(crate) fn discard_top(&mut self) -> usize {
        let lost = self.pop().map_or(0, |frame| frame.names.len());
        self.pending -= lost;
        lost
    }

    /// Closes every directory held, and tells whether there was any.
    pub(crate) fn close_all(&mut self) -> bool {
        let held = self.frames.len() > self.first_open;
        for frame in self.frames.range_mut(self.first_open..) {
            frame.fd = None;
        }
        self.first_open = self.frames.len();
        held
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Splits off the half of the work that is nearest the root, where the larger subtrees are, if there is enough.
    pub(crate) fn split(&mut self) -> Option<Frame> {
        if self.pending < WORTH_SPLITTING {
            return None;
        }
        let bottom = self.frames.front_mut()?;
        let frame = if bottom.names.len() > 1 {
            Frame {
                node: Arc::clone(&bottom.node),
                fd: bottom.fd.clone(),
                names: bottom.names.split_half(),
            }
        } else {
            self.first_open = self.first_open.saturating_sub(1);
            self.frames.pop_front()?
        };
        self.pending -= frame.names.len();
        Some(frame)
    }

    fn pop(&mut self) -> Option<Frame> {
        let frame = self.frames.pop_back();
        self.first_open = self.first_open.min(self.frames.len());
        frame
    }
}
