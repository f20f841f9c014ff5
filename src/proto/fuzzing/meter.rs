//! How much memory an input makes the library use.

use std::sync::OnceLock;

/// What the allocator says of this thread, or of a process with one thread.
#[derive(Clone, Copy, Debug)]
pub struct Heap {
    /// Bytes held now.
    pub held: usize,
    /// The most that were held since this was last asked.
    pub peak: usize,
}

/// Asked, it starts a new peak.
type Meter = fn() -> Heap;

static METER: OnceLock<Meter> = OnceLock::new();

/// Says whom to ask: the program that runs the targets owns the allocator.
/// Without a meter nothing is measured.
pub fn set_meter(meter: Meter) {
    // One that is there already is as good.
    let _ = METER.set(meter);
}

/// Watches the memory from here on.
pub struct Watch(Option<usize>);

impl Watch {
    pub fn begin() -> Self {
        Self(METER.get().map(|meter| meter().held))
    }

    /// The most that has been held since the beginning, or the last look, of what
    /// was not held at the beginning.
    fn most(&self) -> usize {
        match (METER.get(), self.0) {
            (Some(meter), Some(before)) => meter().peak.saturating_sub(before),
            _ => 0,
        }
    }

    pub fn expect_at_most(&self, limit: usize) {
        let most = self.most();
        assert!(most <= limit, "{most} bytes held, {limit} allowed");
    }

    /// What is held right now.
    pub fn expect_held_at_most(&self, limit: usize) {
        if let (Some(meter), Some(before)) = (METER.get(), self.0) {
            let held = meter().held.saturating_sub(before);
            assert!(held <= limit, "{held} bytes kept, {limit} allowed");
        }
    }
}
