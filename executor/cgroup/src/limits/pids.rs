use cgroups_rs::fs::MaxValue;
use cgroups_rs::fs::pid::PidController;

use super::{Limits, Place, refused};
use crate::Error;
use crate::version::Version;

pub(super) fn write(limits: &Limits, place: Place<'_>) -> Result<(), Error> {
    if place.is_new && limits.pids.is_none() {
        return Ok(());
    }
    let limit = limits.pids.map_or(MaxValue::Max, |pids| {
        MaxValue::Value(i64::try_from(pids).unwrap_or(i64::MAX))
    });
    let text = limit.to_string();
    let directory = place.directory;
    let v2 = place.version == Version::V2;
    PidController::new(directory.to_owned(), directory.to_owned(), v2)
        .set_pid_max(limit)
        .map_err(refused(directory, "pids.max", text))
}
