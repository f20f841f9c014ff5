//! `Spin`: whether a worker looks on for a while before it sleeps.
//!
//! Who sleeps is woken by an interrupt, which takes longer than all else that a small
//! message needs. A worker that goes on looking has the next event at once, and a
//! processor is busy with that. So it looks on only while waits are short, which
//! it learns from those before, and leaves the processor to whoever else wants it.

use std::time::Duration;

/// What a worker has learnt of its waits.
pub(super) struct Spin {
    /// How long it looks on at most; never if that is zero.
    longest: Duration,
    /// The running mean of the waits.
    usual: Duration,
}

/// One look that takes as long shows that somebody else has had the processor.
const CROWDED: Duration = Duration::from_micros(5);

/// What a single wait counts at most, in the longest that is worth while: after an
/// idle hour a few short waits are enough again.
const LONG: u32 = 4;

/// A new wait counts for one in so many.
const MEMORY: u32 = 8;

impl Spin {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            usual: Duration::ZERO,
        }
    }

    /// Never looks on, and has nothing to learn.
    pub(super) fn is_off(&self) -> bool {
        self.longest.is_zero()
    }

    /// How long to look on before the next sleep; `None`: not at all.
    pub(super) fn patience(&self) -> Option<Duration> {
        (!self.is_off() && self.usual <= self.longest).then_some(self.longest)
    }

    /// A wait, asleep or not, has taken that long.
    pub(super) fn waited(&mut self, time: Duration) {
        let counted = time.min(self.longest * LONG);
        self.usual = (self.usual * (MEMORY - 1) + counted) / MEMORY;
    }

    /// One look has taken that long. True: somebody else wants the processor, so
    /// sleep, and do not look on again soon.
    pub(super) fn is_crowded(&mut self, look: Duration) -> bool {
        let crowded = look > CROWDED;
        if crowded {
            self.usual = self.longest * LONG;
        }
        crowded
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_micros(50);
    const SHORT: Duration = Duration::from_micros(20);

    /// Short waits until it looks on again.
    fn short_waits_needed(spin: &mut Spin) -> u32 {
        let mut waits = 0;
        while spin.patience().is_none() {
            spin.waited(SHORT);
            waits += 1;
        }
        waits
    }

    #[test]
    fn short_waits_are_worth_looking_on_and_long_ones_are_not() {
        let mut spin = Spin::new(LONGEST);
        for _ in 0..100 {
            spin.waited(SHORT);
            assert_eq!(spin.patience(), Some(LONGEST));
        }
        // One pause does not end it; a few do.
        spin.waited(Duration::from_millis(1));
        assert_eq!(spin.patience(), Some(LONGEST));
        (0..8).for_each(|_| spin.waited(Duration::from_millis(1)));
        assert_eq!(spin.patience(), None);
    }

    #[test]
    fn an_idle_hour_is_forgotten_after_a_few_short_waits() {
        let mut spin = Spin::new(LONGEST);
        (0..1000).for_each(|_| spin.waited(Duration::from_secs(3600)));
        assert!((1..30).contains(&short_waits_needed(&mut spin)));
    }

    #[test]
    fn a_processor_that_others_want_is_left_to_them_for_some_waits() {
        let mut spin = Spin::new(LONGEST);
        assert!(!spin.is_crowded(Duration::from_nanos(400)));
        assert!(spin.patience().is_some());
        assert!(spin.is_crowded(Duration::from_micros(40)));
        assert!((5..30).contains(&short_waits_needed(&mut spin)));
    }

    #[test]
    fn who_is_not_to_look_on_never_does() {
        let mut spin = Spin::new(Duration::ZERO);
        spin.waited(Duration::ZERO);
        assert!(spin.is_off());
        assert_eq!(spin.patience(), None);
    }
}
