//! The readable part of an executor's id.
//!
//! Frameworks make ids unique with UUIDs, times and running numbers. In a metric name those would
//! make new series with every restart, without end; what is left without them is the name a person
//! gave the application. Which instance it is says the slot, see [`crate::Roster`].

/// Stands for an id in which nothing is readable.
const UNNAMED: &str = "unnamed";

/// The digits of an epoch in seconds; fewer may be a date or a port that means something.
const EPOCH_DIGITS: usize = 10;

/// The digits of an epoch in milliseconds.
const EPOCH_MILLIS_DIGITS: usize = 13;

/// From this length on hexadecimal digits are an id (Docker's short ids have 12), not a word.
const HEX_ID: usize = 12;

/// Reduces an executor id to words of `[A-Za-z0-9]` joined by `-` and `_`. Never empty, never with a
/// UUID in it, not bounded in length.
///
/// | made by | id | app |
/// |---|---|---|
/// | Marathon | `group_app.UUID`, `group_app.instance-UUID._app.3` | `group_app` |
/// | Marathon pod | `instance-group_pod.UUID` | `group_pod` |
/// | mesos-compose | `project_service.UUID.1` | `project_service` |
/// | framework, task | `framework.task.UUID` | `framework_task` |
/// | Singularity | `request-deploy-1445000000000-1-host-rack` | `request` |
/// | Chronos | `ct:1445000000000:0:job:` | `job` |
/// | by hand | `db-0` | `db` |
pub fn app_name(executor_id: &str) -> String {
    let given = singularity_request(executor_id)
        .or_else(|| chronos_job(executor_id))
        .unwrap_or(executor_id);
    let words = readable_words(&without_uuids(given));
    if words.is_empty() {
        UNNAMED.to_owned()
    } else {
        words
    }
}

/// Singularity: `SingularityTaskId.getId`, six parts of which only the first may hold a `-`:
/// request, deploy, start in ms, instance number, host, rack.
fn singularity_request(id: &str) -> Option<&str> {
    let mut parts = id.rsplitn(6, '-');
    let (_rack, _host) = (parts.next()?, parts.next()?);
    let (instance, started, _deploy) = (parts.next()?, parts.next()?, parts.next()?);
    let request = parts.next()?;
    let is_one = is_number(instance) && is_number(started) && started.len() == EPOCH_MILLIS_DIGITS;
    (is_one && !request.is_empty()).then_some(request)
}

/// Chronos: `TaskUtils.getTaskId`, `ct:<due in ms>:<attempt>:<job>:<arguments>`.
fn chronos_job(id: &str) -> Option<&str> {
    let mut parts = id.strip_prefix("ct:")?.splitn(4, ':');
    let (due, attempt, job) = (parts.next()?, parts.next()?, parts.next()?);
    (is_number(due) && is_number(attempt)).then_some(job)
}

/// Cuts out every UUID, and what Marathon puts around one: `instance-` before it or at the very
/// front, `marathon-` at the front, and the `_app` that stands for an app's only container
/// (Marathon: `Task.scala`, `Instance.scala`, `TaskBuilder.scala`).
fn without_uuids(id: &str) -> String {
    let mut kept = String::with_capacity(id.len());
    let mut rest = id;
    let mut found = false;
    while let Some(at) = find_uuid(rest) {
        found = true;
        let (before, after) = (&rest[..at], &rest[at + UUID_LENGTH..]);
        kept.push_str(before.strip_suffix("instance-").unwrap_or(before));
        kept.push('.');
        let anonymous = after
            .strip_prefix("._app")
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
fn readable_words(text: &str) -> String {
    let is_separator = |c: char| !c.is_ascii_alphanumeric();
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
    joined
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit())
}

/// Whether a word is an id or a time rather than a name.
fn is_opaque(word: &str) -> bool {
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let is_hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    (is_number(word) && word.len() >= EPOCH_DIGITS) || (is_hex && has_digit && word.len() >= HEX_ID)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UUID: &str = "4c0e7f3e-7d3a-11e5-8d7f-0242ac110002";

    fn apps(pairs: &[(&str, &str)]) {
        for (id, app) in pairs {
            let id = id.replace("UUID", UUID);
            assert_eq!(app_name(&id), *app, "{id}");
        }
    }

    #[test]
    fn marathon_s_ids_give_group_and_app() {
        apps(&[
            ("group_app.UUID", "group_app"),
            ("group_app.instance-UUID._app", "group_app"),
            ("group_app.instance-UUID._app.3", "group_app"),
            ("group_pod.instance-UUID.rails.42", "group_pod_rails"),
            ("instance-group_pod.UUID", "group_pod"),
            ("instance-group_pod.instance-UUID", "group_pod"),
            ("marathon-group_app.UUID", "group_app"),
            ("prod_my-shop_front.UUID", "prod_my-shop_front"),
        ]);
    }

    #[test]
    fn other_frameworks_ids_give_what_a_person_named() {
        apps(&[
            ("project_service.UUID.1", "project_service"),
            ("framework.task.UUID", "framework_task"),
            (
                "my-request-d41-1445000000000-12-host_a-rack_1",
                "my-request",
            ),
            ("ct:1445000000000:0:nightly job:-x 1", "nightly_job"),
            ("thermos-www-prod-hello-3-UUID", "thermos-www-prod-hello"),
            ("node-0-server__UUID", "node-0-server"),
            (
                "jenkins-0123456789abcdef0123456789abcdef-java",
                "jenkins-java",
            ),
        ]);
    }

    #[test]
    fn plain_ids_lose_only_their_running_number() {
        apps(&[
            ("db", "db"),
            ("db-0", "db"),
            ("db.12.7", "db"),
            ("web2", "web2"),
            ("app-v2-blue", "app-v2-blue"),
            ("shard-3-of-8-cache", "shard-3-of-8-cache"),
            ("deadbeef", "deadbeef"),
            ("effaced-facade", "effaced-facade"),
            ("20151021-import", "20151021-import"),
        ]);
    }

    #[test]
    fn an_id_without_a_readable_part_is_unnamed() {
        apps(&[
            ("", "unnamed"),
            ("17", "unnamed"),
            ("UUID", "unnamed"),
            ("UUID.UUID-3", "unnamed"),
            ("instance-UUID._app.1", "unnamed"),
            ("../..", "unnamed"),
            ("日本", "unnamed"),
            ("1445000000000", "unnamed"),
        ]);
    }

    #[test]
    fn hostile_ids_become_plain_words() {
        apps(&[
            ("../../etc/passwd", "etc_passwd"),
            ("a b\nc\u{0}d 1 2\n", "a_b_c_d"),
            ("a;tag=x", "a_tag_x"),
            ("käse", "k_se"),
            ("a..b--c__d", "a_b-c_d"),
        ]);
    }

    #[test]
    fn a_uuid_is_known_in_either_case_and_whatever_stands_around_it() {
        let upper = UUID.to_uppercase();
        assert_eq!(app_name(&format!("a.{upper}.b")), "a_b");
        assert_eq!(app_name(&format!("x{UUID}{UUID}y")), "x_y");
    }

    #[test]
    fn no_app_name_ever_holds_a_uuid_or_another_character() {
        for id in [
            format!("{UUID}{UUID}"),
            format!("a-{UUID}-{UUID}-b"),
            format!("é{UUID}é"),
            format!("{}{UUID}", "-".repeat(500)),
        ] {
            let app = app_name(&id);
            assert!(!app.contains(UUID), "{app}");
            assert!(!app.is_empty());
            assert!(
                app.bytes()
                    .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'),
                "{app}"
            );
        }
    }
}
