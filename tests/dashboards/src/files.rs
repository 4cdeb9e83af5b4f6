//! Which files there are, and what is in them.

use std::path::PathBuf;

use serde_json::Value;

use crate::expression::Form;
use crate::{boards, grafana, graphite_web};

/// Where they lie.
#[must_use]
pub fn directory() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../packaging/dashboards"
    ))
}

/// Each file's path below the directory, and what belongs in it.
#[must_use]
pub fn all() -> Vec<(String, Value)> {
    let boards = boards::all();
    let all = boards.iter().flat_map(|board| {
        let name = board.name;
        [
            (
                format!("grafana/path/{name}.json"),
                grafana::dashboard(board, Form::Path),
            ),
            (
                format!("grafana/tags/{name}.json"),
                grafana::dashboard(board, Form::Tags),
            ),
            (
                format!("graphite-web/{name}.json"),
                graphite_web::dashboard(board),
            ),
        ]
    });
    all.collect()
}

/// A file's text.
#[must_use]
pub fn text(content: &Value) -> String {
    format!("{content:#}\n")
}
