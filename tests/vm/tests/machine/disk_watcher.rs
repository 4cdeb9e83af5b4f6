//! The watcher's daemon as its unit file has it, with nothing of the hardening taken away.

use std::sync::Mutex;
use std::time::Duration;

use vm_tests::PROGRAMS;

use crate::MACHINE;

const UNIT: &str = include_str!("../../../../packaging/systemd/mesos-disk-watcher.service");
/// Stands for a Mesos: an agent with one container, of 10 MB.
pub(crate) const AGENT: &str = include_str!("agent.py");

/// There is one work directory, one port, one of each unit.
pub(crate) static ALONE: Mutex<()> = Mutex::new(());

/// What the first process of the container is called.
const FIRST: &str = "/usr/bin/sleep 30031";

const SANDBOX: &str = "/var/lib/mesos/slaves/S/frameworks/F/executors/E/runs/C";

/// The unit, installed and started, with an agent beside it. Everything goes when it is dropped.
struct Daemon;

impl Daemon {
    /// `mount` mounts something at the work directory, or does nothing; `settings` come behind those that say where
    /// everything is.
    fn start(mount: &str, settings: &str) -> Self {
        let daemon = Self;
        let config = format!(
            "work_dir = '/var/lib/mesos'\ninterval = '1secs'\nlog = 'info'\n[agent]\naddress = \
             'http://127.0.0.1:5051'\n[output]\nevents = '/var/log/mesos-disk-watcher/events.json'\nprometheus = \
             '127.0.0.1:9106'\n{settings}"
        );
        // One that hangs is found sooner with a shorter watchdog.
        MACHINE.succeed(&format!(
            "set -e\nmkdir -p /var/lib/mesos /etc/systemd/system/mesos-disk-watcher.service.d\n{mount}\n\
             mkdir -p {SANDBOX}\ncp {PROGRAMS}/mesos-disk-watcher /usr/local/bin/\n\
             cat >/etc/systemd/system/mesos-disk-watcher.service <<'END'\n{UNIT}\nEND\n\
             printf '[Service]\\nWatchdogSec=15s\\n' >/etc/systemd/system/mesos-disk-watcher.service.d/watchdog.conf\n\
             cat >/etc/mesos-disk-watcher.toml <<'END'\n{config}\nEND\n\
             cat >/tmp/agent.py <<'END'\n{AGENT}\nEND\n\
             rm -f /var/log/mesos-disk-watcher/events.json\n\
             systemd-run --quiet --collect --unit=container {FIRST}\n\
             systemd-run --quiet --collect --unit=agent python3 /tmp/agent.py /var/lib/mesos \
               $(systemctl show -P MainPID container)\n\
             until (: </dev/tcp/127.0.0.1/5051) 2>/dev/null; do sleep 0.1; done\n\
             systemctl daemon-reload"
        ));
        let started = MACHINE.run("systemctl start mesos-disk-watcher");
        assert_eq!(started.status, 0, "{started:?}\n{}", daemon.log());
        daemon
    }

    fn log(&self) -> String {
        MACHINE
            .run("journalctl --no-pager -u mesos-disk-watcher")
            .stdout
    }

    /// Waits until a script succeeds.
    fn until(&self, script: &str) {
        let wait = format!("until {script}; do sleep 0.1; done");
        let waited = MACHINE.run_within(Duration::from_secs(60), &wait);
        let events = MACHINE
            .run("tail -n 20 /var/log/mesos-disk-watcher/events.json")
            .stdout;
        assert_eq!(waited.status, 0, "{script}\n{events}\n{}", self.log());
    }

    fn until_event(&self, event: &str) {
        let path = "/var/log/mesos-disk-watcher/events.json";
        self.until(&format!("grep -q '\"event\":\"{event}\"' {path}"));
    }

    /// The figure of a series in what Prometheus is told, with these labels.
    fn metric(&self, series: &str) -> String {
        let script = format!(
            "exec 3<>/dev/tcp/127.0.0.1/9106; printf 'GET /metrics HTTP/1.1\\r\\nhost: x\\r\\n\\r\\n' >&3; \
             grep '^{series}' <&3"
        );
        let line = MACHINE.succeed(&script);
        line.rsplit(' ').next().unwrap_or_default().to_owned()
    }

    fn pid(&self) -> String {
        MACHINE.succeed("systemctl show -P MainPID mesos-disk-watcher")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = MACHINE.run_if_up(
            "systemctl stop mesos-disk-watcher agent container; systemctl reset-failed mesos-disk-watcher; \
             umount /var/lib/mesos; rm -rf /var/lib/mesos /var/lib/mesos.img /etc/mesos-disk-watcher.toml \
             /var/log/mesos-disk-watcher /etc/systemd/system/mesos-disk-watcher.service* \
             /usr/local/bin/mesos-disk-watcher /tmp/agent.py; systemctl daemon-reload",
        );
    }
}

const XFS: &str = "modprobe -a loop xfs && truncate -s 320M /var/lib/mesos.img && mkfs.xfs -q /var/lib/mesos.img && \
                   mount -o loop,prjquota /var/lib/mesos.img /var/lib/mesos";

