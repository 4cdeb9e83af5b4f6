//! What the Graphite of the fixtures does.
#![allow(clippy::unwrap_used, reason = "a test")]

use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use test_support::{Graphite, Packager};

#[test]
fn a_point_is_taken_found_and_rendered_by_debians_graphite() {
    is_taken_found_and_rendered(&Graphite::of(Packager::Debian));
}

#[test]
fn a_point_is_taken_found_and_rendered_by_pypis_graphite() {
    is_taken_found_and_rendered(&Graphite::of(Packager::Pypi));
}

fn is_taken_found_and_rendered(graphite: &Graphite) {
    let now = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap()
        .as_secs();
    let mut carbon = TcpStream::connect(graphite.carbon()).unwrap();
    writeln!(carbon, "a.point 42.5 {}", now - 2).unwrap();
    drop(carbon);

    let points = (0..500)
        .map(|_| {
            sleep(Duration::from_millis(20));
            graphite.points("a.point", "-1min").unwrap()
        })
        .find(|points| !points.is_empty());
    assert_eq!(points, Some(vec![42.5]));
    assert_eq!(graphite.find("a.*").unwrap()[0]["id"], "a.point");
    assert_eq!(
        graphite
            .render_json("no.such", "-1min")
            .unwrap()
            .as_array()
            .unwrap()
            .len(),
        0
    );

    let graph = graphite
        .render_png(&["a.point"], "-1min", &[("title", "one point")])
        .unwrap();
    assert!(graph.starts_with(b"\x89PNG\r\n\x1a\n"));
    assert_ne!(
        graph,
        graphite
            .render_png(&["no.such"], "-1min", &[("title", "one point")])
            .unwrap()
    );
}
