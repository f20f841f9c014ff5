//! The calls of this layer that the compiler cannot vouch for.

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

/// Marks what a socket sends as network control (class CS6), as Ceph does, and
/// gives it that priority in the queues of this host.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "rustix does not offer SO_PRIORITY")]
pub(super) fn set_priority(socket: BorrowedFd<'_>, v6: bool, priority: i32) -> io::Result<()> {
    const CLASS_CS6: libc::c_int = 0xc0;
    let class = match v6 {
        true => (libc::IPPROTO_IPV6, libc::IPV6_TCLASS),
        false => (libc::IPPROTO_IP, libc::IP_TOS),
    };
    // The class resets the priority, so that it goes first.
    for ((level, name), value) in [
        (class, CLASS_CS6),
        ((libc::SOL_SOCKET, libc::SO_PRIORITY), priority),
    ] {
        let size = size_of::<libc::c_int>() as libc::socklen_t;
        // SAFETY: the descriptor is open for the call, and the kernel reads one
        // int, which is what it is told.
        let set = unsafe {
            libc::setsockopt(
                socket.as_raw_fd(),
                level,
                name,
                (&raw const value).cast(),
                size,
            )
        };
        if set != 0 {
            return Err(io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Other systems have no priorities of sockets.
#[cfg(not(target_os = "linux"))]
pub(super) fn set_priority(_: BorrowedFd<'_>, _: bool, _: i32) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}

/// What the kernel tells of a connection of TCP: the first words of `tcp_info`.
/// Those that it does not know stay 0.
#[cfg(target_os = "linux")]
#[expect(unsafe_code, reason = "rustix does not offer TCP_INFO")]
pub(super) fn tcp_info<const WORDS: usize>(socket: BorrowedFd<'_>) -> io::Result<[u32; WORDS]> {
    let mut words = [0; WORDS];
    let mut size = size_of_val(&words) as libc::socklen_t;
    // SAFETY: the descriptor is open for the call, and the kernel writes no more
    // bytes than there are, any of which make words.
    let got = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::IPPROTO_TCP,
            libc::TCP_INFO,
            words.as_mut_ptr().cast(),
            &raw mut size,
        )
    };
    if got != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(words)
}

/// Other systems tell other things.
#[cfg(not(target_os = "linux"))]
pub(super) fn tcp_info<const WORDS: usize>(_: BorrowedFd<'_>) -> io::Result<[u32; WORDS]> {
    Err(io::ErrorKind::Unsupported.into())
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
