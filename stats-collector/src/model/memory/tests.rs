use proptest::prelude::*;

use super::*;
use crate::model::{Nature, Unit};

const fn counter(name: &'static str) -> Field {
    Field {
        name,
        along: None,
        nature: Nature::Counter,
        unit: Unit::Count,
        help: "Counts.",
    }
}

static A: Field = counter("a");
static B: Field = counter("b");

/// What a counter grew by in each of these samples, by time and value.
fn growths(samples: &[(f64, u64)]) -> Vec<Option<f64>> {
    let mut memory = Memory::default();
    let each = samples.iter();
    each.map(|(at, value)| memory.since(*at).growth(&A, None, *value))
        .collect()
}

#[test]
fn a_counter_grows_from_its_second_sample_on() {
    let samples = [(10.0, 5), (20.0, 7), (30.0, 7), (40.0, 8)];
    assert_eq!(growths(&samples), [None, Some(2.0), Some(0.0), Some(1.0)]);
}

#[test]
fn a_rate_is_by_the_samples_own_times() {
    let mut memory = Memory::default();
    assert_eq!(memory.since(10.0).per_second(&A, None, 1.5), None);
    assert_eq!(memory.since(14.0).per_second(&A, None, 3.5), Some(0.5));
}

#[test]
fn a_counter_that_went_back_gives_nothing_and_goes_on_from_there() {
    let samples = [(10.0, 5), (20.0, 3), (30.0, 4)];
    assert_eq!(growths(&samples), [None, None, Some(1.0)]);
}

#[test]
fn a_sample_of_the_same_moment_is_as_if_it_had_not_been() {
    let samples = [(10.0, 5), (10.0, 6), (10.4, 7), (20.0, 9)];
    assert_eq!(growths(&samples), [None, None, None, Some(4.0)]);
    let mut memory = Memory::default();
    memory.since(10.0).growth(&A, None, 5_u64);
    memory.since(10.0);
    assert_eq!(memory.since(20.0).elapsed(), Some(10.0));
}

#[test]
fn a_clock_that_went_back_gives_nothing_and_goes_on_from_there() {
    let samples = [(1000.0, 5), (10.0, 6), (20.0, 9)];
    assert_eq!(growths(&samples), [None, None, Some(3.0)]);
}

#[test]
fn a_time_that_is_none_is_as_if_it_had_not_been() {
    for odd in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let samples = [(10.0, 5), (odd, 6), (20.0, 9)];
        assert_eq!(growths(&samples), [None, None, Some(4.0)], "{odd}");
    }
}

#[test]
fn a_counter_that_was_away_is_compared_with_nothing_older() {
    let mut memory = Memory::default();
    {
        let mut since = memory.since(10.0);
        since.growth(&A, None, 1_u64);
        since.growth(&B, None, 1_u64);
    }
    assert_eq!(memory.since(20.0).growth(&B, None, 3_u64), Some(2.0));
    let mut since = memory.since(30.0);
    assert_eq!(since.growth(&A, None, 9_u64), None);
    assert_eq!(since.growth(&B, None, 4_u64), Some(1.0));
}

#[test]
fn several_of_a_kind_are_told_apart_whatever_their_order() {
    let mut memory = Memory::default();
    {
        let mut since = memory.since(10.0);
        for (name, value) in [("sda", 1_u64), ("sdb", 10), ("sdc", 100)] {
            since.growth(&A, Some(name), value);
        }
        since.growth(&A, None, 1000_u64);
    }
    let mut since = memory.since(20.0);
    assert_eq!(since.growth(&A, None, 1004_u64), Some(4.0));
    assert_eq!(since.growth(&A, Some("sdc"), 103_u64), Some(3.0));
    assert_eq!(since.growth(&A, Some("new"), 5_u64), None);
    assert_eq!(since.growth(&A, Some("sda"), 2_u64), Some(1.0));
    assert_eq!(since.growth(&A, Some("sdb"), 12_u64), Some(2.0));
}

#[test]
fn growth_is_exact_between_numbers_that_no_float_holds() {
    let samples = [(10.0, u64::MAX - 5), (20.0, u64::MAX - 2)];
    assert_eq!(growths(&samples)[1], Some(3.0));
    let mut memory = Memory::default();
    memory.since(10.0).growth(&A, None, i64::MIN);
    assert_eq!(memory.since(20.0).growth(&A, None, i64::MIN + 7), Some(7.0));
}

