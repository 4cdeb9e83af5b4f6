//! Everything that is remembered from turn to turn, and what is done with what the agent says.

use std::collections::HashMap;
use std::fmt::Display;
use std::time::{Duration, SystemTime};

use graphite::UndeliveredError;
use mesos_agent::Answer;
use tokio::time::Instant;
use tracing::{debug, info, warn};

use super::Shipped;
use super::listed::{Listed, Sighting, kind_of};
use super::slot_keeper::SlotKeeper;
use crate::health::Health;
use crate::model::{Groups, Kind, Memory, Origin, Put, container};
use crate::names::{Entry, Registry};
use crate::output::Outlet;
use crate::sample::{self, Container, StatisticsError};
use crate::schedule::Due;
use crate::scrape::{
    self, Acquaintance, AgentSettings, Episodes, List, ScrapeError, State, States, Verdict,
};
use crate::sources::{LookError, disks, host, tasks};

/// Why a container has no points.
#[derive(Debug, thiserror::Error)]
enum Skip {
    #[error("it has no id, or that of an earlier one")]
    NoIdentity,
    #[error("it has no statistics")]
    NoStatistics,
    #[error(transparent)]
    Unreadable(#[from] StatisticsError),
    #[error("its sample is from no possible time: {0}")]
    Time(f64),
}

/// Who is there, where points go, and how it went.
#[derive(Debug)]
pub(super) struct Book {
    registry: Registry<Memory>,
    slots: SlotKeeper,
    outlet: Outlet,
    health: Health,
    episodes: Episodes,
    acquaintance: Acquaintance,
    /// What is known of those whom the agent's state does not name.
    nameless: HashMap<String, Origin>,
    /// A moment that others are measured from.
    since: Instant,
    /// Of this turn.
    groups: Groups,
    /// Whether numbers that no table has are passed on.
    passes_unknown: bool,
    /// None where executors are not to be asked.
    tasks: Option<tasks::Tasks>,
    skipped_before: u64,
    is_empty: bool,
}

impl Book {
    pub(super) fn new(
        registry: Registry<Memory>,
        slots: SlotKeeper,
        outlet: Outlet,
        settings: &AgentSettings,
        is_only_turn: bool,
        tasks: Option<tasks::Tasks>,
    ) -> Self {
        Self {
            registry,
            slots,
            outlet,
            health: Health::default(),
            episodes: Episodes::default(),
            acquaintance: Acquaintance::new(settings.refresh, is_only_turn),
            nameless: HashMap::new(),
            since: Instant::now(),
            groups: Groups::default(),
            passes_unknown: settings.passes_unknown,
            tasks,
            skipped_before: 0,
            is_empty: false,
        }
    }

    pub(super) fn begin_turn(&mut self, due: Due) {
        self.health.begin_turn(&self.outlet);
        self.health.overrun(due.skipped);
        if due.skipped > 0 {
            warn!(
                "{} turns were left out: the one before took too long",
                due.skipped
            );
        }
        if let Some(step) = due.clock_step {
            warn!("the clock was set by {step:+.1} s");
        }
    }

    /// All sources have answered, or failed to.
    pub(super) fn asked(&mut self, took: Duration) {
        self.health.turn().scrape = Some(took);
    }

    /// A source did not answer, or not with sense.
    pub(super) fn failed(&mut self, source: &'static str, error: &ScrapeError) {
        self.troubled(source, error.kind(), error);
    }

    fn troubled(&mut self, source: &'static str, kind: &'static str, error: &dyn Display) {
        self.health.failed(source, kind);
        self.episodes.trouble(source, kind, &error.to_string());
    }

    /// A source is as it should be.
    pub(super) fn fine(&mut self, source: &'static str) {
        self.episodes.fine(source);
    }

    /// Takes in the agent's own metrics, which have no time but that of their answer.
    pub(super) fn metrics(&mut self, answer: &Answer<'_>) {
        self.health.took("snapshot", answer.timing.took);
        let snapshot = match sample::snapshot(answer.body) {
            Ok(snapshot) => snapshot,
            Err(source) => {
                let error = ScrapeError::unreadable("GET /metrics/snapshot", source);
                return self.failed("snapshot", &error);
            }
        };
        self.fine("snapshot");
        let entry = self.registry.single(Kind::Agent);
        if let Some(mut writer) = self.outlet.begin(&entry.subject, &entry.head, now_secs()) {
            for (name, value) in &snapshot.metrics {
                writer.put_unknown(name, *value);
            }
        }
    }

