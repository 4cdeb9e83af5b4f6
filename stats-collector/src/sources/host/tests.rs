use std::collections::HashMap;

use graphite::Value;

use super::fields;
use super::sample::{Cpu, Pressure, Times};
use super::*;
use crate::model::{Memory, Put};

/// What was put, by name and what it is along.
#[derive(Debug, Default)]
struct Numbers(HashMap<String, f64>);

impl Put for Numbers {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        let name = match along {
            Some(along) => format!("{}[{along}]", field.name),
            None => field.name.to_owned(),
        };
        let value = match value {
            Value::Integer(value) => value as f64,
            Value::Signed(value) => value as f64,
            Value::Float(value) => value,
        };
        assert!(self.0.insert(name, value).is_none(), "{} twice", field.name);
    }

    fn put_unknown(&mut self, name: &str, _: Value) {
        panic!("{name} is in no table");
    }
}

fn at(at: f64, times: Times) -> Sample {
    Sample {
        at,
        cpu: Some(Cpu {
            online: 4,
            times,
            ..Cpu::default()
        }),
        ..Sample::default()
    }
}

fn put(memory: &mut Memory, sample: &Sample) -> HashMap<String, f64> {
    let mut put = Numbers::default();
    sample.put(memory, &mut put);
    put.0
}

#[test]
fn what_processors_did_is_shared_out_among_all_modes() {
    let mut memory = Memory::default();
    let first = put(&mut memory, &at(1000.0, Times::default()));
    assert!(!first.contains_key("cpus_used"), "{first:?}");
    let times = Times {
        user: 10.0,
        system: 5.0,
        idle: 20.0,
        iowait: 5.0,
        ..Times::default()
    };
    let second = put(&mut memory, &at(1010.0, times));
    assert_eq!(second["cpu_user_share"], 0.25);
    assert_eq!(second["cpu_idle_share"], 0.5);
    assert_eq!(second["cpu_used_share"], 0.375);
    assert_eq!(second["cpus_used"], 1.5);
    let all: f64 = fields::CPU_SHARES
        .iter()
        .map(|figure| second[figure.field.name])
        .sum();
    assert!((all - 1.0).abs() < 1e-9, "{all}");
    // Of what waits for disks the kernel takes back.
    let third = put(
        &mut memory,
        &at(
            1020.0,
            Times {
                user: 20.0,
                iowait: 4.0,
                ..times
            },
        ),
    );
    assert_eq!(
        (third["cpu_user_share"], third["cpu_iowait_share"]),
        (1.0, 0.0)
    );
}

#[test]
fn a_kernel_without_full_pressure_of_processors_has_the_rest() {
    let some = "some avg10=4.50 avg60=0.91 avg300=0.00 total=2000000\n";
    let full = "full avg10=2.10 avg60=0.12 avg300=0.00 total=1000000\n";
    assert_eq!(
        Pressure::parse(some),
        Pressure {
            some: Some(2.0),
            full: None
        }
    );
    let mut memory = Memory::default();
    let sample = |at, text: &str| Sample {
        at,
        pressure: vec![("io", Pressure::parse(text))],
        ..Sample::default()
    };
    put(&mut memory, &sample(1000.0, &format!("{some}{full}")));
    let later = full.replace("1000000", "6000000");
    let put = put(&mut memory, &sample(1010.0, &format!("{some}{later}")));
    assert_eq!(put["pressure.some_share[io]"], 0.0);
    assert_eq!(put["pressure.full_share[io]"], 0.5);
}

#[tokio::test]
async fn this_machine_has_processors_memory_a_file_system_and_a_boot() {
    let work_dir = tempfile::tempdir().unwrap();
    let mut host = Host::new(Some(work_dir.path().to_owned()), Duration::from_secs(30));
    let sample = host.ask().await.unwrap();
    let now = put(&mut Memory::default(), &sample);
    let said = std::fs::read_to_string("/proc/meminfo").unwrap();
    let total = said
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))
        .unwrap();
    let total: f64 = total.trim().trim_end_matches(" kB").parse().unwrap();
    assert_eq!(now["mem_total_bytes"], total * 1024.0);
    for (name, least) in [
        ("cpus", 1.0),
        ("processes", 1.0),
        ("threads", 1.0),
        ("mem_available_bytes", 1e6),
        ("file_handles", 1.0),
        ("boot_time", 1e9),
        ("uptime_seconds", 1.0),
        ("filesystems.size_bytes[work_dir]", 1e6),
    ] {
        assert!(now[name] >= least, "{name}: {}", now[name]);
    }
    assert!(now["mem_used_share"] < 1.0 && now["filesystems.used_share[work_dir]"] <= 1.0);
    let named: Vec<_> = fields().map(|field| field.name).collect();
    for name in now.keys() {
        let name = name.split('[').next().unwrap();
        assert!(named.contains(&name), "{name} is not in the reference");
    }
}
