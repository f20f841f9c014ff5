//! Deliberate bugs, with which tests show that they would notice such ones.

/// Something that a session must not do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mutation {
    /// What was written on a lost link and not acknowledged is forgotten.
    DropReplay,
    /// A message that the peer has is sent again, and one that has come before is
    /// delivered again.
    SkipDedupe,
    /// What is written counts as acknowledged.
    AckEarly,
    /// A session that another one replaces loses what it had to send.
    LoseQueueOnReplace,
    /// Nobody is told that the peer has lost the session.
    ForgetResetCallback,
    /// No bug, but what an allocator may do: buffers have more room than was asked for.
    RoomyBuffers,
}

/// Has this bug been put in? Only ever in tests.
#[cfg(not(test))]
pub const fn is(_: Mutation) -> bool {
    false
}

#[cfg(test)]
pub use in_tests::{is, with};

#[cfg(test)]
mod in_tests {
    use std::cell::Cell;

    use super::Mutation;

    thread_local! {
        static PRESENT: Cell<Option<Mutation>> = const { Cell::new(None) };
    }

    /// Has this bug been put in?
    pub fn is(mutation: Mutation) -> bool {
        PRESENT.get() == Some(mutation)
    }

    /// Runs `f` with that bug in what this thread does.
    pub fn with<R>(mutation: Mutation, f: impl FnOnce() -> R) -> R {
        PRESENT.set(Some(mutation));
        let result = f();
        PRESENT.set(None);
        result
    }
}
