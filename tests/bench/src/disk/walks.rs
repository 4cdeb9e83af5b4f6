//! A walk over a whole tree: ours inside this process, as executor and daemon do it, the others as programs.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use disk_engine::{Options, measure as walk, open_root};

use super::image::{Image, forget_files, grow};
use super::peers::{Peer, peers};
use super::stopwatch::{Took, time};

/// Files in a tree, and runs with what the kernel knows of it in memory and without.
const TREES: [(usize, usize, usize); 4] = [
    (23, 200, 0),
    (1_000, 100, 10),
    (100_000, 15, 5),
    (1_000_000, 5, 2),
];

pub(super) fn measure() {
    let peers = peers();
    let image = Image::ext4(1_300_000, 4 << 30);
    print!("| files | this engine, ms, median |");
    for peer in &peers {
        print!(" {} {} |", peer.name, peer.version());
    }
    println!("\n|---|---|{}", "---|".repeat(peers.len()));
    for (files, warm, cold) in TREES {
        let tree = image.path().join(files.to_string());
        fs::create_dir(&tree).expect("a fresh file system");
        grow(&tree, files);
        Series::run(&tree, &peers, warm, false).print(&format!("{files}"));
        if cold > 0 {
            Series::run(&tree, &peers, cold, true).print(&format!("{files}, cold"));
        }
    }
    println!(
        "\nIn brackets: what the engine took of the other's time, by the clock and of processors, median of pairs.\n"
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
        let ms = |took: &Took| took.wall.as_secs_f64() * 1000.0;
        let [ours, others @ ..] = &self.0[..] else {
            return;
        };
        print!("| {what} | {:.3} |", median(ours.iter().map(ms)));
        for other in others {
            let pairs = || ours.iter().zip(other);
            let wall =
                pairs().map(|(ours, other)| ours.wall.as_secs_f64() / other.wall.as_secs_f64());
            let cpu = pairs().map(|(ours, other)| ours.cpu.as_secs_f64() / other.cpu.as_secs_f64());
            print!(
                " {:.3} ({:.2}, {:.2}) |",
                median(other.iter().map(ms)),
                median(wall),
                median(cpu)
            );
        }
        println!();
    }
}

fn ours(tree: &Path) {
    let root = open_root(tree).expect("a tree");
    walk(root.as_fd(), &Options::default()).expect("a tree");
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
