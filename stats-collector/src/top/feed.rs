//! Looks at the agent, again and again: what it says, what executors publish, and what the disk watcher knows, as rows.

use std::collections::{HashMap, HashSet};
use std::time::{Duration, Instant, SystemTime};

use graphite::Value;
use task_figures::Run;

use super::row::{Picture, Row, Shape, Use};
use crate::config::Config;
use crate::model::{Derived, Field, Memory, Nature, Origin, Put, Unit, container};
use crate::sample::{self, Container, Resources};
use crate::scrape::{self, List, ScrapeError, Scraper, State};
use crate::sources::disks::Disks;
use crate::sources::tasks::{self, Tasks};

/// The state costs the agent as much as all statistics: for who is new it is asked for no sooner than this.
const SELDOM: Duration = Duration::from_secs(5);

/// What an executor publishes of a task's processor time, remembered from look to look.
static TASK_CPU: Field = Field {
    name: "cpu_seconds",
    along: None,
    nature: Nature::Counter,
    unit: Unit::Seconds,
    help: "Processor time.",
};

/// Looks, and remembers what rates need.
#[derive(Debug)]
pub(super) struct Feed {
    scraper: Scraper,
    list: List,
    tasks: Option<Tasks>,
    disks: Option<Disks>,
    state: State,
    asked: Option<Instant>,
    memories: HashMap<String, Memory>,
}

impl Feed {
    pub(super) fn new(config: &Config) -> Self {
        Self {
            scraper: Scraper::new(config.agent.clone()),
            list: config.agent.list,
            tasks: config
                .work_dir
                .clone()
                .map(|work_dir| Tasks::new(work_dir, config.agent.timeout)),
            disks: config
                .disk_watcher
                .clone()
                .map(|socket| Disks::new(socket, config.agent.timeout)),
            state: State::default(),
            asked: None,
            memories: HashMap::new(),
        }
    }

    /// One look. What is there besides containers is left out if it cannot be had, and that is told in the picture.
    ///
    /// # Errors
    /// There are no containers to be had.
    pub(super) async fn look(&mut self) -> Result<Picture, ScrapeError> {
        let seen = self.containers().await;
        if let Err(error) = &seen {
            self.scraper.failed(error);
        }
        let (mut picture, runs) = seen?;
        self.add_tasks(&mut picture, runs).await;
        self.add_disks(&mut picture).await;
        Ok(picture)
    }

