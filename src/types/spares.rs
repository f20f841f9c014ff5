//! Messages that were used and may be used again, with the room of their segments.
//!
//! Programs make messages by the batch on one thread and workers let go of them on
//! another: more than an allocator keeps at hand, and in the wrong place. So each
//! thread has a few spare ones, and hands them to a common depot, or takes them
//! from there, many at a time.

use std::cell::RefCell;
use std::sync::Mutex;

use super::message::Message;

/// How many go between a thread and the depot at once.
const BATCH: usize = 32;
/// More than this lie idle more often than not.
const DEPOT_MAX: usize = 8192;

/// Bytes of a buffer: many small messages, and still a small part of a cache.
pub const BUFFER_LEN: usize = 64 << 10;
/// As for messages.
const BUFFERS_MAX: usize = 64;

type Boxes = Vec<Box<Message>>;

thread_local! {
    static AT_HAND: RefCell<Boxes> = const { RefCell::new(Vec::new()) };
}

/// Never waited for: who finds it locked, be it by a thread that was lost in a
/// fork, goes to the allocator.
static DEPOT: Mutex<Boxes> = Mutex::new(Vec::new());

/// The same for buffers.
static BUFFERS: Mutex<Vec<Vec<u8>>> = Mutex::new(Vec::new());

/// A message of that kind, otherwise new.
#[inline]
pub fn take(kind: u16) -> Box<Message> {
    let spare = AT_HAND.try_with(|at_hand| {
        let mut at_hand = at_hand.borrow_mut();
        if at_hand.is_empty() {
            fetch(&mut at_hand);
        }
        at_hand.pop()
    });
    match spare {
        Ok(Some(mut spare)) => {
            spare.renew(kind);
            spare
        }
        _ => Box::new(Message::new(kind)),
    }
}

/// Keeps the box and the room of its short segments; the bytes go.
#[inline]
pub fn put(mut spent: Box<Message>) {
    // What goes with it may be the program's, and use messages itself.
    spent.strip();
    let _ = AT_HAND.try_with(|at_hand| {
        let mut at_hand = at_hand.borrow_mut();
        if at_hand.len() == 2 * BATCH {
            deliver(&mut at_hand);
        }
        at_hand.push(spent);
    });
}

/// A buffer with room for [`BUFFER_LEN`] bytes.
pub fn buffer() -> Vec<u8> {
    let spare = BUFFERS
        .try_lock()
        .ok()
        .and_then(|mut buffers| buffers.pop());
    spare.unwrap_or_else(|| Vec::with_capacity(BUFFER_LEN))
}

/// Keeps such a buffer for others; the bytes go.
pub fn put_buffer(mut buffer: Vec<u8>) {
    if buffer.capacity() < BUFFER_LEN {
        return;
    }
    buffer.clear();
    if let Ok(mut buffers) = BUFFERS.try_lock() {
        if buffers.len() < BUFFERS_MAX {
            buffers.push(buffer);
        }
    }
}

/// Frees what the depot and this thread have. Other threads keep their few until they
/// end.
pub fn release() {
    let mine = AT_HAND.try_with(RefCell::take);
    let depot = DEPOT
        .try_lock()
        .map(|mut depot| std::mem::take(&mut *depot));
    let buffers = BUFFERS
        .try_lock()
        .map(|mut buffers| std::mem::take(&mut *buffers));
    drop((mine, depot, buffers));
}

#[cold]
fn fetch(at_hand: &mut Boxes) {
    if let Ok(mut depot) = DEPOT.try_lock() {
        let rest = depot.len().saturating_sub(BATCH);
        at_hand.extend(depot.drain(rest..));
    }
}

#[cold]
fn deliver(at_hand: &mut Boxes) {
    let batch = at_hand.drain(BATCH..);
    if let Ok(mut depot) = DEPOT.try_lock() {
        if depot.len() < DEPOT_MAX {
            depot.extend(batch);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at_hand() -> usize {
        AT_HAND.with_borrow(Vec::len)
    }

    #[test]
    fn a_spare_is_used_again_and_keeps_nothing_of_its_former_message() {
        let mut spent = take(7);
        (spent.tid, spent.seq, spent.priority) = (1, 2, 255);
        spent.front.append_copy(b"former");
        spent.data.append_copy(&[1; 100_000]);
        let place = std::ptr::from_ref(&*spent);
        put(spent);
        let again = take(8);
        assert_eq!(std::ptr::from_ref(&*again), place);
        assert_eq!(*again, Message::new(8));
        assert!(again.stamps == Message::new(8).stamps && again.body.is_none());
    }

    #[test]
    fn a_thread_keeps_few_however_many_it_lets_go_of() {
        for _ in 0..3 * DEPOT_MAX {
            put(Box::new(Message::new(1)));
            assert!(at_hand() <= 2 * BATCH);
        }
        assert!(DEPOT.lock().unwrap().len() <= DEPOT_MAX + BATCH);
    }

    #[test]
    fn what_is_released_is_not_kept() {
        (0..3 * BATCH).for_each(|_| put(Box::new(Message::new(1))));
        assert!(at_hand() > 0);
        release();
        assert_eq!(at_hand(), 0);
    }

    #[test]
    fn what_one_thread_lets_go_of_another_uses() {
        let place = |message: &Message| std::ptr::from_ref(message) as usize;
        let hand_over = || {
            let let_go = || {
                let spent: Vec<_> = (0..4 * BATCH).map(|_| Box::new(Message::new(1))).collect();
                let places: Vec<_> = spent.iter().map(|spent| place(spent)).collect();
                spent.into_iter().for_each(put);
                places
            };
            std::thread::scope(|scope| {
                let places = scope.spawn(let_go).join().unwrap();
                let taken: Vec<_> = (0..BATCH).map(|_| take(1)).collect();
                taken.iter().any(|taken| places.contains(&place(taken)))
            })
        };
        // Other tests take from the depot, too, but not always first.
        assert!((0..1000).any(|_| hand_over()));
    }

    #[test]
    fn the_end_of_a_messages_object_may_use_messages() {
        struct Sends;
        impl Drop for Sends {
            fn drop(&mut self) {
                put(take(1));
            }
        }
        let mut message = take(2);
        message.hold = super::super::Hold::new(Sends);
        put(message);
    }
}
