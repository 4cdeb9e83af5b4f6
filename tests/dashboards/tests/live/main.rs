//! The dashboards on a real Graphite.
#![allow(clippy::unwrap_used, reason = "a test")]
#![forbid(unsafe_code)]

mod filled;
mod reader;
mod understood;

/// All dashboards for Grafana, in both forms.
fn of_grafana() -> Vec<(String, serde_json::Value)> {
    let all = dashboards::files::all().into_iter();
    all.filter(|(name, _)| name.starts_with("grafana/"))
        .collect()
}
