//! What the loop knows, and what it does about each event.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_engine::{Amount, Breach, QuotaUse, Settings, Source, TreeId, Watch};
use tokio::sync::mpsc::UnboundedSender;
use tracing::{debug, error, info, warn};

use super::Event;
use super::edges::{self, Looking, StartError};
use super::watched::{Directories, Settled, Watched};
use crate::config::{Config, Quota};
use crate::enforce::decide::{self, Case, Outcome, Reading, Step};
use crate::enforce::{Order, Report, message, with_causes};
use crate::events::{self, EventLog, How};
use crate::inventory::{Change, Key, Subject};
use crate::metrics::{Asker, CarbonSettings, OutputSettings, Outputs, Row, Snapshot};
use crate::policy::Mode;
use crate::service::{self, Notifier};

/// How often the loop says that it is well.
pub(super) const HEARTBEAT: Duration = Duration::from_millis(500);

/// By so much what has settled may grow: its executor's own log, and the reason of an end.
const SLACK: u64 = 1 << 20;

/// A recovery that was shorter than this was none: what tasks leave changes hands when they end.
const LASTING: Duration = Duration::from_secs(30);

/// Everything that the loop knows.
pub(super) struct State {
    config: Config,
    directories: Directories,
    watch: Watch,
    looking: Looking,
    round: u64,
    /// Nothing was heard of this round yet: the next to come is everything that there is.
    is_new_round: bool,
    log: EventLog,
    outputs: Outputs,
    asker: Asker,
    events: UnboundedSender<Event>,
    counts: disk_figures::Daemon,
    is_agent_away: bool,
    began: Instant,
    notifier: Notifier,
}

impl State {
    pub(super) async fn begin(
        config: Config,
        events: UnboundedSender<Event>,
        asker: Asker,
        notifier: Notifier,
    ) -> Result<Self, StartError> {
        let log = EventLog::open(config.output.events.as_deref())?;
        let outputs = Outputs::begin(&output_settings(&config), &asker).await?;
        let watch = start_watch(&config, &events)?;
        let looking = Looking::begin(&config, 0, events.clone())?;
        let work_dir = &config.work_dir;
        log.write(&events::Event::Started { work_dir });
        info!("watching {}", work_dir.display());
        Ok(Self {
            directories: Directories::default(),
            watch,
            looking,
            round: 0,
            is_new_round: true,
            log,
            outputs,
            asker,
            events,
            counts: disk_figures::Daemon::default(),
            is_agent_away: false,
            began: Instant::now(),
            notifier,
            config,
        })
    }

    /// Takes what happened.
    pub(super) async fn handle(&mut self, event: Event) {
        match event {
            Event::Inventory { round, .. } if round != self.round => {}
            Event::Inventory {
                changes,
                troubles,
                is_agent_away,
                ..
            } => self.inventory(changes, &troubles, is_agent_away),
            Event::Engine(event) => self.engine(event),
            Event::Tried {
                tree,
                subject,
                how,
                report,
            } => self.tried(tree, &subject, how, &report),
            Event::Reload(loaded) => self.reload(*loaded).await,
            Event::Stop => self.stop_soon(),
        }
    }

    /// A stop that was met among other events comes again by itself.
    pub(super) fn stop_soon(&self) {
        // The loop that reads it is the one that runs this.
        let _ = self.events.send(Event::Stop);
    }

