//! `msgr_msg`: a message and its bytes.

use std::cell::RefCell;
use std::ffi::c_int;
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::guard::{guard, guard_or};
use super::handle::{self, msgr_conn, msgr_msg};
use crate::{ConnectionRef, Message, Origin};

/// Below it messages share the dispatch queue by size; from it on, the higher
/// priority always goes first.
pub const MSGR_PRIO_LOW: c_int = 64;
/// What a new message has.
pub const MSGR_PRIO_DEFAULT: c_int = 127;
/// Ahead of ordinary messages.
pub const MSGR_PRIO_HIGH: c_int = 196;
/// Ahead of everything.
pub const MSGR_PRIO_HIGHEST: c_int = 255;

/// What a message handle stands for. C may use one from several threads, so
/// the message is behind a lock, which is never held while C code runs.
pub(super) struct MessageCell {
    origin: Origin,
    message: Mutex<Whole>,
    connection: Kept,
}

/// A message until it is taken out.
struct Whole(Option<Box<Message>>);

impl Deref for Whole {
    type Target = Message;

    fn deref(&self) -> &Message {
        self.0.as_deref().expect(TAKEN_LAST)
    }
}

impl DerefMut for Whole {
    fn deref_mut(&mut self) -> &mut Message {
        self.0.as_deref_mut().expect(TAKEN_LAST)
    }
}

impl Drop for Whole {
    fn drop(&mut self) {
        if let Some(message) = self.0.take() {
            message.done();
        }
    }
}

/// Who takes the message has taken its cell apart before.
const TAKEN_LAST: &str = "a message is taken when nobody else has it";

/// What a message that was taken out of its cell has left behind. To be dropped when
/// the connection that it came on is no longer needed.
#[expect(dead_code, reason = "it is kept, and not looked at")]
pub(super) enum Keeps {
    Connection(Kept),
    /// Others hold it, too.
    Cell(Arc<MessageCell>),
}

/// A reference to a connection, or NULL. It is asked for more often than anything else
/// and hardly ever changed, so there is no lock.
pub(super) struct Kept(AtomicPtr<msgr_conn>);

impl Kept {
    fn new(connection: Option<ConnectionRef>) -> Self {
        let raw = connection.map_or(std::ptr::null_mut(), handle::into_raw);
        Self(AtomicPtr::new(raw))
    }

    /// Takes over a reference, and gives up the one before.
    fn replace(&self, raw: *mut msgr_conn) {
        let former = self.0.swap(raw, Ordering::AcqRel);
        // SAFETY: it was kept here with a reference, which nobody else takes out.
        drop(unsafe { handle::take(former) });
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        let last = std::mem::replace(self.0.get_mut(), std::ptr::null_mut());
        // SAFETY: as in `replace`.
        drop(unsafe { handle::take(last) });
    }
}

thread_local! {
    /// Cells of this thread that nobody holds, without a message and a connection.
    static EMPTY: RefCell<Vec<Arc<MessageCell>>> = const { RefCell::new(Vec::new()) };
}

/// More than a thread uses at the same time, mostly.
const EMPTY_MAX: usize = 32;

impl MessageCell {
    pub(super) fn new(message: Box<Message>, connection: Option<ConnectionRef>) -> Arc<Self> {
        let empty = EMPTY.try_with(|empty| empty.borrow_mut().pop());
        if let Ok(Some(mut cell)) = empty {
            if let Some(own) = Arc::get_mut(&mut cell).filter(|own| own.origin.is_here()) {
                own.whole().0 = Some(message);
                own.connection = Kept::new(connection);
                return cell;
            }
        }
        Arc::new(Self {
            origin: Origin::here(),
            message: Mutex::new(Whole(Some(message))),
            connection: Kept::new(connection),
        })
    }

    /// The message, by itself if nobody else holds it, else a copy that shares
    /// its bytes.
    pub(super) fn into_message(cell: Arc<Self>) -> Box<Message> {
        Self::part(cell).0
    }

