//! What somebody may have meant.

/// What somebody may have meant who wrote `written`: the nearest of `known`, if any is near.
pub fn nearest<'k>(written: &str, known: impl Iterator<Item = &'k str>) -> Option<String> {
    let most = written.chars().count().div_ceil(3).max(1);
    known
        .map(|key| (distance(written, key), key))
        .filter(|(distance, _)| *distance <= most)
        .min()
        .map(|(_, key)| key.to_owned())
}

/// How many characters have to be put in, taken out or changed (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (line, here) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = line + 1;
        for (column, there) in other.iter().enumerate() {
            let changed = diagonal + usize::from(here != *there);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_meant_is_suggested_and_nothing_far_off() {
        let known = || ["interval", "limit.soft_share"].into_iter();
        assert_eq!(nearest("intervall", known()).as_deref(), Some("interval"));
        let near = nearest("limit.soft-share", known());
        assert_eq!(near.as_deref(), Some("limit.soft_share"));
        assert_eq!(nearest("wholly.different.thing", known()), None);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
