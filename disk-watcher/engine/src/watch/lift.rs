//! Limits that the kernel holds a tree to, given back when the tree is watched no longer: whoever finds its directory later
//! is not to be refused for a task that has ended. A watch that ends, or is killed, leaves them: it may come back.

use std::sync::Arc;

use super::event::Event;
use super::layer::Layer;
use super::scheduler::Shared;
use super::subject::Subject;
use super::tree::Limits;

/// Limits of a tree that was removed.
pub(super) struct Lift {
    subject: Arc<Subject>,
    layer: Layer,
}

impl Lift {
    /// `None` where the kernel was told of no limit.
    pub(super) fn of(subject: &Arc<Subject>, limits: &Limits, layer: &Layer) -> Option<Self> {
        (limits.in_kernel && layer.is_ours()).then(|| Self {
            subject: Arc::clone(subject),
            layer: layer.clone(),
        })
    }

    /// May take as long as the disk does.
    pub(super) fn carry_out(self, shared: &Shared) {
        let file = self.subject.file;
        if shared.read(|state| state.watches(file)) {
            // The same directory, added again: it is that one's limits by now.
            return;
        }
        if let Err(why) = self.layer.set_limits(&Limits::default()) {
            let text =
                format!("cannot lift the limits of a directory that is watched no longer: {why}");
            (shared.sink)(Event::Trouble { tree: None, text });
        }
        // One that was added meanwhile may have had its limits set before these were lifted.
        shared.change(|state| state.tell_limits_again(file));
    }
}