    /// The same, and what keeps the connection that it came on.
    pub(super) fn part(mut cell: Arc<Self>) -> (Box<Message>, Keeps) {
        let taken = Arc::get_mut(&mut cell).and_then(Self::empty);
        match taken {
            Some((message, connection)) => {
                Self::keep(cell);
                (message, Keeps::Connection(connection))
            }
            None => {
                let copy = Box::new(cell.lock().clone());
                (copy, Keeps::Cell(cell))
            }
        }
    }

    /// Drops a reference.
    pub(super) fn release(mut cell: Arc<Self>) {
        let taken = Arc::get_mut(&mut cell).and_then(Self::empty);
        if let Some((message, _connection)) = taken {
            Self::keep(cell);
            message.done();
        }
    }

    /// Takes out what is in it.
    fn empty(&mut self) -> Option<(Box<Message>, Kept)> {
        let connection = std::mem::replace(&mut self.connection, Kept::new(None));
        Some((self.whole().0.take()?, connection))
    }

    /// Keeps an empty cell for the next message.
    fn keep(cell: Arc<Self>) {
        let _ = EMPTY.try_with(|empty| {
            let mut empty = empty.borrow_mut();
            if empty.len() < EMPTY_MAX {
                empty.push(cell);
            }
        });
    }

    /// Lends a message to a callback, as a handle without a reference for it.
    pub(super) fn lend<R>(
        message: &mut Message,
        connection: Option<&ConnectionRef>,
        call: impl FnOnce(*mut msgr_msg) -> R,
    ) -> R {
        // SAFETY: `Lent` takes it out again and forgets it before `message` can be used,
        // also if the call should unwind; until then only the cell leads to it.
        let borrowed = unsafe { Box::from_raw(std::ptr::from_mut(message)) };
        let cell = Self::new(borrowed, connection.cloned());
        let pointer = handle::lend(&cell);
        let _lent = Lent(Some(cell));
        call(pointer)
    }

    fn whole(&mut self) -> &mut Whole {
        self.message
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection that it came on, lent, or NULL.
    pub(super) fn connection(&self) -> *mut msgr_conn {
        self.connection.0.load(Ordering::Acquire)
    }

    /// Takes over a reference to the connection that it came on from now on.
    pub(super) fn set_connection(&self, raw: *mut msgr_conn) {
        self.connection.replace(raw);
    }

    pub(super) fn origin(&self) -> Origin {
        self.origin
    }

    /// Frees the bytes and nothing else: the end of a connection, of the program's
    /// object, or of what a message holds of a throttle, is the parent's business.
    pub(super) fn abandon(self) {
        std::mem::forget(self.connection);
        // A thread of the parent was about to change it and never got to the end.
        let is_whole = self.message.try_lock().is_ok();
        let mut message = self
            .message
            .into_inner()
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::forget(std::mem::take(&mut message.hold));
        std::mem::forget(message.body.take());
        if !is_whole {
            std::mem::forget(message);
        }
    }

    /// Never to be held while C code runs.
    pub(super) fn lock(&self) -> MutexGuard<'_, impl DerefMut<Target = Message> + use<>> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A cell with somebody else's message in it, which stays where it is in memory: to move
/// it in and out would cost as much as what callbacks do with it.
struct Lent(Option<Arc<MessageCell>>);

impl Drop for Lent {
    fn drop(&mut self) {
        let Some(mut cell) = self.0.take() else {
            return;
        };
        let taken = Arc::get_mut(&mut cell).and_then(MessageCell::empty);
        if let Some((borrowed, _connection)) = taken {
            std::mem::forget(borrowed);
            MessageCell::keep(cell);
            return;
        }
        // The callee has kept it, and what it holds of throttles.
        let mut kept = cell.message.lock().unwrap_or_else(PoisonError::into_inner);
        let mut copy = Box::new(Message::clone(&kept));
        std::mem::swap(&mut copy.hold, &mut kept.hold);
        std::mem::forget(kept.0.replace(copy));
    }
}

/// Makes an empty message of that type, with priority `MSGR_PRIO_DEFAULT`.
/// Types are the application's to number.
///
/// `*out` gets a reference that belongs to the caller. Returns 0 or -EINVAL.
/// Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_create(r#type: u16, out: *mut *mut msgr_msg) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| unsafe { handle::give(out, || Ok(MessageCell::new(Message::spare(r#type), None))) })
}

/// Adds a reference. Returns `msg`, NULL for NULL. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_ref(msg: *mut msgr_msg) -> *mut msgr_msg {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe { handle::add_ref(msg) })
}

