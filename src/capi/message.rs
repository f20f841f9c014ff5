//! `msgr_msg`: a message and its bytes.

use std::cell::Cell;
use std::ffi::{c_int, c_void};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_conn, msgr_msg};
use crate::{ConnectionRef, Message, Origin, Payload};

/// The first segment: usually the encoded body.
pub const MSGR_FRONT: c_int = 0;
/// The second segment.
pub const MSGR_MIDDLE: c_int = 1;
/// The third segment: bulk data.
pub const MSGR_DATA: c_int = 2;

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
    message: Mutex<Box<Message>>,
    connection: Option<ConnectionRef>,
}

thread_local! {
    /// What a worker lends messages in, one after the other.
    static LENDING: Cell<Option<Arc<MessageCell>>> = const { Cell::new(None) };
}

impl MessageCell {
    pub(super) fn new(message: Box<Message>, connection: Option<ConnectionRef>) -> Arc<Self> {
        Arc::new(Self {
            origin: Origin::here(),
            message: Mutex::new(message),
            connection,
        })
    }

    /// The message, by itself if nobody else holds it, else a copy that shares
    /// its bytes.
    pub(super) fn into_message(cell: Arc<Self>) -> Box<Message> {
        match Arc::try_unwrap(cell) {
            Ok(own) => own
                .message
                .into_inner()
                .unwrap_or_else(PoisonError::into_inner),
            Err(shared) => shared.lock().clone(),
        }
    }

    /// Lends a message to a callback, as a handle without a reference for it.
    pub(super) fn lend<R>(
        message: &mut Message,
        connection: Option<&ConnectionRef>,
        call: impl FnOnce(*mut msgr_msg) -> R,
    ) -> R {
        let kept = LENDING.try_with(Cell::take).ok().flatten();
        let mut cell = kept
            .filter(|cell| cell.origin.is_here())
            .unwrap_or_else(|| Self::new(Box::new(Message::new(0)), None));
        if let Some(own) = Arc::get_mut(&mut cell) {
            std::mem::swap(&mut **own.get_mut(), message);
            own.connection = connection.cloned();
        }
        let answer = call(handle::lend(&cell));
        if let Some(own) = Arc::get_mut(&mut cell) {
            std::mem::swap(&mut **own.get_mut(), message);
            own.connection = None;
            let _ = LENDING.try_with(|kept| kept.set(Some(cell)));
        } else {
            // The callee has kept it.
            *message = (**cell.lock()).clone();
        }
        answer
    }

