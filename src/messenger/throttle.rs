//! A budget with fair waiting: whoever finds it spent is woken in turn when it
//! is given back. Nobody polls.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A budget, of bytes or of messages, that connections take from before they
/// read a payload.
///
/// A request above the whole budget passes when nothing else is out, so no
/// message is too large to ever get through.
pub(crate) struct Throttle<W> {
    max: AtomicU64,
    taken: AtomicU64,
    /// True while `waiters` may hold somebody: keeps the lock off the path of
    /// everyone who need not wait.
    contended: AtomicBool,
    waiters: Mutex<Waiters<W>>,
}

struct Waiters<W> {
    /// Those who wait to have more than they have, in the order of their turns.
    /// They go before all others, who could only be in their way.
    growing: VecDeque<Growth<W>>,
    /// What those have, all together.
    parked: u64,
    /// What each of the others waits for, in the order of their turns.
    queue: VecDeque<(u64, W)>,
    /// Nobody waits any more.
    closed: bool,
}

struct Growth<W> {
    from: u64,
    to: u64,
    waiter: W,
}

impl<W> Throttle<W> {
    /// A budget of `max`; 0 is no limit at all.
    pub(crate) fn new(max: u64) -> Self {
        let waiters = Waiters {
            growing: VecDeque::new(),
            parked: 0,
            queue: VecDeque::new(),
            closed: false,
        };
        Self {
            max: AtomicU64::new(limit(max)),
            taken: AtomicU64::new(0),
            contended: AtomicBool::new(false),
            waiters: Mutex::new(waiters),
        }
    }

    /// Changes the limit, 0 for none; `wake` is called for each waiter for whom
    /// there is room now.
    pub(crate) fn set_max(&self, max: u64, wake: impl FnMut(W, u64)) {
        let waiters = self.waiters();
        if !waiters.closed {
            self.max.store(limit(max), Ordering::SeqCst);
        }
        self.grant(waiters, wake);
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
        waiters.queue.push_back((bytes, waiter()));
        false
    }

    /// Takes `to` in the place of the `from` bytes that were taken before, at once,
    /// or queues what `waiter` makes, ahead of those who have nothing, and answers
    /// false; [`Throttle::put`] hands it back later, with what has been added.
    ///
    /// Once all that is out belongs to those who wait like this, the first of them
    /// gets what it wants though it is too much: nobody else could give back.
    pub(crate) fn grow_or_wait(
        &self,
        from: u64,
        to: u64,
        waiter: impl FnOnce() -> W,
        wake: impl FnMut(W, u64),
    ) -> bool {
        let mut waiters = self.waiters();
        if waiters.growing.is_empty() && self.try_grow(from, to, from) {
            return true;
        }
        self.contended.store(true, Ordering::SeqCst);
        waiters.parked += from;
        let waiter = waiter();
        waiters.growing.push_back(Growth { from, to, waiter });
        // What was put meanwhile, or what it has itself, may let somebody go on.
        self.grant(waiters, wake);
        false
    }

    /// Takes `bytes` at once, or not at all.
    pub(crate) fn get_or_fail(&self, bytes: u64) -> bool {
        !self.contended.load(Ordering::SeqCst) && self.try_take(bytes)
    }

    /// Takes `bytes` whatever is left.
    pub(crate) fn take(&self, bytes: u64) {
        self.taken.fetch_add(bytes, Ordering::SeqCst);
    }

    /// Returns `bytes`; `wake` is called for each waiter whose turn has come.
    pub(crate) fn put(&self, bytes: u64, wake: impl FnMut(W, u64)) {
        if bytes == 0 {
            return;
        }
        self.taken.fetch_sub(bytes, Ordering::SeqCst);
        if self.contended.load(Ordering::SeqCst) {
            self.grant(self.waiters(), wake);
        }
    }