    fn inventory(&mut self, changes: Vec<Change>, troubles: &[String], is_agent_away: bool) {
        for text in troubles {
            self.trouble(text);
        }
        if is_agent_away && !std::mem::replace(&mut self.is_agent_away, is_agent_away) {
            self.counts.agent_failures += 1;
        }
        self.is_agent_away = is_agent_away;
        if std::mem::take(&mut self.is_new_round) {
            self.forget_all_but(&changes);
        }
        for change in changes {
            match change {
                Change::Gone(key) => self.gone(&key),
                Change::Came(subject) | Change::Changed(subject) => {
                    let is_known = self.directories.get(&subject.key).is_some();
                    let event = if is_known {
                        events::Event::Changed { subject: &subject }
                    } else {
                        events::Event::Came { subject: &subject }
                    };
                    self.log.write(&event);
                    let changed =
                        self.directories
                            .change(&self.watch, &self.config, Arc::clone(&subject));
                    if let Err(source) = changed {
                        let path = subject.path.clone();
                        self.trouble(&with_causes(&StartError::Watch { path, source }));
                    }
                }
            }
        }
        self.open_cases();
    }

    /// Whoever looks anew tells everything that is there, and nothing of what went meanwhile.
    fn forget_all_but(&mut self, changes: &[Change]) {
        let is_there = |key: &Key| {
            changes.iter().any(|change| match change {
                Change::Came(subject) | Change::Changed(subject) => subject.key == *key,
                Change::Gone(_) => false,
            })
        };
        let keys = self.directories.iter().map(|watched| &watched.subject.key);
        let gone: Vec<Key> = keys.filter(|key| !is_there(key)).cloned().collect();
        for key in gone {
            self.gone(&key);
        }
    }

    fn gone(&mut self, key: &Key) {
        if let Some(watched) = self.directories.remove(&self.watch, key) {
            let subject = &watched.subject;
            self.log.write(&events::Event::Gone { subject });
        }
    }

