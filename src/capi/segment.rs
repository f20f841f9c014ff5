//! `msgr_msg`: its three segments of bytes.

use std::ffi::{c_int, c_void};
use std::sync::Arc;

use libc::iovec;

use super::error::Refusal;
use super::guard::{guard, guard_or};
use super::handle::{self, msgr_msg};
use super::memory::{self, Owner};
use crate::{Message, Payload};

/// The first segment: usually the encoded body.
pub const MSGR_FRONT: c_int = 0;
/// The second segment.
pub const MSGR_MIDDLE: c_int = 1;
/// The third segment: bulk data.
pub const MSGR_DATA: c_int = 2;

pub(super) fn payload(message: &mut Message, segment: c_int) -> Result<&mut Payload, Refusal> {
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
pub(super) fn roomy(
    message: &mut Message,
    segment: c_int,
    more: usize,
) -> Result<&mut Payload, Refusal> {
    let payload = payload(message, segment)?;
    let len = payload.len().checked_add(more).map(u32::try_from);
    match len {
        Some(Ok(_)) => Ok(payload),
        _ => Err(Refusal::of(libc::EMSGSIZE, "a segment has less than 4 GiB")),
    }
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
        let bytes = handle::items(data.cast::<u8>(), len)?;
        let mut message = cell.lock();
        let payload = roomy(&mut message, segment, len)?;
        let piece = memory::adopt(bytes, Owner { free_fn, arg });
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

/// Adds several pieces of one owner's to the end of a segment without copying them.
///
/// On success all of that memory belongs to the message, as with `msgr_msg_append`:
/// `free_fn(arg)` is called once, when nothing refers to any of the pieces any more.
/// Empty pieces are passed over. The array itself is read by the call and not kept.
///
/// Returns 0; -EINVAL; -EMSGSIZE if the segment would reach 4 GiB. On failure the
/// memory stays the caller's and `free_fn` is not called. Any thread, also in
/// callbacks.
///
/// # Safety
/// By the conventions, and the pieces are readable until `free_fn` is called.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_append_iov(
    msg: *mut msgr_msg,
    segment: c_int,
    iov: *const iovec,
    count: usize,
    free_fn: Option<unsafe extern "C" fn(arg: *mut c_void)>,
    arg: *mut c_void,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe {
        let cell = handle::borrow(msg)?;
        let pieces = pieces(iov, count)?;
        let total = pieces
            .clone()
            .map(<[u8]>::len)
            .fold(0, usize::saturating_add);
        let mut message = cell.lock();
        let payload = roomy(&mut message, segment, total)?;
        let unused = adopt(payload, pieces, Owner { free_fn, arg });
        // Not under the lock.
        drop(message);
        drop(unused);
        Ok(0)
    })
}

/// What such an array points to, but for what is empty.
///
/// # Safety
/// By the conventions, and for as long as the result is used.
pub(super) unsafe fn pieces<'a>(
    iov: *const iovec,
    count: usize,
) -> Result<impl Iterator<Item = &'a [u8]> + Clone, Refusal> {
    // SAFETY: the caller's promises are the callees'.
    let array: &'a [iovec] = unsafe { handle::items(iov, count)? };
    // SAFETY: as above.
    let bytes =
        |piece: &iovec| unsafe { handle::items::<'a, u8>(piece.iov_base.cast(), piece.iov_len) };
    array.iter().try_for_each(|piece| bytes(piece).map(drop))?;
    Ok(array
        .iter()
        .filter_map(move |piece| bytes(piece).ok())
        .filter(|bytes| !bytes.is_empty()))
}

/// Adds pieces that all belong to one owner. It comes back if there are none.
///
/// # Safety
/// They are readable and stay as they are until the owner is dropped.
pub(super) unsafe fn adopt<'a>(
    payload: &mut Payload,
    mut pieces: impl Iterator<Item = &'a [u8]>,
    owner: Owner,
) -> Option<Owner> {
    let Some(first) = pieces.next() else {
        return Some(owner);
    };
    let Some(second) = pieces.next() else {
        // SAFETY: the caller's promise is the callee's.
        payload.append(unsafe { memory::adopt(first, owner) });
        return None;
    };
    let owner = Arc::new(owner);
    for piece in [first, second].into_iter().chain(pieces) {
        // SAFETY: as above.
        payload.append(unsafe { memory::adopt_part(piece, &owner) });
    }
    None
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
/// appended pieces are joined by this, once. `msgr_msg_iov` does not join them.
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

/// Where the pieces of a segment are, without joining them: fills up to `count`
/// entries of `iov`, which may be NULL if that is 0.
///
/// The bytes belong to the message. The pointers are good until the segment is
/// changed or joined, or the caller's reference is given up.
///
/// Returns how many pieces there are, which may be more than `count`; -EINVAL. Any
/// thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_iov(
    msg: *const msgr_msg,
    segment: c_int,
    iov: *mut iovec,
    count: usize,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let mut message = unsafe { handle::borrow(msg)? }.lock();
        let payload = payload(&mut message, segment)?;
        if iov.is_null() && count > 0 {
            return Err(Refusal::of(libc::EINVAL, "the array is NULL"));
        }
        for (index, piece) in payload.pieces().take(count).enumerate() {
            let entry = iovec {
                iov_base: piece.as_ptr().cast_mut().cast(),
                iov_len: piece.len(),
            };
            // SAFETY: not NULL, and the array has so many entries.
            unsafe { iov.add(index).write(entry) };
        }
        let pieces = payload.pieces().count();
        Ok(c_int::try_from(pieces).unwrap_or(c_int::MAX))
    })
}

/// Takes all bytes out of a segment. Memory that was lent to it is given back, as
/// far as nothing else refers to it.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Message::clear_payload`, `clear_data`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_msg_clear(msg: *mut msgr_msg, segment: c_int) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let mut message = unsafe { handle::borrow(msg)? }.lock();
        let taken = std::mem::take(payload(&mut message, segment)?);
        // What it belonged to may be the program's: not under the lock.
        drop(message);
        drop(taken);
        Ok(0)
    })
}
