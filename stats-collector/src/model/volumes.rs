//! What the several volumes and queues of one container are called.

use std::borrow::Cow;

use graphite::app_name;

use crate::sample::Volume;

/// Leaves room in a path's component for the number that tells two of a name apart.
const LONGEST: usize = graphite::COMPONENT_MAX - 10;

/// `sandbox`, a volume's readable name, or else the kind of its disk.
pub(super) fn name<'a>(volume: &Volume<'_>) -> Cow<'a, str> {
    let mut name = match (&volume.persistence, &volume.source) {
        (Some(persistence), _) => app_name(&persistence.id),
        (None, Some(source)) => app_name(&source.kind).to_ascii_lowercase(),
        (None, None) => return Cow::Borrowed("sandbox"),
    };
    name.truncate(LONGEST);
    Cow::Owned(name)
}

/// The names that a container has used up.
#[derive(Default)]
pub(super) struct Used<'a>(Vec<Cow<'a, str>>);

impl<'a> Used<'a> {
    /// The name, with the lowest number behind it that no earlier one has.
    pub(super) fn name(&self, name: Cow<'a, str>) -> Cow<'a, str> {
        if !self.0.contains(&name) {
            return name;
        }
        let numbered = (1..).map(|number: usize| Cow::Owned(format!("{name}_{number}")));
        let mut unused = numbered.filter(|candidate| !self.0.contains(candidate));
        unused.next().unwrap_or_default()
    }

    pub(super) fn add(&mut self, name: Cow<'a, str>) {
        self.0.push(name);
    }
}
