//! The two calls of this layer that the compiler cannot vouch for.

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use polling::{Event, PollMode, Poller};

/// Adds `source` to `poller`, level-triggered. Only [`Registered`] may call this.
///
/// [`Registered`]: super::Registered
#[expect(
    unsafe_code,
    reason = "Poller::add wants a promise about the source's life"
)]
pub(super) fn add(poller: &Poller, source: BorrowedFd<'_>, event: Event) -> io::Result<()> {
    // The source must be deleted from the poller before it is closed.
    // SAFETY: `Registered`, the only caller, owns the source and lends it out by
    // shared reference only, so it is open now; its `drop` deletes it before the
    // source is dropped; and if it is leaked, the descriptor stays open.
    unsafe { poller.add_with_mode(source.as_raw_fd(), event, PollMode::Level) }
}

/// Blocks every signal in the calling thread, so that the host's handlers run on
/// the host's threads.
///
/// Not blocked are those a thread raises by its own fault: the kernel kills the
/// process for them without asking a handler if they are blocked, and a host that
/// prints a stack trace in one wants the worker's as well.
#[expect(unsafe_code, reason = "neither std nor rustix offers a signal mask")]
pub(super) fn block_signals() {
    const FAULTS: [libc::c_int; 7] = [
        libc::SIGABRT,
        libc::SIGBUS,
        libc::SIGFPE,
        libc::SIGILL,
        libc::SIGSEGV,
        libc::SIGSYS,
        libc::SIGTRAP,
    ];
    let mut set = MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: `sigfillset` initializes the whole of `set`, the calls after it only
    // read or change initialized memory, and a null third argument asks for nothing back.
    unsafe {
        libc::sigfillset(set.as_mut_ptr());
        for signal in FAULTS {
            libc::sigdelset(set.as_mut_ptr(), signal);
        }
        libc::pthread_sigmask(libc::SIG_SETMASK, set.as_ptr(), std::ptr::null_mut());
    }
}
