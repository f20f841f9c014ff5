//! The border no panic crosses.

use std::any::Any;
use std::ffi::c_int;
use std::panic::{AssertUnwindSafe, catch_unwind};

use super::error::{self, Refusal};

/// Runs the body of a function that returns 0 or a count, or a negative errno.
pub(super) fn guard(call: impl FnOnce() -> Result<c_int, Refusal>) -> c_int {
    caught(call).unwrap_or_else(|errno| -errno)
}

/// Runs the body of a function that has no room for an errno and returns
/// `failed` instead.
pub(super) fn guard_or<T>(failed: T, call: impl FnOnce() -> Result<T, Refusal>) -> T {
    caught(call).unwrap_or(failed)
}

/// The body's value, or the errno after its text was stored.
fn caught<T>(call: impl FnOnce() -> Result<T, Refusal>) -> Result<T, c_int> {
    // Unwind safety: nothing of the half-finished call is looked at again, and
    // the locks below the API give their data out even when poisoned.
    let refusal = match catch_unwind(AssertUnwindSafe(call)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(refusal)) => refusal,
        Err(panic) => panicked(panic),
    };
    error::store(&refusal.text);
    Err(refusal.errno)
}

fn panicked(panic: Box<dyn Any + Send>) -> Refusal {
    let said = match panic.downcast_ref::<&str>() {
        Some(text) => (*text).to_owned(),
        None => panic.downcast_ref::<String>().cloned().unwrap_or_default(),
    };
    // Its destructor could panic again, and that would cross the border.
    std::mem::forget(panic);
    Refusal::new(
        libc::ENOTRECOVERABLE,
        format!("a fault inside msgr was stopped: {said}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_an_errno_and_a_text() {
        let value = guard(|| panic!("number {}", 7));
        assert_eq!(value, -libc::ENOTRECOVERABLE);
        assert_eq!(error::stored(), "a fault inside msgr was stopped: number 7");
        assert_eq!(guard_or(5, || panic!("fixed")), 5);
        assert_eq!(error::stored(), "a fault inside msgr was stopped: fixed");
    }

    #[test]
    fn a_panic_whose_payload_panics_when_dropped_is_stopped_too() {
        struct Spiteful;
        impl Drop for Spiteful {
            fn drop(&mut self) {
                panic!("again");
            }
        }
        let value = guard(|| std::panic::panic_any(Spiteful));
        assert_eq!(value, -libc::ENOTRECOVERABLE);
    }

    #[test]
    fn a_success_leaves_the_last_error_alone() {
        assert_eq!(
            guard(|| Err(Refusal::new(libc::EBUSY, "held"))),
            -libc::EBUSY
        );
        assert_eq!(guard(|| Ok(3)), 3);
        assert_eq!(error::stored(), "held");
    }
}