    fn engine(&mut self, event: disk_engine::Event) {
        use disk_engine::Event as Found;
        match event {
            Found::SoftLimit(breach) => self.soft_limit(&breach),
            Found::Breach(breach) => self.breach(breach),
            Found::Recovered { tree } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    watched.breach = None;
                    watched.case = None;
                    watched.recovered = Some(Instant::now());
                    let subject = Arc::clone(&watched.subject);
                    self.log
                        .write(&events::Event::Recovered { subject: &subject });
                    info!("{}: within its limits again", subject.path.display());
                }
            }
            Found::Trouble { tree, text } => {
                let watched = tree.and_then(|tree| self.directories.of_tree(tree));
                let subject = watched.map(|watched| Arc::clone(&watched.subject));
                let subject = subject.as_deref();
                self.log.write(&events::Event::Trouble {
                    subject,
                    text: &text,
                });
                warn!("{text}");
            }
            Found::Drift { tree, bytes } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    let subject = &watched.subject;
                    self.log.write(&events::Event::Drift { subject, bytes });
                }
            }
            Found::Strayed {
                tree,
                files,
                example,
            } => {
                if let Some(watched) = self.directories.of_tree(tree) {
                    let subject = Arc::clone(&watched.subject);
                    self.counts.strayed_files += files;
                    warn!(
                        "{}: {files} files are not in its project",
                        subject.path.display()
                    );
                    self.log.write(&events::Event::Strayed {
                        subject: &subject,
                        files,
                        example: &example,
                    });
                }
            }
            Found::Layer {
                file_system,
                source,
                why,
            } => {
                info!("{file_system}: measured by {source}{}", because(&why));
                self.log.write(&events::Event::Layer {
                    file_system: &file_system.to_string(),
                    source,
                    why: &why,
                });
            }
        }
    }

    fn soft_limit(&mut self, breach: &Breach) {
        let Some(watched) = self.directories.of_tree(breach.tree) else {
            return;
        };
        self.counts.soft_limits += 1;
        let (subject, mode) = (Arc::clone(&watched.subject), watched.mode);
        let is_refused = watched.limits.in_kernel && breach.sample.source == Source::ProjectQuota;
        if mode == Mode::Observe {
            return;
        }
        let path = subject.path.display();
        warn!("{path}: near its limit: {}", first_line(breach));
        self.log.write(&events::Event::SoftLimit {
            subject: &subject,
            mode,
            breach,
        });
        if is_refused {
            let (subject, how) = (&subject, How::Kernel);
            self.log.write(&events::Event::Enforced { subject, how });
        }
    }

    /// A breach is confirmed: the engine sends it once until it is over.
    fn breach(&mut self, breach: Breach) {
        let grace = self.config.limits.grace;
        let Some(watched) = self.directories.of_tree(breach.tree) else {
            return;
        };
        self.counts.breaches += 1;
        let (subject, mode) = (Arc::clone(&watched.subject), watched.mode);
        let tree = watched.tree;
        watched.breach = Some(breach.clone());
        watched.case = None;
        if watched.recovered.is_some_and(|at| at.elapsed() > LASTING) {
            watched.settled = Settled::No;
        }
        let has_settled = watched.settled != Settled::No;
        if mode == Mode::Observe {
            return;
        }
        warn!(
            "{} ({mode}): {}",
            subject.path.display(),
            message(&subject, &breach)
        );
        self.log.write(&events::Event::Breach {
            subject: &subject,
            mode,
            breach: &breach,
        });
        let is_exact = breach.confirmed && breach.charged() > breach.limit;
        if mode == Mode::Enforce && subject.listed.is_some() && is_exact {
            let now = Instant::now();
            self.open(tree, now, grace);
            if let Some(case) = self.case(tree) {
                let step = match has_settled {
                    true => case.settle(now),
                    false => case.confirmed(now),
                };
                self.take(tree, step);
            }
        }
    }

    /// A container that has too much by what ended tasks have left in it is told of, and left alone while it does not
    /// grow: whoever runs in it now has done nothing.
    fn settle_if_left_behind(&mut self, tree: TreeId) {
        let Some(watched) = self.directories.of_tree(tree) else {
            return;
        };
        let key = watched.subject.key.clone();
        let Some((charged, limit)) = watched.breach.as_ref().map(|b| (b.charged(), b.limit)) else {
            return;
        };
        let left = self.directories.left_behind(&self.watch, &key);
        if !matches!(key, Key::Container(_)) || charged.saturating_sub(left) > limit {
            return;
        }
        let Some(watched) = self.directories.of_tree(tree) else {
            return;
        };
        watched.settled = Settled::At(charged.saturating_add(SLACK));
        if let Some(case) = &mut watched.case {
            case.settle(Instant::now());
        }
        let subject = Arc::clone(&watched.subject);
        let text =
            "has too much by what ended tasks have left in it, and is ended only if it grows";
        info!("{}: {text}", subject.path.display());
        self.log.write(&events::Event::Trouble {
            subject: Some(&subject),
            text,
        });
    }

    fn case(&mut self, tree: TreeId) -> Option<&mut Case> {
        self.directories.of_tree(tree)?.case.as_mut()
    }

    fn open(&mut self, tree: TreeId, now: Instant, grace: Duration) {
        let Some(watched) = self.directories.of_tree(tree) else {
            return;
        };
        let subject = Arc::clone(&watched.subject);
        let ways = decide::ways(&subject.key, subject.holders.len(), &self.config.methods);
        watched.case = Case::open(now, grace, ways);
        if watched.case.is_some() {
            self.settle_if_left_behind(tree);
        } else {
            let text = "breaks its limit, and there is no way to end it: none is allowed, or several containers have it";
            let subject = Some(&*subject);
            self.log.write(&events::Event::Trouble { subject, text });
        }
    }

    /// Opens a case for each breach that lasts and has none: its container may be listed or to be ended only now.
    fn open_cases(&mut self) {
        let grace = self.config.limits.grace;
        let is_due = |watched: &&Watched| {
            watched.breach.is_some()
                && watched.case.is_none()
                && watched.mode == Mode::Enforce
                && watched.subject.listed.is_some()
                && !decide::ways(
                    &watched.subject.key,
                    watched.subject.holders.len(),
                    &self.config.methods,
                )
                .is_empty()
        };
        let due: Vec<TreeId> = (self.directories.iter().filter(is_due))
            .map(|watched| watched.tree)
            .collect();
        for tree in due {
            self.open(tree, Instant::now(), grace);
        }
    }

    /// When there is something to do though nothing happens.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let cases = self
            .directories
            .iter()
            .filter_map(|watched| watched.case.as_ref());
        cases.filter_map(Case::deadline).min()
    }

    /// Does what is due.
    pub(super) fn work(&mut self, now: Instant) {
        let watch = &self.watch;
        let mut steps = Vec::new();
        for watched in self.directories.iter_mut() {
            let reading = reading(watch, watched);
            if let Some(case) = &mut watched.case
                && case.deadline().is_some_and(|deadline| deadline <= now)
            {
                steps.push((watched.tree, case.step(now, reading)));
            }
        }
        for (tree, step) in steps {
            self.take(tree, step);
        }
    }

    fn take(&mut self, tree: TreeId, step: Step) {
        match step {
            Step::Wait => {}
            Step::Look => self.watch.look_now(tree),
            Step::Act(how) => self.act(tree, how),
        }
    }

    fn act(&mut self, tree: TreeId, how: How) {
        let Some(order) = self.order(tree) else {
            let why = "its container is not there".to_owned();
            let report = Report {
                outcome: Outcome::NotNow { why },
                is_noted: false,
                trouble: None,
            };
            if let Some(subject) = self
                .directories
                .of_tree(tree)
                .map(|it| Arc::clone(&it.subject))
            {
                self.tried(tree, &subject, how, &report);
            }
            return;
        };
        let verifier = self.looking.verifier.clone();
        edges::enforce(how, order, verifier, tree, self.events.clone());
    }

    fn order(&mut self, tree: TreeId) -> Option<Order> {
        let watched = self.directories.of_tree(tree)?;
        let subject = Arc::clone(&watched.subject);
        let breach = watched.breach.clone()?;
        let is_noted = watched.is_noted;
        let sandbox = match (&subject.key, &subject.holders[..]) {
            (Key::Container(_) | Key::Nested(..), _) => Arc::clone(&subject.directory),
            (Key::Task(..) | Key::Volume { .. }, [holder]) => {
                let container = self.directories.get(&Key::Container(holder.clone()))?;
                Arc::clone(&container.subject.directory)
            }
            (Key::Task(..) | Key::Volume { .. }, _) => return None,
        };
        Some(Order {
            subject,
            sandbox,
            breach,
            agent: self.looking.agent.clone(),
            may_kill_processes: self
                .config
                .methods
                .contains(&crate::config::Method::Processes),
            is_noted,
        })
    }

    /// Takes what came of trying; told also of a directory that is not watched any more, as when its container is over.
    fn tried(&mut self, tree: TreeId, subject: &Subject, how: How, report: &Report) {
        if let Some(watched) = self.directories.of_tree(tree) {
            watched.is_noted |= report.is_noted;
            if (how, &report.outcome) == (How::Executor, &Outcome::Done) {
                watched.settled = Settled::Soon;
            }
        }
        let path = subject.path.display();
        match &report.outcome {
            Outcome::Done => {
                self.counts.enforced += 1;
                info!("{path}: ended for its breach, by way of {how:?}");
                self.log.write(&events::Event::Enforced { subject, how });
            }
            Outcome::NoWay => debug!("{path}: nothing to be ended by way of {how:?}"),
            Outcome::Failed { why } | Outcome::NotNow { why } => {
                self.counts.enforcement_failures += 1;
                warn!("{path}: not ended for its breach, by way of {how:?}: {why}");
                let subject = &subject;
                self.log
                    .write(&events::Event::EnforcementFailed { subject, how, why });
            }
        }
        if let Some(text) = &report.trouble {
            self.log.write(&events::Event::Trouble {
                subject: Some(subject),
                text,
            });
            warn!("{path}: {text}");
        }
        if let Some(case) = self.case(tree) {
            let step = case.outcome(Instant::now(), &report.outcome);
            self.take(tree, step);
        }
    }

    fn trouble(&self, text: &str) {
        warn!("{text}");
        let subject = None;
        self.log.write(&events::Event::Trouble { subject, text });
    }

    /// Takes new settings, all of them or none.
    async fn reload(&mut self, loaded: Result<Config, crate::config::ConfigErrors>) {
        self.notifier.reloading();
        let errors: Vec<String> = match loaded {
            Ok(config) => match self.change_to(config).await {
                Ok(()) => Vec::new(),
                Err(error) => vec![error],
            },
            Err(errors) => errors.to_string().lines().map(str::to_owned).collect(),
        };
        for text in &errors {
            error!("the configuration stays as it was: {text}");
        }
        if errors.is_empty() {
            info!("the configuration was read again");
        }
        self.log.reopen();
        self.log.write(&events::Event::Reloaded { errors: &errors });
        self.notifier.ready();
    }

    async fn change_to(&mut self, config: Config) -> Result<(), String> {
        if config.work_dir != self.config.work_dir {
            return Err("work_dir takes a restart".to_owned());
        }
        if let Some(missing) = service::missing_rights(&config).first() {
            return Err(format!(
                "{missing}; a restart brings back what was given up"
            ));
        }
        let causes = |error: StartError| with_causes(&error);
        // Made before anything is given up: what cannot be had leaves all as it is.
        let log = match config.output.events == self.config.output.events {
            true => None,
            false => Some(
                EventLog::open(config.output.events.as_deref()).map_err(|e| causes(e.into()))?,
            ),
        };
        let watch = match config.engine == self.config.engine && config.count == self.config.count {
            true => None,
            false => Some(start_watch(&config, &self.events).map_err(causes)?),
        };
        let is_same_agent =
            config.agent == self.config.agent && config.interval == self.config.interval;
        let looking = match is_same_agent {
            true => None,
            false => {
                let events = self.events.clone();
                Some(Looking::begin(&config, self.round + 1, events).map_err(causes)?)
            }
        };
        let (before, now) = (output_settings(&self.config), output_settings(&config));
        if before != now {
            // An address that stays the same can be listened on once only.
            self.outputs = Outputs::default();
            match Outputs::begin(&now, &self.asker).await {
                Ok(outputs) => self.outputs = outputs,
                Err(error) => {
                    if let Ok(outputs) = Outputs::begin(&before, &self.asker).await {
                        self.outputs = outputs;
                    }
                    return Err(causes(error.into()));
                }
            }
        }
        self.config = config;
        if let Some(log) = log {
            self.log = log;
        }
        if let Some(looking) = looking {
            self.looking = looking;
            self.round += 1;
            self.is_new_round = true;
        }
        if let Some(watch) = watch {
            // The old one goes when the new one has everything.
            let moved = self.directories.move_to(&watch, &self.config);
            self.watch = watch;
            moved.map_err(|error| with_causes(&error))?;
        } else {
            let subjects = self
                .directories
                .iter()
                .map(|watched| Arc::clone(&watched.subject));
            for subject in subjects.collect::<Vec<_>>() {
                let changed = self.directories.change(&self.watch, &self.config, subject);
                changed.map_err(|error| with_causes(&error))?;
            }
        }
        self.open_cases();
        Ok(())
    }

    /// Says that the daemon is well, while it is.
    pub(super) fn beat(&mut self) {
        let figures = self.watch.figures();
        let is_measured = |watched: &Watched| self.watch.latest(watched.tree).is_some();
        let is_whole = !self.is_new_round && self.directories.iter().all(is_measured);
        let probe = self.directories.iter().next().map(|watched| watched.tree);
        let over = self
            .directories
            .iter()
            .filter(|watched| watched.breach.is_some());
        let status = format!(
            "{} directories, {} beyond their limits{}",
            figures.trees,
            over.count(),
            if self.is_agent_away {
                ", the agent is away"
            } else {
                ""
            }
        );
        if self.notifier.beat(is_whole, &figures, &status)
            && let Some(tree) = probe
        {
            // An engine with nothing to do is asked for something, to see that it lives.
            self.watch.look_now(tree);
        }
    }

    /// What is known at this moment.
    pub(super) fn snapshot(&self) -> Snapshot<'_> {
        let rows = self.directories.iter().map(|watched| Row {
            subject: &watched.subject,
            measured: self.watch.latest(watched.tree),
            limits: watched.limits,
            mode: watched.mode,
        });
        let (events_written, events_lost) = self.log.counts();
        Snapshot {
            rows: rows.collect(),
            engine: self.watch.figures(),
            daemon: disk_figures::Daemon {
                events_written,
                events_lost,
                ..self.counts.clone()
            },
            uptime: self.began.elapsed(),
        }
    }

    /// Told to end: threads, marks and sockets go as this is dropped.
    pub(super) fn end(self) {
        self.notifier.stopping();
        info!("told to end");
        self.log.write(&events::Event::Stopped);
    }
}

