//! Breaches that are to be ended: opened, looked at when they are due, ordered, and what came of each order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use disk_engine::{Amount, TreeId, Watch};
use tracing::{debug, info, warn};

use super::edges;
use super::state::State;
use super::watched::{Settled, Watched};
use crate::config::Method;
use crate::enforce::decide::{self, Case, Outcome, Reading, Step};
use crate::enforce::{Order, Report};
use crate::events::{self, How};
use crate::inventory::{Key, Subject};
use crate::policy::Mode;

/// By so much what has settled may grow: its executor's own log, and the reason of an end.
const SLACK: u64 = 1 << 20;

impl State {
    pub(super) fn case(&mut self, tree: TreeId) -> Option<&mut Case> {
        self.directories.of_tree(tree)?.case.as_mut()
    }

    pub(super) fn open(&mut self, tree: TreeId, now: Instant, grace: Duration) {
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

    /// Opens a case for each breach that lasts and has none: its container may be listed or to be ended only now.
    pub(super) fn open_cases(&mut self) {
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

    pub(super) fn take(&mut self, tree: TreeId, step: Step) {
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
            may_kill_processes: self.config.methods.contains(&Method::Processes),
            is_noted,
        })
    }

    /// Takes what came of trying; told also of a directory that is not watched any more, as when its container is over.
    pub(super) fn tried(&mut self, tree: TreeId, subject: &Subject, how: How, report: &Report) {
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
