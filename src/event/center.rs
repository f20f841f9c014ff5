//! `EventCenter`: what a handler may ask of its worker.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::driver::EventDriver;
use super::local::LocalSockets;
use super::registered::{Interest, Key, Registered, Watched};
use super::socket::{ConnectedSocket, ServerSocket, SocketOptions};
use super::timers::Timers;
use crate::types::{Time, WallTime};

/// The clock, the timers and the poller of one worker, lent to its handler.
pub struct EventCenter {
    driver: Arc<EventDriver>,
    timers: Timers,
    now: Time,
    /// Derived when first asked for after a wake-up.
    wall: Cell<Option<WallTime>>,
}

impl EventCenter {
    pub(super) fn new(driver: Arc<EventDriver>) -> Self {
        Self {
            now: driver.now(),
            wall: Cell::new(None),
            timers: Timers::default(),
            driver,
        }
    }

    /// The time of the last wake-up. All workers have the same origin.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The calendar time, read at most once per wake-up.
    pub fn wall(&self) -> WallTime {
        let wall = self.wall.get().unwrap_or_else(|| self.driver.wall());
        self.wall.set(Some(wall));
        wall
    }

    /// Begins to connect to `addr`; see [`ConnectedSocket::connect`].
    pub fn connect(
        &self,
        addr: SocketAddr,
        options: &SocketOptions,
    ) -> io::Result<ConnectedSocket> {
        self.driver.connect(addr, options)
    }

    /// Binds to `addr` and listens; see [`ServerSocket::listen`].
    pub fn listen(&self, addr: SocketAddr, options: &SocketOptions) -> io::Result<ServerSocket> {
        self.driver.listen(addr, options)
    }

    /// Connects to the process of this host that has bound `to` and listens among
    /// `sockets` for it; `NotFound` if there is none.
    pub fn connect_local(
        &self,
        to: SocketAddr,
        sockets: &LocalSockets,
    ) -> io::Result<ConnectedSocket> {
        self.driver.connect_local(to, sockets)
    }

    /// Listens among `sockets` on behalf of `at`, which this process has bound. What
    /// it accepts comes from that address, or from the loopback, and from port 0.
    pub fn listen_local(
        &self,
        at: SocketAddr,
        sockets: &LocalSockets,
        options: &SocketOptions,
    ) -> io::Result<ServerSocket> {
        self.driver.listen_local(at, sockets, options)
    }

    /// Watches `source` under `key`; see [`Key`] for what the handler owes.
    pub fn register<S: Watched>(
        &mut self,
        key: Key,
        source: S,
        interest: Interest,
    ) -> io::Result<Registered<S>> {
        Registered::new(&self.driver, key, source, interest)
    }

    /// Lets `handle_timer` be called with `key` once, at `at` or soon after. Each
    /// key has one timer; arming it again moves it.
    pub fn arm(&mut self, key: Key, at: Time) {
        self.timers.arm(key, at);
    }

    /// Stops the timer of `key`, also if it has expired in this turn already but
    /// was not handled yet.
    pub fn disarm(&mut self, key: Key) {
        self.timers.disarm(key);
    }

    /// How many timers are armed.
    #[cfg(test)]
    pub fn armed(&self) -> usize {
        self.timers.len()
    }

    /// How long to wait for the next timer, rounded up to whole milliseconds:
    /// epoll counts in these, and rounding down would spin. Asks the clock, since
    /// the callbacks of this turn took their time.
    pub(super) fn timeout(&mut self) -> Option<Duration> {
        let next = self.timers.next()?;
        let millis = next
            .since(self.driver.now())
            .as_nanos()
            .div_ceil(NANOS_PER_MILLI);
        let millis = u64::try_from(millis).unwrap_or(u64::MAX);
        Some(Duration::from_millis(millis).min(LONGEST_WAIT))
    }

    /// Reads the clock, after a wake-up.
    pub(super) fn wake(&mut self) {
        self.now = self.driver.now();
        self.wall.set(None);
    }

    pub(super) fn driver(&self) -> &Arc<EventDriver> {
        &self.driver
    }

    pub(super) fn timers(&mut self) -> &mut Timers {
        &mut self.timers
    }
}

const NANOS_PER_MILLI: u128 = 1_000_000;

/// What any poller can express; waking up once a day for nothing is no harm.
const LONGEST_WAIT: Duration = Duration::from_secs(24 * 3600);
