//! Errors: their texts, and the last one of each thread.

use std::borrow::Cow;
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};

use super::guard::guard_or;
use super::handle;
use crate::Error;

/// Why a call failed: what C gets, and the sentence for `msgr_last_error`.
#[derive(Clone, Debug)]
pub(super) struct Refusal {
    /// Positive.
    pub(super) errno: c_int,
    pub(super) text: Cow<'static, str>,
}

impl Refusal {
    pub(super) const fn of(errno: c_int, text: &'static str) -> Self {
        Self {
            errno,
            text: Cow::Borrowed(text),
        }
    }

    pub(super) fn new(errno: c_int, text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            errno,
            text: text.into(),
        }
    }
}

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self::new(error.errno(), error.to_string())
    }
}

/// Longer texts are cut.
const LAST_ERROR_MAX: usize = 511;

/// A thread's last error text. It has no destructor, so that it can be used
/// until the very end of a thread: from `atexit`, from destructors of static
/// objects and of other thread-locals.
struct LastError {
    len: usize,
    text: [u8; LAST_ERROR_MAX],
}

thread_local! {
    static LAST_ERROR: RefCell<LastError> =
        const { RefCell::new(LastError { len: 0, text: [0; LAST_ERROR_MAX] }) };
}

/// Keeps `text` for the calling thread's next `msgr_last_error`.
pub(super) fn store(text: &str) {
    let cut = text.floor_char_boundary_at(LAST_ERROR_MAX);
    // Nothing can be done about a thread that is too far gone for it.
    let _ = LAST_ERROR.try_with(|last| {
        if let Ok(mut last) = last.try_borrow_mut() {
            last.len = cut.len();
            if let Some(room) = last.text.get_mut(..cut.len()) {
                room.copy_from_slice(cut.as_bytes());
            }
        }
    });
}

/// The calling thread's last error text, empty before the first.
pub(super) fn stored() -> String {
    let read = |last: &RefCell<LastError>| {
        let last = last.try_borrow().ok()?;
        let text = last.text.get(..last.len)?;
        Some(String::from_utf8_lossy(text).into_owned())
    };
    LAST_ERROR.try_with(read).ok().flatten().unwrap_or_default()
}

trait CutText {
    fn floor_char_boundary_at(&self, max: usize) -> &str;
}

impl CutText for str {
    /// As much of the front as fits into `max` bytes without halving a letter.
    fn floor_char_boundary_at(&self, max: usize) -> &str {
        let fits = |end: &usize| self.is_char_boundary(*end);
        let end = (0..=max.min(self.len())).rev().find(fits).unwrap_or(0);
        self.get(..end).unwrap_or_default()
    }
}

/// What an error number means, in a few words.
///
/// `errnum` is what a function of this library returned; its sign does not
/// matter. Never NULL; the text is constant and belongs to the library. Any
/// thread, also in callbacks.
#[no_mangle]
pub extern "C" fn msgr_strerror(errnum: c_int) -> *const c_char {
    let text: &'static CStr = match errnum.saturating_abs() {
        0 => c"success",
        libc::ENOENT => c"no such option",
        libc::E2BIG => c"a structure uses fields this library does not know",
        libc::ENOMEM => c"out of memory",
        libc::EACCES => c"permission denied",
        libc::EBUSY => c"can only be set before the messenger is bound or started",
        libc::EINVAL => c"invalid argument",
        libc::EMFILE => c"too many open files",
        libc::EDEADLK => c"would wait for itself: not allowed in a callback",
        libc::ENAMETOOLONG => c"the buffer is too short for the result",
        libc::EMSGSIZE => c"the message is too large",
        libc::EOPNOTSUPP => c"not supported",
        libc::EADDRINUSE => c"the address is in use",
        libc::EADDRNOTAVAIL => c"the address is not one of this machine",
        libc::ENOTCONN => c"the connection is closed",
        libc::ESHUTDOWN => c"the messenger is shut down",
        libc::ECONNREFUSED => c"connection refused",
        libc::EALREADY => c"already done",
        libc::ECHILD => c"the handle belongs to the parent process",
        libc::ENOTRECOVERABLE => c"a fault inside the library was stopped; its state is not known",
        _ => c"unknown error",
    };
    text.as_ptr()
}

/// The sentence that goes with the latest failure of the calling thread.
///
/// More precise than `msgr_strerror`: it names the option, the address or
/// the argument at fault. Successful calls do not clear it. It is empty before
/// the first failure, and never longer than 511 bytes.
///
/// Returns the text's length without its NUL; -EINVAL if `buf` is NULL;
/// -ENAMETOOLONG if `len` is too short. Neither replaces the stored text. Any
/// thread, also in callbacks.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_last_error(buf: *mut c_char, len: usize) -> c_int {
    guard_or(-libc::ENOTRECOVERABLE, || {
        // SAFETY: the caller's promise is the callee's.
        let filled = unsafe { handle::fill(buf, len, &stored()) };
        Ok(filled.unwrap_or_else(|refusal| -refusal.errno))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_letters() {
        let long = "ä".repeat(LAST_ERROR_MAX);
        store(&long);
        assert_eq!(stored(), "ä".repeat(LAST_ERROR_MAX / 2));
        store("short");
        assert_eq!(stored(), "short");
    }

    #[test]
    fn every_thread_has_an_error_of_its_own() {
        store("mine");
        let theirs = std::thread::scope(|scope| scope.spawn(stored).join().unwrap());
        assert_eq!((stored().as_str(), theirs.as_str()), ("mine", ""));
    }
}
