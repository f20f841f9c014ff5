//! `msgr_buf`: counted bytes that outlive their message.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use bytes::Bytes;

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, Handle, msgr_buf, msgr_msg};
use super::memory::{self, Owner};
use super::segment::{payload, roomy};
use crate::Origin;

/// What a buffer handle stands for.
pub(super) struct BufCell {
    origin: Origin,
    bytes: Bytes,
}

impl BufCell {
    fn new(bytes: Bytes) -> Arc<Self> {
        let origin = Origin::here();
        Arc::new(Self { origin, bytes })
    }
}

impl Handle for msgr_buf {
    type Target = BufCell;

    fn origin(target: &BufCell) -> Origin {
        target.origin
    }

    fn abandon(target: BufCell) {
        drop(target);
    }
}

/// Makes a buffer of `len` bytes without copying them.
///
/// On success the memory belongs to the buffer and must not be changed until
/// `free_fn(arg)` is called: once, on any thread, when neither the buffer nor a
/// message refers to it any more. `free_fn` NULL suits memory that lives for ever.
/// On failure it stays the caller's and `free_fn` is not called.
///
/// `*out` gets a reference that belongs to the caller. Returns 0 or -EINVAL. Any
/// thread, also in callbacks.
///
/// # Safety
/// By the conventions, and `data` is readable until `free_fn` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_buf_create(
    data: *const c_void,
    len: usize,
    free_fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
    out: *mut *mut msgr_buf,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let bytes = handle::items(data.cast::<u8>(), len)?;
            Ok(BufCell::new(memory::adopt(bytes, Owner { free_fn, arg })))
        })
    })
}

/// Adds a reference. Returns `buf`, NULL for NULL. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_buf_ref(buf: *mut msgr_buf) -> *mut msgr_buf {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe { handle::add_ref(buf) })
}

/// Drops a reference; NULL is ignored. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_buf_unref(buf: *mut msgr_buf) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        drop(unsafe { handle::take(buf) }?);
        Ok(())
    });
}

/// The bytes, `msgr_buf_len` of them; NULL for NULL. They are not to be changed, and
/// the pointer is good as long as a reference is held. Any thread, also in
/// callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_buf_data(buf: *const msgr_buf) -> *const c_void {
    guard_or(std::ptr::null(), || {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(buf)? }.bytes.as_ptr().cast())
    })
}

/// How many bytes there are; 0 for NULL. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_buf_len(buf: *const msgr_buf) -> usize {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(buf)? }.bytes.len()))
}

/// One piece of a segment, counted from 0, as a buffer that outlives the message. It
/// is shared, not copied, and takes nothing of a throttle: whoever keeps many of a
/// peer's bytes has to limit them. It keeps all of the memory that it is a part of;
/// small messages that came have a piece for each segment.
///
/// `*out` gets a reference that belongs to the caller. Returns 0; -EINVAL; -ENOENT if
/// there are fewer pieces. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_buf(
    msg: *const msgr_msg,
    segment: c_int,
    index: usize,
    out: *mut *mut msgr_buf,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        handle::give(out, || {
            let mut message = handle::borrow(msg)?.lock();
            let piece = payload(&mut message, segment)?;
            let piece = piece.shared_pieces().nth(index).cloned();
            let none = Refusal::of(libc::ENOENT, "the segment has fewer pieces");
            piece.map(BufCell::new).ok_or(none)
        })
    })
}

/// Adds `len` bytes of a buffer, from `offset` on, to the end of a segment. They are
/// shared, not copied; the buffer stays the caller's.
///
/// Returns 0; -EINVAL, also if the buffer has not so many bytes; -EMSGSIZE if the
/// segment would reach 4 GiB. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_append_buf(
    msg: *mut msgr_msg,
    segment: c_int,
    buf: *const msgr_buf,
    offset: usize,
    len: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (cell, buf) = unsafe { (handle::borrow(msg)?, handle::borrow(buf)?) };
        let end = offset
            .checked_add(len)
            .filter(|end| *end <= buf.bytes.len());
        let end = end.ok_or(Refusal::of(libc::EINVAL, "the buffer has fewer bytes"))?;
        roomy(&mut cell.lock(), segment, len)?.append(buf.bytes.slice(offset..end));
        Ok(0)
    })
}
