//! The readable part of an executor's or task's id.
//!
//! Frameworks make ids unique with UUIDs, times and running numbers. In a metric name those would
//! make new series with every restart, without end; what is left without them is the name a person
//! gave the application. Which instance it is says the slot, see [`crate::Roster`].

mod frameworks;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::COMPONENT_MAX;
use crate::distinct::{MARKED, distinct, mark};

/// Stands for an id in which nothing is readable.
const UNNAMED: &str = "unnamed";

/// The digits of an epoch in seconds; fewer may be a date or a port that means something.
const EPOCH_DIGITS: usize = 10;

/// From this length on hexadecimal digits are an id (Docker's short ids have 12), not a word.
const HEX_ID: usize = 12;

/// Reduces an executor's or task's id to words of `[A-Za-z0-9]` joined by `-` and `_`. Never empty, never with a UUID in
/// it, never over [`COMPONENT_MAX`].
///
/// | made by | id | app |
/// |---|---|---|
/// | Marathon | `group_app.UUID`, `group_app.instance-UUID._app.3` | `group_app` |
/// | Marathon pod | `instance-group_pod.UUID`; a task of it `group_pod.instance-UUID.rails.42` | `group_pod`; `group_pod_rails` |
/// | Metronome | `prod_job_20161201120000AbC9x.UUID` | `prod_job` |
/// | mesos-compose | `project_service.UUID.1` | `project_service` |
/// | mesos-framework | `framework.task.UUID` | `framework_task` |
/// | stack-deploy | `app\|host\|UUID` | `app` |
/// | Jenkins | `jenkins-agent-label-UUID`, `mesos-jenkins-1a2b3c4d-label` | `jenkins-agent-label`, `mesos-jenkins-label` |
/// | Aurora | `thermos-role-env-job-3-UUID` | `role-env-job` |
/// | Singularity | `request-deploy-1445000000000-1-host-rack` | `request` |
/// | Chronos | `ct:1445000000000:0:job:` | `job` |
/// | Spark | `driver-20151021120000-0001-retry-2` | `driver` |
/// | by hand | `db-0` | `db` |
///
/// Ids that differ only in what parts their words have the same app. Those that differ in letters have not: where
/// letters cannot be kept, there is a hash behind the rest (see [`distinct()`](crate::distinct())).
pub fn app_name(id: &str) -> String {
    readable_part(id).unwrap_or_else(|| UNNAMED.to_owned())
}

/// As [`app_name()`]; None if nothing in it is readable.
pub fn readable_part(id: &str) -> Option<String> {
    let given = frameworks::named_by_a_person(id);
    readable_words(&without_uuids(&given))
}

/// As [`distinct()`](crate::distinct()), but for a text with a UUID in it, of which it leaves the readable part: the hash
/// behind that tells it from others as well, and is shorter.
pub fn distinct_without_uuid<'a>(text: &'a str, most: usize, also: &[u8]) -> Cow<'a, str> {
    if find_uuid(text).is_none() {
        return distinct(text, most, also);
    }
    let mut readable = app_name(text);
    readable.truncate(most.saturating_sub(MARKED));
    mark(&mut readable, text);
    Cow::Owned(readable)
}

/// Cuts out every UUID, and what Marathon puts around one: `instance-` before it or at the very front, `marathon-`
/// likewise, and the `_app` or `$anon` that stands for an app's only container (Marathon: `Task.scala`,
/// `Instance.scala`, `TaskBuilder.scala`).
fn without_uuids(id: &str) -> String {
    let mut kept = String::with_capacity(id.len());
    let mut rest = id;
    let mut found = false;
    while let Some(at) = find_uuid(rest) {
        found = true;
        let (before, after) = (&rest[..at], &rest[at + UUID_LENGTH..]);
        let marked = before
            .strip_suffix("instance-")
            .or(before.strip_suffix(".marathon-"));
        kept.push_str(marked.unwrap_or(before));
        kept.push('.');
        let anonymous = after
            .strip_prefix("._app")
            .or(after.strip_prefix(".$anon"))
            .filter(|after| after.is_empty() || after.starts_with('.'));
        rest = anonymous.unwrap_or(after);
    }
    kept.push_str(rest);
    if found
        && let Some(named) = kept
            .strip_prefix("instance-")
            .or(kept.strip_prefix("marathon-"))
    {
        return named.to_owned();
    }
    kept
}

const UUID_LENGTH: usize = 36;

/// Where the first UUID begins: `8-4-4-4-12` hexadecimal digits, whatever stands around them.
fn find_uuid(text: &str) -> Option<usize> {
    text.as_bytes().windows(UUID_LENGTH).position(|candidate| {
        candidate.iter().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => *byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
    })
}

/// Joins the words that mean something. What stands between two words becomes one `-` or `_`.
fn readable_words(text: &str) -> Option<String> {
    let is_separator = |c: char| !c.is_alphanumeric();
    let mut words: Vec<(bool, &str)> = Vec::new();
    let mut dashed = false;
    for piece in text.split_inclusive(is_separator) {
        let word = piece.trim_end_matches(is_separator);
        if !word.is_empty() && !is_opaque(word) {
            words.push((dashed, word));
        }
        dashed = piece.ends_with('-');
    }
    while words.last().is_some_and(|(_, word)| is_number(word)) {
        words.pop();
    }
    let mut joined = String::with_capacity(text.len());
    for (dashed, word) in words {
        if !joined.is_empty() {
            joined.push(if dashed { '-' } else { '_' });
        }
        joined.push_str(word);
    }
    if joined.is_empty() {
        return None;
    }
    if joined.len() <= COMPONENT_MAX && joined.is_ascii() {
        return Some(joined);
    }
    let ascii = |c: char| if c.is_ascii() { c } else { '_' };
    let mut cut: String = joined
        .chars()
        .map(ascii)
        .take(COMPONENT_MAX - MARKED)
        .collect();
    if cut.bytes().all(|byte| byte == b'_') {
        UNNAMED.clone_into(&mut cut);
    }
    mark(&mut cut, &joined);
    Some(cut)
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is an id or a time rather than a name.
fn is_opaque(word: &str) -> bool {
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    (is_number(word) && word.len() >= EPOCH_DIGITS)
        || (is_hex && has_digit && word.len() >= HEX_ID)
        || frameworks::is_a_run_of_metronome(word)
}
