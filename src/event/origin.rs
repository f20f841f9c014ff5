//! `Origin`: which process something was made in.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

/// The process in which something was made.
///
/// The child of a fork gets a copy of everything but the threads. What was made
/// before is dead there: it must not be used, nor ended as usual, since event
/// loops and sockets are shared with the parent.
///
/// Processes are told apart by what [`Origin::note_child`] counts, so asking
/// costs next to nothing. The C interface has it called after each fork; a Rust
/// program that forks does so itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Origin(u32);

/// Forks that lie between the first process and this one.
static FORKS: AtomicU32 = AtomicU32::new(0);

/// There is or was a child with copies of this process's descriptors.
static SHARES: AtomicBool = AtomicBool::new(false);

impl Origin {
    /// This process.
    pub fn here() -> Self {
        // A process learns what it is before it does anything else.
        Self(FORKS.load(Ordering::Relaxed))
    }

    /// True in that process itself, false in a child that inherited from it.
    #[inline]
    pub fn is_here(self) -> bool {
        self == Self::here()
    }

    /// To be called in the child of a fork before anything else. A signal
    /// handler may call it.
    pub fn note_child() {
        FORKS.fetch_add(1, Ordering::Relaxed);
    }

    /// To be called in the parent of a fork: closing a socket ends its
    /// connection from now on, whoever else has it open.
    pub fn note_parent() {
        SHARES.store(true, Ordering::Relaxed);
    }

    /// May others have this process's descriptors open?
    pub(crate) fn shares_descriptors() -> bool {
        SHARES.load(Ordering::Relaxed)
    }
}

impl Default for Origin {
    /// This process.
    fn default() -> Self {
        Self::here()
    }
}
