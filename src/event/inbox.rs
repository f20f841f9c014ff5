//! `Inbox`: what others push into a worker, and whether the worker sleeps.

use std::sync::atomic::{AtomicU8, Ordering, fence};

use crossbeam_queue::SegQueue;

/// A queue with one reader that may park. Whoever pushes learns whether to ring.
///
/// No item is left lying while its reader sleeps. The writer pushes, fences and
/// reads the state; the reader writes PARKED, fences and reads whether the queue
/// is empty. The two SeqCst fences have one order for all threads. If the
/// writer's is first, the reader sees the item and does not sleep. If the
/// reader's is first, the writer sees PARKED, or something written after it:
///
/// * RUNNING, written by the reader, which is awake again: it reads the queue
///   before it parks again, and that parking repeats the argument;
/// * RUNNING, written by another writer, which is about to ring;
/// * CLOSED: see below.
///
/// A writer that took PARKED away may be slow to ring. Then the reader, woken by
/// something else, may have parked again: it wakes for nothing, once.
///
/// No item is left lying in a closed inbox, by the same argument with CLOSED in
/// place of PARKED: either the reader's last drain sees it, or its writer sees
/// CLOSED and drains the queue itself.
///
/// Relaxed suffices for the state, since the fences order it and the items
/// themselves are handed over by the queue.
pub(super) struct Inbox<T> {
    queue: SegQueue<T>,
    state: AtomicU8,
}

const RUNNING: u8 = 0;
const PARKED: u8 = 1;
const CLOSED: u8 = 2;

impl<T> Inbox<T> {
    pub(super) fn new() -> Self {
        Self {
            queue: SegQueue::new(),
            state: AtomicU8::new(RUNNING),
        }
    }

    /// Appends `item`. True: the reader was parked, and it is on the caller to
    /// wake it. Of all that push while the reader is parked, one gets it.
    #[must_use]
    pub(super) fn push(&self, item: T) -> bool {
        if self.state.load(Ordering::Relaxed) == CLOSED {
            return false;
        }
        self.queue.push(item);
        fence(Ordering::SeqCst);
        match self.state.load(Ordering::Relaxed) {
            RUNNING => false,
            PARKED => self
                .state
                .compare_exchange(PARKED, RUNNING, Ordering::Relaxed, Ordering::Relaxed)
                .is_ok(),
            _ => {
                self.clear();
                false
            }
        }
    }

    /// Reader only: the oldest item.
    pub(super) fn pop(&self) -> Option<T> {
        self.queue.pop()
    }

    /// Does anything wait?
    pub(super) fn has_items(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Reader only: announces sleep. False: there are items, do not sleep.
    #[must_use]
    pub(super) fn park(&self) -> bool {
        self.state.store(PARKED, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        let empty = self.queue.is_empty();
        if !empty {
            self.unpark();
        }
        empty
    }

    /// Reader only: it is awake.
    pub(super) fn unpark(&self) {
        self.state.store(RUNNING, Ordering::Relaxed);
    }

    #[cfg(test)]
    pub(super) fn is_parked(&self) -> bool {
        self.state.load(Ordering::SeqCst) == PARKED
    }

    /// Reader only: drops what is queued and all that is pushed from now on.
    pub(super) fn close(&self) {
        self.state.store(CLOSED, Ordering::Relaxed);
        fence(Ordering::SeqCst);
        self.clear();
    }

    fn clear(&self) {
        while let Some(item) = self.queue.pop() {
            drop(item);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_parked_reader_is_always_rung_for_what_is_pushed() {
        // The dance itself, without a poller: a ring is a token in a channel. A
        // lost wake-up leaves both sides waiting, and the test with them.
        const ITEMS: u32 = 200_000;
        let inbox = Inbox::new();
        let (ring, rung) = std::sync::mpsc::channel();
        let (done, ack) = std::sync::mpsc::channel();
        std::thread::scope(|scope| {
            let inbox = &inbox;
            scope.spawn(move || {
                for n in 0..ITEMS {
                    if inbox.push(n) {
                        ring.send(()).unwrap();
                    }
                    if n % 64 == 0 {
                        // Lets the reader run dry, so that it parks often.
                        assert_eq!(ack.recv(), Ok(n));
                    }
                }
            });
            let mut expected = 0;
            while expected < ITEMS {
                while let Some(n) = inbox.pop() {
                    assert_eq!(n, expected);
                    expected += 1;
                    if n % 64 == 0 {
                        done.send(n).unwrap();
                    }
                }
                if expected < ITEMS && inbox.park() {
                    rung.recv().unwrap();
                    inbox.unpark();
                }
            }
        });
    }

    #[test]
    fn only_the_first_push_to_a_parked_reader_asks_for_a_ring() {
        let inbox = Inbox::new();
        assert!(!inbox.push(1));
        assert!(!inbox.park());
        assert_eq!(inbox.pop(), Some(1));
        assert!(inbox.park());
        assert!(inbox.push(2));
        assert!(!inbox.push(3));
        assert_eq!(inbox.pop(), Some(2));
        assert_eq!(inbox.pop(), Some(3));
        assert!(inbox.park());
        inbox.unpark();
        assert!(!inbox.push(4));
    }

    #[test]
    fn a_closed_inbox_keeps_nothing() {
        let (inbox, item) = (Inbox::new(), std::sync::Arc::new(()));
        assert!(!inbox.push(item.clone()));
        inbox.close();
        assert!(!inbox.push(item.clone()));
        assert!(inbox.queue.is_empty());
        assert_eq!(std::sync::Arc::strong_count(&item), 1);
    }
}
