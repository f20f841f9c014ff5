//! `Timers`: which keys wait for which time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rustc_hash::FxHashMap;

use super::registered::Key;
use crate::types::Time;

/// One timer per key. Made for timers that are pushed back far more often than
/// they expire: that writes one number. The heap learns of it when it gets there.
#[derive(Default)]
pub(super) struct Timers {
    armed: FxHashMap<Key, Timer>,
    /// An entry counts only if its time is the `queued` of its key's timer.
    queue: BinaryHeap<Reverse<(Time, Key)>>,
}

struct Timer {
    deadline: Time,
    /// Where in the heap: never behind the deadline.
    queued: Time,
}

impl Timers {
    /// Arms the timer of `key`, or moves it.
    pub(super) fn arm(&mut self, key: Key, deadline: Time) {
        if let Some(timer) = self.armed.get_mut(&key) {
            timer.deadline = deadline;
            if timer.queued <= deadline {
                return;
            }
            timer.queued = deadline;
        } else {
            self.armed.insert(
                key,
                Timer {
                    deadline,
                    queued: deadline,
                },
            );
        }
        self.queue.push(Reverse((deadline, key)));
        self.compact();
    }

    /// Forgets the timer of `key`. Its place in the heap goes later.
    pub(super) fn disarm(&mut self, key: Key) {
        self.armed.remove(&key);
    }

    /// How many timers are armed.
    pub(super) fn len(&self) -> usize {
        self.armed.len()
    }

    /// The earliest deadline.
    pub(super) fn next(&mut self) -> Option<Time> {
        self.settle();
        self.queue.peek().map(|Reverse((at, _))| *at)
    }

    /// Disarms the earliest timer if its deadline is not after `now`. Those with
    /// the same deadline come in the order of their keys.
    pub(super) fn pop_expired(&mut self, now: Time) -> Option<Key> {
        if self.next()? > now {
            return None;
        }
        let Reverse((_, key)) = self.queue.pop()?;
        self.armed.remove(&key);
        Some(key)
    }

    /// Drops and moves stale entries until the first of the heap is a deadline.
    fn settle(&mut self) {
        while let Some(&Reverse((at, key))) = self.queue.peek() {
            match self.armed.get_mut(&key) {
                Some(timer) if timer.queued == at => {
                    if timer.deadline == at {
                        return;
                    }
                    timer.queued = timer.deadline;
                    self.queue.pop();
                    self.queue.push(Reverse((timer.queued, key)));
                }
                _ => {
                    self.queue.pop();
                }
            }
        }
    }

    /// Builds the heap anew once stale entries outnumber the armed timers, which
    /// costs each arming no more than a constant.
    fn compact(&mut self) {
        if self.queue.len() <= 2 * self.armed.len() + SLACK {
            return;
        }
        let entries = self.armed.iter_mut().map(|(&key, timer)| {
            timer.queued = timer.deadline;
            Reverse((timer.deadline, key))
        });
        self.queue = entries.collect();
    }
}

/// So many stale entries are not worth a thought.
const SLACK: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn at(nanos: u64) -> Time {
        Time::from_nanos(nanos)
    }

    fn pop_all(timers: &mut Timers, now: u64) -> Vec<Key> {
        std::iter::from_fn(|| timers.pop_expired(at(now))).collect()
    }

    #[test]
    fn timers_expire_in_the_order_of_their_deadlines() {
        let mut timers = Timers::default();
        for (key, time) in [(1, 30), (2, 10), (3, 20), (4, 10)] {
            timers.arm(key, at(time));
        }
        assert_eq!(timers.next(), Some(at(10)));
        assert_eq!(pop_all(&mut timers, 20), [2, 4, 3]);
        assert!(pop_all(&mut timers, 29).is_empty());
        assert_eq!(pop_all(&mut timers, 30), [1]);
        assert_eq!(timers.next(), None);
    }

    #[test]
    fn arming_again_replaces_the_deadline_both_ways() {
        let mut timers = Timers::default();
        timers.arm(1, at(10));
        timers.arm(2, at(15));
        timers.arm(1, at(20));
        assert_eq!(timers.next(), Some(at(15)));
        timers.arm(2, at(5));
        assert_eq!(timers.next(), Some(at(5)));
        assert_eq!(pop_all(&mut timers, 19), [2]);
        assert_eq!(pop_all(&mut timers, 20), [1]);
        assert!(pop_all(&mut timers, 1000).is_empty());
    }

    #[test]
    fn a_disarmed_timer_never_expires_and_can_be_armed_again() {
        let mut timers = Timers::default();
        timers.arm(1, at(10));
        timers.disarm(1);
        timers.disarm(7);
        assert_eq!(timers.next(), None);
        timers.arm(1, at(10));
        timers.disarm(1);
        timers.arm(1, at(10));
        assert_eq!(pop_all(&mut timers, 10), [1]);
        assert_eq!(pop_all(&mut timers, 10), []);
    }

    #[test]
    fn a_million_changes_leave_the_heap_small() {
        let mut timers = Timers::default();
        timers.arm(u64::MAX, at(u64::MAX));
        for n in 0..1_000_000 {
            // New keys, pulled forward, pushed back, disarmed.
            timers.arm(n % 100, at(2_000_000 - n));
            timers.arm(n % 100, at(3_000_000));
            timers.disarm(n % 100);
        }
        assert_eq!(timers.len(), 1);
        assert!(timers.queue.len() <= 2 + SLACK, "{}", timers.queue.len());
        for n in 0..1_000_000 {
            timers.arm(3, at(1_000_000 + n));
        }
        assert!(timers.queue.len() <= 4 + SLACK);
        assert_eq!(timers.next(), Some(at(1_999_999)));
    }
}
