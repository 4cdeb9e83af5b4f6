//! Carbon is away for half a minute: what of the containers' figures has come when it is back.

use std::thread::sleep;
use std::time::{Duration, Instant};

use super::agent::Agent;
use super::carbon::{Carbon, Heard};
use super::peers;
use super::program::Program;

const CONTAINERS: usize = 100;
const BEFORE: Duration = Duration::from_secs(10);
const OUTAGE: Duration = Duration::from_secs(30);
const AFTER: Duration = Duration::from_secs(60);

pub(super) fn measure() {
    println!(
        "| carbon away for {} s, {CONTAINERS} containers | scrapes | points of memory, disk and network that came | lost | \
         most late points in a second |\n|---|---|---|---|---|",
        OUTAGE.as_secs()
    );
    let mut all = vec![peers::ours()];
    all.extend(peers::diamond());
    for peer in all {
        let agent = Agent::start(CONTAINERS);
        let heard = Heard::new(true);
        let carbon = Carbon::start(None, &heard);
        let address = carbon.address();
        let directory = tempfile::tempdir().expect("a directory");
        let mut command = (peer.command)(&agent.url(), address, directory.path());
        let program = Program::start(&mut command);
        let began = Instant::now();
        while heard.points() == 0 && began.elapsed() < BEFORE {
            sleep(Duration::from_millis(10));
        }
        // What one scrape has.
        sleep(Duration::from_millis(500));
        let each = heard.points() / usize::try_from(agent.scrapes().max(1)).expect("few");
        sleep(BEFORE);
        drop(carbon);
        sleep(OUTAGE);
        let carbon = Carbon::start(Some(address), &heard);
        sleep(AFTER);
        let scrapes = usize::try_from(agent.scrapes()).expect("few");
        // The last turn has come whole.
        sleep(Duration::from_millis(700));
        drop(program);
        drop(carbon);
        let (came, wanted) = (heard.points(), each * scrapes);
        println!(
            "| {} | {scrapes} | {came} | {} | {} |",
            peer.name,
            if each == 0 {
                "ships none".to_owned()
            } else {
                wanted.saturating_sub(came).to_string()
            },
            heard.fastest_replay()
        );
    }
    println!();
}
