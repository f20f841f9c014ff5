//! Waiting on Linux: `epoll_wait` on the poller's own descriptor.
//!
//! `Poller::wait` costs five system calls: it sets and re-arms a timer descriptor,
//! waits, reads its eventfd and re-arms that. Here a wait is one call. The timeout
//! goes to `epoll_wait` itself, in whole milliseconds, and the bell is an eventfd
//! of our own that is edge-triggered: each write reports it once, so it is never
//! read. Its count would overflow after 2^64 rings.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use polling::Poller;
use rustix::buffer::spare_capacity;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::io::Errno;

use super::registered::{Key, Readiness};

/// Wakes the worker that waits on one poller.
pub(super) struct Bell(OwnedFd);

impl Bell {
    pub(super) fn new(poller: &Poller) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let data = epoll::EventData::new_u64(KEY);
        epoll::add(
            poller,
            &bell,
            data,
            epoll::EventFlags::IN | epoll::EventFlags::ET,
        )?;
        Ok(Self(bell))
    }

    pub(super) fn ring(&self, _: &Poller) -> io::Result<()> {
        rustix::io::write(&self.0, &1_u64.to_ne_bytes())?;
        Ok(())
    }
}

/// The events of one wait.
pub(super) struct Batch {
    events: Vec<epoll::Event>,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            events: Vec::with_capacity(CAPACITY),
        }
    }

    /// Waits until a source is ready, the bell rings or `timeout` (whole
    /// milliseconds) is over. An interrupted wait ends with no event.
    pub(super) fn wait(&mut self, poller: &Poller, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        let timeout = timeout.and_then(|t| Timespec::try_from(t).ok());
        match epoll::wait(
            poller.as_fd(),
            spare_capacity(&mut self.events),
            timeout.as_ref(),
        ) {
            Ok(_) | Err(Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    /// Not even a ring of the bell.
    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// A socket that has failed or hung up is ready for everything: the read or
    /// write that follows tells why.
    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Readiness)> + '_ {
        const DOWN: epoll::EventFlags = epoll::EventFlags::ERR.union(epoll::EventFlags::HUP);
        self.events.iter().filter_map(|event| {
            let (flags, key) = (event.flags, event.data.u64());
            let readable = flags.intersects(DOWN | epoll::EventFlags::IN);
            let writable = flags.intersects(DOWN | epoll::EventFlags::OUT);
            (key < KEY).then_some((key, Readiness { readable, writable }))
        })
    }
}

/// Below it lie the users' keys; above it only the poller's own, all ones.
const KEY: Key = Key::MAX - 1;

/// Events fetched at once. More stay ready, and are fetched in the next turn.
const CAPACITY: usize = 256;

#[cfg(test)]
mod tests {
    use rustix::io::{FdFlags, fcntl_getfd};

    use super::*;

    #[test]
    fn a_bell_that_is_never_read_wakes_every_time() {
        let poller = Poller::new().unwrap();
        let (bell, mut batch) = (Bell::new(&poller).unwrap(), Batch::new());
        for _ in 0..3 {
            bell.ring(&poller).unwrap();
            batch.wait(&poller, None).unwrap();
            assert_eq!(batch.events.len(), 1);
            assert_eq!(batch.iter().count(), 0);
            batch.wait(&poller, Some(Duration::ZERO)).unwrap();
            assert_eq!(batch.events.len(), 0);
        }
        assert!(fcntl_getfd(&bell.0).unwrap().contains(FdFlags::CLOEXEC));
        assert!(fcntl_getfd(&poller).unwrap().contains(FdFlags::CLOEXEC));
    }
}
