use graphite::Value;

use super::*;
use crate::model::Field;

/// What was put, by the names of paths.
#[derive(Debug, Default)]
struct Heard(Vec<(String, Value)>);

impl Put for Heard {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        let mut components: Vec<_> = field.name.split('.').collect();
        if let (Some(place), Some(along)) = (field.along, along) {
            components.insert(place.behind, along);
        }
        self.0.push((components.join("."), value));
    }

    fn put_unknown(&mut self, name: &str, value: Value) {
        self.0.push((name.to_owned(), value));
    }
}

impl Heard {
    fn get(&self, name: &str) -> Option<Value> {
        let mut found = self.0.iter().filter(|(its, _)| its == name);
        let value = found.next().map(|(_, value)| *value);
        assert_eq!(found.next(), None, "{name} was put twice");
        value
    }
}

fn write_one(statistics: &str) -> Heard {
    let sample = Statistics::parse(statistics).unwrap();
    let mut heard = Heard::default();
    write(&sample, &mut Memory::default(), &mut heard);
    heard
}

#[test]
fn each_volume_has_series_of_its_own() {
    let text = r#"{"timestamp":1,"disk_statistics":[
        {"limit_bytes":4,"used_bytes":2},
        {"persistence":{"id":"shop#data#4c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":3},
        {"persistence":{"id":"shop#data#5c0e7f3e-7d3a-11e5-8d7f-0242ac110002"},"used_bytes":4},
        {"persistence":{"id":"shop_data_1_x"},"source":{"type":"MOUNT"},"used_bytes":5},
        {"source":{"type":"MOUNT","mount":{"root":"/mnt"}},"used_bytes":6},
        {}]}"#;
    let heard = write_one(text);
    let wanted = [
        ("disk_statistics.sandbox.limit_bytes", Value::Integer(4)),
        ("disk_statistics.sandbox.used_bytes", Value::Integer(2)),
        ("disk_statistics.sandbox.used_share", Value::Float(0.5)),
        ("disk_statistics.shop_data.used_bytes", Value::Integer(3)),
        ("disk_statistics.shop_data_1.used_bytes", Value::Integer(4)),
        (
            "disk_statistics.shop_data_1_x.used_bytes",
            Value::Integer(5),
        ),
        ("disk_statistics.mount.used_bytes", Value::Integer(6)),
    ];
    let wanted = wanted.map(|(name, value)| (name.to_owned(), value));
    assert_eq!(heard.0, wanted);
    assert_eq!(heard.get("disk_statistics.mount.used_share"), None);
}
