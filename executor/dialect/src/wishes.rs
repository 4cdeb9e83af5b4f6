//! What a task may ask for beside its command, by data or by labels.

use std::time::Duration;

use mesos_proto::MesosDuration;

use crate::life_json::LifeWishes;
use crate::{
    Allowed, Check, CommandError, Life, LimitWishes, LogWishes, Options, Place, SandboxWishes,
};

/// What one source asks for; none where it is silent.
#[derive(Debug, Default)]
pub(crate) struct Wishes {
    pub(crate) health_checks: Option<Vec<Check>>,
    pub(crate) readiness_checks: Option<Vec<Check>>,
    pub(crate) success_codes: Option<Vec<i32>>,
    pub(crate) unhealthy_is_failed: Option<bool>,
    pub(crate) kill_grace: Option<Duration>,
    pub(crate) descriptor_limit: Option<u64>,
    pub(crate) process_limit: Option<u64>,
    pub(crate) logs: Option<LogWishes>,
    pub(crate) messages: Option<Allowed>,
    pub(crate) life: LifeWishes,
    pub(crate) sandbox: Option<SandboxWishes>,
    pub(crate) limits: Option<LimitWishes>,
}

impl Wishes {
    /// These, and those of a weaker source where these are silent.
    pub(crate) fn or(self, weaker: Self) -> Self {
        Self {
            health_checks: self.health_checks.or(weaker.health_checks),
            readiness_checks: self.readiness_checks.or(weaker.readiness_checks),
            success_codes: self.success_codes.or(weaker.success_codes),
            unhealthy_is_failed: self.unhealthy_is_failed.or(weaker.unhealthy_is_failed),
            kill_grace: self.kill_grace.or(weaker.kill_grace),
            descriptor_limit: self.descriptor_limit.or(weaker.descriptor_limit),
            process_limit: self.process_limit.or(weaker.process_limit),
            logs: self.logs.or(weaker.logs),
            messages: self.messages.or(weaker.messages),
            life: self.life.or(weaker.life),
            sandbox: self.sandbox.or(weaker.sandbox),
            limits: self.limits.or(weaker.limits),
        }
    }

    /// The checks, and the options and the life with their defaults filled in.
    pub(crate) fn granted(self) -> (Vec<Check>, Options, Life) {
        let mut checks = self.health_checks.unwrap_or_default();
        checks.extend(self.readiness_checks.unwrap_or_default());
        let default = Options::default();
        let options = Options {
            success_codes: self.success_codes.unwrap_or(default.success_codes),
            unhealthy_is_failed: self
                .unhealthy_is_failed
                .unwrap_or(default.unhealthy_is_failed),
            kill_grace: self.kill_grace,
            descriptor_limit: self.descriptor_limit,
            process_limit: self.process_limit,
        };
        (checks, options, self.life.granted())
    }
}

pub(crate) fn success_codes(
    place: Place,
    key: &'static str,
    codes: &[i64],
) -> Result<Vec<i32>, CommandError> {
    let in_bounds = |code: &i64| i32::try_from(*code).ok().filter(|c| (0..=255).contains(c));
    let checked: Option<Vec<i32>> = codes.iter().map(in_bounds).collect();
    checked
        .filter(|codes| !codes.is_empty())
        .ok_or(CommandError::Bounds {
            place,
            key,
            wanted: "at least one exit status from 0 to 255",
        })
}

pub(crate) fn unhealthy_is_failed(place: Place, text: &str) -> Result<bool, CommandError> {
    match text {
        "failed" => Ok(true),
        "killed" => Ok(false),
        _ => Err(CommandError::Bounds {
            place,
            key: "unhealthy",
            wanted: "failed or killed",
        }),
    }
}

pub(crate) fn kill_grace(place: Place, text: &str) -> Result<Duration, CommandError> {
    let parsed = text.parse().ok().and_then(MesosDuration::to_std);
    parsed.ok_or(CommandError::Bounds {
        place,
        key: "kill_grace",
        wanted: "a duration such as 30secs",
    })
}

pub(crate) fn limit(place: Place, key: &'static str, most: u64) -> Result<u64, CommandError> {
    // The kernel's own types for both end here.
    match (1..=u64::from(u32::MAX)).contains(&most) {
        true => Ok(most),
        false => Err(CommandError::Bounds {
            place,
            key,
            wanted: "from 1 to 4294967295",
        }),
    }
}
