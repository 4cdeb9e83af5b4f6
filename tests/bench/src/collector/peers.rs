//! Programs that ship an agent's figures: ours, the floor, and Diamond where it can run.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use test_support::binaries;

/// How the set-up says that Diamond cannot run here.
const NO_PYTHON: i32 = 3;

/// One of them.
pub(super) struct Peer {
    pub(super) name: &'static str,
    /// Scrapes this agent each second and writes to this carbon; may keep what it needs in this directory.
    pub(super) command: Box<Start>,
}

/// Of an agent's URL, a carbon's address and a directory.
type Start = dyn Fn(&str, SocketAddr, &Path) -> Command;

/// The floor first.
pub(super) fn all() -> Vec<Peer> {
    let mut peers = vec![floor(), ours(), with_the_machine()];
    peers.extend(diamond());
    peers
}

fn floor() -> Peer {
    Peer {
        name: "the floor: fetch, parse, write",
        command: Box::new(|agent, carbon, _| {
            let mut command = Command::new("/proc/self/exe");
            command.args(["floor", agent, &carbon.to_string()]);
            command
        }),
    }
}

/// As the floor, it tells of containers, and of the agent.
pub(super) fn ours() -> Peer {
    collector("mesos-stats-collector", "--machine=false")
}

fn with_the_machine() -> Peer {
    collector("the same, with the machine's own figures", "--machine=true")
}

fn collector(name: &'static str, machine: &'static str) -> Peer {
    let program = binaries::stats_collector();
    Peer {
        name,
        command: Box::new(move |agent, carbon, directory| {
            let mut command = Command::new(&program);
            command
                .args(["--agent", agent, "--graphite", &format!("tcp://{carbon}")])
                .args(["--host=bench", "--interval=1secs", "--log=error", machine])
                .env("STATE_DIRECTORY", directory);
            command
        }),
    }
}

/// From PyPI, whose collector for Mesos ships nothing of containers. None, and a word of it, without a Python 2.7.
pub(super) fn diamond() -> Option<Peer> {
    let setup = concat!(env!("CARGO_MANIFEST_DIR"), "/../setup/diamond");
    let output = Command::new(setup).stderr(Stdio::inherit()).output();
    let output = output.expect("a script");
    if output.status.code() == Some(NO_PYTHON) {
        eprintln!("Diamond is left out: it needs Python 2.7");
        return None;
    }
    assert!(output.status.success(), "{setup}: {}", output.status);
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    let (python, place) = told.trim().split_once(' ').expect("two words");
    let (python, place) = (python.to_owned(), PathBuf::from(place));
    Some(Peer {
        name: "Diamond 4.0.515 of PyPI",
        command: Box::new(move |agent, carbon, directory| {
            let (host, port) = agent
                .trim_start_matches("http://")
                .split_once(':')
                .expect("a port");
            configure(directory, &place, (host, port), carbon);
            let mut command = Command::new(&python);
            command
                .arg(place.join("bin/diamond"))
                .args(["--foreground", "--skip-change-user", "--skip-fork"])
                .args(["--skip-pidfile", "--log-stdout", "--configfile"])
                .arg(directory.join("diamond.conf"))
                .env("PYTHONPATH", &place);
            command
        }),
    })
}

fn configure(directory: &Path, place: &Path, agent: (&str, &str), carbon: SocketAddr) {
    let (here, there) = (directory.display(), place.display());
    let (host, port) = agent;
    let main = format!(
        "[server]\nhandlers = diamond.handler.graphite.GraphiteHandler\npid_file = {here}/pid\n\
         collectors_path = {there}/share/diamond/collectors/mesos\ncollectors_config_path = {here}/collectors\n\
         handlers_config_path = {here}/handlers\nhandlers_path = {here}/handlers\n\
         [handlers]\nkeys = rotated_file\n[[default]]\n[[GraphiteHandler]]\nhost = {}\nport = {}\ntimeout = 15\nbatch = 256\n\
         [collectors]\n[[default]]\ninterval = 1\nhostname = bench\n\
         [loggers]\nkeys = root\n[formatters]\nkeys = default\n[logger_root]\nlevel = ERROR\nhandlers = rotated_file\n\
         propagate = 1\n[handler_rotated_file]\nclass = handlers.TimedRotatingFileHandler\nlevel = ERROR\n\
         formatter = default\nargs = ('{here}/log', 'midnight', 1, 7)\n[formatter_default]\nformat = %(message)s\ndatefmt =\n",
        carbon.ip(),
        carbon.port()
    );
    for name in ["collectors", "handlers"] {
        fs::create_dir_all(directory.join(name)).expect("a directory of our own");
    }
    fs::write(directory.join("diamond.conf"), main).expect("a file of our own");
    let collector = format!("enabled = True\nhost = {host}\nport = {port}\ninterval = 1\n");
    fs::write(directory.join("collectors/MesosCollector.conf"), collector)
        .expect("a file of our own");
}
