//! Faults of other collectors that ours is not to have, each as a test.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;
use test_support::{Isolators, LargeAgent};

use crate::carbons::{Carbon, Manner};
use crate::fakes::{About, Agent, Reply, Says};
use crate::live::{agent, has_all, said};
use crate::program::Program;
use crate::replies::{body, containers, state_of};
use crate::turns::once;

/// Of two scrapes, what is said of one container besides its time.
fn two_scrapes(first: &str, second: &str) -> Vec<String> {
    let sample = |at: u32, rest: &str| format!(r#"{{"timestamp":{at}{rest}}}"#);
    let (first, second) = (sample(1000, first), sample(1010, second));
    let agent = Agent::saying(Says {
        list: vec![
            containers(&[("c", "web", &first)]),
            containers(&[("c", "web", &second)]),
        ],
        state: vec![state_of([("c", "web")])],
        metrics: vec![body("{}")],
    });
    let carbon = Carbon::start();
    let program = Program::start(&agent, &carbon.place(), &["--host=h", "--interval=1secs"]);
    carbon.wait_for(|line| line.contains(".collector.turns 2 "));
    drop(program);
    carbon.container_lines()
}

/// Diamond's collector dies of any list or object in the statistics; dcos-metrics takes what was sent from what was
/// received, mesos_exporter the low pressure for a critical one.
#[test]
fn every_number_arrives_as_its_own_beside_lists_and_objects() {
    let large = LargeAgent {
        containers: 3,
        isolators: Isolators::All,
    };
    let reply = large.containers(1_795_253_790);
    let lines = once(body(&reply), &[]).container_lines();
    let listed: Vec<Value> = serde_json::from_str(&reply).unwrap();
    let mut compared = 0;
    for (slot, container) in listed.iter().enumerate() {
        for (name, value) in container["statistics"].as_object().unwrap() {
            let series = format!("mesos.agent1_example.containers.group_app0000.{slot}.{name} ");
            let mut found = lines.iter().filter_map(|line| line.strip_prefix(&series));
            // Old names of others, and the time, which is each point's.
            let is_other = ["mem_anon_bytes", "mem_file_bytes", "timestamp"].contains(&&**name);
            if !value.is_number() || is_other {
                continue;
            }
            let told = found
                .next()
                .unwrap_or_else(|| panic!("{series}: {lines:?}"));
            let told = told.strip_suffix(" 1795253790").unwrap();
            let is_same = if value.is_f64() {
                told.parse().ok() == value.as_f64()
            } else {
                *told == *value.to_string()
            };
            assert!(is_same, "{series}{told}, and not {value}");
            assert_eq!(found.next(), None, "{series}");
            compared += 1;
        }
    }
    assert!(compared >= 3 * 37, "{compared}");
    let has = |part: &str| lines.iter().any(|line| line.contains(part));
    for nested in [".blkio.", ".perf.", ".snmp.", ".disk_statistics."] {
        let is_told =
            has(nested) || has(&nested.replace('.', "_")) || has(nested.trim_matches('.'));
        assert!(is_told, "{nested}: {lines:?}");
    }
}

/// Diamond's collector dies, from the second scrape on, of a container without `cpus_limit`.
#[test]
fn a_container_without_a_limit_of_cpus_has_rates_and_no_share_of_a_limit() {
    let lines = two_scrapes(
        r#","cpus_user_time_secs":1.0,"cpus_system_time_secs":1.0"#,
        r#","cpus_user_time_secs":6.0,"cpus_system_time_secs":1.0"#,
    );
    let rate = "mesos.h.containers.web.0.cpus_used 0.5 1010".to_owned();
    assert!(lines.contains(&rate), "{lines:?}");
    assert!(
        !lines.iter().any(|line| line.contains("share")),
        "{lines:?}"
    );
}

/// mesos_exporter ships 0 for what is absent, telegraf's plugin of DC/OS nothing for 0.
#[test]
fn what_is_absent_is_no_zero_and_a_zero_is_not_absent() {
    let lines = two_scrapes("", r#","net_rx_dropped":0,"mem_swap_bytes":0"#);
    let wanted = ["mem_swap_bytes 0 1010", "net_rx_dropped 0 1010"];
    let wanted = wanted.map(|end| format!("mesos.h.containers.web.0.{end}"));
    let told: BTreeSet<String> = lines.into_iter().collect();
    assert_eq!(told, BTreeSet::from(wanted));
}

/// Diamond ships what a counter fell by as a negative rate.
#[test]
fn no_rate_is_negative_when_counters_begin_anew() {
    let lines = two_scrapes(
        r#","net_rx_bytes":1000,"cpus_user_time_secs":9.0,"cpus_system_time_secs":9.0"#,
        r#","net_rx_bytes":10,"cpus_user_time_secs":1.0,"cpus_system_time_secs":1.0"#,
    );
    assert!(lines.iter().all(|line| !line.contains(" -")), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("_per_second")));
}

/// collectd-mesos made 0.025 to 0, others round what a double cannot hold.
#[test]
fn no_number_loses_a_digit() {
    let numbers = r#","cpus_soft_limit":0.025,"mem_rss_bytes":18446744073709551615,"net_rx_bytes":9007199254740993"#;
    let lines = two_scrapes("", numbers);
    for wanted in [
        "cpus_soft_limit 0.025 ",
        "mem_rss_bytes 18446744073709551615 ",
        "net_rx_bytes 9007199254740993 ",
    ] {
        assert!(lines.iter().any(|line| line.contains(wanted)), "{lines:?}");
    }
}

/// Diamond's collector dies of an executor whose id has no dot, and of a framework that the state does not name.
#[test]
fn an_executor_id_without_a_dot_and_a_framework_that_nobody_knows_have_series() {
    let entry = ("gone", "nodot", r#"{"timestamp":1000,"processes":1}"#);
    let lines = once(containers(&[entry]), &[]).container_lines();
    assert_eq!(
        lines,
        ["mesos.agent1_example.containers.nodot.0.processes 1 1000"]
    );
}

/// telegraf gave up series of tasks, since each restart of one began new ones that are never used again.
#[test]
fn a_task_that_is_restarted_again_and_again_has_few_series() {
    let name = |turn: usize| {
        let uuid = format!("4c0e7f3e-7d3a-11e5-8d7f-{turn:012}");
        (uuid.clone(), format!("web.{uuid}"))
    };
    let list = move |turn: usize| {
        let ((id, executor), at) = (name(turn), 1000 + 10 * turn);
        format!(
            r#"[{{"container_id":"{id}","executor_id":"{executor}","framework_id":"f","statistics":{{"timestamp":{at},"processes":{turn}}}}}]"#
        )
    };
    let state = state_of_all(&(0..12).map(name).collect::<Vec<_>>());
    let agent = Agent::saying(Says {
        list: vec![Reply::Made(Arc::new(list))],
        state: vec![state],
        metrics: vec![body("{}")],
    });
    let carbon = Carbon::start();
    let options = [
        "--host=h",
        "--interval=1secs",
        "--names-slot-reuse-after=1secs",
    ];
    let program = Program::start(&agent, &carbon.place(), &options);
    carbon.wait_for(|line| line.contains(".collector.turns 9 "));
    drop(program);
    let lines = carbon.container_lines();
    let series: BTreeSet<_> = lines.iter().map(|line| line.split(' ').next()).collect();
    assert!(lines.len() >= 7 && series.len() <= 4, "{lines:?}");
}

fn state_of_all(names: &[(String, String)]) -> Reply {
    state_of(
        names
            .iter()
            .map(|(id, executor)| (id.as_str(), executor.as_str())),
    )
}

/// PanteraS 229 and marathon-autoscaler 14: an agent says, with 200, that there is nobody.
#[test]
fn an_empty_list_where_somebody_runs_is_a_fault_that_is_told() {
    let agent = Agent::saying(Says {
        list: vec![body("[]")],
        state: vec![state_of([("c", "web")])],
        metrics: vec![body("{}")],
    });
    let carbon = Carbon::start();
    let program = Program::start(&agent, &carbon.place(), &["--interval=1secs"]);
    carbon.wait_for(|line| line.contains(".collector.errors.left_out 1 "));
    let (_, log) = program.terminate();
    assert!(log.contains("though it runs 1 executors"), "{log}");
}

/// DC/OS had half a million connections between agents and their collectors.
#[test]
fn connections_to_the_agent_are_kept_and_nothing_is_asked_for_twice() {
    let (agent, carbon) = (agent(3), Carbon::start());
    let program = Program::start(&agent, &carbon.place(), &["--interval=1secs"]);
    agent.wait_for_requests(5);
    drop(program);
    let states = agent.requests_about(About::State).len();
    // One for the containers, one for the agent's metrics, and one for each of the rare states.
    assert!(agent.all_connections() <= 2 + states, "{states}");
    assert_eq!(states, 1);
    let limited = "/monitor/statistics";
    assert!(!agent.all_requests().iter().any(|one| one.contains(limited)));
}

/// With carbon-c-relay and Diamond one slow destination delays all others.
#[test]
fn a_carbon_that_never_reads_delays_no_other() {
    let agent = agent(400);
    let deaf = Carbon::with_manners("127.0.0.1:0", [Manner::NeverReads]);
    let carbon = Carbon::start();
    let both = format!("{},tcp://{}", deaf.place(), carbon.place());
    let program = Program::start(&agent, &both, &["--host=h", "--interval=1secs"]);
    let wanted = said(400, 0..4);
    carbon.wait_until(|lines| has_all(lines, &wanted));
    let newest = agent.requests().len();
    assert!(newest <= 6, "{newest} turns until four had arrived");
    drop(program);
}
