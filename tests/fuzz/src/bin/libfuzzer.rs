//! The fuzzing program: libFuzzer's own `main`, and in `FUZZ_TARGET` the name of what it fuzzes. `tests/fuzz/run` builds
//! it with the instrumentation that libFuzzer needs.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;

static TARGET: LazyLock<fuzz::Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    fuzz::target(&name).unwrap_or_else(|| panic!("FUZZ_TARGET names no target: '{name}'"))
});

fuzz_target!(|bytes: &[u8]| (TARGET.run)(bytes));
