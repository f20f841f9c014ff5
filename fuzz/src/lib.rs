//! What all targets of the fuzzer share: an allocator that counts, and the way
//! into the library.

use std::sync::Once;

#[path = "../../src/tests/meter.rs"]
mod meter;

#[global_allocator]
static COUNTING: meter::Counting = meter::Counting;

/// Runs one input; the first call installs the meter.
pub fn run(target: &str, input: &[u8]) {
    static METER: Once = Once::new();
    METER.call_once(|| {
        msgr::fuzzing::set_meter(|| {
            let (held, peak) = meter::held_and_peak();
            msgr::fuzzing::Heap { held, peak }
        });
    });
    msgr::fuzzing::run(target, input);
}

/// The target of that name.
#[macro_export]
macro_rules! target {
    ($name:literal) => {
        libfuzzer_sys::fuzz_target!(|input: &[u8]| $crate::run($name, input));
    };
}
