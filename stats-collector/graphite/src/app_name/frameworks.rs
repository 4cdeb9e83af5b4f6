//! The ids of frameworks from which the readable part cannot be told by general rules.

use std::borrow::Cow;

use super::is_number;

/// The digits of an epoch in milliseconds.
const EPOCH_MILLIS_DIGITS: usize = 13;

/// The digits of a time as `yyyyMMddHHmmss`.
const TIME_DIGITS: usize = 14;

/// The random letters and digits that Metronome puts behind a time.
const METRONOME_RANDOM: usize = 5;

/// What of an id a person chose, if the id is of a framework that is known here; else the id.
pub(super) fn named_by_a_person(id: &str) -> Cow<'_, str> {
    if let Some(jenkins) = jenkins_label(id) {
        return Cow::Owned(jenkins);
    }
    let named = singularity_request(id)
        .or_else(|| chronos_job(id))
        .or_else(|| stack_deploy_app(id))
        .or_else(|| spark_driver(id))
        .or_else(|| aurora_job(id));
    Cow::Borrowed(named.unwrap_or(id))
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

/// Chronos: `TaskUtils.getTaskId`, `ct:<due in ms>:<attempt>:<job>:<arguments>`, without the arguments in earlier
/// versions, and `ct_<due>_attempt<attempt>_<job>` in one of them.
fn chronos_job(id: &str) -> Option<&str> {
    if let Some(rest) = id.strip_prefix("ct_") {
        let mut parts = rest.splitn(3, '_');
        let (due, attempt, job) = (parts.next()?, parts.next()?, parts.next()?);
        let attempt = attempt.strip_prefix("attempt")?;
        return (is_number(due) && is_number(attempt)).then_some(job);
    }
    let mut parts = id.strip_prefix("ct:")?.splitn(4, ':');
    let (due, attempt, job) = (parts.next()?, parts.next()?, parts.next()?);
    (is_number(due) && is_number(attempt)).then_some(job)
}

/// stack-deploy: `run_once_application_context.go`, `<app>|<host>|<uuid>`.
fn stack_deploy_app(id: &str) -> Option<&str> {
    let mut parts = id.split('|');
    let (app, _host, _uuid) = (parts.next()?, parts.next()?, parts.next()?);
    (parts.next().is_none() && !app.is_empty()).then_some(app)
}

/// Spark: `MesosRestServer.scala`, `driver-<yyyyMMddHHmmss>-<number>`, and `MesosClusterScheduler.scala`, which puts
/// `-retry-<number>` behind it.
fn spark_driver(id: &str) -> Option<&str> {
    let (submitted, rest) = id.strip_prefix("driver-")?.split_once('-')?;
    let (number, retry) = rest.split_once("-retry-").unwrap_or((rest, "0"));
    let is_one =
        submitted.len() == TIME_DIGITS && [submitted, number, retry].into_iter().all(is_number);
    is_one.then_some("driver")
}

/// Aurora: `MesosTaskFactory.java` puts `thermos-` before a task's id (`TaskIdGenerator.java`,
/// `<role>-<env>-<job>-<instance>-<uuid>`) to make the executor's. Without it both have one name.
fn aurora_job(id: &str) -> Option<&str> {
    let task_id = id.strip_prefix("thermos-")?;
    let uuid_at = task_id.len().checked_sub(super::UUID_LENGTH)?;
    (super::find_uuid(task_id) == Some(uuid_at)).then_some(task_id)
}

/// Jenkins' Mesos plugin: `MesosUtils.java`, `mesos-jenkins-<8 or 32 hexadecimal digits of a UUID>-<label>`. Eight of
/// them alone would pass as a word.
fn jenkins_label(id: &str) -> Option<String> {
    let rest = id.strip_prefix("mesos-jenkins-")?;
    let (random, label) = rest.split_once('-').unwrap_or((rest, ""));
    let is_random = matches!(random.len(), 8 | 32) && random.bytes().all(|b| b.is_ascii_hexdigit());
    // A whole UUID begins with eight digits as well.
    let is_uuid = super::find_uuid(rest) == Some(0);
    (is_random && !is_uuid).then(|| format!("mesos-jenkins-{label}"))
}

/// Metronome: `JobRunId.scala`, a time as `yyyyMMddHHmmss` and five random letters or digits.
pub(super) fn is_a_run_of_metronome(word: &str) -> bool {
    let Some((time, random)) = word.split_at_checked(TIME_DIGITS) else {
        return false;
    };
    let is_within = |range: std::ops::Range<usize>, least: u32, most: u32| {
        let number = time.get(range).and_then(|digits| digits.parse().ok());
        number.is_some_and(|number: u32| (least..=most).contains(&number))
    };
    is_number(time)
        && random.len() == METRONOME_RANDOM
        && is_within(0..4, 2000, 2199)
        && is_within(4..6, 1, 12)
        && is_within(6..8, 1, 31)
        && is_within(8..10, 0, 23)
}
