//! Time as plain numbers, so that one seed gives one trace.

use std::fmt;
use std::ops::{Add, Sub};
use std::time::Duration;

/// A point of the monotonic clock: nanoseconds since an origin that only the
/// event layer knows.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The clock's origin.
    pub const ZERO: Self = Self(0);

    /// The point `nanos` nanoseconds after the origin.
    #[cfg(test)]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    fn add(self, rhs: Duration) -> Self {
        let nanos = u64::try_from(rhs.as_nanos()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(nanos))
    }
}

impl Sub<Self> for Time {
    type Output = Duration;

    fn sub(self, rhs: Self) -> Duration {
        self.since(rhs)
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:.6}s", Duration::from_nanos(self.0).as_secs_f64())
    }
}

/// A calendar time as the wire carries it (Ceph's `utime_t`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct WallTime {
    /// Seconds since 1970.
    pub sec: u32,
    /// Nanoseconds within the second.
    pub nsec: u32,
}

impl From<Duration> for WallTime {
    /// From the time passed since 1970. Seconds wrap in 2106, as Ceph's do.
    fn from(since_epoch: Duration) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the wire has 32 bits")]
        Self {
            sec: since_epoch.as_secs() as u32,
            nsec: since_epoch.subsec_nanos(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_ahead_is_zero_long_ago() {
        let early = Time::from_nanos(5);
        assert_eq!(early - Time::from_nanos(9), Duration::ZERO);
        assert_eq!(Time::from_nanos(9) - early, Duration::from_nanos(4));
    }

    #[test]
    fn adding_past_the_end_saturates() {
        assert_eq!(
            Time::from_nanos(7) + Duration::MAX,
            Time::from_nanos(u64::MAX)
        );
    }
}
