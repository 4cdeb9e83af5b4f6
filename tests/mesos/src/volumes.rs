//! Persistent volumes, as an operator and a framework come by them.

use std::io::{Read, Write};
use std::net::TcpStream;

use mesos_proto::v1::resource::DiskInfo;
use mesos_proto::v1::resource::disk_info::Persistence;
use mesos_proto::v1::volume::Mode;
use mesos_proto::v1::{Resource, Volume};
use serde_json::json;
use test_support::{FrameworkOptions, resource};

use crate::Scene;

/// The resources of an agent that has 64 MB of disk for the role `shop`.
pub const DISKS: &str = "cpus:8;mem:8192;disk:20000;disk(shop):64;ports:[31000-32000]";

/// A framework of that role.
pub fn shop() -> FrameworkOptions {
    FrameworkOptions {
        role: Some("shop".to_owned()),
        ..FrameworkOptions::default()
    }
}

/// All of that disk, with a volume on it.
pub fn persistent(id: &str, at: &str) -> Resource {
    Resource {
        role: Some("shop".to_owned()),
        disk: Some(DiskInfo {
            persistence: Some(Persistence {
                id: id.to_owned(),
                principal: None,
            }),
            volume: Some(Volume {
                mode: Mode::Rw as i32,
                container_path: at.to_owned(),
                ..Volume::default()
            }),
            source: None,
        }),
        ..resource("disk", 64.0)
    }
}

impl Scene {
    /// Has the master make the volume of [`persistent`], as an operator does it (Mesos: docs/persistent-volume.md).
    ///
    /// # Panics
    /// When it does not.
    pub fn create_volume(&self, id: &str, at: &str) {
        let state = self.mesos.agent_state();
        let agent = state["id"].as_str().unwrap_or_default();
        let volumes = json!([{
            "name": "disk", "type": "SCALAR", "scalar": { "value": 64 }, "role": "shop",
            "disk": { "persistence": { "id": id }, "volume": { "mode": "RW", "container_path": at } },
        }]);
        let body = format!("slaveId={agent}&volumes={volumes}");
        let request = format!(
            "POST /master/create-volumes HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.mesos.authority(),
            body.len()
        );
        let exchange = || {
            let mut stream = TcpStream::connect(self.mesos.authority())?;
            stream.write_all(request.as_bytes())?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            std::io::Result::Ok(answer)
        };
        match exchange() {
            Ok(answer) => assert!(answer.starts_with("HTTP/1.1 202"), "{answer}"),
            Err(error) => panic!("make a volume: {error}"),
        }
    }
}
