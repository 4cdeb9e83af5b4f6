//! Project quotas as real file systems keep them. Runs where the kernel has them, as root: `tests/vm` runs it in a
//! virtual machine, and nothing else does.

#![allow(clippy::unwrap_used)]
#![forbid(unsafe_code)]

mod agreement;
mod assigning;
mod filesystem;
mod ids;
mod leaving;
mod limits;
mod probing;
#[path = "../tree/mod.rs"]
mod tree;
mod usage;
mod warnings;
mod watched;
mod watches;
#[path = "../watching/mod.rs"]
mod watching;
