//! Entry points for fuzzing, one function per target. Not part of the interface:
//! nothing here is promised to anybody, and only builds with the feature
//! `fuzzing`, and tests, have it.
//!
//! A target takes the bytes that a fuzzer made up, reads them as what its name
//! says, and panics if something does not hold that always has to. The corpus is
//! under `fuzz/corpus`; `cargo test` replays it.

#[cfg(feature = "capi")]
use crate::capi::fuzzing as capi;
use crate::proto::fuzzing as proto;

pub use crate::proto::fuzzing::{Heap, set_meter};

/// A target: it panics if the library does what it must not.
pub type Target = fn(&[u8]);

/// All targets by their names, which are those of the corpus folders.
pub const TARGETS: &[(&str, Target)] = &[
    ("banner", proto::banner),
    ("preamble", proto::preamble),
    ("frames_crc", proto::frames_crc),
    ("frames_secure", proto::frames_secure),
    ("control", proto::control),
    ("addresses", proto::addresses),
    ("v1_opening", proto::v1_opening),
    ("v1_messages", proto::v1_messages),
    ("compression", proto::compression),
    ("cephx_fields", proto::cephx_fields),
    ("cephx_service", proto::cephx_service),
    ("cephx_client", proto::cephx_client),
    ("cephx_monitor", proto::cephx_monitor),
    ("keyring", proto::keyring),
    ("acceptor", proto::acceptor),
    ("dialler", proto::dialler),
    ("wire", proto::wire),
    #[cfg(feature = "capi")]
    ("c_calls", capi::c_calls),
];

/// Runs the target of that name on `input`.
///
/// # Panics
///
/// If there is no such target, or if it has found something.
pub fn run(name: &str, input: &[u8]) {
    let found = TARGETS.iter().find(|(known, _)| *known == name);
    let (_, target) = found.expect("a target of that name");
    target(input);
}
