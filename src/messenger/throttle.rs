//! A budget of bytes with fair waiting: whoever finds it spent is woken in
//! turn when it is given back. Nobody polls.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A budget that connections take from before they read a payload and that is
/// returned when the payload was dispatched.
///
/// A request above the whole budget passes when nothing else is out, so no
/// message is too large to ever get through.
pub(crate) struct Throttle<W> {
    max: AtomicU64,
    taken: AtomicU64,
    /// True while `waiters` may hold somebody: keeps the lock off the path of
    /// everyone who need not wait.
    contended: AtomicBool,
    waiters: Mutex<VecDeque<(u64, W)>>,
}

impl<W> Throttle<W> {
    /// A budget of `max` bytes; 0 is no limit at all.
    pub(crate) fn new(max: u64) -> Self {
        Self {
            max: AtomicU64::new(if max == 0 { u64::MAX } else { max }),
            taken: AtomicU64::new(0),
            contended: AtomicBool::new(false),
            waiters: Mutex::new(VecDeque::new()),
        }
    }

    /// Takes `bytes` at once, or queues what `waiter` makes and answers false;
    /// [`Throttle::put`] hands it back later, its bytes already taken.
    pub(crate) fn get_or_wait(&self, bytes: u64, waiter: impl FnOnce() -> W) -> bool {
        // Newcomers never pass those who wait already, however small they are.
        if !self.contended.load(Ordering::SeqCst) && self.try_take(bytes) {
            return true;
        }
        let mut waiters = self.waiters();
        // Set before the second try: a `put` that comes between the try and the
        // queueing sees the flag and waits for the lock.
        self.contended.store(true, Ordering::SeqCst);
        if waiters.is_empty() && self.try_take(bytes) {
            self.contended.store(false, Ordering::SeqCst);
            return true;
        }
        waiters.push_back((bytes, waiter()));
        false
    }

    /// Takes `bytes` whatever is left.
    pub(crate) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Returns `bytes`; `wake` is called for each waiter whose turn has come.
    pub(crate) fn put(&self, bytes: u64, mut wake: impl FnMut(W, u64)) {
        if bytes == 0 {
            return;
        }
        self.taken.fetch_sub(bytes, Ordering::SeqCst);
        if !self.contended.load(Ordering::SeqCst) {
            return;
        }
        let mut granted = Vec::new();
        let mut waiters = self.waiters();
        while let Some((bytes, _)) = waiters.front() {
            if !self.try_take(*bytes) {
                break;
            }
            granted.extend(waiters.pop_front());
        }
        self.contended.store(!waiters.is_empty(), Ordering::SeqCst);
        drop(waiters);
        granted
            .into_iter()
            .for_each(|(bytes, waiter)| wake(waiter, bytes));
    }

    /// The end: lets go of those who wait, unwoken. Nobody waits from now on.
    pub(crate) fn close(&self) {
        self.max.store(u64::MAX, Ordering::SeqCst);
        let mut waiters = self.waiters();
        let left = std::mem::take(&mut *waiters);
        self.contended.store(false, Ordering::SeqCst);
        drop(waiters);
        drop(left);
    }

    /// Bytes that are out.
    #[cfg(test)]
    pub(crate) fn current(&self) -> u64 {
        self.taken.load(Ordering::SeqCst)
    }

    fn try_take(&self, bytes: u64) -> bool {
        let take = |taken: u64| {
            let sum = taken.checked_add(bytes)?;
            (sum <= self.max.load(Ordering::SeqCst) || taken == 0).then_some(sum)
        };
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, take)
            .is_ok()
    }

    fn waiters(&self) -> MutexGuard<'_, VecDeque<(u64, W)>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(throttle: &Throttle<char>, bytes: u64) -> String {
        let mut woken = String::new();
        throttle.put(bytes, |who, _| woken.push(who));
        woken
    }

    #[test]
    fn waiters_get_their_turn_in_order_and_newcomers_do_not_pass() {
        let throttle = Throttle::new(100);
        assert!(throttle.get_or_wait(80, || 'a'));
        assert!(!throttle.get_or_wait(50, || 'b'));
        assert!(
            !throttle.get_or_wait(10, || 'c'),
            "a small one must not pass a large one"
        );
        assert_eq!(put(&throttle, 20), "");
        assert_eq!(put(&throttle, 60), "bc");
        assert_eq!(throttle.current(), 60);
        assert_eq!(put(&throttle, 60), "");
        assert_eq!(throttle.current(), 0);
    }

    #[test]
    fn more_than_the_whole_budget_passes_alone() {
        let throttle = Throttle::new(100);
        assert!(throttle.get_or_wait(1000, || 'a'));
        assert!(!throttle.get_or_wait(1, || 'b'));
        assert!(!throttle.get_or_wait(2000, || 'c'));
        assert_eq!(put(&throttle, 1000), "b");
        assert_eq!(put(&throttle, 1), "c");
        assert_eq!(put(&throttle, 2000), "");
        assert_eq!(throttle.current(), 0);
    }

    #[test]
    fn without_a_limit_nobody_waits() {
        let throttle = Throttle::new(0);
        assert!(throttle.get_or_wait(u64::MAX / 2, || 'a'));
        assert!(throttle.get_or_wait(u64::MAX / 2, || 'b'));
    }

    #[test]
    fn under_contention_of_threads_every_byte_comes_back_and_every_waiter_is_woken() {
        use std::sync::mpsc;
        let throttle = Throttle::<mpsc::Sender<()>>::new(10);
        let wake = |who: mpsc::Sender<()>, _| who.send(()).unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let throttle = &throttle;
                scope.spawn(move || {
                    for round in 0..20_000_u64 {
                        let bytes = 1 + (round * 7 + thread) % 12;
                        let (sender, receiver) = mpsc::channel();
                        if !throttle.get_or_wait(bytes, || sender) {
                            receiver.recv().unwrap();
                        }
                        throttle.put(bytes, wake);
                    }
                });
            }
        });
        assert_eq!(throttle.current(), 0);
    }
}
