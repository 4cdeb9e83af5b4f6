//! The collector as its unit file has it, with nothing of the hardening taken away.

use std::time::Duration;

use vm_tests::PROGRAMS;

use crate::MACHINE;
use crate::disk_watcher::{AGENT, ALONE};

const UNIT: &str = include_str!("../../../../packaging/systemd/mesos-stats-collector.service");

/// Writes down what it hears.
const CARBON: &str = "import socketserver\n\
    class Carbon(socketserver.StreamRequestHandler):\n    \
        def handle(self):\n        \
            for line in self.rfile:\n            \
                open('/tmp/carbon.txt', 'ab').write(line)\n\
    socketserver.ThreadingTCPServer(('127.0.0.1', 2003), Carbon).serve_forever()";

/// The unit, installed and started, between an agent and a carbon. Everything goes when it is dropped.
struct Collector;

impl Collector {
    fn start() -> Self {
        let collector = Self;
        let config = "interval = '1secs'\nwork_dir = '/var/lib/mesos'\n[agent]\naddress = 'http://127.0.0.1:5051'\n\
                      [graphite]\naddress = 'tcp://127.0.0.1:2003'\n[names]\nhost = 'vm'";
        // One that hangs is found sooner with a shorter watchdog.
        MACHINE.succeed(&format!(
            "set -e\nmkdir -p -m 0700 /var/lib/mesos\nmkdir -p /etc/systemd/system/mesos-stats-collector.service.d\n\
             cp {PROGRAMS}/mesos-stats-collector /usr/local/bin/\n\
             cat >/etc/systemd/system/mesos-stats-collector.service <<'END'\n{UNIT}\nEND\n\
             printf '[Service]\\nWatchdogSec=5s\\n' >/etc/systemd/system/mesos-stats-collector.service.d/watchdog.conf\n\
             cat >/etc/mesos-stats-collector.toml <<'END'\n{config}\nEND\n\
             cat >/tmp/agent.py <<'END'\n{AGENT}\nEND\n\
             cat >/tmp/carbon.py <<'END'\n{CARBON}\nEND\n\
             rm -f /tmp/carbon.txt\n\
             systemd-run --quiet --collect --unit=container /usr/bin/sleep 30032\n\
             systemd-run --quiet --collect --unit=agent python3 /tmp/agent.py /var/lib/mesos \
               $(systemctl show -P MainPID container)\n\
             systemd-run --quiet --collect --unit=carbon python3 /tmp/carbon.py\n\
             for port in 5051 2003; do\n\
             until (: </dev/tcp/127.0.0.1/$port) 2>/dev/null; do sleep 0.1; done\ndone\n\
             systemctl daemon-reload"
        ));
        let started = MACHINE.run("systemctl start mesos-stats-collector");
        assert_eq!(started.status, 0, "{started:?}\n{}", collector.log());
        collector
    }

    fn log(&self) -> String {
        MACHINE
            .run("journalctl --no-pager -u mesos-stats-collector")
            .stdout
    }

    /// Waits until a script succeeds.
    fn until(&self, script: &str) {
        let wait = format!("until {script}; do sleep 0.1; done");
        let waited = MACHINE.run_within(Duration::from_secs(60), &wait);
        assert_eq!(waited.status, 0, "{script}\n{}", self.log());
    }

    fn pid(&self) -> String {
        MACHINE.succeed("systemctl show -P MainPID mesos-stats-collector")
    }
}

impl Drop for Collector {
    fn drop(&mut self) {
        let _ = MACHINE.run_if_up(
            "systemctl stop mesos-stats-collector agent container carbon; \
             systemctl reset-failed mesos-stats-collector; \
             rm -rf /var/lib/mesos /etc/mesos-stats-collector.toml /var/lib/private/mesos-stats-collector \
             /var/lib/mesos-stats-collector /etc/systemd/system/mesos-stats-collector.service* \
             /usr/local/bin/mesos-stats-collector /tmp/agent.py /tmp/carbon.py /tmp/carbon.txt; systemctl daemon-reload",
        );
    }
}

#[test]
fn the_hardened_unit_ships_as_nobody_in_particular_and_outlives_its_own_trouble() {
    MACHINE.outlive(|| {
        let _alone = ALONE.lock();
        let collector = Collector::start();
        let pid = collector.pid();

        // Not root, with three of root's rights, all of them for reading what others own.
        let user = MACHINE.succeed(&format!("stat -c %u /proc/{pid}"));
        assert_ne!(user, "0");
        let status = MACHINE.succeed(&format!("grep ^CapEff /proc/{pid}/status"));
        let digits = status.split_whitespace().nth(1).expect("a set");
        let rights = u64::from_str_radix(digits, 16).expect("a number");
        // By include/uapi/linux/capability.h: DAC_OVERRIDE 1, DAC_READ_SEARCH 2, SYS_PTRACE 19.
        assert_eq!(rights, 1 << 1 | 1 << 2 | 1 << 19, "{status}");
        let exposure = MACHINE
            .succeed("systemd-analyze security --no-pager mesos-stats-collector | tail -n 1");
        let level: Option<f64> = exposure
            .split_whitespace()
            .find_map(|word| word.parse().ok());
        assert!(level.is_some_and(|level| level < 4.0), "{exposure}");

        // It ships, keeps its state where systemd says, and may read where tasks are.
        collector.until("grep -q '^mesos[.]vm[.]collector[.]' /tmp/carbon.txt");
        let rights = MACHINE.succeed("stat -L -c %a /var/lib/mesos-stats-collector");
        assert_eq!(rights, "700");
        collector.until("[ -d /var/lib/mesos-stats-collector/spool ]");
        let log = collector.log();
        assert!(!log.contains("ermission denied"), "{log}");

        // It shows systemd that it is alive, for longer than systemd waits; and one that hangs is started anew.
        MACHINE.succeed("sleep 7");
        assert_eq!(collector.pid(), pid, "{}", collector.log());
        MACHINE.succeed(&format!("kill -STOP {pid}"));
        collector.until(&format!(
            "[ $(systemctl show -P NRestarts mesos-stats-collector) = 1 ] && \
             systemctl is-active -q mesos-stats-collector && \
             [ $(systemctl show -P MainPID mesos-stats-collector) != {pid} ]"
        ));

        MACHINE.succeed("systemctl stop mesos-stats-collector");
        let ended = MACHINE.succeed("systemctl show -P Result mesos-stats-collector");
        assert_eq!(ended, "success", "{}", collector.log());
    });
}
