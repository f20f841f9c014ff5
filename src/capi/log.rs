//! Where the log goes: to a callback, or as lines to stderr.

use std::cell::Cell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Once, PoisonError, RwLock};

use log::{Level, LevelFilter, Log, Metadata, Record};

use super::error::Refusal;
use super::guard::guard;
use crate::Origin;

/// Something is broken.
pub const MSGR_LOG_ERROR: c_int = -1;
/// Something is wrong with a peer or its network; the default.
pub const MSGR_LOG_WARN: c_int = 0;
/// What an operator may want to see.
pub const MSGR_LOG_INFO: c_int = 1;
/// What a developer may want to see.
pub const MSGR_LOG_DEBUG: c_int = 5;
/// Every step.
pub const MSGR_LOG_TRACE: c_int = 20;

type Callback = unsafe extern "C" fn(*mut c_void, c_int, *const c_char);

#[derive(Clone, Copy)]
struct Receiver {
    callback: Callback,
    arg: *mut c_void,
}

// SAFETY: by the contract of `msgr_set_log_callback` it is called on any
// thread.
unsafe impl Send for Receiver {}
// SAFETY: as above, and from several threads at once.
unsafe impl Sync for Receiver {}

/// Where the lines of one process go.
struct Outlet {
    origin: Origin,
    /// Read while a line is delivered, so that a replaced callback is no longer
    /// running when the replacing call returns.
    receiver: RwLock<Option<Receiver>>,
}

/// This process's outlet, or that of the one it was forked from, or NULL.
static OUTLET: AtomicPtr<Outlet> = AtomicPtr::new(std::ptr::null_mut());
static INSTALL: Once = Once::new();

thread_local! {
    /// True while this thread is in a log callback: a line that it causes
    /// there is left out instead of calling the callback in itself. Without a
    /// destructor, so it can be used until the thread's very end.
    static DELIVERING: Cell<bool> = const { Cell::new(false) };
}

/// Makes this the process's log, unless a Rust program has one already.
pub(super) fn install() {
    INSTALL.call_once(|| {
        if log::set_boxed_logger(Box::new(Sink)).is_ok() {
            log::set_max_level(LevelFilter::Warn);
        }
    });
}

impl Outlet {
    /// A child gets one of its own: its parent's may be locked by a thread that
    /// the child does not have.
    fn current() -> &'static Self {
        let known = OUTLET.load(Ordering::Acquire);
        // SAFETY: it is NULL or points to an outlet that was leaked below.
        let inherited = unsafe { known.as_ref() };
        if let Some(outlet) = inherited.filter(|outlet| outlet.origin.is_here()) {
            return outlet;
        }
        let receiver = inherited.and_then(|parents| parents.receiver.try_read().ok());
        let own = Box::into_raw(Box::new(Self {
            origin: Origin::here(),
            receiver: RwLock::new(receiver.and_then(|receiver| *receiver)),
        }));
        match OUTLET.compare_exchange(known, own, Ordering::AcqRel, Ordering::Acquire) {
            // SAFETY: it was leaked above, for as long as the process lives.
            Ok(_) => unsafe { &*own },
            Err(other) => {
                // SAFETY: nobody else has seen this one; and the other, which
                // another thread was quicker to leak, is never freed.
                unsafe {
                    drop(Box::from_raw(own));
                    &*other
                }
            }
        }
    }
}

struct Sink;

impl Log for Sink {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if !self.enabled(record.metadata()) || DELIVERING.try_with(Cell::get).unwrap_or(true) {
            return;
        }
        let text = record.args().to_string();
        let receiver = &Outlet::current().receiver;
        let receiver = receiver.read().unwrap_or_else(PoisonError::into_inner);
        match *receiver {
            Some(receiver) => deliver(receiver, record.level(), text),
            None => print(record.level(), &text),
        }
    }

    fn flush(&self) {}
}

