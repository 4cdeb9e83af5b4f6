use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::outcome::Outcome;
use crate::rows::Row;
use crate::seen::Seen;
use crate::world::Task;

/// What the program tells.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Report {
    /// What it sees.
    pub seen: Seen,
    /// What came of each row, by its name.
    pub outcomes: BTreeMap<String, Outcome>,
}

impl Report {
    /// Every row that is not as expected, one line each; a row that was not tried is one of them.
    pub fn breaches<'a>(
        &self,
        table: impl IntoIterator<Item = &'a Row>,
        task: Task,
    ) -> Vec<String> {
        let judge = |row: &Row| {
            let expected = row.expected(task);
            let found = match self.outcomes.get(row.name) {
                Some(outcome) if expected.holds(outcome) => return None,
                Some(outcome) => outcome.to_string(),
                None => "not tried".to_owned(),
            };
            let name = row.name;
            Some(format!("{name}: expected {expected}, found {found}"))
        };
        table.into_iter().filter_map(judge).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rows::TABLE;

    #[test]
    fn a_row_that_was_not_tried_is_a_breach() {
        let report = Report {
            seen: Seen::default(),
            outcomes: BTreeMap::new(),
        };
        let rows = || TABLE.iter().copied().flatten();
        assert_eq!(report.breaches(rows(), Task::Root).len(), rows().count());
    }
}
