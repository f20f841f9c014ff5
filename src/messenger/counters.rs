//! What a messenger counts.

use std::sync::atomic::{AtomicU64, Ordering};

/// A number that only rises, or a level.
#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

/// Everything that one messenger counts.
pub(crate) struct Counters {
    /// Sockets accepted.
    pub(crate) accepted: Counter,
    /// Half-open connections that had to go for a newcomer: for all there are too
    /// many, or for those of its source.
    pub(crate) evicted: Counter,
    pub(crate) evicted_of_source: Counter,
}

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn new(_workers: usize) -> Self {
        Self {
            accepted: Counter::default(),
            evicted: Counter::default(),
            evicted_of_source: Counter::default(),
        }
    }
}
