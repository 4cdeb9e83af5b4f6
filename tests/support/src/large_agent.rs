//! What an agent with many containers answers, made up: with no process behind it, but with numbers that are as large, as
//! many, and as different from one another as real ones, and that go on from one moment to the next.

use std::fmt::Write as _;

/// Mesos 1.11's fields of `ResourceStatistics` and of all that it is made of: message, field, number, label, type.
const FIELDS: &str = include_str!("../../../stats-collector/tests/fixtures/v1-fields.tsv");

/// An agent.
#[derive(Clone, Copy, Debug)]
pub struct LargeAgent {
    /// How many executors' containers it has, in apps of four instances.
    pub containers: usize,
    /// What it measures of each.
    pub isolators: Isolators,
}

/// What an agent measures of its containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Isolators {
    /// Processor, memory, disk and network: 1.2 kB each, as agents commonly have.
    Common,
    /// Every field that Mesos 1.11 has.
    All,
}

impl LargeAgent {
    /// The reply to `GET /slave(1)/containers` at this second since the epoch.
    pub fn containers(&self, at: u64) -> String {
        self.list(at, "[", "]", |reply, number, statistics| {
            let _ = write!(
                reply,
                r#"{{"container_id":"{id}","executor_id":"{task}","executor_name":"Command Executor (Task: {task}) (Command: sh -c 'sleep 3000')","framework_id":"{FRAMEWORK}","source":"{task}","statistics":{statistics},"status":{{"container_id":{{"value":"{id}"}},"executor_pid":{pid}}}}}"#,
                id = container_id(number),
                task = task_id(number),
                pid = 10_000 + number,
            );
        })
    }

    /// The reply to the v1 call `GET_CONTAINERS` at this second since the epoch.
    pub fn get_containers(&self, at: u64) -> String {
        let (head, tail) = (
            r#"{"type":"GET_CONTAINERS","get_containers":{"containers":["#,
            "]}}",
        );
        self.list(at, head, tail, |reply, number, statistics| {
            let _ = write!(
                reply,
                r#"{{"framework_id":{{"value":"{FRAMEWORK}"}},"executor_id":{{"value":"{task}"}},"executor_name":"Command Executor (Task: {task}) (Command: sh -c 'sleep 3000')","container_id":{{"value":"{id}"}},"container_status":{{"container_id":{{"value":"{id}"}},"executor_pid":{pid}}},"resource_statistics":{statistics}}}"#,
                id = container_id(number),
                task = task_id(number),
                pid = 10_000 + number,
            );
        })
    }

    /// The reply to `GET /slave(1)/state`, with what the join needs.
    pub fn state(&self) -> String {
        let mut reply = format!(
            r#"{{"version":"1.11.0","flags":{{"work_dir":"/var/lib/mesos"}},"frameworks":[{{"id":"{FRAMEWORK}","name":"marathon","user":"root","executors":["#
        );
        for number in 0..self.containers {
            if number > 0 {
                reply.push(',');
            }
            let _ = write!(
                reply,
                r#"{{"id":"{task}","name":"Command Executor (Task: {task}) (Command: sh -c 'sleep 3000')","source":"{task}","container":"{id}","directory":"/var/lib/mesos/slaves/S0/frameworks/{FRAMEWORK}/executors/{task}/runs/{id}","resources":{{"disk":100.0,"mem":96.0,"gpus":0.0,"cpus":0.2}},"role":"*","tasks":[{{"id":"{task}","name":"app{app:04}.group","framework_id":"{FRAMEWORK}","executor_id":"","slave_id":"S0","state":"TASK_RUNNING","resources":{{"disk":100.0,"mem":64.0,"gpus":0.0,"cpus":0.1}},"role":"*","statuses":[{{"state":"TASK_RUNNING","timestamp":1795253776.9213598,"container_status":{{"container_id":{{"value":"{id}"}},"network_infos":[{{"ip_addresses":[{{"protocol":"IPv4","ip_address":"10.0.0.1"}}]}}]}}}}],"labels":[{{"key":"team","value":"t{app}"}}]}}],"queued_tasks":[],"completed_tasks":[]}}"#,
                id = container_id(number),
                task = task_id(number),
                app = number / 4,
            );
        }
        reply.push_str("]}]}");
        reply
    }

