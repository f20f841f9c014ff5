//! When a received message did what.

use super::time::WallTime;

/// Times of a received message, all zero for one's own (Ceph's `get_recv_stamp` and
/// its like).
///
/// They are nothing that a message says: messages that differ in them alone are
/// equal.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamps {
    /// Its first bytes were read.
    pub received: WallTime,
    /// It was granted what throttles want for it.
    pub throttled: WallTime,
    /// All of it was there.
    pub completed: WallTime,
    /// A dispatcher gets it. For ordinary dispatch this is when it was queued,
    /// unless a dispatcher [`wants_stamps`](crate::Dispatcher::wants_stamps).
    pub dispatched: WallTime,
}

impl Stamps {
    /// Of a message that has none yet.
    pub const NONE: Self = Self::at(WallTime { sec: 0, nsec: 0 });

    /// All of that happened at once.
    pub const fn at(time: WallTime) -> Self {
        Self {
            received: time,
            throttled: time,
            completed: time,
            dispatched: time,
        }
    }
}

impl PartialEq for Stamps {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Stamps {}