    /// Takes in the agent's containers; asks whose they are if that is needed.
    ///
    /// # Errors
    /// The answer makes no sense.
    pub(super) async fn containers(
        &mut self,
        list: List,
        answer: &Answer<'_>,
        states: &States,
    ) -> Result<Shipped, ScrapeError> {
        self.health.took("containers", answer.timing.took);
        self.health.turn().queued = Some(answer.timing.waited);
        let answered = now_secs();
        let text = scrape::text(answer.body);
        let parsed = match list {
            List::V0 => sample::containers(text.as_bytes()),
            List::V1 { .. } => sample::containers_v1(text.as_bytes()),
        };
        let parsed = parsed.map_err(|source| ScrapeError::unreadable(list.what(), source))?;
        let listed = Listed::new(parsed);
        let state = self.state(&listed, states).await;
        self.look_at_emptiness(&listed, state.as_ref());
        let sightings = self.sightings(&listed, state.as_ref());
        for kind in [Kind::Container, Kind::Nested, Kind::Standalone] {
            let of_kind = sightings
                .iter()
                .filter(|one| kind_of(one.container) == kind);
            self.registry.take_in(kind, of_kind, answered as u64);
        }
        let all: Vec<&Container<'_>> = sightings.iter().map(|one| one.container).collect();
        drop(sightings);
        drop(state);
        let shipped = self.tell(&listed, &all, answered).await;
        self.tasks(&listed).await;
        Ok(shipped)
    }

    /// The agent's state, if somebody is listed of whom nothing else is known, or it is time to.
    async fn state(&mut self, listed: &Listed<'_>, states: &States) -> Option<State> {
        let ids = listed.containers.iter().map(|one| &*one.container_id);
        if !self.acquaintance.wants_state(ids, self.since.elapsed()) {
            self.acquaintance.not_asked();
            return None;
        }
        let newcomers = listed.containers.iter();
        let newcomers = newcomers.filter(|one| !self.acquaintance.knows(&one.container_id));
        // A container in others may be known by those alone.
        let ids = newcomers.flat_map(|one| [&one.container_id].into_iter().chain(&one.parents));
        let wanted = ids.map(|id| &**id).collect();
        let begun = Instant::now();
        let asked = states.ask(Some(&wanted)).await;
        let took = begun.elapsed();
        self.health.took("state", took);
        self.acquaintance
            .asked(self.since.elapsed(), took, asked.is_ok());
        match asked {
            Ok(state) => {
                self.fine("state");
                Some(state)
            }
            Err(error) => {
                self.failed("state", &error);
                None
            }
        }
    }

    /// Nobody listed where somebody runs is a fault: the agent shows nothing, with 200, to who may not see it.
    fn look_at_emptiness(&mut self, listed: &Listed<'_>, state: Option<&State>) {
        let was_empty = std::mem::replace(&mut self.is_empty, listed.containers.is_empty());
        if !self.is_empty {
            return;
        }
        match state {
            Some(state) if state.executors > 0 => {
                self.health.failed("containers", "left_out");
                warn!(
                    "the agent lists no container, though it runs {} executors",
                    state.executors
                );
            }
            _ if !was_empty => {
                info!("the agent lists no container: none runs there, or none may be seen");
            }
            _ => {}
        }
    }

    /// Those who are to be told of now.
    fn sightings<'l, 's>(
        &mut self,
        listed: &'l Listed<'l>,
        state: Option<&'s State>,
    ) -> Vec<Sighting<'l, 's>> {
        let mut sightings = Vec::with_capacity(listed.containers.len());
        let mut before = std::mem::take(&mut self.nameless);
        for container in &listed.containers {
            let id = &*container.container_id;
            let is_named = state.is_some_and(|state| state.origin(id).is_some());
            let nameless = match self.acquaintance.meet(id, is_named) {
                Verdict::Hold => continue,
                Verdict::Known => None,
                Verdict::Nameless => {
                    let known = before.remove(id).filter(|_| state.is_none());
                    let origin = known.unwrap_or_else(|| listed.origin(container, state));
                    self.nameless.insert(id.to_owned(), origin.clone());
                    Some(origin)
                }
            };
            sightings.push(Sighting {
                container,
                listed,
                state,
                nameless,
            });
        }
        sightings
    }

