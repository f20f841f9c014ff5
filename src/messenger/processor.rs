//! A listening socket and what it does with newcomers.

use std::io;
use std::net::SocketAddr;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::time::Duration;

use super::async_messenger::AsyncMessenger;
use super::external::{External, Newcomer};
use super::shard::Shard;
use crate::event::{EventCenter, Interest, Registered, ServerSocket, Worker};
use crate::types::AddrType;

/// Connections taken in one turn, so that a flood of newcomers cannot starve
/// those who are in.
const ACCEPTS_PER_TURN: usize = 64;

/// How long to leave newcomers waiting in the kernel when the process cannot
/// take another descriptor.
const PAUSE: Duration = Duration::from_millis(100);

/// Listens for one address of a messenger inside a worker's loop and hands out
/// what it accepts (Ceph's `Processor`).
pub(crate) struct Processor {
    key: u64,
    messenger: Arc<AsyncMessenger>,
    socket: Registered<ServerSocket>,
    /// Where it listens.
    at: SocketAddr,
    /// Which protocol is spoken there.
    kind: AddrType,
    /// Out of descriptors: said once, until an accept succeeds again.
    starved: bool,
}

impl Processor {
    /// Takes the listening socket into the loop, not accepting yet.
    pub(crate) fn new(
        key: u64,
        messenger: Arc<AsyncMessenger>,
        socket: ServerSocket,
        kind: AddrType,
        center: &mut EventCenter,
    ) -> io::Result<Self> {
        let at = socket.local_addr()?;
        let socket = center.register(key, socket, Interest::NONE)?;
        Ok(Self {
            key,
            messenger,
            socket,
            at,
            kind,
            starved: false,
        })
    }

    /// Starts or resumes accepting.
    pub(crate) fn resume(&mut self, center: &mut EventCenter) {
        if let Err(error) = self.socket.set_interest(Interest::READ) {
            self.pause(&error, center);
        }
    }

    /// Accepts what waits, up to a bound.
    pub(crate) fn accept(&mut self, here: &Worker<Shard>, center: &mut EventCenter) {
        for _ in 0..ACCEPTS_PER_TURN {
            match self.socket.accept(&self.messenger.socket_options()) {
                Ok((socket, from)) => {
                    self.starved = false;
                    if self.socket.is_local() {
                        self.messenger.counters().accepted_locally.add(1);
                    }
                    let worker = self.worker(here);
                    let newcomer = Newcomer {
                        socket,
                        from,
                        at: self.at,
                        kind: self.kind,
                        entrant: self.messenger.enter(from.ip(), center.now()),
                    };
                    let event = External::Accepted(Arc::clone(&self.messenger), Box::new(newcomer));
                    worker.dispatch_event_external(event);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                Err(error) if is_about_the_newcomer(&error) => {}
                Err(error) => return self.pause(&error, center),
            }
        }
    }

    /// The worker for a newcomer, counted already. A local socket has no port that
    /// workers could share.
    fn worker<'a>(&'a self, here: &'a Worker<Shard>) -> &'a Worker<Shard> {
        let worker = match self.messenger.has_local_listen_tables() && !self.socket.is_local() {
            true => here,
            false => self.messenger.stack().least_loaded(),
        };
        worker.acquire();
        worker
    }

    /// Its socket's descriptor.
    pub(crate) fn fd(&self) -> Option<RawFd> {
        self.socket.fd()
    }

    pub(crate) fn belongs_to(&self, messenger: &Arc<AsyncMessenger>) -> bool {
        Arc::ptr_eq(&self.messenger, messenger)
    }

    /// Leaves newcomers to the kernel for a while: descriptors or memory have
    /// run out, and asking again at once would only burn the worker's time.
    fn pause(&mut self, error: &io::Error, center: &mut EventCenter) {
        self.messenger.counters().accept_pauses.add(1);
        if !std::mem::replace(&mut self.starved, true) {
            log::warn!(
                "{} cannot accept: {error}; trying again",
                self.messenger.name()
            );
        }
        // Should even this fail, level triggering costs a turn per pause.
        let _ = self.socket.set_interest(Interest::NONE);
        let at = center.now() + PAUSE;
        center.arm(self.key, at);
    }
}

/// Errors that say the newcomer is gone again, not that accepting is broken.
fn is_about_the_newcomer(error: &io::Error) -> bool {
    let raw = error.raw_os_error().unwrap_or(0);
    error.kind() == io::ErrorKind::Interrupted
        || [
            libc::ECONNABORTED,
            libc::EPROTO,
            libc::EPERM,
            libc::ENETDOWN,
            libc::EHOSTUNREACH,
            libc::ENETUNREACH,
        ]
        .contains(&raw)
}
