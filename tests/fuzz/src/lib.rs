//! What comes from outside, as functions that take any bytes and panic when something is wrong.
//!
//! `make fuzz` feeds them what libFuzzer makes up, guided by the code that is reached; `cargo test` feeds them the
//! checked-in seeds; `cargo run --package fuzz -- TARGET FILE` feeds them one file, such as an input that failed.
//!
//! `seeds/TARGET/` holds short inputs to begin with, one for each path that chance finds late. What once failed is
//! added there with the fix.

#![forbid(unsafe_code)]

mod input;
mod targets;

/// Something to fuzz.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// As `make fuzz` and the folder of its seeds have it.
    pub name: &'static str,
    /// Panics when something is wrong.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: [Target; 20] = [
    Target {
        name: "recordio",
        run: targets::recordio::run,
    },
    Target {
        name: "events",
        run: targets::events::run,
    },
    Target {
        name: "journal",
        run: targets::journal::run,
    },
    Target {
        name: "data",
        run: targets::data::run,
    },
    Target {
        name: "commands",
        run: targets::commands::run,
    },
    Target {
        name: "environment",
        run: targets::environment::run,
    },
    Target {
        name: "quantities",
        run: targets::quantities::run,
    },
    Target {
        name: "paths",
        run: targets::paths::run,
    },
    Target {
        name: "archives",
        run: targets::archives::run,
    },
    Target {
        name: "disks",
        run: targets::disks::run,
    },
    Target {
        name: "figures",
        run: targets::figures::run,
    },
    Target {
        name: "breaches",
        run: targets::breaches::run,
    },
    Target {
        name: "watcher_config",
        run: targets::watcher_config::run,
    },
    Target {
        name: "changes",
        run: targets::changes::run,
    },
    Target {
        name: "agent_answers",
        run: targets::agent_answers::run,
    },
    Target {
        name: "agent_samples",
        run: targets::agent_samples::run,
    },
    Target {
        name: "profiles",
        run: targets::profiles::run,
    },
    Target {
        name: "proc_text",
        run: targets::proc_text::run,
    },
    Target {
        name: "quota_warnings",
        run: targets::quota_warnings::run,
    },
    Target {
        name: "spool",
        run: targets::spool::run,
    },
];

/// The target of this name.
pub fn target(name: &str) -> Option<Target> {
    TARGETS.into_iter().find(|target| target.name == name)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn nothing_is_wrong_with_any_seed_and_every_target_has_some() {
        for target in TARGETS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("seeds")
                .join(target.name);
            let mut seeds = 0;
            for seed in std::fs::read_dir(&folder).unwrap() {
                let path = seed.unwrap().path();
                let bytes = std::fs::read(&path).unwrap();
                println!("{}", path.display()); // shown when it fails
                (target.run)(&bytes);
                seeds += 1;
            }
            assert!(seeds > 0, "{} is empty", folder.display());
        }
    }
}
