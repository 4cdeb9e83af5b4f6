//! The dashboards themselves: what each shows, and what its numbers mean.

mod agent;
mod containers;
mod disk;
mod health;
mod pressure;

use crate::board::Board;

/// Their names, by which they link to each other.
const AGENT: &str = "mesos-agent";
const CONTAINERS: &str = "mesos-containers";
const PRESSURE: &str = "mesos-pressure";
const DISK: &str = "mesos-disk";
const HEALTH: &str = "mesos-health";

/// All of them.
#[must_use]
pub fn all() -> Vec<Board> {
    vec![
        agent::board(),
        containers::board(),
        pressure::board(),
        disk::board(),
        health::board(),
    ]
}
