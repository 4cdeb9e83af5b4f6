//! A walk over a whole tree: ours inside this process, as executor and daemon do it, the others as programs.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use disk_engine::{Options, measure as walk, open_root};

use super::image::{Image, forget_files, grow};
use super::peers::{Peer, peers};
use super::stopwatch::{Took, time};

/// A tree, and how often it is walked.
struct Trial {
    files: usize,
    in_each_directory: usize,
    /// With what the kernel knows of it in memory.
    warm: usize,
    /// And without.
    cold: usize,
}

const TRIALS: [Trial; 5] = [
    trial(23, 100, 200, 0),
    trial(1_000, 100, 100, 10),
    trial(100_000, 100, 15, 5),
    trial(1_000_000, 100, 5, 3),
    trial(200_000, 200_000, 7, 3),
];

const fn trial(files: usize, in_each_directory: usize, warm: usize, cold: usize) -> Trial {
    Trial {
        files,
        in_each_directory,
        warm,
        cold,
    }
}

pub(super) fn measure() {
    let peers = peers();
    let image = Image::ext4(1_500_000, 4 << 30);
    print!("| files in directories of | this engine, ms, median |");
    for peer in &peers {
        print!(" {} {} |", peer.name, peer.version());
    }
    println!("\n|---|---|{}", "---|".repeat(peers.len()));
    for (number, trial) in TRIALS.iter().enumerate() {
        let tree = image.path().join(number.to_string());
        fs::create_dir(&tree).expect("a fresh file system");
        grow(&tree, trial.files, trial.in_each_directory);
        let what = format!("{} in {}", trial.files, trial.in_each_directory);
        Series::run(&tree, &peers, trial.warm, false).print(&what);
        if trial.cold > 0 {
            Series::run(&tree, &peers, trial.cold, true).print(&format!("{what}, cold"));
        }
    }
    println!(
        "\nIn parentheses: what the engine took of the other's time, by the clock and of processors, median of pairs.\n"
    );
}

/// What each took in each of several rounds, ours first.
struct Series(Vec<Vec<Took>>);

impl Series {
    /// Each once a round, one after the other, so that whatever else the machine does meets all of them alike.
    fn run(tree: &Path, peers: &[Peer], rounds: usize, is_cold: bool) -> Self {
        let mut took = vec![Vec::new(); peers.len() + 1];
        // What is not cold has been walked before.
        ours(tree);
        for round in 0..rounds {
            for turn in 0..took.len() {
                let who = (round + turn) % took.len();
                let peer = who.checked_sub(1).map(|index| &peers[index]);
                if is_cold {
                    forget_files();
                    // Its program has to be read once more; ours is in use, and was not forgotten.
                    peer.map(Peer::version);
                }
                took[who].push(match peer {
                    None => time(|| ours(tree)),
                    Some(peer) => time(|| peer.run(tree)),
                });
            }
        }
        Self(took)
    }

    fn print(&self, what: &str) {
        let wall = |took: &Took| took.wall.as_secs_f64() * 1000.0;
        let [ours, others @ ..] = &self.0[..] else {
            return;
        };
        print!("| {what} | {} |", ms(median(ours.iter().map(wall))));
        for other in others {
            let pairs = || ours.iter().zip(other);
            let of_wall =
                pairs().map(|(ours, other)| ours.wall.as_secs_f64() / other.wall.as_secs_f64());
            let of_cpu =
                pairs().map(|(ours, other)| ours.cpu.as_secs_f64() / other.cpu.as_secs_f64());
            print!(
                " {} ({:.2}, {:.2}) |",
                ms(median(other.iter().map(wall))),
                median(of_wall),
                median(of_cpu)
            );
        }
        println!();
    }
}

fn ours(tree: &Path) {
    let root = open_root(tree).expect("a tree");
    walk(root.as_fd(), &Options::default()).expect("a tree");
}

/// With three digits or so.
fn ms(milliseconds: f64) -> String {
    let digits = match milliseconds {
        ..1.0 => 3,
        ..100.0 => 1,
        _ => 0,
    };
    format!("{milliseconds:.digits$}")
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
