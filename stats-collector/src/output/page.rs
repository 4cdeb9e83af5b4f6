//! Prometheus: every number under the name that it has for Graphite, its subject told by labels.
//!
//! `<field>` of a `<kind>` is `mesos_<kind>_<field>`, what may not be in a name made `_`, and a counter with `_total`
//! behind it. Labels are what a series of Graphite has as tags, whichever form those have, and what there are several of
//! the field along. Samples have no time: they are of the last turn.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use exposition::{Family, Labels, Page, Source, Type};
use graphite::{Value, encode_value};

use crate::model::{Field, Kind, Nature};
use crate::names::{Head, Name};

/// What was made whole last: by default nothing, and then that of one turn after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct LastPage(Arc<Mutex<Option<Arc<Page>>>>);

impl LastPage {
    fn get(&self) -> Option<Arc<Page>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.clone()
    }

    fn set(&self, page: Page) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(Arc::new(page));
    }
}

impl Source for LastPage {
    async fn page(&self) -> Option<Arc<Page>> {
        self.get()
    }

    async fn is_well(&self) -> bool {
        self.get().is_some()
    }
}

/// Gathers the numbers of a turn.
#[derive(Debug, Default)]
pub(super) struct PageMaker {
    last: LastPage,
    families: Vec<Gathering>,
    /// Where each field is among them; `None` for one whose name another has taken.
    known: HashMap<(Kind, usize), Option<usize>>,
    unknown: HashMap<String, Option<usize>>,
    names: HashSet<String>,
    labels: Labels,
    /// Which subject of the turn it is.
    subject: u64,
}

/// A family, and what it has of the present subject already: one that has two samples of one name and labels makes what
/// is told nonsense.
#[derive(Debug)]
struct Gathering {
    family: Family,
    subject: u64,
    along: HashSet<String>,
}

impl PageMaker {
    /// Makes pages for whoever asks this one.
    pub(super) fn new(last: LastPage) -> Self {
        Self {
            last,
            ..Self::default()
        }
    }

    /// Begins with another subject.
    pub(super) fn begin(&mut self, head: &Head) {
        self.labels = head.labels().collect();
        self.subject += 1;
    }

    /// Takes one number, which is finite. False if there can be no such sample.
    pub(super) fn put(&mut self, kind: Kind, name: Name<'_>, value: Value) -> bool {
        let Some(place) = self.place(kind, name) else {
            return false;
        };
        let Gathering {
            family,
            subject,
            along,
        } = &mut self.families[place];
        let is_first = *subject != self.subject;
        if is_first {
            *subject = self.subject;
            along.clear();
        }
        let write = |out: &mut Vec<u8>| encode_value(out, value);
        match name {
            Name::Known(field, Some(value)) => {
                if !along.insert(value.to_owned()) {
                    return false;
                }
                let tag = field.along.map_or("along", |along| along.tag);
                family.add_along(&self.labels, (tag, value), write);
            }
            Name::Known(_, None) | Name::Unknown(_) if !is_first => return false,
            Name::Known(_, None) | Name::Unknown(_) => family.add(&self.labels, write),
        }
        true
    }

    fn place(&mut self, kind: Kind, name: Name<'_>) -> Option<usize> {
        match name {
            Name::Known(field, _) => {
                // Each field is a static of its own.
                let key = (kind, std::ptr::from_ref(field).addr());
                if let Some(place) = self.known.get(&key) {
                    return *place;
                }
                let place = self.new_family(kind, field.name, of(field), field.help);
                self.known.insert(key, place);
                place
            }
            Name::Unknown(name) => {
                let name = format!("{}_{name}", word(kind));
                if let Some(place) = self.unknown.get(&name) {
                    return *place;
                }
                let (_, rest) = name.split_at(word(kind).len() + 1);
                let place = self.new_family(kind, rest, Type::Unknown, "As the agent names it.");
                self.unknown.insert(name, place);
                place
            }
        }
    }

    /// `None` if another family has its name, or its samples' name.
    fn new_family(
        &mut self,
        kind: Kind,
        name: &str,
        of: Type,
        help: &'static str,
    ) -> Option<usize> {
        let family = Family::new(&format!("mesos_{}_{name}", word(kind)), of, help);
        let names = [family.name().to_owned(), family.sample_name()];
        if names.iter().any(|name| self.names.contains(name)) {
            return None;
        }
        self.names.extend(names);
        self.families.push(Gathering {
            family,
            subject: 0,
            along: HashSet::new(),
        });
        Some(self.families.len() - 1)
    }