#[test]
fn the_hardened_unit_tracks_and_ends_a_container_and_outlives_its_own_trouble() {
    MACHINE.outlive(|| {
        let _alone = ALONE.lock();
        let daemon = Daemon::start(
            "true",
            "[mode]\ndefault = 'enforce'\n[enforce]\nmethods = ['processes']",
        );
        let pid = daemon.pid();

        // What it keeps of root's rights: no more than the unit allows, and no more than these settings need.
        let status = MACHINE.succeed(&format!("grep ^Cap /proc/{pid}/status"));
        let of = |set: &str| {
            let line = status.lines().find(|line| line.starts_with(set));
            let digits = line.and_then(|line| line.split_whitespace().nth(1));
            u64::from_str_radix(digits.expect("a set"), 16).expect("a number")
        };
        // By include/uapi/linux/capability.h: DAC_OVERRIDE 1, DAC_READ_SEARCH 2, FOWNER 3, KILL 5, SYS_PTRACE 19, SYS_ADMIN 21.
        let without_fowner = 1 << 1 | 1 << 2 | 1 << 5 | 1 << 19 | 1 << 21;
        assert_eq!(of("CapEff"), without_fowner, "{status}");
        assert_eq!(of("CapPrm"), without_fowner, "{status}");
        assert_eq!(of("CapBnd") & !(without_fowner | 1 << 3), 0, "{status}");
        let exposure =
            MACHINE.succeed("systemd-analyze security --no-pager mesos-disk-watcher | tail -n 1");
        let level: Option<f64> = exposure
            .split_whitespace()
            .find_map(|word| word.parse().ok());
        assert!(level.is_some_and(|level| level < 5.0), "{exposure}");

        // It measures what is there, by change tracking, and tells all who ask.
        MACHINE.succeed(&format!("head -c 3M /dev/zero >{SANDBOX}/file"));
        let used = MACHINE.succeed(&format!("du -s -B1 {SANDBOX} | cut -f 1"));
        daemon.until(&format!(
            "mesos-disk-watcher --once /var/lib/mesos --json | tr -d ' \\n' | \
             grep -q '\"watched\":{{\"used_bytes\":{used},.*\"source\":\"tracking\"'"
        ));
        assert_eq!(daemon.metric("mesos_disk_used_bytes{"), used);
        let limit = (10 << 20).to_string();
        assert_eq!(daemon.metric("mesos_disk_limit_bytes{"), limit);
        let rights = MACHINE.succeed("stat -c %a /run/mesos-disk-watcher/figures.sock");
        assert_eq!(rights, "660");

        // It shows systemd that it is alive, for longer than systemd waits; and one that hangs is started anew.
        MACHINE.succeed("sleep 35");
        assert_eq!(daemon.pid(), pid, "{}", daemon.log());
        MACHINE.succeed(&format!("kill -STOP {pid}"));
        daemon.until(&format!(
            "[ $(systemctl show -P NRestarts mesos-disk-watcher) = 1 ] && systemctl is-active -q mesos-disk-watcher && \
             [ $(systemctl show -P MainPID mesos-disk-watcher) != {pid} ]"
        ));

        // New settings, and wrong ones.
        let pid = daemon.pid();
        MACHINE.succeed("echo '[limit]\nsoft_share = 0.5' >>/etc/mesos-disk-watcher.toml && systemctl reload mesos-disk-watcher");
        daemon.until_event("reloaded");
        MACHINE.succeed(
            "echo nonsense >>/etc/mesos-disk-watcher.toml && systemctl reload mesos-disk-watcher",
        );
        daemon
            .until("grep -q 'the configuration is as before' /var/log/mesos-disk-watcher/events.json");
        assert_eq!(daemon.pid(), pid);

        // A breach is ended, with the reason where people look for it.
        MACHINE.await_process(FIRST);
        MACHINE.succeed(&format!("head -c 20M /dev/zero >{SANDBOX}/file"));
        MACHINE.await_no_process(FIRST);
        daemon.until_event("soft_limit");
        daemon.until_event("breach");
        daemon.until_event("enforced");
        let note = MACHINE.succeed(&format!("cat {SANDBOX}/disk-watcher.txt"));
        assert!(
            note.starts_with("Disk usage (") && note.contains("exceeds quota (10MB)"),
            "{note}"
        );

        // Nothing of it is left when it is stopped.
        MACHINE.succeed("systemctl stop mesos-disk-watcher");
        let ended = MACHINE.succeed("systemctl show -P Result mesos-disk-watcher");
        assert_eq!(ended, "success", "{}", daemon.log());
        MACHINE.succeed("[ ! -e /run/mesos-disk-watcher/figures.sock ]");
        daemon.until_event("stopped");
    });
}

#[test]
fn the_hardened_unit_has_the_kernel_hold_a_sandbox_to_its_limit() {
    MACHINE.outlive(|| {
        let _alone = ALONE.lock();
        let daemon = Daemon::start(
            XFS,
            "[mode]\ndefault = 'enforce'\n[engine]\nquota = 'assign'\nin_kernel = true",
        );
        daemon.until(&format!(
            "[ \"$(lsattr -p -d {SANDBOX} | cut -c -5)\" -gt 0 ]"
        ));
        daemon.until(
            "mesos-disk-watcher --once /var/lib/mesos --json | tr -d ' \\n' | grep -q '\"source\":\"quota\"'",
        );
        let written = MACHINE.run(&format!("head -c 20M /dev/zero >{SANDBOX}/file"));
        assert_ne!(written.status, 0, "{written:?}");
        assert!(
            written.stderr.contains("No space left on device"),
            "{written:?}"
        );
        let kib = MACHINE.succeed(&format!("du -s -k {SANDBOX} | cut -f 1"));
        assert!(kib.parse().is_ok_and(|kib: u64| kib <= 10 << 10), "{kib}");
        // The kernel has seen to it: nobody is ended.
        daemon.until(&format!("pgrep -xf '{FIRST}'"));
    });
}
