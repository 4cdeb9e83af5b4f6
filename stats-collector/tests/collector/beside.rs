//! Others who look on while the collector works, and a second one.

use std::collections::BTreeSet;
use std::process::Command;

use crate::carbons::Carbon;
use crate::fakes::{Agent, Reply, Says, nowhere};
use crate::live::{agent, has_all, own, page, said, wait_for_page};
use crate::program::Program;
use crate::replies::{CGROUPS, body};
use crate::turns::once_with;

#[test]
fn prometheus_is_answered_in_the_middle_of_a_turn_with_all_of_the_one_before() {
    let agent = Agent::saying(Says {
        list: vec![body(CGROUPS), Reply::Hang],
        state: vec![body("{}")],
        metrics: vec![body("{}")],
    });
    let (carbon, told) = (Carbon::start(), nowhere());
    let option = format!("--output-prometheus={told}");
    let options = ["--host=h", "--interval=5secs", "--timeout=5secs", &option];
    let program = Program::start(&agent, &carbon.place(), &options);
    let first = wait_for_page(&told, |page| own(page, "turns_total") == Some(1.0));
    agent.wait_for_requests(2);
    let begun = agent.requests().len();
    let during = page(&told).unwrap();
    assert_eq!(agent.requests().len(), begun, "the turn was over");
    assert_eq!(own(&during, "turns_total"), Some(1.0));
    let samples = |page: &str| page.split_once("\r\n\r\n").unwrap().1.to_owned();
    assert_eq!(samples(&during), samples(&first));
    drop(program);
}

#[test]
fn a_dry_run_prints_exactly_what_a_run_sends() {
    let says = || {
        Agent::saying(Says {
            list: vec![body(CGROUPS)],
            state: vec![body(include_str!("../../src/scrape/samples/state.json"))],
            metrics: vec![body(r#"{"slave/cpus_total":4.0,"slave/mem_total":1024.0}"#)],
        })
    };
    let sent = once_with(says(), &[]);
    assert!(sent.output.status.success(), "{}", sent.stderr());
    let agent = says();
    let output = Command::new(env!("CARGO_BIN_EXE_mesos-stats-collector"))
        .args([
            "--once",
            "--dry-run",
            "--agent-api=v0",
            "--host=agent1.example",
        ])
        .arg(format!("--agent=http://{}", agent.place()))
        .output()
        .unwrap();
    assert!(output.status.success());
    let printed = String::from_utf8(output.stdout).unwrap();
    let printed: Vec<&str> = printed.lines().collect();
    let sent = sent.carbon.lines();
    // What differs from one moment to the next is the machine, and how the program does.
    let is_fixed = |line: &&str| {
        !line.contains(".collector.")
            && [".containers.", ".apps."]
                .iter()
                .any(|one| line.contains(one))
    };
    let fixed = |lines: &[&str]| -> BTreeSet<String> {
        let fixed = lines.iter().copied().filter(|line| is_fixed(line));
        fixed.map(str::to_owned).collect()
    };
    let sent: Vec<&str> = sent.iter().map(String::as_str).collect();
    assert!(fixed(&sent).len() > 58, "{sent:?}");
    let (printed_fixed, sent_fixed) = (fixed(&printed), fixed(&sent));
    let others: Vec<_> = printed_fixed.symmetric_difference(&sent_fixed).collect();
    assert!(others.is_empty(), "{others:?}");
    // What there is of a carbon, there is not where there is none.
    let names = |lines: &[&str]| -> BTreeSet<String> {
        let names = lines.iter().filter_map(|line| line.split(' ').next());
        let others = names.filter(|name| !name.contains(".collector.") && !name.contains(".host."));
        others.map(str::to_owned).collect()
    };
    let others: Vec<_> = names(&printed)
        .symmetric_difference(&names(&sent))
        .cloned()
        .collect();
    assert!(others.is_empty(), "{others:?}");
    assert!(
        names(&sent)
            .iter()
            .any(|name| name.ends_with(".agent.slave.cpus_total"))
    );
}

#[test]
fn of_two_collectors_with_one_directory_the_second_has_no_spool_says_so_and_loses_nothing() {
    let (one, other) = (agent(3), agent(3));
    let (place, state) = (nowhere(), tempfile::tempdir().unwrap());
    let option = format!("--state-dir={}", state.path().display());
    let options = ["--host=h", "--interval=1secs", &option];
    let (one_told, other_told) = (nowhere(), nowhere());
    let page_at = |place: &str| format!("--output-prometheus={place}");
    let first = page_at(&one_told);
    let first = Program::start(&one, &place, &[&options[..], &[&first]].concat());
    wait_for_page(&one_told, |page| own(page, "spool_points") > Some(0.0));
    let second = page_at(&other_told);
    let second = Program::start(&other, &place, &[&options[..], &[&second]].concat());
    let page = wait_for_page(&other_told, |page| {
        own(page, "spool_errors_total") > Some(0.0) && own(page, "turns_total") >= Some(3.0)
    });
    assert_eq!(own(&page, "spool_stored_total"), Some(0.0));
    assert_eq!(own(&page, "points_lost_total"), Some(0.0));
    let carbon = Carbon::start_at(&place);
    let wanted = said(3, 0..4);
    carbon.wait_until(|lines| has_all(lines, &wanted));
    let (status, log) = second.terminate();
    assert!(status.success(), "{log}");
    assert!(log.contains("the spool takes no points"), "{log}");
    assert!(first.terminate().0.success());
}
