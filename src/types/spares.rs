//! Messages that were used and may be used again, with the room of their segments.
//!
//! Programs make messages by the batch on one thread and workers let go of them on
//! another: more than an allocator keeps at hand, and in the wrong place. So each
//! thread has a few spare ones, and hands them to a common depot, or takes them
//! from there, many at a time.

use std::cell::RefCell;
use std::sync::Mutex;

use bytes::Bytes;

use super::message::Message;

/// How many go between a thread and the depot at once.
const BATCH: usize = 32;
/// More than this lie idle more often than not.
const DEPOT_MAX: usize = 8192;

/// Bytes of a buffer: many small messages, and still a small part of a cache.
pub const BUFFER_LEN: usize = 64 << 10;
/// As for messages.
const BUFFERS_MAX: usize = 64;

/// Buffers of such capacities are kept, as long as they are not more in all.
const LARGE_MIN: usize = 32 << 10;
const LARGE_MAX: usize = 4 << 20;
const LARGE_TOTAL: usize = 8 << 20;

/// Buffers for bytes that are not copied, oldest first.
#[derive(Default)]
struct Large {
    buffers: Vec<Vec<u8>>,
    /// Their capacities.
    bytes: usize,
}

static LARGE: Mutex<Large> = Mutex::new(Large {
    buffers: Vec::new(),
    bytes: 0,
});

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

/// A buffer with that much room, and no more: perhaps one that was used before, whose
/// pages the system need not find again. What happens must not depend on whether it was.
pub fn large(room: usize) -> Vec<u8> {
    let fits = |buffer: &Vec<u8>| buffer.capacity() == room;
    let spare = LARGE.try_lock().ok().and_then(|mut large| {
        let at = large.buffers.iter().rposition(fits)?;
        let spare = large.buffers.remove(at);
        large.bytes -= spare.capacity();
        Some(spare)
    });
    spare.unwrap_or_else(|| Vec::with_capacity(room))
}

/// The bytes of a buffer, shared. It is kept for others when nobody refers to them any more.
pub fn share_large(buffer: Vec<u8>) -> Bytes {
    match buffer.capacity() {
        LARGE_MIN..=LARGE_MAX => Bytes::from_owner(Shared(buffer)),
        _ => buffer.into(),
    }
}

struct Shared(Vec<u8>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        let mut buffer = std::mem::take(&mut self.0);
        buffer.clear();
        if let Ok(mut large) = LARGE.try_lock() {
            large.bytes += buffer.capacity();
            large.buffers.push(buffer);
            // What was used last is used again first, and sizes change.
            while large.bytes > LARGE_TOTAL {
                let oldest = large.buffers.remove(0);
                large.bytes -= oldest.capacity();
            }
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
    let large = LARGE
        .try_lock()
        .map(|mut large| std::mem::take(&mut *large));
    drop((mine, depot, buffers, large));
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
    fn a_large_buffer_is_used_again_once_nobody_refers_to_its_bytes() {
        const ROOM: usize = 3_333_333;
        let place = |buffer: &[u8]| buffer.as_ptr() as usize;
        let used_again = || {
            let mut buffer = large(ROOM);
            buffer.resize(1000, 7);
            let (bytes, first) = (share_large(buffer), large(ROOM));
            let part = bytes.slice(10..20);
            let at = place(&bytes);
            assert_ne!(place(&first), at, "it is in use");
            drop(bytes);
            assert_ne!(place(&large(ROOM)), at, "so it is still");
            assert_eq!(part, [7; 10][..]);
            drop(part);
            let again = large(ROOM);
            assert_eq!((again.len(), again.capacity()), (0, ROOM));
            place(&again) == at
        };
        // Other tests push some out, but not always in time.
        assert!((0..1000).any(|_| used_again()));
        drop(share_large(large(ROOM)));
        assert_eq!(large(ROOM - 1).capacity(), ROOM - 1);
    }

    #[test]
    fn no_more_than_so_many_bytes_of_large_buffers_are_kept() {
        let shared: Vec<_> = (0..20).map(|_| share_large(large(LARGE_MAX / 2))).collect();
        drop(shared);
        drop(share_large(large(LARGE_MAX + 1)));
        let kept = LARGE.lock().unwrap();
        let capacities = kept.buffers.iter().map(Vec::capacity);
        assert!(capacities.clone().all(|one| one <= LARGE_MAX));
        assert_eq!(capacities.sum::<usize>(), kept.bytes);
        assert!(kept.bytes <= LARGE_TOTAL);
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