    /// The same if so much is out; false if it is not.
    pub(crate) fn put_some(&self, bytes: u64, wake: impl FnMut(W, u64)) -> bool {
        let put = |taken: u64| taken.checked_sub(bytes);
        let taken = self
            .taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, put);
        if taken.is_ok() && self.contended.load(Ordering::SeqCst) {
            self.grant(self.waiters(), wake);
        }
        taken.is_ok()
    }

    /// Lets go of waiters that want nothing any more, and wakes those who
    /// stood behind them if there is room for them.
    pub(crate) fn cancel(&self, is_it: impl Fn(&W) -> bool, wake: impl FnMut(W, u64)) {
        let mut waiters = self.waiters();
        let waiting = std::mem::take(&mut waiters.queue);
        // One that is not there was woken a moment ago.
        let (cancelled, left) = waiting.into_iter().partition(|(_, waiter)| is_it(waiter));
        waiters.queue = left;
        let growing = std::mem::take(&mut waiters.growing);
        let (ended, left): (VecDeque<_>, _) = growing
            .into_iter()
            .partition(|growth| is_it(&growth.waiter));
        waiters.growing = left;
        waiters.parked -= ended.iter().map(|growth| growth.from).sum::<u64>();
        self.grant(waiters, wake);
        drop::<(VecDeque<_>, _)>((cancelled, ended));
    }

    /// The end: lets go of those who wait, unwoken. Nobody waits from now on.
    pub(crate) fn close(&self) {
        let mut waiters = self.waiters();
        self.max.store(u64::MAX, Ordering::SeqCst);
        waiters.closed = true;
        let left = std::mem::take(&mut waiters.queue);
        let growing = std::mem::take(&mut waiters.growing);
        waiters.parked = 0;
        self.contended.store(false, Ordering::SeqCst);
        drop(waiters);
        drop((left, growing));
    }

    /// Gives those in front what there is, and wakes them unlocked.
    fn grant(&self, mut waiters: MutexGuard<'_, Waiters<W>>, mut wake: impl FnMut(W, u64)) {
        let mut granted = Vec::new();
        while let Some(&Growth { from, to, .. }) = waiters.growing.front() {
            if !self.try_grow(from, to, waiters.parked) {
                break;
            }
            waiters.parked -= from;
            let grown = waiters.growing.pop_front();
            granted.extend(grown.map(|growth| (to - from, growth.waiter)));
        }
        while let Some((bytes, _)) = waiters.queue.front() {
            if !waiters.growing.is_empty() || !self.try_take(*bytes) {
                break;
            }
            granted.extend(waiters.queue.pop_front());
        }
        self.contended.store(!waiters.is_empty(), Ordering::SeqCst);
        drop(waiters);
        granted
            .into_iter()
            .for_each(|(bytes, waiter)| wake(waiter, bytes));
    }

    /// What is out.
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

    /// `parked` is all that those have who wait for more.
    fn try_grow(&self, from: u64, to: u64, parked: u64) -> bool {
        let grow = |taken: u64| {
            let sum = taken.checked_add(to.saturating_sub(from))?;
            (sum <= self.max.load(Ordering::SeqCst) || taken <= parked).then_some(sum)
        };
        self.taken
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, grow)
            .is_ok()
    }

    fn waiters(&self) -> MutexGuard<'_, Waiters<W>> {
        self.waiters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<W> Waiters<W> {
    fn is_empty(&self) -> bool {
        self.growing.is_empty() && self.queue.is_empty()
    }
}

const fn limit(max: u64) -> u64 {
    if max == 0 { u64::MAX } else { max }
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
    fn who_stands_behind_one_that_gives_up_gets_its_turn() {
        let throttle = Throttle::new(100);
        assert!(throttle.get_or_wait(60, || 'a'));
        assert!(!throttle.get_or_wait(90, || 'b'));
        assert!(!throttle.get_or_wait(30, || 'c'));
        assert!(!throttle.get_or_wait(30, || 'd'));
        let mut woken = String::new();
        throttle.cancel(|who| *who == 'x', |who, _| woken.push(who));
        throttle.cancel(|who| *who == 'b', |who, _| woken.push(who));
        assert_eq!((woken.as_str(), throttle.current()), ("c", 90));
        assert_eq!(put(&throttle, 90), "d");
        assert_eq!(put(&throttle, 30), "");
        assert_eq!(throttle.current(), 0);
    }

    #[test]
    fn who_wants_more_than_it_has_goes_before_those_who_have_nothing() {
        let throttle = Throttle::new(100);
        let nobody = |_, _| unreachable!("nobody waits");
        assert!(throttle.get_or_wait(20, || 'a'));
        assert!(throttle.grow_or_wait(20, 40, || 'a', nobody));
        assert_eq!(throttle.current(), 40);
        assert!(throttle.get_or_wait(50, || 'b'));
        assert!(!throttle.get_or_wait(20, || 'c'));
        assert!(!throttle.grow_or_wait(50, 70, || 'b', nobody));
        assert!(!throttle.get_or_fail(1));
        assert_eq!(throttle.current(), 90, "it keeps what it has");
        let mut woken = Vec::new();
        throttle.put(30, |who, more| woken.push((who, more)));
        assert_eq!(woken, [('b', 20), ('c', 20)]);
        assert_eq!(throttle.current(), 100);
    }

    #[test]
    fn if_all_is_with_those_who_want_more_the_first_of_them_gets_it() {
        let throttle = Throttle::new(100);
        let mut woken = Vec::new();
        for who in ['a', 'b', 'c'] {
            assert!(throttle.get_or_wait(33, || who));
        }
        for who in ['a', 'b', 'c'] {
            let wake = |who, more| woken.push((who, more));
            assert!(!throttle.grow_or_wait(33, 60, || who, wake));
        }
        // Only then nobody else could have given back.
        assert_eq!(woken, [('a', 27)]);
        assert_eq!(throttle.current(), 126);
        assert_eq!(put(&throttle, 60), "b");
        throttle.cancel(|who| *who == 'c', |_, _| unreachable!());
        assert_eq!(put(&throttle, 33), "");
        assert_eq!(put(&throttle, 60), "");
        assert_eq!(throttle.current(), 0);
        assert!(throttle.get_or_fail(1000), "nobody waits any more");
    }

    #[test]
    fn a_limit_can_be_changed_while_somebody_waits() {
        let throttle = Throttle::new(10);
        assert!(throttle.get_or_wait(10, || 'a'));
        assert!(!throttle.get_or_wait(10, || 'b'));
        assert!(!throttle.get_or_wait(10, || 'c'));
        let set = |max| {
            let mut woken = String::new();
            throttle.set_max(max, |who, _| woken.push(who));
            woken
        };
        assert_eq!([set(5), set(20), set(0)], ["", "b", "c"]);
        assert!(throttle.get_or_wait(1000, || 'd'));
        throttle.close();
        assert_eq!(set(1), "");
        assert!(throttle.get_or_wait(1000, || 'e'), "nobody waits any more");
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
