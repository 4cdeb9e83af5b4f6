use std::sync::atomic::{AtomicU32, Ordering};

use crate::{Machine, Output, PROGRAMS};

/// A unit of the machine's systemd that has the executor's command line as its main process. It is stopped when this is
/// dropped.
#[derive(Debug)]
pub struct Service<'m> {
    machine: &'m Machine,
    name: String,
}

impl<'m> Service<'m> {
    /// Starts `mesos-sandbox-executor run` with `arguments`, spelled as in a shell, in a new directory that everybody
    /// can write to. `properties` are of the unit: `Delegate=yes`.
    ///
    /// # Panics
    /// When systemd refuses.
    pub fn start(machine: &'m Machine, properties: &[&str], arguments: &str) -> Service<'m> {
        let name = name();
        machine.succeed(&command(&name, properties, "", arguments));
        Service { machine, name }
    }

    /// As [`Service::start`], but waits for the end: the unit's exit status and output.
    ///
    /// # Panics
    /// When it does not end.
    pub fn output_of(machine: &Machine, properties: &[&str], arguments: &str) -> Output {
        machine.run(&command(&name(), properties, "--wait --pipe", arguments))
    }

    /// Its cgroup, as a path within the hierarchy.
    pub fn cgroup(&self) -> String {
        format!("/system.slice/{}.service", self.name)
    }

    /// Kills the executor's own process, and it alone, with SIGKILL.
    ///
    /// # Panics
    /// When there is none.
    pub fn kill_main_process(&self) {
        let kill = format!("kill -KILL $(systemctl show -P MainPID {})", self.name);
        self.machine.succeed(&kill);
    }

    /// Stops it as an administrator does.
    ///
    /// # Panics
    /// When systemd refuses.
    pub fn stop(&self) {
        self.machine
            .succeed(&format!("systemctl stop {}", self.name));
    }

    /// Waits until it has no process: the executor, its inits, its janitor.
    ///
    /// # Panics
    /// When one stays.
    pub fn await_no_process(&self) {
        let directory = format!("/sys/fs/cgroup{}", self.cgroup());
        self.machine.succeed(&format!(
            "while [ -n \"$(find {directory} -name cgroup.procs -exec cat {{}} + 2>/dev/null)\" ]; do sleep 0.1; done"
        ));
    }

    /// Waits until nobody has a mount of its directory, in any mount namespace.
    ///
    /// # Panics
    /// When one stays.
    pub fn await_no_mount(&self) {
        self.machine.succeed(&format!(
            "while cat /proc/[0-9]*/mounts 2>/dev/null | grep -q '/tmp/{}[ /]'; do sleep 0.1; done",
            self.name
        ));
    }
}

impl Drop for Service<'_> {
    fn drop(&mut self) {
        // One that has ended is known no more.
        let stop = format!("systemctl stop {0} 2>/dev/null; rm -rf /tmp/{0}", self.name);
        let _ = self.machine.run_if_up(&stop);
    }
}

fn name() -> String {
    static NUMBER: AtomicU32 = AtomicU32::new(0);
    format!("service-{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

fn command(name: &str, properties: &[&str], how: &str, arguments: &str) -> String {
    let properties: String = properties
        .iter()
        .map(|property| format!(" --property={property}"))
        .collect();
    format!(
        "mkdir --mode=777 /tmp/{name} && systemd-run --quiet --collect --unit={name} {how}{properties} \
         --property=WorkingDirectory=/tmp/{name} -- {PROGRAMS}/mesos-sandbox-executor run {arguments}"
    )
}
