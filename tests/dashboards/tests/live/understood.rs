//! Whatever series there may be: fields that the agent of the other tests has no isolator for are shown here.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use dashboards::boards;
use test_support::{Graphite, Packager};

use crate::reader;

#[test]
fn debians_graphite_makes_a_graph_of_every_target() {
    makes_a_graph_of_every_target(&Graphite::of(Packager::Debian));
}

#[test]
fn pypis_graphite_makes_a_graph_of_every_target() {
    makes_a_graph_of_every_target(&Graphite::of(Packager::Pypi));
}

/// What shows at each moment that it is sent: each field that is asked for anywhere, in both forms and of two agents.
fn points() -> String {
    let mut lines = String::new();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    for board in boards::all() {
        let queries = board.panels().flat_map(|panel| &panel.queries);
        for series in queries.flat_map(dashboards::expression::Query::series) {
            for (value, host) in [(1, "a"), (2, "b")] {
                for name in series.example(host) {
                    for at in [now - 1, now] {
                        writeln!(lines, "{name} {value} {at}").unwrap();
                    }
                }
            }
        }
    }
    lines
}

fn makes_a_graph_of_every_target(graphite: &Graphite) {
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut carbon = TcpStream::connect(graphite.carbon()).unwrap();
            while !is_over.load(Ordering::Relaxed) {
                carbon.write_all(points().as_bytes()).unwrap();
                std::thread::sleep(Duration::from_secs(2));
            }
        });
        let end = AtEnd(&is_over);
        reader::await_all(graphite, &crate::of_grafana(), true);
        drop(end);
    });
}

/// Tells of its end, also when that is a panic.
struct AtEnd<'a>(&'a AtomicBool);

impl Drop for AtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
