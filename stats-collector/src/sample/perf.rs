//! What `perf stat` counted of one container (Mesos: include/mesos/mesos.proto, `PerfStatistics`).

use serde::de::MapAccess;

use super::message::{Message, Pending};
use crate::model::numbers;

numbers! {
    /// The events of one interval, not since the beginning: each sample stands for itself. An event that was not asked
    /// for is absent.
    struct Perf, named "perf." along None;

    timestamp: f64, Gauge Timestamp, "When the counting began.";
    duration: f64, Gauge Seconds, "How long was counted.";

    cycles: u64, Gauge Count, "Processor cycles.";
    stalled_cycles_frontend: u64, Gauge Count, "Cycles in which no instruction was at hand.";
    stalled_cycles_backend: u64, Gauge Count, "Cycles in which instructions waited for resources.";
    instructions: u64, Gauge Count, "Instructions that were retired.";
    cache_references: u64, Gauge Count, "References to the last cache.";
    cache_misses: u64, Gauge Count, "Those that it did not have.";
    branches: u64, Gauge Count, "Branch instructions.";
    branch_misses: u64, Gauge Count, "Those that were mispredicted.";
    bus_cycles: u64, Gauge Count, "Cycles of the bus.";
    ref_cycles: u64, Gauge Count, "Cycles at the nominal frequency.";

    cpu_clock: f64, Gauge Milliseconds, "Time by the processors' clock.";
    task_clock: f64, Gauge Milliseconds, "Time by the tasks' clock.";
    page_faults: u64, Gauge Count, "Page faults.";
    minor_faults: u64, Gauge Count, "Page faults without I/O.";
    major_faults: u64, Gauge Count, "Page faults with I/O.";
    context_switches: u64, Gauge Count, "Context switches.";
    cpu_migrations: u64, Gauge Count, "Moves to another processor.";
    alignment_faults: u64, Gauge Count, "Unaligned accesses that the kernel mended.";
    emulation_faults: u64, Gauge Count, "Instructions that the kernel emulated.";

    l1_dcache_loads: u64, Gauge Count, "Loads from the first data cache.";
    l1_dcache_load_misses: u64, Gauge Count, "Loads that missed the first data cache.";
    l1_dcache_stores: u64, Gauge Count, "Stores to the first data cache.";
    l1_dcache_store_misses: u64, Gauge Count, "Stores that missed the first data cache.";
    l1_dcache_prefetches: u64, Gauge Count, "Prefetches from the first data cache.";
    l1_dcache_prefetch_misses: u64, Gauge Count, "Prefetches that missed the first data cache.";
    l1_icache_loads: u64, Gauge Count, "Loads from the first instruction cache.";
    l1_icache_load_misses: u64, Gauge Count, "Loads that missed the first instruction cache.";
    l1_icache_prefetches: u64, Gauge Count, "Prefetches from the first instruction cache.";
    l1_icache_prefetch_misses: u64, Gauge Count, "Prefetches that missed the first instruction cache.";
    llc_loads: u64, Gauge Count, "Loads from the last cache.";
    llc_load_misses: u64, Gauge Count, "Loads that missed the last cache.";
    llc_stores: u64, Gauge Count, "Stores to the last cache.";
    llc_store_misses: u64, Gauge Count, "Stores that missed the last cache.";
    llc_prefetches: u64, Gauge Count, "Prefetches from the last cache.";
    llc_prefetch_misses: u64, Gauge Count, "Prefetches that missed the last cache.";
    dtlb_loads: u64, Gauge Count, "Loads from the data TLB.";
    dtlb_load_misses: u64, Gauge Count, "Loads that missed the data TLB.";
    dtlb_stores: u64, Gauge Count, "Stores to the data TLB.";
    dtlb_store_misses: u64, Gauge Count, "Stores that missed the data TLB.";
    dtlb_prefetches: u64, Gauge Count, "Prefetches from the data TLB.";
    dtlb_prefetch_misses: u64, Gauge Count, "Prefetches that missed the data TLB.";
    itlb_loads: u64, Gauge Count, "Loads from the instruction TLB.";
    itlb_load_misses: u64, Gauge Count, "Loads that missed the instruction TLB.";
    branch_loads: u64, Gauge Count, "Loads from the branch predictor.";
    branch_load_misses: u64, Gauge Count, "Loads that missed the branch predictor.";
    node_loads: u64, Gauge Count, "Loads from the node's memory.";
    node_load_misses: u64, Gauge Count, "Loads that missed the node's memory.";
    node_stores: u64, Gauge Count, "Stores to the node's memory.";
    node_store_misses: u64, Gauge Count, "Stores that missed the node's memory.";
    node_prefetches: u64, Gauge Count, "Prefetches from the node's memory.";
    node_prefetch_misses: u64, Gauge Count, "Prefetches that missed the node's memory.";
}

impl<'de> Message<'de> for Perf {
    const PATH: &'static str = "perf";

    fn take<A: MapAccess<'de>>(
        &mut self,
        key: &str,
        value: &mut Pending<'_, 'de, A>,
    ) -> Result<bool, A::Error> {
        value.one_of(self, key)
    }
}