/// Drops a reference; NULL is ignored. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_unref(msg: *mut msgr_msg) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        if let Some(cell) = unsafe { handle::take(msg) }? {
            MessageCell::release(cell);
        }
        Ok(())
    });
}

/// The message's type; 0 for NULL. Any thread, also in callbacks. Ceph:
/// `Message::get_type`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_type(msg: *const msgr_msg) -> u16 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(msg)? }.lock().kind))
}

/// The application's transaction number; 0 for NULL. Any thread, also in
/// callbacks. Ceph: `Message::get_tid`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_tid(msg: *const msgr_msg) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(msg)? }.lock().tid))
}

/// Sets the transaction number. Any thread, also in callbacks. Ceph:
/// `Message::set_tid`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_tid(msg: *mut msgr_msg, tid: u64) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(msg)? }.lock().tid = tid;
        Ok(())
    });
}

/// The priority, 0 to 255; -EINVAL for NULL. Any thread, also in callbacks.
/// Ceph: `Message::get_priority`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_priority(msg: *const msgr_msg) -> c_int {
    // SAFETY: the caller's promise is the callee's.
    guard(|| Ok(unsafe { handle::borrow(msg)? }.lock().priority.into()))
}

/// Sets the priority (`MSGR_PRIO_...`, or any number between); what lies
/// outside of 0 to 255 is cut, and 0 is sent as `MSGR_PRIO_DEFAULT`. Any
/// thread, also in callbacks. Ceph: `Message::set_priority`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_priority(msg: *mut msgr_msg, priority: c_int) {
    guard_or((), || {
        let cut = u16::try_from(priority.clamp(0, MSGR_PRIO_HIGHEST)).unwrap_or_default();
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(msg)? }.lock().priority = cut;
        Ok(())
    });
}

/// The version of the body's encoding; -EINVAL for NULL. If `compat` is not
/// NULL it gets the oldest version that can decode the body. A new message has
/// 1 and 1. Any thread, also in callbacks. Ceph: `ceph_msg_header::version`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_version(msg: *const msgr_msg, compat: *mut u16) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let message = unsafe { handle::borrow(msg)? }.lock();
        if !compat.is_null() {
            // SAFETY: an out-parameter is NULL or writable.
            unsafe { compat.write(message.compat_version) };
        }
        Ok(message.version.into())
    })
}

/// Sets the version of the body's encoding and the oldest version that can
/// decode it. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_set_version(msg: *mut msgr_msg, version: u16, compat: u16) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        let mut message = unsafe { handle::borrow(msg)? }.lock();
        message.version = version;
        message.compat_version = compat;
        Ok(())
    });
}

/// A received message's position in its session, from 1; 0 for a message of
/// one's own and for NULL. Any thread, also in callbacks. Ceph:
/// `Message::get_seq`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_seq(msg: *const msgr_msg) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(msg)? }.lock().seq))
}

/// The connection a message came on; NULL for a message of one's own and for
/// NULL. It is only lent: it lives as long as the caller's reference to the
/// message, unless kept by `msgr_conn_ref`. Any thread, also in callbacks.
/// Ceph: `Message::get_connection`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_conn(msg: *const msgr_msg) -> *mut msgr_conn {
    guard_or(std::ptr::null_mut(), || {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(msg)? }.connection())
    })
}