    /// Tells what was put from now on, in place of what was before.
    pub(super) fn end_turn(&mut self) {
        self.known.clear();
        self.unknown.clear();
        self.names.clear();
        self.subject = 0;
        let families = self.families.drain(..).map(|gathering| gathering.family);
        self.last.set(Page::new(families));
    }
}

fn of(field: &Field) -> Type {
    match field.nature {
        Nature::Counter => Type::Counter,
        Nature::Gauge => Type::Gauge,
    }
}

/// What a kind is called in names.
fn word(kind: Kind) -> &'static str {
    match kind {
        Kind::Container => "container",
        Kind::Nested => "nested",
        Kind::Standalone => "standalone",
        Kind::Task => "task",
        Kind::DiskContainer => "disk_container",
        Kind::DiskNested => "disk_nested",
        Kind::DiskTask => "disk_task",
        Kind::DiskVolume => "disk_volume",
        Kind::App => "app",
        Kind::Agent => "agent",
        Kind::Host => "host",
        Kind::Watcher => "disk_watcher",
        Kind::Collector => "collector",
    }
}

#[cfg(test)]
mod tests {
    use exposition::Format;

    use super::super::outlet::tests::{USED, VOLUME, head, subject};
    use super::*;

    #[test]
    fn a_page_is_of_a_whole_turn_and_no_two_samples_of_it_are_alike() {
        let last = LastPage::default();
        let mut maker = PageMaker::new(last.clone());
        assert!(last.get().is_none(), "before the first turn");
        for slot in 0..2 {
            maker.begin(&head(&subject(Kind::Container, Some(slot))));
            assert!(maker.put(Kind::Container, Name::Known(&USED, None), 1_u64.into()));
            assert!(!maker.put(Kind::Container, Name::Known(&USED, None), 2_u64.into()));
            for volume in ["a/b", "a.b"] {
                let name = Name::Known(&VOLUME, Some(volume));
                assert!(maker.put(Kind::Container, name, 0.5.into()));
                assert!(!maker.put(Kind::Container, name, 0.6.into()));
            }
        }
        maker.begin(&head(&subject(Kind::Agent, None)));
        assert!(maker.put(Kind::Agent, Name::Unknown("slave/cpus_total"), 4_u64.into()));
        assert!(!maker.put(Kind::Agent, Name::Unknown("slave.cpus_total"), 4_u64.into()));
        maker.end_turn();
        let text = last.get().unwrap().chunks(Format::Text).concat();
        let text = String::from_utf8(text).unwrap();
        assert_eq!(
            text,
            "# HELP mesos_container_mem_rss_bytes Resident.\n\
             # TYPE mesos_container_mem_rss_bytes gauge\n\
             mesos_container_mem_rss_bytes{app=\"web\",host=\"node_1\",slot=\"0\"} 1\n\
             mesos_container_mem_rss_bytes{app=\"web\",host=\"node_1\",slot=\"1\"} 1\n\
             # HELP mesos_container_disk_statistics_used_bytes In use.\n\
             # TYPE mesos_container_disk_statistics_used_bytes gauge\n\
             mesos_container_disk_statistics_used_bytes{app=\"web\",host=\"node_1\",slot=\"0\",volume=\"a/b\"} 0.5\n\
             mesos_container_disk_statistics_used_bytes{app=\"web\",host=\"node_1\",slot=\"0\",volume=\"a.b\"} 0.5\n\
             mesos_container_disk_statistics_used_bytes{app=\"web\",host=\"node_1\",slot=\"1\",volume=\"a/b\"} 0.5\n\
             mesos_container_disk_statistics_used_bytes{app=\"web\",host=\"node_1\",slot=\"1\",volume=\"a.b\"} 0.5\n\
             # HELP mesos_agent_slave_cpus_total As the agent names it.\n\
             # TYPE mesos_agent_slave_cpus_total untyped\n\
             mesos_agent_slave_cpus_total{host=\"node_1\"} 4\n"
        );
        maker.begin(&head(&subject(Kind::Agent, None)));
        let before = last.get().unwrap().chunks(Format::Text).concat();
        assert_eq!(
            text.as_bytes(),
            before,
            "a turn that is not over is not told"
        );
        maker.end_turn();
        assert!(last.get().unwrap().chunks(Format::Text).is_empty());
    }
}
