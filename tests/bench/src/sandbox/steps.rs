//! What each step costs: `/bin/true` from the spawn until nothing of it is left, with one part of the sandbox after the
//! other; and beside it others that do the same.

use std::process::Command as Spawn;
use std::time::Instant;

use cgroup::Cgroup;
use sandbox::directory::create_task;
use sandbox::{Capabilities, Namespaces, Network, Plan, Privileges};

use super::peers::Peers;
use super::{Bench, Running, command_of};
use crate::samples::Samples;

/// Of each, by turns.
const RUNS: usize = 200;

/// Of the others: some take a hundred times as long.
const RUNS_OF_PEERS: usize = 40;

/// The first runs fill caches and are left out.
const WARM_UP: usize = 3;

const PROGRAM: &str = "/bin/true";

/// What of the sandbox a run has.
#[derive(Clone)]
struct Parts {
    namespaces: Namespaces,
    has_directory: bool,
    has_files: bool,
    has_capabilities: bool,
    has_filter: bool,
    /// In how many hierarchies the task joins its cgroup; without, none is made.
    hierarchies: Option<usize>,
    network: Network,
}

/// A row: what comes in addition, and all there is then; nothing for a spawn without us.
type Row = (String, Option<Parts>);

pub(super) fn measure(bench: &Bench) {
    let rows = rows(bench);
    let mut times = vec![Samples::default(); rows.len()];
    for run in 0..WARM_UP + RUNS {
        for (at, ((_, parts), times)) in rows.iter().zip(&mut times).enumerate() {
            let begin = Instant::now();
            match parts {
                Some(parts) => parts.run(bench, &format!("{run}-{at}")),
                None => spawn(),
            }
            if run >= WARM_UP {
                times.add(begin.elapsed());
            }
        }
    }
    // What comes last is on request.
    let whole = times[times.len() - 2].quantile(0.5);
    let bare = times[0].quantile(0.5);
    println!(
        "| `{PROGRAM}`, from the spawn until nothing of it is left | ms, median / p90 of {RUNS} | more than before | times the bare spawn |\n|---|---|---|---|"
    );
    let mut before = bare;
    for ((what, _), times) in rows.iter().zip(&times) {
        let now = times.quantile(0.5);
        println!(
            "| {what} | {times:.2} | {:+.2} | {:.1} |",
            now - before,
            now / bare
        );
        before = now;
    }
    println!(
        "\n| others doing the same in the same run | ms, median / p90 of {RUNS_OF_PEERS} | times our whole sandbox |\n|---|---|---|"
    );
    let mut peers = Peers::start();
    for (what, line) in peers.lines(PROGRAM) {
        let mut times = Samples::default();
        for run in 0..WARM_UP + RUNS_OF_PEERS {
            let took = peers.run(&line);
            if run >= WARM_UP {
                times.add(took);
            }
        }
        println!(
            "| {what} | {times:.2} | {:.1} |",
            times.quantile(0.5) / whole
        );
    }
    if !Peers::has_systemd() {
        println!("| `systemd-run` | systemd does not run here |  |");
    }
    println!();
}

fn spawn() {
    let status = Spawn::new(PROGRAM).status();
    assert!(status.is_ok_and(|status| status.success()), "{PROGRAM}");
}

fn rows(bench: &Bench) -> Vec<Row> {
    let mut parts = Parts {
        namespaces: Namespaces::NONE,
        has_directory: false,
        has_files: false,
        has_capabilities: false,
        has_filter: false,
        hierarchies: None,
        network: Network::Host,
    };
    let mut rows = vec![
        ("a bare spawn".to_owned(), None),
        ("an init around it".to_owned(), Some(parts.clone())),
    ];
    let mut add = |what: &str, change: &dyn Fn(&mut Parts)| {
        change(&mut parts);
        rows.push((format!("+ {what}"), Some(parts.clone())));
    };
    add("pid namespace", &|parts| parts.namespaces.pid = true);
    add("ipc namespace", &|parts| parts.namespaces.ipc = true);
    add("uts namespace", &|parts| parts.namespaces.uts = true);
    add("mount namespace and `/proc`", &|parts| {
        parts.namespaces.mount = true;
    });
    add("a directory with `stdout` and `stderr`", &|parts| {
        parts.has_directory = true;
    });
    add("private files", &|parts| parts.has_files = true);
    add("capabilities", &|parts| parts.has_capabilities = true);
    add("seccomp, no new privileges", &|parts| {
        parts.has_filter = true;
    });
    add("a cgroup with limits, made and removed", &|parts| {
        parts.hierarchies = Some(0);
    });
    for (at, hierarchy) in hierarchies(bench).iter().enumerate() {
        add(&format!("joined in {hierarchy}"), &|parts| {
            parts.hierarchies = Some(at + 1);
        });
    }
    add("cgroup namespace: **the whole sandbox**", &|parts| {
        parts.namespaces.cgroup = true;
    });
    add("on request: a network of its own", &|parts| {
        parts.network = Network::Own;
    });
    rows
}

/// The names of the hierarchies in which a task has a cgroup.
fn hierarchies(bench: &Bench) -> Vec<String> {
    let cgroup = Cgroup::create(&bench.parent, "names", &Bench::limits()).expect("root's rights");
    let names = cgroup.procs_files().into_iter().map(|file| {
        let below = file.strip_prefix("/sys/fs/cgroup").unwrap_or(&file);
        let first = below
            .components()
            .next()
            .map(|name| name.as_os_str().to_string_lossy().into_owned());
        first.unwrap_or_default()
    });
    let names = names.collect();
    cgroup.discard().expect("an empty cgroup");
    names
}

impl Parts {
    fn run(&self, bench: &Bench, name: &str) {
        let directory = self.has_directory.then(|| {
            let made = create_task(bench.directory.path(), name, None);
            made.expect("own directory").path
        });
        let cgroup = self.hierarchies.map(|_| {
            let made = Cgroup::create(&bench.parent, name, &Bench::limits());
            made.expect("root's rights")
        });
        let mut plan = Plan {
            namespaces: self.namespaces,
            network: self.network.clone(),
            ..Plan::bare(command_of(PROGRAM))
        };
        if self.has_files {
            let whole = bench.plan(name, PROGRAM);
            plan.filesystem = whole.filesystem;
            plan.working_directory = whole.working_directory;
        }
        if self.has_capabilities {
            plan.privileges.capabilities = Capabilities::OF_ROOT;
        }
        if self.has_filter {
            plan.privileges = Privileges::of_default(None);
        }
        if let (Some(cgroup), Some(hierarchies)) = (&cgroup, self.hierarchies) {
            plan.cgroup_procs = cgroup.procs_files();
            plan.cgroup_procs.truncate(hierarchies);
        }
        let process = bench.launch(plan);
        Running {
            process,
            cgroup,
            directory,
        }
        .end();
    }
}
