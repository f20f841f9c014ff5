//! Lossless sessions over real sockets that break: what was sent arrives once
//! and in order, whatever a proxy between the two does.

#![expect(
    clippy::disallowed_methods,
    reason = "a recording is not played by one of msgr's sockets"
)]

#[path = "sessions/cuts.rs"]
mod cuts;
#[path = "sessions/strange.rs"]
mod strange;
mod support;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// One test at a time: they count the descriptors of the process, and two
/// cores are soon busy.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
