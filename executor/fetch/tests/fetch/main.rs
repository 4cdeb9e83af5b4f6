//! Fetching, seen from outside: files of this host, files of servers, archives.

#![forbid(unsafe_code)]
#![allow(clippy::unwrap_used, reason = "a test's helpers fail by panicking")]

mod archives;
mod files;
mod packing;
mod sandbox;
mod server;
mod web;
