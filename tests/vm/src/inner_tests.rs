//! The tests of another package, run in the machine.

use std::time::Duration;

use crate::{Machine, PROGRAMS};

/// How long the tests of one program may take.
const LIMIT: Duration = Duration::from_secs(400);

/// How one test ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// Its program and name: `limits::the_pids_limit_stops_a_fork_bomb`.
    pub name: String,
    /// Whether it passed.
    pub passed: bool,
}

/// Runs every test of the kernel-tests, by a command that `prefix` begins (`systemd-run ...`; nothing, for the guest's
/// own service), and tells how each of them ended. What is printed is shown by a failing test.
///
/// # Panics
/// When a program of tests does not come to its end.
pub fn run_inner_tests(machine: &Machine, prefix: &str) -> Vec<Outcome> {
    for (name, path) in machine.programs().helpers() {
        let path = path.display();
        machine.succeed(&format!(
            "mkdir -p \"$(dirname '{path}')\" && ln -sf {PROGRAMS}/{name} '{path}'"
        ));
    }
    let mut outcomes = Vec::new();
    for program in machine.programs().tests() {
        let script = format!("{prefix} {PROGRAMS}/{program} --test-threads=2");
        let output = machine.run_within(LIMIT, &script);
        println!("== {program}\n{}{}", output.stdout, output.stderr);
        let here = outcomes_of(program, &output.stdout);
        let ended_well = here.iter().all(|outcome| outcome.passed);
        assert_eq!(
            ended_well,
            output.status == 0,
            "{program} ended with {} in the virtual machine",
            output.status
        );
        outcomes.extend(here);
    }
    outcomes
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
