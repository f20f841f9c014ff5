//! `EventDriver`: the poller of one worker and the bell that wakes it.

use std::io;
use std::os::fd::BorrowedFd;

use polling::{Event, PollMode, Poller};

#[cfg(target_os = "linux")]
pub(super) use super::epoll::{Batch, Bell};
use super::os;
#[cfg(not(target_os = "linux"))]
pub(super) use super::portable::{Batch, Bell};
use super::registered::{Interest, Key};

/// What a worker waits on. The worker waits, its handler registers, anyone rings.
pub(super) struct EventDriver {
    poller: Poller,
    bell: Bell,
}

impl EventDriver {
    pub(super) fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        if !poller.supports_level() {
            // Without it every event would have to be asked for anew.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let bell = Bell::new(&poller)?;
        Ok(Self { poller, bell })
    }

    /// Makes the current wait return, or the next one if there is none.
    pub(super) fn ring(&self) {
        if let Err(error) = self.bell.ring(&self.poller) {
            log::error!("cannot wake a worker: {error}");
        }
    }

    pub(super) fn poller(&self) -> &Poller {
        &self.poller
    }

    pub(super) fn add(
        &self,
        source: BorrowedFd<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        os::add(&self.poller, source, event(key, interest)?)
    }

    pub(super) fn modify(
        &self,
        source: BorrowedFd<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        let event = event(key, interest)?;
        self.poller.modify_with_mode(source, event, PollMode::Level)
    }

    pub(super) fn delete(&self, source: BorrowedFd<'_>) -> io::Result<()> {
        self.poller.delete(source)
    }
}

/// The two highest keys are the poller's and the bell's own.
fn event(key: Key, interest: Interest) -> io::Result<Event> {
    match usize::try_from(key) {
        Ok(key) if key < usize::MAX - 1 => {
            Ok(Event::new(key, interest.is_read(), interest.is_write()))
        }
        _ => Err(io::ErrorKind::InvalidInput.into()),
    }
}
