//! `mesos-disk-watcher --once WORK_DIR`

use std::collections::HashMap;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use disk_engine::{Completeness, Options};
use disk_figures::Report;
use mesos_proto::paths::RunPath;

use crate::cli::SurveyArgs;
use crate::directory::Directory;
use crate::limits::RunLimits;
use crate::report::{self, Row, Watched};
use crate::sandboxes::{self, Place, Sandbox, SandboxesError};
use crate::tasks::RunTasks;
use crate::{Outcome, agent, checkpoints, complain};
use mesos_agent::AgentAddress;

/// A daemon that is well answers at once.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is surveyed.
#[derive(Clone, Debug)]
pub(crate) struct SurveyTarget {
    pub(crate) work_dir: PathBuf,
    /// Who tells limits; `None`: its checkpoints do.
    pub(crate) agent: Option<AgentAddress>,
    /// What earlier agents left, too.
    pub(crate) all_agents: bool,
}

impl SurveyTarget {
    /// The sandboxes of the agent that is there now.
    pub(crate) fn newest(work_dir: PathBuf) -> Self {
        Self {
            work_dir,
            agent: None,
            all_agents: false,
        }
    }
}

/// Measures every sandbox below `work_dir` and prints the report.
///
/// # Errors
/// When standard output cannot be written to.
pub(crate) fn run(work_dir: &Path, args: &SurveyArgs, out: &mut impl Write) -> io::Result<Outcome> {
    let target = SurveyTarget {
        work_dir: work_dir.to_owned(),
        agent: args.agent.clone(),
        all_agents: args.all_agents,
    };
    let mut survey = match Survey::of(&target) {
        Ok(survey) => survey,
        Err(error) => {
            // Before the first sandbox: there is nothing to print.
            complain(&error);
            return Ok(Outcome::Flawed);
        }
    };
    survey.rows.sort_by(report::fullest_first);
    // Without a daemon, what only one that watches can know is not known.
    let told = disk_figures::read(&args.socket, PATIENCE).ok();
    let watched = Watched::new(told, work_dir);
    if args.json {
        report::write_json(&survey.rows, &watched, out)?;
    } else {
        report::write_table(&survey.rows, &watched, out)?;
    }
    Ok(survey.outcome)
}

/// The same for the views, and whether standard error was told that something is missing.
///
/// # Errors
/// When the work directory is none.
pub(crate) fn report(target: &SurveyTarget) -> Result<(Report, bool), SandboxesError> {
    let survey = Survey::of(target)?;
    // A clock before 1970 gives 0, which is what it means.
    let time = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    let mut report = Report::at(time.as_secs_f64());
    report.subjects = survey.rows.iter().map(Row::subject).collect();
    Ok((report, survey.outcome == Outcome::Flawed))
}

struct Survey {
    rows: Vec<Row>,
    outcome: Outcome,
}

impl Survey {
    fn of(target: &SurveyTarget) -> Result<Self, SandboxesError> {
        let mut survey = Self {
            rows: Vec::new(),
            outcome: Outcome::Clean,
        };
        let told = match target.agent.as_ref().map(agent::limits) {
            None => HashMap::new(),
            Some(Ok(limits)) => limits,
            Some(Err(error)) => {
                survey.flaw(&error);
                HashMap::new()
            }
        };
        survey.take(&target.work_dir, target.all_agents, &told)?;
        Ok(survey)
    }

    fn take(
        &mut self,
        work_dir: &Path,
        all_agents: bool,
        told: &HashMap<String, RunLimits>,
    ) -> Result<(), SandboxesError> {
        let work_dir = Directory::open(work_dir)?;
        // The rows of a run follow each other: its tasks are looked up once.
        let mut known: Option<(RunPath, RunTasks)> = None;
        for agent in sandboxes::agents(&work_dir, all_agents)? {
            sandboxes::for_each(&work_dir, &agent, &mut |found| match found {
                Ok(sandbox) => {
                    let known = match known.take() {
                        Some((run, tasks)) if run == sandbox.run => known.insert((run, tasks)),
                        _ => known.insert((
                            sandbox.run.clone(),
                            self.tasks(&work_dir, &sandbox.run, told),
                        )),
                    };
                    self.measure(sandbox, &known.1);
                }
                Err(error) => self.flaw(&error),
            });
        }
        Ok(())
    }

    fn tasks(
        &mut self,
        work_dir: &Directory,
        run: &RunPath,
        told: &HashMap<String, RunLimits>,
    ) -> RunTasks {
        let limits = self.limits(work_dir, run, told);
        let sandbox = work_dir.enter_all(run.executor.runs().join(&run.container_id));
        let report = match sandbox {
            Ok(sandbox) => sandbox.and_then(task_figures::report_in),
            Err(error) => {
                self.flaw(&error);
                None
            }
        };
        // A clock before 1970 gives 0, when no report is fresh.
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        RunTasks::new(limits, report, now.as_secs_f64())
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

    fn measure(&mut self, sandbox: Sandbox, tasks: &RunTasks) {
        let began = Instant::now();
        match disk_engine::measure(sandbox.directory.as_fd(), &Options::default()) {
            Ok(usage) => {
                if let Completeness::LowerBound(gaps) = &usage.completeness {
                    let path = sandbox.directory.path();
                    eprintln!("mesos-disk-watcher: {path:?} holds more than was counted: {gaps}");
                    self.outcome = Outcome::Flawed;
                }
                // Mesos holds the container as a whole to a limit, not the containers nested in it; our executor holds each
                // task to its own.
                let (task_id, limit) = match &sandbox.place {
                    Place::Container => (None, tasks.container_limit()),
                    Place::Nested(_) => (None, None),
                    Place::Task(name) => match name.to_str() {
                        Some(name) => {
                            let id = tasks.published_id(name).map(str::to_owned);
                            (id, tasks.limit(name))
                        }
                        None => (None, None),
                    },
                };
                self.rows.push(Row {
                    path: sandbox.path(),
                    run: sandbox.run,
                    place: sandbox.place,
                    task_id,
                    usage,
                    cost: began.elapsed(),
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
