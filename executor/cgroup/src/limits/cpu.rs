use cgroups_rs::fs::cpu::CpuController;

use super::{Limits, Place, refused};
use crate::Error;
use crate::version::Version;

/// Relative cpu time for each cpu (Mesos: src/slave/containerizer/mesos/isolators/cgroups/constants.hpp).
const SHARES_PER_CPU: f64 = 1024.0;
/// The kernel's own least number of shares.
const MINIMUM_SHARES: u64 = 2;
/// The period over which a hard limit holds: the kernel's default, and Mesos's.
const CFS_PERIOD_US: u64 = 100_000;
/// The kernel refuses a shorter quota.
const MINIMUM_QUOTA_US: i64 = 1000;

/// `cpu.shares`: truncated as Mesos truncates it.
fn shares(limits: &Limits) -> u64 {
    // A negative or undefined number of cpus becomes 0, then the minimum.
    ((limits.cpus * SHARES_PER_CPU) as u64).max(MINIMUM_SHARES)
}

/// `cpu.weight`, by the kernel's own conversion (`sched_weight_to_cgroup`), by which v1's
/// default of 1024 is v2's default of 100 and proportions stay.
fn weight(limits: &Limits) -> u64 {
    ((shares(limits) * 100 + 512) / 1024).clamp(1, 10_000)
}

/// Microseconds of cpu time in each period; -1 is no ceiling.
fn quota_us(limits: &Limits) -> i64 {
    limits.cpu_quota.map_or(-1, |cpus| {
        ((cpus * CFS_PERIOD_US as f64) as i64).max(MINIMUM_QUOTA_US)
    })
}

pub(super) fn write(limits: &Limits, place: Place<'_>) -> Result<(), Error> {
    let directory = place.directory;
    let v2 = place.version == Version::V2;
    let cpu = CpuController::new(directory.to_owned(), directory.to_owned(), v2);
    let (file, shares) = match place.version {
        Version::V1 => ("cpu.shares", shares(limits)),
        Version::V2 => ("cpu.weight", weight(limits)),
    };
    cpu.set_shares(shares)
        .map_err(refused(directory, file, shares))?;
    // A kernel without CFS bandwidth has no such file.
    if place.is_new && limits.cpu_quota.is_none() {
        return Ok(());
    }
    let quota = quota_us(limits);
    let file = match place.version {
        Version::V1 => "cpu.cfs_quota_us",
        Version::V2 => "cpu.max",
    };
    cpu.set_cfs_quota_and_period(Some(quota), Some(CFS_PERIOD_US))
        .map_err(refused(directory, file, quota))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_1024_a_cpu_and_never_below_the_kernels_minimum() {
        assert_eq!(shares(&Limits::of_cpus(1.0)), 1024);
        assert_eq!(shares(&Limits::of_cpus(0.1)), 102);
        for too_little in [0.0, 0.001, -3.0, f64::NAN] {
            assert_eq!(shares(&Limits::of_cpus(too_little)), 2);
        }
    }

    #[test]
    fn the_weight_keeps_the_proportions_of_the_shares() {
        assert_eq!(weight(&Limits::of_cpus(1.0)), 100);
        assert_eq!(weight(&Limits::of_cpus(4.0)), 400);
        assert_eq!(weight(&Limits::of_cpus(0.0)), 1);
        assert_eq!(weight(&Limits::of_cpus(1e9)), 10_000);
    }

    #[test]
    fn no_quota_is_minus_one_and_a_tiny_one_is_the_kernels_minimum() {
        let quota = |cpu_quota| {
            quota_us(&Limits {
                cpu_quota,
                ..Limits::of_cpus(1.0)
            })
        };
        assert_eq!(quota(None), -1);
        assert_eq!(quota(Some(1.5)), 150_000);
        assert_eq!(quota(Some(0.001)), 1000);
    }
}
