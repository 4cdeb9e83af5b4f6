//! What is to come of a sandbox that breaks its limit: the operator's rules.

/// What is done about a breach.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Mode {
    /// It is counted, in the metrics alone.
    #[default]
    Observe,
    /// It is told, in the log and as an event, too.
    Warn,
    /// What breaks its limit is ended.
    Enforce,
}
