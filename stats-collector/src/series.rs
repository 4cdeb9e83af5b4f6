//! The points of one container's sample.

use graphite::{Batch, MetricPath, Value, app_name};

use crate::model::Rates;
use crate::sample::{DiskStatistics, Statistics};

/// Adds `<base>.<field>` for each number of the sample and each rate, and
/// `<base>.disk_statistics.<volume>.<field>` for each volume. `base` is left as it was.
pub(crate) fn add_container(
    batch: &mut Batch,
    base: &mut MetricPath,
    sample: &Statistics<'_>,
    rates: &Rates,
    timestamp: u64,
) {
    let mark = base.mark();
    for (name, value) in sample.scalars() {
        batch.add(base.push(name), value, timestamp);
        base.rewind(mark);
    }
    let rates = [
        ("cpus_used", rates.cpus_used),
        ("cpus_throttled_share", rates.cpus_throttled_share),
    ];
    for (name, value) in rates {
        if let Some(value) = value {
            batch.add(base.push(name), value, timestamp);
            base.rewind(mark);
        }
    }
    add_volumes(batch, base, &sample.disk_statistics, timestamp);
}

/// Adds `<base>.<field>` for each number of a task, and the processors that it uses. `base` is left as it was.
pub(crate) fn add_task(
    batch: &mut Batch,
    base: &mut MetricPath,
    values: &[(&'static str, Value)],
    rates: &Rates,
    timestamp: u64,
) {
    let mark = base.mark();
    let used = rates.cpus_used.map(|used| ("cpus_used", used.into()));
    for (name, value) in values.iter().copied().chain(used) {
        batch.add(base.push(name), value, timestamp);
        base.rewind(mark);
    }
}

fn add_volumes(
    batch: &mut Batch,
    base: &mut MetricPath,
    volumes: &[DiskStatistics<'_>],
    timestamp: u64,
) {
    let mark = base.mark();
    let mut names: Vec<String> = Vec::with_capacity(volumes.len());
    for volume in volumes {
        let name = unused_name(&names, volume_name(volume));
        base.push("disk_statistics").push(&name);
        let volume_mark = base.mark();
        let fields = [
            ("limit_bytes", volume.limit_bytes),
            ("used_bytes", volume.used_bytes),
        ];
        for (field, value) in fields {
            if let Some(value) = value {
                batch.add(base.push(field), value, timestamp);
                base.rewind(volume_mark);
            }
        }
        base.rewind(mark);
        names.push(name);
    }
}

/// `sandbox`, a volume's readable name, or else the kind of its disk.
fn volume_name(volume: &DiskStatistics<'_>) -> String {
    let mut name = match (&volume.persistence, &volume.source) {
        (Some(persistence), _) => app_name(&persistence.id),
        (None, Some(source)) => app_name(&source.kind).to_ascii_lowercase(),
        (None, None) => "sandbox".to_owned(),
    };
    // Leaves room for the number that tells two volumes apart.
    name.truncate(graphite::COMPONENT_MAX - 10);
    name
}

/// The name, with the lowest number behind it that no earlier volume of the container has.
fn unused_name(used: &[String], name: String) -> String {
    let mut candidate = name.clone();
    let mut number = 0;
    while used.contains(&candidate) {
        number += 1;
        candidate = format!("{name}_{number}");
    }
    candidate
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(statistics: &str, rates: Rates) -> String {
        let sample: Statistics<'_> = serde_json::from_str(statistics).unwrap();
        let mut base = MetricPath::parse("m").unwrap();
        let mut batch = Batch::default();
        add_container(&mut batch, &mut base, &sample, &rates, 60);
        assert_eq!(base.as_str(), "m");
        String::from_utf8(batch.bytes().to_vec()).unwrap()
    }

    #[test]
    fn only_what_is_there_becomes_a_point() {
        assert_eq!(lines(r#"{"timestamp":1}"#, Rates::default()), "");
        let rates = Rates {
            cpus_used: Some(0.5),
            cpus_throttled_share: None,
        };
        assert_eq!(
            lines(r#"{"timestamp":1,"mem_rss_bytes":0}"#, rates),
            "m.mem_rss_bytes 0 60\nm.cpus_used 0.5 60\n"
        );
    }

    #[test]
    fn each_volume_has_series_of_its_own() {
        let text = r#"{"timestamp":1,"disk_statistics":[
            {"limit_bytes":1,"used_bytes":2},
            {"persistence":{"id":"shop#data#4c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":3},
            {"persistence":{"id":"shop#data#5c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":4},
            {"persistence":{"id":"shop_data_1_x"},"source":{"type":"MOUNT"},"used_bytes":5},
            {"source":{"type":"MOUNT","mount":{"root":"/mnt"}},"used_bytes":6},
            {}]}"#;
        assert_eq!(
            lines(text, Rates::default()),
            "m.disk_statistics.sandbox.limit_bytes 1 60\n\
             m.disk_statistics.sandbox.used_bytes 2 60\n\
             m.disk_statistics.shop_data.used_bytes 3 60\n\
             m.disk_statistics.shop_data_1.used_bytes 4 60\n\
             m.disk_statistics.shop_data_1_x.used_bytes 5 60\n\
             m.disk_statistics.mount.used_bytes 6 60\n"
        );
    }
}
