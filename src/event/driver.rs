//! `EventDriver`: what one worker has of the system it runs on: a poller, the
//! bell that wakes it, sockets and clocks.
//!
//! This is the seam at which tests put a simulated world under the workers. The
//! library itself knows one kind of driver, so nothing is decided at run time.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use polling::{Event, PollMode, Poller};

use super::clock;
#[cfg(target_os = "linux")]
use super::epoll::{self as waiting, Bell};
use super::local::LocalSockets;
use super::os;
#[cfg(not(target_os = "linux"))]
use super::portable::{self as waiting, Bell};
use super::registered::{Interest, Key, Readiness, Source};
#[cfg(test)]
use super::sim;
use super::socket::{ConnectedSocket, ServerSocket, SocketOptions};
use crate::types::{Time, WallTime};

/// What a worker waits on. The worker waits, its handler registers, anyone rings.
pub(super) enum EventDriver {
    Kernel {
        poller: Poller,
        bell: Bell,
    },
    #[cfg(test)]
    Simulated(sim::Poller),
}

/// The events of one wait.
pub(super) enum Batch {
    Kernel(waiting::Batch),
    #[cfg(test)]
    Simulated(Vec<(Key, Readiness)>),
}

impl EventDriver {
    pub(super) fn new() -> io::Result<Self> {
        let poller = Poller::new()?;
        if !poller.supports_level() {
            // Without it every event would have to be asked for anew.
            return Err(io::ErrorKind::Unsupported.into());
        }
        let bell = Bell::new(&poller)?;
        Ok(Self::Kernel { poller, bell })
    }

    // ---- waiting

    /// Makes the current wait return, or the next one if there is none.
    pub(super) fn ring(&self) {
        match self {
            Self::Kernel { poller, bell } => {
                if let Err(error) = bell.ring(poller) {
                    log::error!("cannot wake a worker: {error}");
                }
            }
            // Its worker does not sleep; the simulation sees that it has events.
            #[cfg(test)]
            Self::Simulated(_) => {}
        }
    }

    /// Room for what a wait brings.
    pub(super) fn batch(&self) -> Batch {
        match self {
            Self::Kernel { .. } => Batch::Kernel(waiting::Batch::new()),
            #[cfg(test)]
            Self::Simulated(_) => Batch::Simulated(Vec::new()),
        }
    }

    /// Waits until a source is ready, the bell rings or `timeout` (whole
    /// milliseconds) is over. An interrupted wait ends with no event.
    pub(super) fn wait(&self, batch: &mut Batch, timeout: Option<Duration>) -> io::Result<()> {
        match (self, batch) {
            (Self::Kernel { poller, .. }, Batch::Kernel(batch)) => batch.wait(poller, timeout),
            #[cfg(test)]
            (Self::Simulated(poller), Batch::Simulated(ready)) => {
                ready.clear();
                poller.poll(ready);
                Ok(())
            }
            #[cfg(test)]
            _ => Err(another_world()),
        }
    }

    // ---- what is watched

    pub(super) fn add(&self, source: Source<'_>, key: Key, interest: Interest) -> io::Result<()> {
        match (self, source) {
            (Self::Kernel { poller, .. }, Source::Kernel(source)) => {
                os::add(poller, source, event(key, interest)?)
            }
            #[cfg(test)]
            (Self::Simulated(poller), Source::Simulated(socket)) => {
                poller.watch(socket, key, interest)
            }
            #[cfg(test)]
            _ => Err(another_world()),
        }
    }

    pub(super) fn modify(
        &self,
        source: Source<'_>,
        key: Key,
        interest: Interest,
    ) -> io::Result<()> {
        match (self, source) {
            (Self::Kernel { poller, .. }, Source::Kernel(source)) => {
                let event = event(key, interest)?;
                poller.modify_with_mode(source, event, PollMode::Level)
            }
            #[cfg(test)]
            (Self::Simulated(poller), Source::Simulated(socket)) => {
                poller.watch(socket, key, interest)
            }
            #[cfg(test)]
            _ => Err(another_world()),
        }
    }

    pub(super) fn delete(&self, source: Source<'_>) -> io::Result<()> {
        match (self, source) {
            (Self::Kernel { poller, .. }, Source::Kernel(source)) => poller.delete(source),
            #[cfg(test)]
            (Self::Simulated(poller), Source::Simulated(socket)) => {
                poller.forget(socket);
                Ok(())
            }
            #[cfg(test)]
            _ => Err(another_world()),
        }
    }

    // ---- sockets

    pub(super) fn connect(
        &self,
        addr: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<ConnectedSocket> {
        match self {
            Self::Kernel { .. } => ConnectedSocket::connect(addr, options),
            #[cfg(test)]
            Self::Simulated(poller) => poller.connect(addr).map(ConnectedSocket::Simulated),
        }
    }

    pub(super) fn listen(
        &self,
        addr: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<ServerSocket> {
        match self {
            Self::Kernel { .. } => ServerSocket::listen(addr, options),
            #[cfg(test)]
            Self::Simulated(poller) => poller.listen(addr, options).map(ServerSocket::Simulated),
        }
    }

    pub(super) fn connect_local(
        &self,
        to: SocketAddr,
        sockets: &LocalSockets,
    ) -> io::Result<ConnectedSocket> {
        match self {
            Self::Kernel { .. } => sockets.connect(to),
            #[cfg(test)]
            Self::Simulated(_) => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn listen_local(
        &self,
        at: SocketAddr,
        sockets: &LocalSockets,
        options: &SocketOptions,
    ) -> io::Result<ServerSocket> {
        match self {
            Self::Kernel { .. } => sockets.listen(at, options.backlog),
            #[cfg(test)]
            Self::Simulated(_) => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    // ---- clocks

    /// The monotonic clock. All drivers have the same origin.
    pub(super) fn now(&self) -> Time {
        match self {
            Self::Kernel { .. } => clock::monotonic(),
            #[cfg(test)]
            Self::Simulated(poller) => poller.now(),
        }
    }

    /// The calendar time.
    pub(super) fn wall(&self) -> WallTime {
        match self {
            Self::Kernel { .. } => clock::calendar(),
            #[cfg(test)]
            Self::Simulated(poller) => poller.wall(),
        }
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        match self {
            Self::Kernel(batch) => batch.is_empty(),
            #[cfg(test)]
            Self::Simulated(batch) => batch.is_empty(),
        }
    }

    /// Hands out what is ready.
    pub(super) fn for_each(&self, mut tell: impl FnMut(Key, Readiness)) {
        match self {
            Self::Kernel(batch) => batch.iter().for_each(|(key, ready)| tell(key, ready)),
            #[cfg(test)]
            Self::Simulated(batch) => batch.iter().for_each(|(key, ready)| tell(*key, *ready)),
        }
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

/// A simulated socket is of no use to a real poller, nor the other way round.
#[cfg(test)]
fn another_world() -> io::Error {
    io::ErrorKind::InvalidInput.into()
}
