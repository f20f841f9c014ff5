//! Waiting where there is no epoll: with the poller's own means.

use std::io;
use std::num::NonZeroUsize;
use std::time::Duration;

use polling::{Events, Poller};

use super::registered::{Key, Readiness};

/// Wakes the worker that waits on one poller.
pub(super) struct Bell;

impl Bell {
    #[expect(clippy::unnecessary_wraps, reason = "the same shape as on Linux")]
    pub(super) fn new(_: &Poller) -> io::Result<Self> {
        Ok(Self)
    }

    #[expect(clippy::unused_self, reason = "the same shape as on Linux")]
    pub(super) fn ring(&self, poller: &Poller) -> io::Result<()> {
        poller.notify()
    }
}

/// The events of one wait.
pub(super) struct Batch {
    events: Events,
}

impl Batch {
    pub(super) fn new() -> Self {
        Self {
            events: Events::with_capacity(CAPACITY),
        }
    }

    /// Waits until a source is ready, the bell rings or `timeout` is over. An
    /// interrupted wait ends with no event.
    pub(super) fn wait(&mut self, poller: &Poller, timeout: Option<Duration>) -> io::Result<()> {
        self.events.clear();
        match poller.wait(&mut self.events, timeout) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Key, Readiness)> + '_ {
        self.events.iter().map(|event| {
            let readiness = Readiness {
                readable: event.readable,
                writable: event.writable,
            };
            (event.key as Key, readiness)
        })
    }
}

/// Events fetched at once. More stay ready, and are fetched in the next turn.
const CAPACITY: NonZeroUsize = NonZeroUsize::MIN.saturating_add(255);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ring_before_or_during_a_wait_ends_it_without_an_event() {
        let poller = Poller::new().unwrap();
        let (bell, mut batch) = (Bell::new(&poller).unwrap(), Batch::new());
        bell.ring(&poller).unwrap();
        batch.wait(&poller, None).unwrap();
        assert!(batch.is_empty() && batch.iter().count() == 0);
        std::thread::scope(|scope| {
            scope.spawn(|| bell.ring(&poller).unwrap());
            batch.wait(&poller, None).unwrap();
        });
        assert_eq!(batch.iter().count(), 0);
    }
}
