//! In which order a messenger may be used.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::error::{Error, Result};

/// A messenger's life: created, perhaps bound, started, shut down, at rest.
pub(crate) struct Lifecycle {
    state: Mutex<State>,
    changed: Condvar,
    /// The phase is `ShuttingDown` or later: asked with every message.
    ending: AtomicBool,
}

struct State {
    phase: Phase,
    bound: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Phase {
    Created,
    Started,
    /// Some thread is telling everybody of the shutdown.
    ShuttingDown,
    ShutDown,
    /// Some thread is waiting for workers and dispatch thread.
    Resting,
    AtRest,
}

impl Lifecycle {
    pub(crate) fn new() -> Self {
        let state = State {
            phase: Phase::Created,
            bound: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
            ending: AtomicBool::new(false),
        }
    }

    /// Claims the one bind there is; [`Lifecycle::unbind`] gives it back.
    pub(crate) fn begin_bind(&self) -> Result<()> {
        let mut state = self.lock();
        match state.phase {
            Phase::Created if !state.bound => {
                state.bound = true;
                Ok(())
            }
            Phase::Created => Err(Error::new(libc::EALREADY, "the messenger is bound already")),
            Phase::Started => Err(Error::new(libc::EALREADY, "bind comes before start")),
            _ => Err(Error::shut_down()),
        }
    }

    /// Is it bound, or about to be?
    pub(crate) fn is_bound(&self) -> bool {
        self.lock().bound
    }

    /// A bind failed.
    pub(crate) fn unbind(&self) {
        self.lock().bound = false;
    }

    pub(crate) fn start(&self) -> Result<()> {
        let mut state = self.lock();
        match state.phase {
            Phase::Created => {
                state.phase = Phase::Started;
                Ok(())
            }
            Phase::Started => Err(Error::new(
                libc::EALREADY,
                "the messenger is started already",
            )),
            _ => Err(Error::shut_down()),
        }
    }

    /// `what` is to be set.
    pub(crate) fn check_not_started(&self, what: &str) -> Result<()> {
        match self.lock().phase {
            Phase::Created => Ok(()),
            Phase::Started => {
                let why = format!("{what} set before start");
                Err(Error::new(libc::EBUSY, why))
            }
            _ => Err(Error::shut_down()),
        }
    }

    pub(crate) fn check_not_ending(&self) -> Result<()> {
        match self.lock().phase {
            Phase::Created | Phase::Started => Ok(()),
            _ => Err(Error::shut_down()),
        }
    }

    pub(crate) fn check_started(&self) -> Result<()> {
        match self.lock().phase {
            Phase::Created => Err(Error::new(
                libc::ENOTCONN,
                "start the messenger before it connects",
            )),
            Phase::Started => Ok(()),
            _ => Err(Error::shut_down()),
        }
    }

    pub(crate) fn is_shut_down(&self) -> bool {
        self.ending.load(Ordering::Acquire)
    }

    /// True for the call that begins the end. It tells everybody, and then
    /// calls [`Lifecycle::finish_shutdown`].
    pub(crate) fn begin_shutdown(&self) -> bool {
        let mut state = self.lock();
        if state.phase >= Phase::ShuttingDown {
            return false;
        }
        state.phase = Phase::ShuttingDown;
        self.ending.store(true, Ordering::Release);
        self.changed.notify_all();
        true
    }

    /// Everybody is told: now there is an end to wait for.
    pub(crate) fn finish_shutdown(&self) {
        self.lock().phase = Phase::ShutDown;
        self.changed.notify_all();
    }

    /// Blocks until shutdown was asked for. True for the one caller that shall
    /// bring everything to rest; the others return when that is done.
    pub(crate) fn wait_for_shutdown(&self) -> bool {
        let mut state = self.lock();
        loop {
            match state.phase {
                // Never started: there is nothing to wait for.
                Phase::Created | Phase::AtRest => return false,
                Phase::ShutDown => {
                    state.phase = Phase::Resting;
                    return true;
                }
                Phase::Started | Phase::ShuttingDown | Phase::Resting => {
                    state = self
                        .changed
                        .wait(state)
                        .unwrap_or_else(PoisonError::into_inner);
                }
            }
        }
    }

    /// Everything is at rest.
    pub(crate) fn finish(&self) {
        self.lock().phase = Phase::AtRest;
        self.changed.notify_all();
    }

    /// Pauses for `delay`; true if shutdown came first.
    pub(crate) fn pause(&self, delay: Duration) -> bool {
        let state = self.lock();
        let wait = self
            .changed
            .wait_timeout_while(state, delay, |state| state.phase < Phase::ShuttingDown);
        let (state, _) = wait.unwrap_or_else(PoisonError::into_inner);
        state.phase >= Phase::ShuttingDown
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
