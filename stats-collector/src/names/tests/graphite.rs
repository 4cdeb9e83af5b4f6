use std::collections::BTreeMap;
use std::io::Write;
use std::net::TcpStream;
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use test_support::Graphite;

use super::*;

/// What nobody should call a task, and what looks like it.
const NAMES: [&str; 22] = [
    "web",
    "web\nmesos.forged 1 1",
    "web 1 1\r\n",
    "web\0",
    "web\u{2028}",
    "w\u{435}b",
    "k\u{e4}se",
    "kaese",
    "\u{1f680}",
    "../../../etc/passwd",
    "a..b",
    ".hidden",
    "trailing.",
    "a;host=elsewhere",
    "a=b",
    "~a",
    "a!b^c",
    "{a,b}*?[c]",
    "',',name=~.*",
    "%2e%2e",
    "none",
    "",
];

/// Everything that somebody called it goes into its names.
fn settings_of(form: Form) -> NamesSettings {
    let kind = Kind::Task;
    let templates = match form {
        Form::Path => vec![(
            kind,
            "{prefix}.{host}.tasks.{framework}.{task_name}.{team}.{app}.{slot}".to_owned(),
        )],
        Form::Tags => Vec::new(),
    };
    let mut settings = NamesSettings {
        form,
        templates,
        ..settings()
    };
    settings.labels = vec![LabelRule {
        label: "team".to_owned(),
        tag: "team".to_owned(),
    }];
    settings
        .tags
        .extend(["task_name", "team"].map(str::to_owned));
    settings
}

fn crowd() -> Vec<Someone> {
    let huge = "x".repeat(100_000);
    let huge_too = format!("{huge}y");
    let names = NAMES.into_iter().chain([huge.as_str(), huge_too.as_str()]);
    let called = |(id, name): (usize, &str)| Someone {
        id: id.to_string(),
        origin: Origin {
            framework: Some(name.into()),
            task_id: Some(format!("{name}.{UUID}").into()),
            task_name: Some(name.into()),
            labels: vec![("team".into(), name.into())],
            ..Origin::default()
        },
        is_complete: true,
    };
    names.enumerate().map(called).collect()
}

/// Every series that Graphite has there, by its name, with its last value.
fn stored(graphite: &Graphite, target: &str) -> BTreeMap<String, f64> {
    let answer = graphite.render_json(target, "-10min").unwrap_or_default();
    let all = answer.as_array().cloned().unwrap_or_default();
    let last = all.iter().filter_map(|series| {
        let points = series["datapoints"].as_array()?.iter();
        let value = points.filter_map(|point| point[0].as_f64()).next_back()?;
        Some((series["target"].as_str()?.to_owned(), value))
    });
    last.collect()
}

#[test]
fn a_real_graphite_stores_each_hostile_name_as_a_series_of_its_own_and_nothing_else() {
    let graphite = Graphite::start();
    let mut carbon = TcpStream::connect(graphite.carbon()).unwrap();
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let crowd = crowd();
    for form in [Form::Path, Form::Tags] {
        let mut registry = registry(&settings_of(form), 60);
        registry.take_in(Kind::Task, crowd.iter(), now);
        let mut lines = Vec::new();
        let mut written = BTreeMap::new();
        for (place, someone) in crowd.iter().enumerate() {
            let head = &registry.call(Kind::Task, &someone.id).unwrap().head;
            let along = someone.origin.task_name.as_deref().unwrap_or_default();
            for (name, value) in [
                (Name::Known(&USED, None), place as f64),
                (
                    Name::Known(&VOLUME_USED, Some(along)),
                    place as f64 + 1000.0,
                ),
            ] {
                head.write(&mut lines, name);
                writeln!(lines, " {value} {now}").unwrap();
                written.insert(series(head, name), value);
            }
        }
        // All over one connection, on which carbon would hang up at the first line that it cannot take.
        carbon.write_all(&lines).unwrap();
        let base = "mesos.node-1_example_com.tasks.*.*.*.*.*";
        let targets = match form {
            Form::Path => [
                format!("{base}.cpus_used"),
                format!("{base}.disk_statistics.*.used_bytes"),
            ],
            Form::Tags => ["cpus_used", "disk_statistics.used_bytes"]
                .map(|field| format!("seriesByTag('name=mesos.tasks.{field}')")),
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        let there = loop {
            let there: BTreeMap<_, _> = targets
                .iter()
                .flat_map(|target| stored(&graphite, target))
                .collect();
            // Tags are known only a while after their series.
            if there.len() >= written.len() || Instant::now() > deadline {
                break there;
            }
            sleep(Duration::from_millis(200));
        };
        assert_eq!(there, written, "{form:?}");
    }
    let tops = graphite.find("*").unwrap();
    let tops: Vec<_> = tops
        .as_array()
        .unwrap()
        .iter()
        .map(|node| node["text"].clone())
        .collect();
    let others = tops
        .iter()
        .filter(|top| !["carbon", "mesos", "_tagged"].contains(&top.as_str().unwrap()));
    assert_eq!(others.count(), 0, "{tops:?}");
    assert!(
        graphite.find("mesos.*").unwrap().as_array().unwrap().len() == 1,
        "nobody forged a series"
    );
}
