//! The system's clocks.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime};

use crate::types::{Time, WallTime};

/// Nanoseconds since this process first asked.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the monotonic clock"
)]
pub(super) fn monotonic() -> Time {
    static ORIGIN: OnceLock<Instant> = OnceLock::new();
    let now = Instant::now();
    Time::ZERO + now.saturating_duration_since(*ORIGIN.get_or_init(|| now))
}

/// The calendar time of this host.
#[expect(
    clippy::disallowed_methods,
    reason = "the one place that reads the calendar"
)]
pub(super) fn calendar() -> WallTime {
    // A host whose calendar lies before 1970 gets 1970.
    let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since_epoch.unwrap_or_default().into()
}