    /// The statistics of one container at this second since the epoch.
    pub fn statistics(&self, number: usize, at: u64) -> String {
        match self.isolators {
            Isolators::Common => common(number as u64, at),
            Isolators::All => {
                let mut text = String::new();
                message(&mut text, "ResourceStatistics", number as u64, at);
                text
            }
        }
    }

    fn list(
        &self,
        at: u64,
        head: &str,
        tail: &str,
        entry: impl Fn(&mut String, usize, &str),
    ) -> String {
        let mut reply = String::from(head);
        for number in 0..self.containers {
            if number > 0 {
                reply.push(',');
            }
            entry(&mut reply, number, &self.statistics(number, at));
        }
        reply.push_str(tail);
        reply
    }
}

const FRAMEWORK: &str = "d24d9dec-6dd8-4e77-932c-d57545dd0f73-0002";

fn container_id(number: usize) -> String {
    format!("2b817b9f-c2f1-4afb-a61b-{number:012}")
}

fn task_id(number: usize) -> String {
    format!(
        "group_app{:04}.3c0e7f3e-7d3a-11e5-8d7f-{number:012}",
        number / 4
    )
}

/// A number that looks like chance, always the same for the same two.
fn chance(number: u64, salt: u64) -> u64 {
    let mut mixed = number
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        .wrapping_add(salt.wrapping_mul(0xd6e8_feb8_6659_fd93));
    mixed ^= mixed >> 32;
    mixed = mixed.wrapping_mul(0xd6e8_feb8_6659_fd93);
    mixed ^ (mixed >> 32)
}

fn common(number: u64, at: u64) -> String {
    // Ever growing, each at its own pace, since long before.
    let counter = |salt: u64, most: u64| chance(number, salt) % most * (at % 1_000_000 + 1_000_000);
    let around = |salt: u64, most: u64| {
        chance(number, salt) % most + chance(number ^ at, salt) % 65_536 * 4096
    };
    let ticks = |salt: u64| counter(salt, 40) as f64 / 100.0;
    let limit = (64 + chance(number, 1) % 8192) << 20;
    let (rss, cache) = (around(2, limit / 2), around(3, limit / 4));
    let cpus = (1 + chance(number, 4) % 40) as f64 / 10.0;
    let disk = (100 + chance(number, 5) % 10_000) << 20;
    let used = around(6, disk / 2);
    format!(
        r#"{{"timestamp":{timestamp},"processes":{processes},"threads":{threads},"cpus_user_time_secs":{user},"cpus_system_time_secs":{system},"cpus_limit":{cpus},"cpus_soft_limit":{cpus},"cpus_nr_periods":{periods},"cpus_nr_throttled":{throttled},"cpus_throttled_time_secs":{waited},"mem_total_bytes":{total},"mem_limit_bytes":{limit},"mem_soft_limit_bytes":{limit},"mem_file_bytes":{cache},"mem_anon_bytes":{rss},"mem_cache_bytes":{cache},"mem_rss_bytes":{rss},"mem_mapped_file_bytes":{mapped},"mem_swap_bytes":0,"mem_unevictable_bytes":0,"mem_low_pressure_counter":{low},"mem_medium_pressure_counter":0,"mem_critical_pressure_counter":0,"disk_limit_bytes":{disk},"disk_used_bytes":{used},"disk_statistics":[{{"limit_bytes":{disk},"used_bytes":{used}}}],"net_rx_packets":{rx_packets},"net_rx_bytes":{rx_bytes},"net_rx_errors":0,"net_rx_dropped":{rx_dropped},"net_tx_packets":{tx_packets},"net_tx_bytes":{tx_bytes},"net_tx_errors":0,"net_tx_dropped":0}}"#,
        timestamp = at as f64 + (chance(number, 7) % 1_000_000) as f64 / 1_000_000.0,
        processes = 1 + chance(number, 8) % 20,
        threads = 20 + chance(number ^ at, 9) % 50,
        user = ticks(10),
        system = ticks(11),
        periods = counter(12, 10) % (1 << 32),
        throttled = counter(12, 10) / 7 % (1 << 32),
        waited = counter(13, 1000) as f64 / 1e6,
        total = rss + cache,
        mapped = cache / 3,
        low = counter(14, 2) / 1000,
        rx_packets = counter(15, 1000),
        rx_bytes = counter(16, 1_000_000),
        rx_dropped = counter(17, 2) / 500,
        tx_packets = counter(18, 1000),
        tx_bytes = counter(19, 1_000_000),
    )
}

