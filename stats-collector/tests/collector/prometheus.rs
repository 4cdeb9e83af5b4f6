//! What Prometheus is told, read by its own Python client.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::carbons::Carbon;
use crate::fakes::{Agent, LONG, nowhere};
use crate::program::Program;
use crate::replies::{CGROUPS, body};

/// Prints each sample's name, labels and value on a line.
const READ: &str = r#"
import sys
if sys.argv[1] == "openmetrics":
    from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
else:
    from prometheus_client.parser import text_string_to_metric_families as families
for family in families(sys.stdin.read()):
    assert family.documentation and (family.type != "unknown" or "mesos_agent_" in family.name), family
    for sample in family.samples:
        labels = ",".join(f"{name}={value}" for name, value in sorted(sample.labels.items()))
        print(f"{sample.name}[{labels}] {sample.value:.17g}")
"#;

/// `None` while nobody answers, or there was no turn.
fn asked(place: &str, accept: &str) -> Option<String> {
    let mut client = TcpStream::connect(place).ok()?;
    client
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!("GET /metrics HTTP/1.0\r\naccept: {accept}\r\n\r\n");
    client.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n")?;
    (head.contains(" 200 ") && head.contains(accept)).then(|| body.to_owned())
}

fn await_page(place: &str, accept: &str) -> String {
    let until = Instant::now() + LONG;
    loop {
        match asked(place, accept) {
            Some(page) => return page,
            None if Instant::now() > until => panic!("no page at {place}"),
            None => std::thread::sleep(Duration::from_millis(50)),
        }
    }
}

fn samples(page: &str, format: &str) -> BTreeSet<String> {
    let python = test_support::prometheus_client().join("bin/python");
    let mut reader = Command::new(python)
        .args(["-c", READ, format])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = reader.stdin.take().unwrap();
    stdin.write_all(page.as_bytes()).unwrap();
    drop(stdin);
    let read = reader.wait_with_output().unwrap();
    assert!(read.status.success(), "{page}");
    let read = String::from_utf8(read.stdout).unwrap();
    read.lines().map(str::to_owned).collect()
}

#[test]
fn prometheus_own_reader_finds_every_number_in_either_text() {
    let agent = Agent::start([body(CGROUPS)]);
    let carbon = Carbon::start();
    let place = nowhere();
    let options = [
        "--host=h",
        "--interval=1mins",
        &format!("--output-prometheus={place}"),
    ];
    let _program = Program::start(&agent, &carbon.place(), &options);
    let text = await_page(&place, "text/plain");
    let text = samples(&text, "text");
    let open_metrics = await_page(&place, "application/openmetrics-text");
    assert_eq!(text, samples(&open_metrics, "openmetrics"), "of one turn");
    carbon.wait_for(|line| line.starts_with("mesos.h.collector.open_files "));
    for line in carbon.container_lines() {
        let (path, rest) = line.split_once(' ').unwrap();
        let (value, _) = rest.split_once(' ').unwrap();
        let value: f64 = value.parse().unwrap();
        let [_, _, _, app, slot, field @ ..] = &path.split('.').collect::<Vec<_>>()[..] else {
            panic!("{path}");
        };
        // What a field has several of is a label, which is not in the path here.
        if field.len() > 1 {
            continue;
        }
        let labels = format!("[app={app},framework=hold,host=h,slot={slot}]");
        let field = field[0];
        let found = ["", "_total"].iter().any(|end| {
            let sample = format!("mesos_container_{field}{end}{labels} ");
            let found = text.iter().find_map(|told| told.strip_prefix(&sample));
            found.is_some_and(|told| told.parse::<f64>().unwrap() == value)
        });
        assert!(found, "{line} is not in {text:#?}");
    }
    for family in [
        "mesos_host_cpus[",
        "mesos_app_count[",
        "mesos_collector_points[",
    ] {
        assert!(text.iter().any(|told| told.starts_with(family)), "{family}");
    }
}