    /// Puts the points of all of these.
    async fn tell(
        &mut self,
        listed: &Listed<'_>,
        all: &[&Container<'_>],
        answered: f64,
    ) -> Shipped {
        let mut shipped = Shipped {
            listed: listed.containers.len() as u64,
            ..Shipped::default()
        };
        let before = self.outlet.counters().points;
        let (mut oldest, mut unknown, mut skipped) = (None, 0, 0);
        let mut first_skipped = None;
        for container in all {
            match self.tell_one(container) {
                Ok(told) => {
                    shipped.containers += 1;
                    unknown += told.unknown;
                    oldest = Some(oldest.map_or(told.at, |oldest: f64| oldest.min(told.at)));
                }
                Err(skip) => {
                    skipped += 1;
                    first_skipped.get_or_insert((&container.container_id, skip));
                }
            }
            self.outlet.caught_up().await;
        }
        shipped.points = self.outlet.counters().points - before;
        for (app, group) in self.groups.drain() {
            let Entry { subject, head, .. } = self.registry.group(&app);
            if let Some(mut writer) = self.outlet.begin(subject, head, group.at()) {
                group.put(&mut writer);
            }
            self.outlet.caught_up().await;
        }
        let turn = self.health.turn();
        turn.containers = Some(shipped.containers);
        turn.containers_skipped = Some(skipped);
        turn.unknown_fields = Some(unknown);
        turn.sample_age = oldest.map(|oldest| answered - oldest);
        if let Some((id, skip)) = first_skipped
            && self.skipped_before != skipped
        {
            warn!(
                "skipped {skipped} of {} containers, the first is {id:?}: {skip}",
                shipped.listed
            );
        }
        self.skipped_before = skipped;
        debug!("{shipped:?}");
        shipped
    }

    fn tell_one(&mut self, container: &Container<'_>) -> Result<Told, Skip> {
        let entry = self
            .registry
            .call(kind_of(container), &container.container_id)
            .ok_or(Skip::NoIdentity)?;
        let sample = container.statistics().ok_or(Skip::NoStatistics)??;
        let Entry {
            subject,
            head,
            memory,
        } = entry;
        let mut writer = self
            .outlet
            .begin(subject, head, sample.timestamp)
            .ok_or(Skip::Time(sample.timestamp))?;
        let derived = container::write(&sample, memory, &mut writer);
        if self.passes_unknown {
            let strangers = &sample.strangers;
            strangers.numbers(|name, value| writer.put_unknown(name, value));
        }
        // What lies in another container is counted there already.
        if subject.kind != Kind::Nested {
            self.groups.add(&subject.app, &sample, &derived);
        }
        Ok(Told {
            at: sample.timestamp,
            unknown: sample.strangers.unknown,
        })
    }

    /// Takes in what executors publish of their tasks, if they are to be asked.
    async fn tasks(&mut self, listed: &Listed<'_>) {
        let Some(tasks) = &mut self.tasks else {
            return;
        };
        let begun = Instant::now();
        let runs = listed.containers.iter().filter_map(tasks::run_of);
        let now = now_secs();
        let told = tasks.ask(runs.collect(), now).await;
        if let Some(told) = self.looked("tasks", told, begun.elapsed()) {
            tasks::tell(&told, now, &mut self.registry, &mut self.outlet).await;
        }
    }

    /// Takes in what the disk watcher knows.
    pub(super) async fn disks(
        &mut self,
        told: Result<disk_figures::Report, LookError>,
        took: Duration,
    ) {
        if let Some(report) = self.looked("disks", told, took) {
            disks::tell(&report, &mut self.registry, &mut self.outlet).await;
        }
    }

    /// Takes in how the machine is.
    pub(super) fn host(&mut self, told: Result<host::Sample, LookError>, took: Duration) {
        let Some(sample) = self.looked("host", told, took) else {
            return;
        };
        let Entry {
            subject,
            head,
            memory,
        } = self.registry.single(Kind::Host);
        if let Some(mut writer) = self.outlet.begin(subject, head, sample.at) {
            sample.put(memory, &mut writer);
        }
    }

    /// What came of looking at something beside the agent.
    fn looked<T>(
        &mut self,
        source: &'static str,
        told: Result<T, LookError>,
        took: Duration,
    ) -> Option<T> {
        self.health.took(source, took);
        match told {
            Ok(told) => {
                self.fine(source);
                Some(told)
            }
            Err(error) => {
                self.troubled(source, error.kind(), &error);
                None
            }
        }
    }

    /// Puts what there is to say of this turn, and hands everything over.
    pub(super) async fn end_turn(&mut self) {
        let now = now_secs();
        let view = self.health.view(&self.outlet, now as u64);
        let over = view.over_ceiling();
        if over.series > 0 {
            warn!(
                "{} points of {} containers, tasks and others have no series: there are as many as there may be; {:?}",
                over.series, over.subjects, over.who
            );
        }
        let entry = self.registry.single(Kind::Collector);
        if let Some(mut writer) = self.outlet.begin(&entry.subject, &entry.head, now) {
            view.put(&mut writer);
        }
        self.outlet.end_turn();
        self.slots.keep(&mut self.registry).await;
    }

    pub(super) async fn finish(mut self, deadline: Duration) -> Result<(), UndeliveredError> {
        // Side by side: whoever stopped us waits only for so long.
        let slots = self.slots.finish(&mut self.registry, deadline);
        let ((), delivered) = tokio::join!(slots, self.outlet.finish(deadline));
        delivered
    }
}

/// What came of one container.
struct Told {
    /// When its sample was taken.
    at: f64,
    /// Numbers that no table has.
    unknown: u64,
}

/// Since the epoch; a clock before it has no time that whisper could hold either.
pub(super) fn now_secs() -> f64 {
    SystemTime::UNIX_EPOCH
        .elapsed()
        .unwrap_or_default()
        .as_secs_f64()
}
