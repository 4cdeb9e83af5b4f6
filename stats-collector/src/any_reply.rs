//! Replies of whoever answers in an agent's place, for fuzzing.

use std::collections::HashSet;

use graphite::Value;

use crate::model::{Field, Groups, Memory, Put, container};
use crate::sample::{self, Container};
use crate::scrape;

/// Reads a reply as each of those that an agent gives, and works out all there is of it, as of one container after
/// another and as of one container again and again.
///
/// # Panics
/// If anything comes of it that must not: see [`Checked`].
pub fn read_any_reply(reply: &[u8]) {
    drop(scrape::parse_state(reply, &["label".to_owned()], None));
    if let Ok(snapshot) = sample::snapshot(reply) {
        assert!(snapshot.metrics.iter().all(|(_, value)| value.is_finite()));
    }
    for list in [sample::containers(reply), sample::containers_v1(reply)] {
        work_out(&list.unwrap_or_default());
    }
}

fn work_out(containers: &[Container<'_>]) {
    let (mut memory, mut groups) = (Memory::default(), Groups::default());
    for container in containers {
        let Some(Ok(sample)) = container.statistics() else {
            continue;
        };
        assert!(sample.timestamp.is_finite());
        let mut first = Checked::default();
        container::write(&sample, &mut Memory::default(), &mut first);
        let mut next = Checked::default();
        let derived = container::write(&sample, &mut memory, &mut next);
        // What is remembered adds numbers, and takes none away.
        assert!(first.seen.is_subset(&next.seen));
        let app = container.executor_id.as_ref().into();
        groups.add(&app, &sample, &derived);
        let mut unknown = HashSet::new();
        sample.strangers.numbers(|name, value| {
            assert!(
                value.is_finite() && unknown.insert(name.to_owned()),
                "{name}"
            );
        });
        assert!(unknown.is_empty() || sample.strangers.unknown > 0);
    }
    for (_, group) in groups.drain() {
        assert!(group.at().is_finite());
        group.put(&mut Checked::default());
    }
}

/// Takes numbers, each once, none infinite, and along something if and only if its field is.
#[derive(Default)]
struct Checked {
    seen: HashSet<(&'static str, Option<String>)>,
}

impl Put for Checked {
    fn put(&mut self, field: &'static Field, along: Option<&str>, value: Value) {
        assert_eq!(field.along.is_some(), along.is_some(), "{}", field.name);
        assert!(value.is_finite(), "{}: {value:?}", field.name);
        let name = (field.name, along.map(str::to_owned));
        assert!(self.seen.insert(name), "{} {along:?} twice", field.name);
    }

    fn put_unknown(&mut self, name: &str, _: Value) {
        panic!("no table has {name}");
    }
}