    fn get_mut(&mut self) -> &mut Box<Message> {
        self.message
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
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
    pub(super) fn lock(&self) -> MutexGuard<'_, Box<Message>> {
        self.message.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that belongs to the program until `free_fn` is called.
struct ForeignMemory {
    pointer: *const u8,
    len: usize,
    free_fn: Option<unsafe extern "C" fn(*mut c_void)>,
    arg: *mut c_void,
}

// SAFETY: by the contract of `msgr_msg_append` the bytes may be read, and
// `free_fn` called, on any thread.
unsafe impl Send for ForeignMemory {}

impl AsRef<[u8]> for ForeignMemory {
    fn as_ref(&self) -> &[u8] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: checked by `handle::items` when it was handed over, and by
        // contract neither changed nor freed before `free_fn` is called.
        unsafe { std::slice::from_raw_parts(self.pointer, self.len) }
    }
}

impl Drop for ForeignMemory {
    fn drop(&mut self) {
        if let Some(free_fn) = self.free_fn {
            // SAFETY: the program gave both together; a value drops once.
            unsafe { free_fn(self.arg) };
        }
    }
}

fn payload(message: &mut Message, segment: c_int) -> Result<&mut Payload, Refusal> {
    match segment {
        MSGR_FRONT => Ok(&mut message.front),
        MSGR_MIDDLE => Ok(&mut message.middle),
        MSGR_DATA => Ok(&mut message.data),
        _ => Err(Refusal::new(
            libc::EINVAL,
            format!("{segment} is not a segment"),
        )),
    }
}

/// The segment, if the wire's 32-bit length can take `more` bytes.
fn roomy(message: &mut Message, segment: c_int, more: usize) -> Result<&mut Payload, Refusal> {
    let payload = payload(message, segment)?;
    let len = payload.len().checked_add(more).map(u32::try_from);
    match len {
        Some(Ok(_)) => Ok(payload),
        _ => Err(Refusal::of(libc::EMSGSIZE, "a segment has less than 4 GiB")),
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
    guard(|| unsafe {
        handle::give(out, || {
            Ok(MessageCell::new(Box::new(Message::new(r#type)), None))
        })
    })
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
        drop(unsafe { handle::take(msg) }?);
        Ok(())
    });
}

/// Adds a copy of `len` bytes to the end of a segment (`MSGR_FRONT`,
/// `MSGR_MIDDLE`, `MSGR_DATA`).
///
/// Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. Any thread,
/// also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_append_copy(
    msg: *mut msgr_msg,
    segment: c_int,
    data: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let cell = handle::borrow(msg)?;
        let bytes = handle::items(data.cast::<u8>(), len)?;
        roomy(&mut cell.lock(), segment, len)?.append_copy(bytes);
        Ok(0)
    })
}

/// Adds `len` bytes to the end of a segment without copying them.
///
/// On success the memory belongs to the message and must not be changed until
/// `free_fn(arg)` is called: once, on any thread, when the bytes are sent and
/// no message refers to them any more; at once if `len` is 0. `free_fn` NULL
/// suits memory that lives for ever. On failure the memory stays the caller's
/// and `free_fn` is not called. Small pieces are cheaper copied.
///
/// Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. Any thread,
/// also in callbacks.
///
/// # Safety
/// By the conventions, and `data` is readable until `free_fn` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_append(
    msg: *mut msgr_msg,
    segment: c_int,
    data: *const c_void,
    len: usize,
    free_fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let cell = handle::borrow(msg)?;
        let pointer = handle::items(data.cast::<u8>(), len)?.as_ptr();
        let mut message = cell.lock();
        let payload = roomy(&mut message, segment, len)?;
        let piece = Bytes::from_owner(ForeignMemory {
            pointer,
            len,
            free_fn,
            arg,
        });
        if !piece.is_empty() {
            payload.append(piece);
            return Ok(0);
        }
        // An empty piece is given back now, and not under the lock.
        drop(message);
        drop(piece);
        Ok(0)
    })
}

/// How many bytes a segment has; 0 for NULL or an unknown segment. Any
/// thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_len(msg: *const msgr_msg, segment: c_int) -> usize {
    guard_or(0, || {
        // SAFETY: the caller's promise is the callee's.
        let mut message = unsafe { handle::borrow(msg)? }.lock();
        Ok(payload(&mut message, segment)?.len())
    })
}

/// The bytes of a segment in one piece, `msgr_msg_len` of them; NULL for NULL
/// or an unknown segment. Received segments are in one piece already; several
/// appended pieces are joined by this, once.
///
/// The bytes belong to the message. The pointer is good until the segment is
/// changed or the caller's reference is given up. Any thread, also in
/// callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_data(msg: *mut msgr_msg, segment: c_int) -> *const c_void {
    guard_or(std::ptr::null(), || {
        // SAFETY: the caller's promise is the callee's.
        let mut message = unsafe { handle::borrow(msg)? }.lock();
        let payload = payload(&mut message, segment)?;
        // Joining drops the pieces, and their owners may be the program's:
        // those must not run under the lock.
        let pieces = payload.pieces().nth(1).is_some().then(|| payload.clone());
        let start = payload.contiguous().as_ptr();
        drop(message);
        drop(pieces);
        Ok(start.cast())
    })
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
        let from = unsafe { handle::borrow(msg)? }.connection.as_ref();
        Ok(from.map_or(std::ptr::null_mut(), handle::lend))
    })
}
