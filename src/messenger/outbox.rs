//! `Outbox`: what was sent on a connection and its worker has not fetched yet.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;

use crate::proto::{FrameBatch, Outgoing, Queued, segment_crcs};
use crate::types::Message;

/// In the order in which it was sent. Small messages that come faster than they are
/// fetched are made frames right away, where the link has nothing to add to them, and let
/// go of where they were made.
#[derive(Default)]
pub(crate) struct Outbox {
    waiting: Mutex<Waiting>,
    /// Payload bytes that were ever sent; written with `waiting` locked.
    accepted: AtomicU64,
    takes_frames: AtomicBool,
}

#[derive(Default)]
struct Waiting {
    /// Mostly it is fetched before there is another.
    first: Option<Queued>,
    rest: Vec<Queued>,
}

/// How often the worker gives way to who holds the lock, which takes him less than a
/// sleep and a wake-up would.
const PATIENCE: usize = 100;

impl Outbox {
    /// Appends a message, with its crcs if they are wanted. True: the worker is to
    /// be told.
    #[must_use]
    pub(crate) fn push(&self, message: Box<Message>, crcs: bool) -> bool {
        let bytes = message.payload_len() as u64;
        // Checksums need nothing of the session: done here, they cost the caller's time
        // and not that of everybody on the worker, who makes up for what is needed and
        // not there.
        let crcs = (crcs && !message.is_encoded_late()).then(|| segment_crcs(&message));
        let takes_frame = self.takes_frames.load(Ordering::Relaxed) && FrameBatch::takes(&message);
        let mut waiting = self.accept(bytes);
        if waiting.first.is_none() {
            waiting.first = Some(Queued::One(Outgoing { message, crcs }));
            return true;
        }
        if takes_frame {
            waiting.push_frame(&message, crcs);
            drop(waiting);
            message.done();
        } else {
            let outgoing = Outgoing { message, crcs };
            waiting.rest.push(outgoing.into());
        }
        false
    }

    /// For the worker: takes everything out.
    pub(crate) fn take(&self) -> impl Iterator<Item = Queued> + use<> {
        let mut waiting = self.lock_patiently();
        let (first, rest) = (waiting.first.take(), std::mem::take(&mut waiting.rest));
        first.into_iter().chain(rest)
    }

    /// For the worker: whether the link takes small messages as frames.
    pub(crate) fn set_takes_frames(&self, takes: bool) {
        self.takes_frames.store(takes, Ordering::Relaxed);
    }

    /// Payload bytes that were ever sent.
    pub(crate) fn accepted(&self) -> u64 {
        self.accepted.load(Ordering::Relaxed)
    }

    fn accept(&self, bytes: u64) -> MutexGuard<'_, Waiting> {
        let waiting = self.lock();
        let accepted = self.accepted.load(Ordering::Relaxed);
        self.accepted
            .store(accepted.wrapping_add(bytes), Ordering::Relaxed);
        waiting
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_patiently(&self) -> MutexGuard<'_, Waiting> {
        for _ in 0..PATIENCE {
            match self.waiting.try_lock() {
                Ok(waiting) => return waiting,
                Err(TryLockError::Poisoned(waiting)) => return waiting.into_inner(),
                Err(TryLockError::WouldBlock) => thread::yield_now(),
            }
        }
        self.lock()
    }
}

impl Waiting {
    fn push_frame(&mut self, message: &Message, crcs: Option<[u32; 3]>) {
        if let Some(Queued::Batch(last)) = self.rest.last_mut() {
            if last.push(message, crcs) {
                return;
            }
        }
        self.rest.push(Queued::Batch(FrameBatch::of(message, crcs)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(tid: u64, len: usize) -> Box<Message> {
        let mut message = Box::new(Message::new(1));
        message.tid = tid;
        message.front.append_copy(&vec![7; len]);
        message
    }

    fn tids(queued: impl Iterator<Item = Queued>) -> Vec<u64> {
        let messages = queued.flat_map(|queued| match queued {
            Queued::One(one) => vec![one],
            Queued::Batch(batch) => batch.unpack(),
        });
        messages.map(|one| one.message.tid).collect()
    }

    #[test]
    fn small_and_large_ones_come_out_in_the_order_in_which_they_were_sent() {
        let outbox = Outbox::default();
        for (tid, takes_frames) in (0..300).zip([false, true, true].repeat(100)) {
            outbox.set_takes_frames(takes_frames);
            let len = if tid % 7 == 0 { 100_000 } else { 100 };
            assert_eq!(outbox.push(message(tid, len), true), tid == 0);
        }
        let queued: Vec<_> = outbox.take().collect();
        assert!(queued.len() < 300, "many are frames");
        assert_eq!(queued.iter().map(Queued::messages).sum::<u64>(), 300);
        assert_eq!(tids(queued.into_iter()), (0..300).collect::<Vec<_>>());
        assert_eq!(outbox.accepted(), 43 * 100_000 + 257 * 100);
    }

    #[test]
    fn the_worker_is_told_once_for_all_that_it_has_not_fetched() {
        let outbox = Outbox::default();
        outbox.set_takes_frames(true);
        for _ in 0..3 {
            assert!(outbox.push(message(1, 10), true));
            assert!(!outbox.push(message(2, 10), true));
            assert!(!outbox.push(message(3, 100_000), true));
            assert_eq!(tids(outbox.take()), [1, 2, 3]);
            assert_eq!(outbox.take().count(), 0);
        }
    }

    #[test]
    fn what_several_threads_send_comes_out_once_and_in_the_order_of_each() {
        const THREADS: u64 = 4;
        const EACH: u64 = 5000;
        let outbox = Outbox::default();
        outbox.set_takes_frames(true);
        let (tell, told) = std::sync::mpsc::channel();
        let mut seen = Vec::new();
        thread::scope(|scope| {
            for thread in 0..THREADS {
                let (outbox, tell) = (&outbox, tell.clone());
                scope.spawn(move || {
                    for n in 0..EACH {
                        let len = if n % 100 == 0 { 2000 } else { 10 };
                        if outbox.push(message(thread * EACH + n, len), true) {
                            tell.send(()).unwrap();
                        }
                    }
                });
            }
            // Ends if one is left lying, for then nobody tells any more.
            while seen.len() < (THREADS * EACH) as usize {
                told.recv().unwrap();
                seen.extend(tids(outbox.take()));
            }
        });
        for thread in 0..THREADS {
            let of_one = seen.iter().filter(|tid| **tid / EACH == thread);
            assert!(of_one.copied().eq(thread * EACH..(thread + 1) * EACH));
        }
    }
}
