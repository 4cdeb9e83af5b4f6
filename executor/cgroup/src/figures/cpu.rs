use std::path::Path;
use std::time::Duration;

use super::CpuFigures;
use crate::Error;
use crate::kernel_file::{Keyed, read_number_if_present};

/// v1 counts some times in ticks, of which user space is shown a hundred a second on every Linux
/// (`USER_HZ`).
const TICK: Duration = Duration::from_millis(10);

impl CpuFigures {
    pub(super) fn read_v1_usage(&mut self, directory: &Path) -> Result<(), Error> {
        let usage = read_number_if_present(&directory.join("cpuacct.usage"))?;
        self.usage = usage.map(Duration::from_nanos);
        let path = directory.join("cpuacct.stat");
        let stat = Keyed::read_if_present(&path)?;
        // Saturated, it is some thousand years.
        let time = |ticks: u64| TICK.saturating_mul(u32::try_from(ticks).unwrap_or(u32::MAX));
        self.user = stat.get("user")?.map(time);
        self.system = stat.get("system")?.map(time);
        Ok(())
    }

    pub(super) fn read_v1_quota(&mut self, directory: &Path) -> Result<(), Error> {
        let path = directory.join("cpu.stat");
        let stat = Keyed::read_if_present(&path)?;
        self.periods = stat.get("nr_periods")?;
        self.throttled_periods = stat.get("nr_throttled")?;
        self.throttled = stat.get("throttled_time")?.map(Duration::from_nanos);
        Ok(())
    }

    pub(super) fn read_v2(&mut self, directory: &Path) -> Result<(), Error> {
        let path = directory.join("cpu.stat");
        let stat = Keyed::read_if_present(&path)?;
        self.usage = stat.get("usage_usec")?.map(Duration::from_micros);
        self.user = stat.get("user_usec")?.map(Duration::from_micros);
        self.system = stat.get("system_usec")?.map(Duration::from_micros);
        self.periods = stat.get("nr_periods")?;
        self.throttled_periods = stat.get("nr_throttled")?;
        self.throttled = stat.get("throttled_usec")?.map(Duration::from_micros);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn both_versions_tell_the_same_times_in_units_of_their_own() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        fs::write(at.join("cpuacct.usage"), "1500000000\n").unwrap();
        fs::write(at.join("cpuacct.stat"), "user 120\nsystem 30\n").unwrap();
        fs::write(
            at.join("cpu.stat"),
            "nr_periods 7\nnr_throttled 3\nthrottled_time 250000000\n",
        )
        .unwrap();
        let mut v1 = CpuFigures::default();
        v1.read_v1_usage(at).unwrap();
        v1.read_v1_quota(at).unwrap();
        fs::write(
            at.join("cpu.stat"),
            "usage_usec 1500000\nuser_usec 1200000\nsystem_usec 300000\n\
             nr_periods 7\nnr_throttled 3\nthrottled_usec 250000\n",
        )
        .unwrap();
        let mut v2 = CpuFigures::default();
        v2.read_v2(at).unwrap();
        assert_eq!(v1, v2);
        assert_eq!(v1.usage, Some(Duration::from_millis(1500)));
        assert_eq!(v1.throttled_periods, Some(3));
    }

    #[test]
    fn what_a_kernel_does_not_count_is_absent() {
        let directory = tempfile::tempdir().unwrap();
        let mut figures = CpuFigures::default();
        figures.read_v1_usage(directory.path()).unwrap();
        figures.read_v2(directory.path()).unwrap();
        assert_eq!(figures, CpuFigures::default());
    }
}