fn deliver(receiver: Receiver, level: Level, text: String) {
    // A peer's bytes may be quoted in it.
    let text = CString::new(text.replace('\0', "?")).unwrap_or_default();
    let _ = DELIVERING.try_with(|delivering| {
        delivering.set(true);
        // SAFETY: the program gave both together, and the text lives until the
        // callback is back.
        unsafe { (receiver.callback)(receiver.arg, number(level), text.as_ptr()) };
        delivering.set(false);
    });
}

/// One line, in one write, so that the lines of several threads stay whole; and
/// without a lock, which a forked child may find locked for ever.
fn print(level: Level, text: &str) {
    let name = match level {
        Level::Error => "error",
        Level::Warn => "warning",
        Level::Info => "info",
        Level::Debug => "debug",
        Level::Trace => "trace",
    };
    let line = format!("msgr: {name}: {}\n", text.replace('\n', " "));
    // A closed or a full stderr is no reason to fail.
    // SAFETY: the line is readable for its length.
    unsafe { libc::write(libc::STDERR_FILENO, line.as_ptr().cast(), line.len()) };
}

/// Ceph's number for a level.
const fn number(level: Level) -> c_int {
    match level {
        Level::Error => MSGR_LOG_ERROR,
        Level::Warn => MSGR_LOG_WARN,
        Level::Info => MSGR_LOG_INFO,
        Level::Debug => MSGR_LOG_DEBUG,
        Level::Trace => MSGR_LOG_TRACE,
    }
}

/// What is let through up to one of Ceph's numbers.
const fn filter(upto: c_int) -> LevelFilter {
    if upto < MSGR_LOG_WARN {
        LevelFilter::Error
    } else if upto < MSGR_LOG_INFO {
        LevelFilter::Warn
    } else if upto < MSGR_LOG_DEBUG {
        LevelFilter::Info
    } else if upto < MSGR_LOG_TRACE {
        LevelFilter::Debug
    } else {
        LevelFilter::Trace
    }
}

/// Sends the log of the whole process to `cb`, or with `cb` NULL back to
/// stderr, where each message is one line.
///
/// `level` is one of `MSGR_LOG_...`; `text` is one message without a newline
/// at its end, good until the callback returns. The callback runs on any
/// thread, on several at once, and must not call this library, but for
/// `msgr_strerror`; what it causes to be logged is left out. When this function
/// returns, the callback before is no longer running.
///
/// Returns 0; -EDEADLK in a log callback. In a Rust program with a logger of its
/// own that one keeps the messages. Any thread.
///
/// # Safety
/// By the conventions.
#[no_mangle]
pub unsafe extern "C" fn msgr_set_log_callback(
    cb: Option<unsafe extern "C" fn(arg: *mut c_void, level: c_int, text: *const c_char)>,
    arg: *mut c_void,
) -> c_int {
    guard(|| {
        if DELIVERING.try_with(Cell::get).unwrap_or(true) {
            return Err(Refusal::of(
                libc::EDEADLK,
                "a log callback cannot replace itself",
            ));
        }
        install();
        let receiver = cb.map(|callback| Receiver { callback, arg });
        let slot = &Outlet::current().receiver;
        *slot.write().unwrap_or_else(PoisonError::into_inner) = receiver;
        Ok(0)
    })
}

/// Sets how much is logged, for the whole process: messages up to `level`
/// (`MSGR_LOG_...`, or a number between). The default is `MSGR_LOG_WARN`.
///
/// Returns 0. Any thread, also in callbacks.
#[no_mangle]
pub extern "C" fn msgr_set_log_level(level: c_int) -> c_int {
    guard(|| {
        install();
        log::set_max_level(filter(level));
        Ok(0)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_level_lets_itself_through_and_not_the_next() {
        for level in Level::iter() {
            assert_eq!(filter(number(level)), level.to_level_filter());
        }
        assert_eq!(filter(3), LevelFilter::Info);
        assert_eq!(filter(c_int::MIN), LevelFilter::Error);
    }
}
