//! What a person may choose of names.

use std::path::PathBuf;
use std::time::Duration;

use graphite::MetricPath;

use crate::model::Kind;

/// Long enough that who restarts is told from who was there before, short enough that slots stay few.
const SLOT_REUSE_AFTER: Duration = Duration::from_secs(60);

/// More than ten thousand containers have.
const MOST_SERIES: usize = 1_000_000;

/// All that is chosen of names, as it is written; [`super::Naming`] and [`super::Selection`] check it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NamesSettings {
    /// What every series begins with.
    pub(crate) prefix: MetricPath,
    /// The agent's name, any text.
    pub(crate) host: String,
    /// Whether subjects are told apart by paths or by tags.
    pub(crate) form: Form,
    /// Other paths than the defaults, by kind.
    pub(crate) templates: Vec<(Kind, String)>,
    /// The tags that series have, by the names of variables: `app`, `slot`, `container_id`.
    pub(crate) tags: Vec<String>,
    /// The labels that may become tags and variables.
    pub(crate) labels: Vec<LabelRule>,
    /// How long a slot rests when its instance has gone.
    pub(crate) slot_reuse_after: Duration,
    /// Where slots are kept across restarts; None: they are not.
    pub(crate) state_file: Option<PathBuf>,
    /// Which fields there are, for all kinds.
    pub(crate) fields: FieldRules,
    /// Which fields there are, by kind: what these allow is in the place of what `fields` allow, what either denies is
    /// denied.
    pub(crate) fields_by_kind: Vec<(Kind, FieldRules)>,
    /// The most series.
    pub(crate) most_series: usize,
}

impl NamesSettings {
    /// The defaults, for an agent of this name.
    pub(crate) fn new(prefix: MetricPath, host: String) -> Self {
        Self {
            prefix,
            host,
            form: Form::Path,
            templates: Vec::new(),
            tags: ["host", "app", "slot", "framework"]
                .map(str::to_owned)
                .into(),
            labels: Vec::new(),
            slot_reuse_after: SLOT_REUSE_AFTER,
            state_file: None,
            fields: FieldRules::default(),
            fields_by_kind: Vec::new(),
            most_series: MOST_SERIES,
        }
    }
}

/// How subjects are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Form {
    /// By the components of a dotted path.
    #[default]
    Path,
    /// By Graphite 1.1's tags.
    Tags,
}

/// A label of a task or executor that may become a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LabelRule {
    /// The label's key.
    pub(crate) label: String,
    /// What the tag or variable is called.
    pub(crate) tag: String,
}

/// Patterns of fields' names, in which `*` stands for any text and `?` for any character.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct FieldRules {
    /// Those there are; empty: all.
    pub(crate) allow: Vec<String>,
    /// Of those, the ones there are not.
    pub(crate) deny: Vec<String>,
}