/// A message with every field that it has.
fn message(text: &mut String, name: &str, number: u64, at: u64) {
    let path = format!("mesos.v1.{name}");
    let rows = FIELDS
        .lines()
        .map(|line| line.split('\t').collect::<Vec<_>>());
    text.push('{');
    let begin = text.len();
    for row in rows.filter(|row| row[0] == path) {
        let &[_, field, _, label, kind] = row.as_slice() else {
            continue;
        };
        let mark = text.len();
        if text.len() > begin {
            text.push(',');
        }
        let _ = write!(text, r#""{field}":"#);
        let value = text.len();
        values(text, field, label == "repeated", kind, number, at);
        if text.len() == value {
            // Of a message that is not in the list.
            text.truncate(mark);
        }
    }
    text.push('}');
}

fn values(text: &mut String, field: &str, is_list: bool, kind: &str, number: u64, at: u64) {
    let salt = field
        .bytes()
        .fold(7, |salt: u64, byte| salt.wrapping_mul(31) ^ u64::from(byte));
    let count =
        chance(number, salt) % 1_000_000_000 + at % 1_000_000 * (chance(number, salt) % 100);
    let _ = match kind {
        "double" if field == "timestamp" => write!(text, "{at}.5"),
        "double" => write!(text, "{}", count as f64 / 100.0),
        "uint32" => write!(text, "{}", count % (1 << 32)),
        "uint64" if field.ends_with("or_number") => write!(text, "8"),
        "uint64" | "int64" => write!(text, "{count}"),
        "string" => write!(text, r#""{field}{number}""#),
        "mesos.v1.CgroupInfo.Blkio.Value" => {
            text.push('[');
            for (place, operation) in OPERATIONS.into_iter().enumerate() {
                let comma = if place == 0 { "" } else { "," };
                let count = count + place as u64;
                let _ = write!(text, r#"{comma}{{"op":"{operation}","value":{count}}}"#);
            }
            text.push(']');
            Ok(())
        }
        _ => match kind.strip_prefix("mesos.v1.") {
            Some(name) if FIELDS.contains(&format!("mesos.v1.{name}\t")) => {
                text.push_str(if is_list { "[" } else { "" });
                message(text, name, number, at);
                text.push_str(if is_list { "]" } else { "" });
                Ok(())
            }
            _ => Ok(()),
        },
    };
}

const OPERATIONS: [&str; 7] = [
    "UNKNOWN", "TOTAL", "READ", "WRITE", "SYNC", "ASYNC", "DISCARD",
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn agent(isolators: Isolators) -> LargeAgent {
        LargeAgent {
            containers: 8,
            isolators,
        }
    }

    #[test]
    fn what_it_answers_is_json_of_so_many_containers() {
        for isolators in [Isolators::Common, Isolators::All] {
            let agent = agent(isolators);
            let v0: Value = serde_json::from_str(&agent.containers(1_795_253_797)).unwrap();
            assert_eq!(v0.as_array().unwrap().len(), 8);
            let v1: Value = serde_json::from_str(&agent.get_containers(1_795_253_797)).unwrap();
            let containers = &v1["get_containers"]["containers"];
            assert_eq!(containers[7]["resource_statistics"], v0[7]["statistics"]);
            let state: Value = serde_json::from_str(&agent.state()).unwrap();
            let executors = state["frameworks"][0]["executors"].as_array().unwrap();
            assert_eq!(executors[7]["container"], v0[7]["container_id"]);
        }
    }

    #[test]
    fn a_container_is_about_as_large_as_a_real_one() {
        let size = |isolators| agent(isolators).containers(1_795_253_797).len() / 8;
        let common = size(Isolators::Common);
        assert!((1000..1700).contains(&common), "{common}");
        assert!(size(Isolators::All) > 3000);
    }

    #[test]
    fn its_counters_go_on_and_its_containers_differ() {
        let agent = agent(Isolators::Common);
        let read =
            |number, at| -> Value { serde_json::from_str(&agent.statistics(number, at)).unwrap() };
        let (one, later, other) = (read(0, 1000), read(0, 1010), read(1, 1000));
        for counter in ["cpus_user_time_secs", "cpus_nr_periods", "net_rx_bytes"] {
            let of = |sample: &Value| sample[counter].as_f64().unwrap();
            assert!(of(&later) > of(&one), "{counter}");
            assert!(of(&other) != of(&one), "{counter}");
        }
    }
}
