//! The rings beside those of carbon itself, from PyPI, and of Debian's carbon-c-relay.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};

use graphite::{Address, Destination, Hash, Replication, Ring};

/// How many names are compared for each ring.
const NAMES: usize = 4000;

/// Like ours, with the oddities that names may have.
fn names() -> Vec<String> {
    let name = |number: usize| match number % 5 {
        0 => format!(
            "mesos.agent{}.containers.web.{}.mem_rss_bytes",
            number % 97,
            number
        ),
        1 => format!(
            "mesos.containers.cpus_used;app=app{number};host=agent{};slot=1",
            number % 13
        ),
        2 => format!("mesos.tasks.x;zone=b;app=a{number};app-group=z"),
        3 => format!("ünïcode.{number}.täg"),
        _ => format!("{number}"),
    };
    (0..NAMES).map(name).collect()
}

/// So many destinations on half as many hosts.
fn destinations(count: usize, instance: impl Fn(usize) -> Option<String>) -> Vec<Destination> {
    (0..count)
        .map(|number| {
            let host = format!("10.0.0.{}", number / 2 + 1);
            let port = 2004 + 100 * (number as u16 % 2);
            let mut destination = Destination::plaintext(Address { host, port });
            destination.instance = instance(number);
            destination
        })
        .collect()
}

fn replication(factor: usize, diverse: bool) -> Replication {
    Replication {
        factor: NonZeroUsize::new(factor).unwrap(),
        diverse,
    }
}

fn ours(ring: &Ring, names: &[String]) -> Vec<Vec<usize>> {
    let chosen = |name: &String| {
        let mut chosen = Vec::new();
        ring.choose(name.as_bytes(), &mut chosen);
        chosen
    };
    names.iter().map(chosen).collect()
}

/// What a program writes when it is given this to read.
fn output(mut command: Command, input: &str) -> String {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", output.status);
    writer.join().unwrap().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

fn carbons(
    hash: &str,
    replication: Replication,
    all: &[Destination],
    names: &[String],
) -> Vec<Vec<usize>> {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/programs/carbon-ring.py");
    let mut command = Command::new(test_support::graphite_pypi().join("bin/python"));
    let diverse = if replication.diverse { "yes" } else { "no" };
    command
        .arg(program)
        .args([hash, &replication.factor.to_string(), diverse]);
    for destination in all {
        let instance = destination.instance.as_ref().map(|name| format!(":{name}"));
        command.arg(format!(
            "{}{}",
            destination.address,
            instance.unwrap_or_default()
        ));
    }
    let lines = output(command, &(names.join("\n") + "\n"));
    let numbers = |line: &str| {
        line.split(' ')
            .map(|number| number.parse().unwrap())
            .collect()
    };
    lines.lines().map(numbers).collect()
}

#[track_caller]
fn assert_alike(ours: &[Vec<usize>], theirs: &[Vec<usize>], names: &[String], ring: &str) {
    assert_eq!(
        (ours.len(), theirs.len()),
        (names.len(), names.len()),
        "{ring}"
    );
    for (index, name) in names.iter().enumerate() {
        assert_eq!(ours[index], theirs[index], "{ring}: {name}");
    }
}

#[test]
fn every_name_goes_where_carbon_sends_it() {
    let names = names();
    // Enough destinations that some places of the circle are wanted twice.
    for (count, factor, diverse) in [(1, 1, true), (3, 2, false), (12, 4, true)] {
        let replication = replication(factor, diverse);
        let rings = [
            (
                Hash::CarbonCh,
                "carbon_ch",
                destinations(count, |number| {
                    (number % 2 == 0).then(|| format!("i{number}"))
                }),
            ),
            (
                Hash::CarbonCh,
                "carbon_ch",
                destinations(count, |number| Some(["a", "b"][number % 2].to_owned())),
            ),
            (
                Hash::Fnv1aCh,
                "fnv1a_ch",
                destinations(count, |number| Some(format!("cache-{number}"))),
            ),
        ];
        for (hash, theirs, all) in rings {
            let ring = Ring::new(&all, hash, replication).unwrap();
            let case = format!("{theirs}, {count} destinations, {replication:?}");
            let theirs = carbons(theirs, replication, &all, &names);
            assert_alike(&ours(&ring, &names), &theirs, &names, &case);
        }
    }
}

/// The name with its tags in order.
fn in_order(name: &str) -> String {
    let (name, tags) = name.split_once(';').unwrap_or((name, ""));
    let mut tags: Vec<_> = tags.split_terminator(';').collect();
    tags.sort_unstable();
    let tags = tags.iter().map(|tag| format!(";{tag}"));
    name.to_owned() + &tags.collect::<String>()
}

/// What `carbon-c-relay -t` says of each name.
fn relays(hash: &str, factor: usize, all: &[Destination], names: &[String]) -> Vec<Vec<usize>> {
    let mut configuration = format!("cluster carbons {hash} replication {factor}\n");
    for destination in all {
        let instance = destination.instance.as_ref().map(|name| format!("={name}"));
        configuration += &format!(" {}{}\n", destination.address, instance.unwrap_or_default());
    }
    configuration += ";\nmatch * send to carbons stop;\n";
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), configuration).unwrap();
    let mut command = Command::new("/usr/bin/carbon-c-relay");
    command.arg("-t").arg("-f").arg(file.path());
    let text = output(command, &(names.join("\n") + "\n"));
    let mut chosen: Vec<Vec<usize>> = Vec::new();
    for line in text.lines() {
        if line.starts_with("    * -> ") {
            chosen.push(Vec::new());
        } else if let (Some(last), Some(address)) =
            (chosen.last_mut(), line.strip_prefix("        "))
        {
            last.push(
                all.iter()
                    .position(|other| other.address.to_string() == address)
                    .unwrap(),
            );
        }
    }
    chosen
}

#[test]
fn every_name_goes_where_carbon_c_relay_sends_it() {
    // It takes names as they come, so tags have to come in order; and of letters beyond ASCII it makes underscores before it
    // places a name, but for this answer.
    let names: Vec<_> = names()
        .iter()
        .filter(|name| name.is_ascii())
        .map(|name| in_order(name))
        .collect();
    for (count, factor) in [(1, 1), (2, 1), (3, 2), (6, 3), (11, 11)] {
        let rings = [
            destinations(count, |_| None),
            destinations(count, |number| Some(format!("{}", 107 * number % 13))),
            destinations(count, |number| {
                (number % 3 != 1).then(|| format!("name{}", 107 * number % 13))
            }),
        ];
        for (number, all) in rings.iter().enumerate() {
            let ring = Ring::new(all, Hash::JumpFnv1a, replication(factor, false)).unwrap();
            let theirs = relays("jump_fnv1a_ch", factor, all, &names);
            let case = format!("{count} destinations, {number}");
            assert_alike(&ours(&ring, &names), &theirs, &names, &case);
        }
    }
}
