//! `Registered`: a source that its worker watches.

use std::io;
use std::ops::Deref;
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};
use std::sync::Arc;

use super::center::EventCenter;
use super::driver::EventDriver;
#[cfg(test)]
use super::sim;

/// Names a source or a timer of one worker. The handler chooses it.
///
/// Never use a key again while it is registered, nor in the turn in which it was
/// deregistered: the batch being handled may still hold an event of the old
/// source. A key counted up and never used again is the simplest; a handler
/// ignores events with a key it does not know.
pub type Key = u64;

/// What a source is ready for. It may be out of date: a read or write that would
/// block must do no harm.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Readiness {
    /// There are bytes, a connection, an end or an error to be read.
    pub readable: bool,
    /// There is room to write, or an error to be told.
    pub writable: bool,
}

/// What a source is watched for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Interest {
    read: bool,
    write: bool,
}

impl Interest {
    /// Not watched at all. Epoll tells of resets even without interest, so a
    /// paused source is taken out of the poller, or it would keep the loop busy.
    pub const NONE: Self = Self {
        read: false,
        write: false,
    };
    /// Readable.
    pub const READ: Self = Self {
        read: true,
        write: false,
    };
    /// Writable.
    pub const WRITE: Self = Self {
        read: false,
        write: true,
    };
    /// Both.
    pub const READ_WRITE: Self = Self {
        read: true,
        write: true,
    };

    /// Does it contain readability?
    pub const fn is_read(self) -> bool {
        self.read
    }

    /// Does it contain writability?
    pub const fn is_write(self) -> bool {
        self.write
    }
}

/// What can be watched.
pub trait Watched {
    /// What the poller is told of it: the same for as long as it exists.
    fn source(&self) -> Source<'_>;
}

/// What a poller is told of the things it watches.
pub enum Source<'a> {
    /// A descriptor of the kernel's.
    Kernel(BorrowedFd<'a>),
    /// A socket of a simulation.
    #[cfg(test)]
    Simulated(&'a sim::Endpoint),
}

impl Source<'_> {
    /// Its descriptor, if it has one.
    pub fn fd(&self) -> Option<RawFd> {
        match self {
            Self::Kernel(fd) => Some(fd.as_raw_fd()),
            #[cfg(test)]
            Self::Simulated(_) => None,
        }
    }
}

/// A source and its place in a worker's poller. Dropping it takes the source out
/// of the poller before the source itself is dropped.
pub struct Registered<S: Watched> {
    driver: Arc<EventDriver>,
    key: Key,
    /// In the poller if and only if this is not NONE.
    interest: Interest,
    source: S,
}

impl<S: Watched> Registered<S> {
    pub(super) fn new(
        driver: &Arc<EventDriver>,
        key: Key,
        source: S,
        interest: Interest,
    ) -> io::Result<Self> {
        let driver = Arc::clone(driver);
        let mut registered = Self {
            driver,
            key,
            interest: Interest::NONE,
            source,
        };
        registered.set_interest(interest)?;
        Ok(registered)
    }

    /// Changes what the source is watched for. Costs a system call, unless nothing
    /// changes. Events already fetched in this turn are still delivered.
    pub fn set_interest(&mut self, interest: Interest) -> io::Result<()> {
        let source = self.source.source();
        match (self.interest, interest) {
            (old, new) if old == new => return Ok(()),
            (Interest::NONE, new) => self.driver.add(source, self.key, new)?,
            (_, Interest::NONE) => self.driver.delete(source)?,
            (_, new) => self.driver.modify(source, self.key, new)?,
        }
        self.interest = interest;
        Ok(())
    }

    /// Watches the source under another key, perhaps of another worker: the one
    /// that `center` belongs to, and which calls.
    pub fn move_to(
        &mut self,
        key: Key,
        center: &EventCenter,
        interest: Interest,
    ) -> io::Result<()> {
        self.set_interest(Interest::NONE)?;
        self.driver = Arc::clone(center.driver());
        self.key = key;
        self.set_interest(interest)
    }

    /// The source's descriptor, if it has one.
    pub fn fd(&self) -> Option<RawFd> {
        self.source.source().fd()
    }

    /// What the source is watched for.
    pub fn interest(&self) -> Interest {
        self.interest
    }
}

impl<S: Watched> Deref for Registered<S> {
    type Target = S;

    fn deref(&self) -> &S {
        &self.source
    }
}

impl<S: Watched> Drop for Registered<S> {
    fn drop(&mut self) {
        if let Err(error) = self.set_interest(Interest::NONE) {
            log::error!("cannot take key {} out of its poller: {error}", self.key);
        }
    }
}