/// What is known of a directory since its case asked for a look, set against the limit that it has now.
fn reading(watch: &Watch, watched: &mut Watched) -> Reading {
    let since = watched.case.as_ref().and_then(Case::looks_since);
    let (Some(since), Some(breach)) = (since, &mut watched.breach) else {
        return Reading::Stale;
    };
    let Some(latest) = watch
        .latest(watched.tree)
        .filter(|latest| latest.sample.taken >= since)
    else {
        return Reading::Stale;
    };
    breach.sample = latest.sample;
    breach.growth = latest.growth;
    let limit = match breach.of {
        Amount::Bytes => watched.limits.hard,
        Amount::Inodes => watched.limits.inodes,
    };
    match limit {
        Some(limit) => {
            breach.limit = limit;
            let charged = breach.charged();
            if watched.settled == Settled::Soon {
                watched.settled = Settled::At(charged.saturating_add(SLACK));
            }
            match watched.settled {
                _ if charged <= limit => Reading::Within,
                Settled::At(most) if charged <= most => Reading::Settled,
                Settled::No | Settled::Soon | Settled::At(_) => Reading::Over,
            }
        }
        None => Reading::Within,
    }
}

fn start_watch(config: &Config, events: &UnboundedSender<Event>) -> Result<Watch, StartError> {
    let settings = Settings {
        quota: match &config.engine.quota {
            Quota::Off => QuotaUse::Off,
            Quota::Observe => QuotaUse::Observe,
            Quota::Assign(ids) => QuotaUse::Assign(ids.clone()),
        },
        tracking: config.engine.tracking,
        budget: config.engine.cpu_budget,
        threads: config.engine.threads,
        ..Settings::default()
    };
    let events = events.clone();
    Ok(Watch::start(settings, move |found| {
        // A loop that has ended wants to know nothing more.
        let _ = events.send(Event::Engine(found));
    })?)
}

fn output_settings(config: &Config) -> OutputSettings {
    let output = &config.output;
    OutputSettings {
        prometheus: output.prometheus,
        socket: output.socket.clone().or_else(default_socket),
        carbon: output.graphite.as_ref().map(|carbon| CarbonSettings {
            address: carbon.address.clone(),
            prefix: carbon.prefix.clone(),
            host: carbon.host.clone().unwrap_or_else(service::host_name),
            interval: Duration::from_secs(10),
        }),
    }
}

/// In the directory that systemd makes for us.
fn default_socket() -> Option<PathBuf> {
    let directory = std::env::var_os("RUNTIME_DIRECTORY")?;
    Some(PathBuf::from(directory).join("figures.sock"))
}

fn because(why: &str) -> String {
    match why {
        "" => String::new(),
        why => format!(": {why}"),
    }
}

fn first_line(breach: &Breach) -> String {
    breach
        .message()
        .lines()
        .next()
        .unwrap_or_default()
        .to_owned()
}
