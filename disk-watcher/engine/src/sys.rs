//! What only a raw system call can ask for. Nowhere else in this crate is `unsafe` allowed.

pub(crate) mod fanotify;
pub(crate) mod handle;
pub(crate) mod quota;

pub use handle::Handle;