#[test]
fn a_difference_may_be_below_zero() {
    let mut memory = Memory::default();
    memory.since(10.0).difference(&A, None, 10_u64);
    assert_eq!(memory.since(20.0).difference(&A, None, 4_u64), Some(-6.0));
    assert_eq!(memory.since(30.0).difference(&A, None, 5_u64), Some(1.0));
}

/// What a counter of periods grew by from the one to the other, so many seconds later.
fn periods(before: u32, now: u32, elapsed: f64) -> Option<f64> {
    let mut memory = Memory::default();
    memory.since(10.0).growth_of_periods(&A, before);
    memory.since(10.0 + elapsed).growth_of_periods(&A, now)
}

#[test]
fn a_counter_of_periods_that_went_past_its_end_is_told_from_one_that_began_anew() {
    assert_eq!(periods(100, 200, 10.0), Some(100.0));
    assert_eq!(
        periods(u32::MAX - 49, 50, 10.0),
        Some(100.0),
        "past its end"
    );
    assert_eq!(periods(u32::MAX, 0, 10.0), Some(1.0), "past its end");
    assert_eq!(periods(100, 0, 10.0), None, "an agent that began anew");
    assert_eq!(
        periods(3_000_000_000, 50, 10.0),
        None,
        "a container that began anew"
    );
    // In ten minutes a period of a millisecond comes 600,000 times, and in ten seconds it cannot.
    assert_eq!(periods(u32::MAX - 299_999, 300_000, 600.0), Some(600_000.0));
    assert_eq!(periods(u32::MAX - 299_999, 300_000, 10.0), None);
}

proptest! {
    /// Whatever samples come, a growth is that of two samples that follow each other in time, or nothing; it is never
    /// below zero, infinite, or none.
    #[test]
    fn whatever_comes_a_rate_is_a_number_from_zero_on(
        samples in prop::collection::vec((prop::num::f64::ANY, any::<u64>(), prop::num::f64::ANY, any::<u32>()), 0..50),
    ) {
        let mut memory = Memory::default();
        for (at, count, secs, periods) in samples {
            let mut since = memory.since(at);
            let rates = [
                since.per_second(&A, None, count),
                since.growth_of_periods(&B, periods),
            ];
            for rate in rates.into_iter().flatten() {
                prop_assert!(rate >= 0.0 && rate.is_finite(), "{rate}");
            }
            if let Some(rate) = since.per_second(&A, Some("secs"), secs) {
                prop_assert!(rate >= 0.0, "{rate}");
            }
        }
    }

    /// However often somebody begins to count anew, forgets a counter, or gives a moment twice, what was counted between
    /// is never counted twice: the sum of growths is at most what there was to count.
    #[test]
    fn no_growth_is_told_twice(
        steps in prop::collection::vec((0_u32..4, 0_u64..1000, any::<bool>()), 1..60),
    ) {
        let mut memory = Memory::default();
        let (mut at, mut value, mut all, mut told) = (1000.0, 0_u64, 0_u64, 0.0);
        for (step, growth, is_there) in steps {
            match step {
                // The same moment again, and what it had at hand.
                0 => {}
                1 => value = 0,
                2 => at -= 100.0,
                _ => at += 10.0,
            }
            if step != 0 {
                value += growth;
                all += growth;
            }
            let mut since = memory.since(at);
            if is_there {
                told += since.growth(&A, None, value).unwrap_or_default();
            }
        }
        prop_assert!(told <= all as f64, "{told} of {all}");
    }

    /// Nothing is lost of a counter that only grows and is always there, whether it goes past the end of 32 bits or not.
    #[test]
    fn every_growth_of_a_steady_counter_is_told(
        // All of it is less than what is possible in half a second.
        steps in prop::collection::vec((0_usize..3, 0_u64..15), 1..60),
        begin in prop_oneof![any::<u32>(), u32::MAX - 900..=u32::MAX],
    ) {
        let (mut memory, mut at, mut value) = (Memory::default(), 1000.0, u64::from(begin));
        let (mut told, mut told_periods) = (0.0, 0.0);
        // The last sample is none that was at hand.
        for (step, growth) in [(2, 0)].into_iter().chain(steps).chain([(2, 5)]) {
            at += [0.0, 0.2, 10.0][step];
            value += growth;
            let mut since = memory.since(at);
            told += since.growth(&A, None, value).unwrap_or_default();
            let of_32_bits = (value & u64::from(u32::MAX)) as u32;
            told_periods += since.growth_of_periods(&B, of_32_bits).unwrap_or_default();
        }
        let all = (value - u64::from(begin)) as f64;
        prop_assert_eq!((told, told_periods), (all, all));
    }
}