    async fn containers(&mut self) -> Result<(Picture, Vec<Run>), ScrapeError> {
        let link = self.scraper.link().await?;
        let mut picture = Picture {
            agent: link.states.address().to_string(),
            ..Picture::default()
        };
        let answer = link.containers.ask().await?;
        let text = scrape::text(answer.body);
        let listed = match self.list {
            List::V0 => sample::containers(text.as_bytes()),
            List::V1 { .. } => sample::containers_v1(text.as_bytes()),
        };
        let listed = listed.map_err(|source| ScrapeError::unreadable("containers", source))?;
        let is_new = |one: &Container<'_>| {
            one.parents.is_empty()
                && !one.framework_id.is_empty()
                && self.state.origin(&one.container_id).is_none()
        };
        let is_time = self.asked.is_none_or(|asked| asked.elapsed() >= SELDOM);
        if is_time && listed.iter().any(is_new) {
            self.asked = Some(Instant::now());
            match link.states.ask(None).await {
                Ok(state) => self.state = state,
                Err(error) => picture.troubles.push(format!("no names: {error}")),
            }
        }
        let mut there = HashSet::new();
        let mut runs = Vec::new();
        for one in &listed {
            let id = one.container_id.as_ref();
            there.insert(id.to_owned());
            let mut row = named(one, &self.state);
            if let Some(Ok(statistics)) = one.statistics() {
                let memory = self.memories.entry(id.to_owned()).or_default();
                let derived = container::write(&statistics, memory, &mut Nobody);
                fill(&mut row, &statistics.resources, &derived);
            }
            runs.extend(tasks::run_of(one));
            picture.rows.push(row);
        }
        // Tasks are remembered behind the id of their container.
        self.memories
            .retain(|id, _| there.contains(id.split('/').next().unwrap_or(id)));
        Ok((picture, runs))
    }

    /// The tasks of mesos-sandbox-executor, whose containers the agent knows no further.
    async fn add_tasks(&mut self, picture: &mut Picture, runs: Vec<Run>) {
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
        let all = match tasks.ask(runs, now.as_secs_f64()).await {
            Ok(all) => all,
            Err(error) => return picture.troubles.push(format!("no tasks: {error}")),
        };
        for told in all {
            let around = picture.rows.iter();
            let mut around = around.filter(|row| row.container_id == told.run.container_id);
            let framework = around.next().map(|row| row.framework.clone());
            let task = told.task;
            let mut since = self.memories.entry(told.id).or_default().since(told.at);
            let seconds = task.usage.cpu_seconds;
            let cores = seconds.and_then(|secs| since.per_second(&TASK_CPU, None, secs));
            let disk = task.disk.as_ref();
            picture.rows.push(Row {
                shape: Shape::Task,
                name: task.task_id,
                framework: framework.unwrap_or_default(),
                container_id: told.run.container_id.clone(),
                cpus: Use {
                    used: cores,
                    limit: None,
                },
                memory: Use {
                    used: task.usage.memory_bytes.map(|bytes| bytes as f64),
                    limit: task.usage.memory_limit_bytes.map(|bytes| bytes as f64),
                },
                disk: Use {
                    used: disk.map(|disk| disk.used_bytes as f64),
                    limit: disk
                        .and_then(|disk| disk.limit_bytes)
                        .map(|bytes| bytes as f64),
                },
                growth: disk.and_then(|disk| disk.growth_bytes_per_second),
                processes: task.usage.processes.map(|count| count as f64),
                ..Row::default()
            });
        }
    }

    /// What the disk watcher measured comes in the place of what the agent says, which is older.
    async fn add_disks(&mut self, picture: &mut Picture) {
        let Some(disks) = &mut self.disks else {
            return;
        };
        let report = match disks.ask().await {
            Ok(report) => report,
            Err(error) => return picture.troubles.push(format!("no disks: {error}")),
        };
        for subject in &report.subjects {
            let identity = &subject.identity;
            let nested = identity.nested_container_ids.last();
            let id = nested.unwrap_or(&identity.container_id);
            let is_it = |row: &&mut Row| match identity.kind {
                disk_figures::Kind::Volume => false,
                disk_figures::Kind::Task => {
                    row.shape == Shape::Task
                        && row.container_id == identity.container_id
                        && Some(&row.name) == identity.task_id.as_ref()
                }
                _ => row.shape != Shape::Task && row.container_id == *id,
            };
            let Some(row) = picture.rows.iter_mut().find(is_it) else {
                continue;
            };
            if let Some(measured) = &subject.measured {
                row.disk.used = Some(measured.used_bytes as f64);
                row.growth = measured.growth_bytes_per_second;
            }
            if let Some(limit) = subject.limit_bytes {
                row.disk.limit = Some(limit as f64);
            }
        }
    }
}

/// Whose it is.
fn named(one: &Container<'_>, state: &State) -> Row {
    let id = one.container_id.as_ref();

    let (shape, origin) = if !one.parents.is_empty() {
        (Shape::Nested, state.nested_origin(id, &one.parents))
    } else if one.framework_id.is_empty() {
        (Shape::Standalone, None)
    } else {
        (Shape::Container, state.origin(id).cloned())
    };
    let Origin {
        framework,
        task_id,
        executor_id,
        ..
    } = origin.unwrap_or_default();
    let some = |text: &str| (!text.is_empty()).then(|| text.into());
    let of_executor = || match shape {
        // It would be named as the container around it.
        Shape::Nested => None,
        _ => executor_id.or_else(|| some(&one.executor_id)),
    };
    Row {
        shape,
        name: task_id
            .or_else(of_executor)
            .map_or_else(|| id.to_owned(), |name| name.to_string()),
        framework: framework.map_or_else(|| one.framework_id.to_string(), |name| name.to_string()),
        container_id: id.to_owned(),
        ..Row::default()
    }
}

fn fill(row: &mut Row, now: &Resources, derived: &Derived) {
    let bytes = |bytes: Option<u64>| bytes.map(|bytes| bytes as f64);
    row.cpus = Use {
        used: derived.cpus_used,
        limit: now.cpus_limit.or(now.cpus_soft_limit),
    };
    row.throttled = derived.cpus_throttled_share;
    row.memory = Use {
        used: bytes(now.mem_rss_bytes),
        limit: bytes(now.mem_limit_bytes),
    };
    row.disk = Use {
        used: bytes(now.disk_used_bytes),
        limit: bytes(now.disk_limit_bytes),
    };
    row.growth = derived.disk_growth_bytes_per_second;
    row.received = derived.net_rx_bytes_per_second;
    row.sent = derived.net_tx_bytes_per_second;
    row.read = derived.blkio_read_bytes_per_second;
    row.written = derived.blkio_write_bytes_per_second;
    row.processes = now.processes.map(f64::from);
}

/// Wants none of the numbers one by one.
struct Nobody;

impl Put for Nobody {
    fn put(&mut self, _: &'static Field, _: Option<&str>, _: Value) {}

    fn put_unknown(&mut self, _: &str, _: Value) {}
}
