//! The tests of another package, run in the machine.

use std::time::Duration;

use crate::{Machine, PROGRAMS};

/// How long the tests of one program may take.
const LIMIT: Duration = Duration::from_secs(600);

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its program and name: `limits::the_pids_limit_stops_a_fork_bomb`.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
}

/// Which tests to run, and how.
#[derive(Debug, Clone, Copy)]
pub struct Suite<'a> {
    /// `kernel-tests`, `mesos-tests` or `disk-engine`.
    pub package: &'a str,
    /// The names of its programs, its files in `tests`; all when there is none.
    pub programs: &'a [&'a str],
    /// What the harness is told: names of tests (all when there is none), options.
    pub arguments: &'a [&'a str],
    /// What the command line begins with: variables, `systemd-run ...`.
    pub prefix: &'a str,
}

/// Runs the tests of a suite and tells how each of them ended. What is printed is shown by a failing test.
///
/// # Panics
/// When a program of tests does not come to its end.
pub fn run_inner_tests(machine: &Machine, suite: Suite<'_>) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    for program in machine.programs().tests() {
        let is_asked_for =
            suite.programs.is_empty() || suite.programs.contains(&program.name.as_str());
        if program.package != suite.package || !is_asked_for {
            continue;
        }
        let script = format!(
            "MESOS_AGENT_TOOLKIT_DIST={PROGRAMS} {} {PROGRAMS}/{} {}",
            suite.prefix,
            program.path(),
            suite.arguments.join(" ")
        );
        let output = machine.run_within(LIMIT, &script);
        let path = program.path();
        println!("== {path}\n{}{}", output.stdout, output.stderr);
        let here = outcomes_of(&program.name, &output.stdout);
        let ended_well = here.iter().all(|outcome| outcome.passed);
        assert_eq!(
            ended_well,
            output.status == 0,
            "{path} ended with {} in the virtual machine",
            output.status
        );
        outcomes.extend(here);
    }
    outcomes
}

/// That so many tests ran, and all of them passed.
///
/// # Panics
/// When that is not so, with the names of those that failed.
pub fn assert_passed(outcomes: &[Outcome], at_least: usize) {
    let failed: Vec<_> = outcomes.iter().filter(|outcome| !outcome.passed).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert!(outcomes.len() >= at_least, "only {} ran", outcomes.len());
}

/// From what the harness prints of each: `test NAME ... ok`.
fn outcomes_of(program: &str, text: &str) -> Vec<Outcome> {
    text.lines()
        .filter_map(|line| {
            let (name, result) = line.strip_prefix("test ")?.split_once(" ... ")?;
            Some(Outcome {
                name: format!("{program}::{name}"),
                passed: result == "ok",
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_of_the_harness_that_names_a_test_is_an_outcome() {
        let text = "\nrunning 2 tests\ntest a ... ok\ntest b ... FAILED\n\ntest result: FAILED. 1 passed\n";
        let outcome = |name: &str, passed| Outcome {
            name: name.to_owned(),
            passed,
        };
        assert_eq!(
            outcomes_of("p", text),
            [outcome("p::a", true), outcome("p::b", false)]
        );
    }
}
