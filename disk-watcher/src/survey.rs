//! `mesos-disk-watcher --once WORK_DIR`

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::Path;

use disk_engine::{Completeness, Options};
use mesos_proto::Bytes;
use mesos_proto::paths::RunPath;

use crate::cli::SurveyArgs;
use crate::directory::Directory;
use crate::limits::RunLimits;
use crate::report::{self, Row};
use crate::sandboxes::{self, Place, Sandbox, SandboxesError};
use crate::{Outcome, agent, checkpoints, complain};

/// Measures every sandbox below `work_dir` and prints the report.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(work_dir: &Path, args: &SurveyArgs, out: &mut impl Write) -> io::Result<Outcome> {
    let mut survey = Survey {
        rows: Vec::new(),
        outcome: Outcome::Clean,
    };
    let told = match args.agent.as_ref().map(agent::limits) {
        None => HashMap::new(),
        Some(Ok(limits)) => limits,
        Some(Err(error)) => {
            survey.flaw(&error);
            HashMap::new()
        }
    };
    if let Err(error) = survey.take(work_dir, args.all_agents, &told) {
        // Before the first sandbox: there is nothing to print.
        complain(&error);
        return Ok(Outcome::Flawed);
    }
    survey.rows.sort_by(report::fullest_first);
    if args.json {
        report::write_json(&survey.rows, out)?;
    } else {
        report::write_table(&survey.rows, out)?;
    }
    Ok(survey.outcome)
}

struct Survey {
    rows: Vec<Row>,
    outcome: Outcome,
}

impl Survey {
    fn take(
        &mut self,
        work_dir: &Path,
        all_agents: bool,
        told: &HashMap<String, RunLimits>,
    ) -> Result<(), SandboxesError> {
        let work_dir = Directory::open(work_dir)?;
        // The rows of a run follow each other: its limits are looked up once.
        let mut known: Option<(RunPath, RunLimits)> = None;
        for agent in sandboxes::agents(&work_dir, all_agents)? {
            sandboxes::for_each(&work_dir, &agent, &mut |found| match found {
                Ok(sandbox) => {
                    if known.as_ref().is_none_or(|(run, _)| *run != sandbox.run) {
                        known = Some((
                            sandbox.run.clone(),
                            self.limits(&work_dir, &sandbox.run, told),
                        ));
                    }
                    let limit = known
                        .as_ref()
                        .and_then(|(_, limits)| limit(&sandbox.place, limits));
                    self.measure(sandbox, limit);
                }
                Err(error) => self.flaw(&error),
            });
        }
        Ok(())
    }

    /// What the agent says now comes before what it wrote down.
    fn limits(
        &mut self,
        work_dir: &Directory,
        run: &RunPath,
        told: &HashMap<String, RunLimits>,
    ) -> RunLimits {
        if let Some(limits) = run
            .container_id
            .as_os_str()
            .to_str()
            .and_then(|id| told.get(id))
        {
            return limits.clone();
        }
        match checkpoints::limits(work_dir, run) {
            Ok(limits) => limits.unwrap_or_default(),
            Err(error) => {
                self.flaw(&error);
                RunLimits::default()
            }
        }
    }

    fn measure(&mut self, sandbox: Sandbox, limit: Option<Bytes>) {
        match disk_engine::measure(sandbox.directory.as_fd(), &Options::default()) {
            Ok(usage) => {
                if let Completeness::LowerBound(gaps) = &usage.completeness {
                    let path = sandbox.directory.path();
                    eprintln!("mesos-disk-watcher: {path:?} holds more than was counted: {gaps}");
                    self.outcome = Outcome::Flawed;
                }
                self.rows.push(Row {
                    path: sandbox.path(),
                    run: sandbox.run,
                    place: sandbox.place,
                    usage,
                    limit,
                });
            }
            Err(error) => self.flaw(&error),
        }
    }

    fn flaw(&mut self, error: &dyn std::error::Error) {
        complain(error);
        self.outcome = Outcome::Flawed;
    }
}

/// Mesos holds the container as a whole to a limit, not the containers nested in it; our executor holds each task to
/// its own.
fn limit(place: &Place, limits: &RunLimits) -> Option<Bytes> {
    match place {
        Place::Container => limits.container,
        Place::Nested(_) => None,
        Place::Task(name) => limits.task(name.to_str()?),
    }
}
