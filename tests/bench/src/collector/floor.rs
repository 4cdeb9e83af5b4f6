//! The least that a program could do: fetch, parse, write lines. It knows no name, no rate, no outage.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde::de::{Deserializer, SeqAccess, Visitor};

macro_rules! statistics {
    ($($name:ident: $kind:ty,)*) => {
        #[derive(Deserialize)]
        struct Statistics {
            timestamp: f64,
            $($name: Option<$kind>,)*
        }

        impl Statistics {
            fn write(&self, out: &mut impl Write, id: &str) {
                let time = self.timestamp as u64;
                $(if let Some(value) = self.$name {
                    let written = writeln!(out, "mesos.bench.containers.{id}.{} {value} {time}", stringify!($name));
                    written.expect("carbon reads");
                })*
            }
        }
    };
}

statistics! {
    processes: u32, threads: u32,
    cpus_user_time_secs: f64, cpus_system_time_secs: f64, cpus_limit: f64, cpus_soft_limit: f64,
    cpus_nr_periods: u32, cpus_nr_throttled: u32, cpus_throttled_time_secs: f64,
    mem_total_bytes: u64, mem_limit_bytes: u64, mem_soft_limit_bytes: u64, mem_file_bytes: u64, mem_anon_bytes: u64,
    mem_cache_bytes: u64, mem_rss_bytes: u64, mem_mapped_file_bytes: u64, mem_swap_bytes: u64,
    mem_unevictable_bytes: u64, mem_low_pressure_counter: u64, mem_medium_pressure_counter: u64,
    mem_critical_pressure_counter: u64, disk_limit_bytes: u64, disk_used_bytes: u64,
    net_rx_packets: u64, net_rx_bytes: u64, net_rx_errors: u64, net_rx_dropped: u64,
    net_tx_packets: u64, net_tx_bytes: u64, net_tx_errors: u64, net_tx_dropped: u64,
}

#[derive(Deserialize)]
struct Container<'a> {
    #[serde(borrow)]
    container_id: Cow<'a, str>,
    statistics: Statistics,
}

/// Writes each container when it has been read, and keeps none.
struct Written<'a, W>(&'a mut W);

impl<'de, W: Write> Visitor<'de> for Written<'_, W> {
    type Value = ();

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an array of containers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut containers: A) -> Result<(), A::Error> {
        while let Some(container) = containers.next_element::<Container<'_>>()? {
            container.statistics.write(self.0, &container.container_id);
        }
        Ok(())
    }
}

/// Scrapes once a second for ever: `agent` is `http://HOST:PORT`, `carbon` is `HOST:PORT`.
pub(crate) fn run(agent: &str, carbon: &str) -> ! {
    let place = agent.trim_start_matches("http://");
    let agent = TcpStream::connect(place).expect("an agent");
    let mut reader = BufReader::new(agent.try_clone().expect("a descriptor"));
    let carbon = TcpStream::connect(carbon).expect("a carbon");
    let mut lines = BufWriter::with_capacity(64 << 10, carbon);
    let mut body = Vec::new();
    loop {
        let began = Instant::now();
        fetch(&agent, &mut reader, place, &mut body);
        let mut parser = serde_json::Deserializer::from_slice(&body);
        let read = parser.deserialize_seq(Written(&mut lines));
        read.expect("what an agent says");
        lines.flush().expect("carbon reads");
        std::thread::sleep(Duration::from_secs(1).saturating_sub(began.elapsed()));
    }
}

fn fetch(mut agent: &TcpStream, reader: &mut impl BufRead, place: &str, body: &mut Vec<u8>) {
    let request = format!("GET /slave(1)/containers HTTP/1.1\r\nHost: {place}\r\n\r\n");
    agent.write_all(request.as_bytes()).expect("an agent");
    let (mut line, mut length) = (String::new(), 0);
    while line != "\r\n" {
        line.clear();
        reader.read_line(&mut line).expect("an answer");
        if let Some(value) = line.strip_prefix("Content-Length: ") {
            length = value.trim().parse().expect("a length");
        }
    }
    body.resize(length, 0);
    reader.read_exact(body).expect("a whole answer");
}
