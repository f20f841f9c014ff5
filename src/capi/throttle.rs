//! `msgr_throttle`: a budget that a program shares among messengers and threads.

use std::ffi::{c_char, c_int};
use std::sync::Arc;

use super::guard::{guard, guard_or};
use super::handle::{self, msgr_messenger, msgr_throttle};
use super::policy::entity_type;
use crate::SharedThrottle;

/// Makes a throttle: a budget of `max` bytes, messages or whatever else; 0 is no
/// limit. `name` is for those who look at it.
///
/// `*out` gets a reference that belongs to the caller, NULL on failure. Returns 0;
/// -EINVAL. Any thread, also in callbacks. Ceph: `Throttle`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_create(
    name: *const c_char,
    max: u64,
    out: *mut *mut msgr_throttle,
) -> c_int {
    // SAFETY: the caller's promises are the callees'.
    guard(|| unsafe { handle::give(out, || Ok(SharedThrottle::new(handle::text(name)?, max))) })
}

/// Adds a reference. Returns `throttle`, NULL for NULL. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_ref(throttle: *mut msgr_throttle) -> *mut msgr_throttle {
    // SAFETY: the caller's promise is the callee's.
    guard_or(std::ptr::null_mut(), || unsafe {
        handle::add_ref(throttle)
    })
}

/// Drops a reference; NULL is ignored. Messengers, and messages that count in it, hold
/// their own. Any thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_unref(throttle: *mut msgr_throttle) {
    guard_or((), || {
        // SAFETY: the caller's promise is the callee's.
        drop(unsafe { handle::take(throttle) }?);
        Ok(())
    });
}

/// Takes `amount`, as soon as there is room: blocks until then. Who waits is served in
/// turn. More than the whole limit is given when nothing else is out.
///
/// Returns 1 if it had to wait, 0 if not; -EINVAL; -EDEADLK on a worker, that is, in a
/// fast callback. Any other thread. Ceph: `Throttle::get`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_get(throttle: *mut msgr_throttle, amount: u64) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        let throttle = unsafe { handle::share(throttle)? };
        Ok(throttle.get(amount)?.into())
    })
}

/// Takes `amount` if there is room and nobody waits. Never blocks.
///
/// Returns 1 if it did, 0 if not; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Throttle::get_or_fail`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_get_or_fail(
    throttle: *mut msgr_throttle,
    amount: u64,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        Ok(unsafe { handle::borrow(throttle)? }
            .get_or_fail(amount)
            .into())
    })
}

/// Takes `amount` whatever is left, also beyond the limit. Never blocks.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph: `Throttle::take`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_take(throttle: *mut msgr_throttle, amount: u64) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::borrow(throttle)? }.take(amount);
        Ok(0)
    })
}

/// Gives back `amount`, and lets in those who wait for it.
///
/// Returns 0; -EINVAL, also for more than is out. Any thread, also in callbacks. Ceph:
/// `Throttle::put`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_put(throttle: *mut msgr_throttle, amount: u64) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::share(throttle)? }.put(amount)?;
        Ok(0)
    })
}

/// Changes the limit, 0 for none, and lets in those who have room now.
///
/// Returns 0 or -EINVAL. Any thread, also in callbacks. Ceph:
/// `Throttle::reset_max`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_set_max(throttle: *mut msgr_throttle, max: u64) -> c_int {
    guard(|| {
        // SAFETY: the caller's promise is the callee's.
        unsafe { handle::share(throttle)? }.set_max(max);
        Ok(0)
    })
}

/// What is out; 0 for NULL. Any thread, also in callbacks. Ceph:
/// `Throttle::get_current`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_current(throttle: *const msgr_throttle) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(throttle)? }.current()))
}

/// The limit; 0 if there is none and for NULL. Any thread, also in callbacks. Ceph:
/// `Throttle::get_max`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_throttle_max(throttle: *const msgr_throttle) -> u64 {
    // SAFETY: the caller's promise is the callee's.
    guard_or(0, || Ok(unsafe { handle::borrow(throttle)? }.max()))
}

/// Lets what peers of one type send count in these throttles: payload bytes in the one,
/// messages in the other, from before a message is read until the program drops it or
/// sends it on. While one of them is spent their sockets are not read. NULL is no limit.
///
/// Several types and messengers may share one; the messenger holds references of its
/// own. They take the place of the limits that `msgr_set_policy_throttlers` set, and
/// hold from the next message on.
///
/// Returns 0; -EINVAL. Any thread, also in callbacks. Ceph:
/// `Messenger::set_policy_throttlers`.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_policy_throttles(
    messenger: *mut msgr_messenger,
    peer_type: c_int,
    bytes: *mut msgr_throttle,
    messages: *mut msgr_throttle,
) -> c_int {
    guard(|| {
        // SAFETY: the caller's promises are the callees'.
        let (messenger, bytes, messages) = unsafe {
            (
                handle::borrow(messenger)?,
                optional(bytes)?,
                optional(messages)?,
            )
        };
        messenger.share_policy_throttles(entity_type(peer_type)?, bytes, messages)?;
        Ok(0)
    })
}

/// A throttle that may be left out.
///
/// # Safety
/// `raw` is a handle by the conventions.
unsafe fn optional(
    raw: *const msgr_throttle,
) -> Result<Option<Arc<SharedThrottle>>, super::error::Refusal> {
    if raw.is_null() {
        return Ok(None);
    }
    // SAFETY: the caller's promise is the callee's.
    unsafe { handle::share(raw) }.map(Some)
}
