//! `EventLoop`: the turns of a worker, on its thread.

use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use super::center::EventCenter;
use super::driver::Batch;
use super::os;
#[cfg(test)]
use super::sim;
use super::spin::Spin;
#[cfg(test)]
use super::worker::leave;
use super::worker::{Command, Handler, Shared, Worker};
use crate::types::Time;

/// The thread's side of a worker. However it ends, by a stop, a panic, or a thread
/// that could not be started, the inbox is closed first and the handler dropped then,
/// so that nobody who waits for this worker keeps the handler from going.
pub(super) struct EventLoop<H: Handler> {
    worker: Worker<H>,
    handler: H,
    center: EventCenter,
    /// What `before_sleep` said last.
    more: bool,
    spin: Spin,
}

impl<H: Handler> EventLoop<H> {
    pub(super) fn new(worker: Worker<H>, handler: H, spin: Duration) -> Self {
        Self {
            center: EventCenter::new(Arc::clone(&worker.shared().driver)),
            more: false,
            spin: Spin::new(spin),
            worker,
            handler,
        }
    }

    /// The body of the worker's thread.
    pub(super) fn run(mut self) {
        os::block_signals();
        self.worker.enter();
        let mut batch = self.worker.shared().driver.batch();
        while self.turn(&mut batch) {}
    }

    /// One turn; the numbers are those of the module's documentation. False: stop.
    fn turn(&mut self, batch: &mut Batch) -> bool {
        let Self {
            worker,
            handler,
            center,
            more,
            spin,
        } = self;
        let shared = &**worker.shared();
        shared.count_turn();

        let drained = shared.drain(handler, center); // 1
        if *more || drained != Drained::Nothing {
            *more = handler.before_sleep(center); // 2
        }
        if drained == Drained::Stop {
            return false;
        }

        let waited = match *more {
            true => shared.driver.wait(batch, Some(Duration::ZERO)),
            false => shared.await_events(batch, center, spin),
        };
        if let Err(error) = waited {
            log::error!("worker {} cannot wait and stops: {error}", shared.id);
            return false;
        }
        center.wake();

        batch.for_each(|key, ready| handler.handle_ready(key, ready, center)); // 5
        // Timers armed meanwhile wait for the next turn, even if they are due.
        for _ in 0..center.timers().len() {
            let now = center.now();
            let Some(key) = center.timers().pop_expired(now) else {
                break;
            };
            handler.handle_timer(key, center); // 6
        }
        *more = handler.before_sleep(center); // 7
        true
    }
}

#[cfg(test)]
impl<H: Handler + Send> sim::Turn for EventLoop<H> {
    fn take_turn(&mut self) -> bool {
        // Turns nest where one worker submits to another.
        let before = self.worker.enter();
        // Time went by in the wait of the turn before.
        self.center.wake();
        let goes_on = self.turn(&mut self.worker.shared().driver.batch());
        leave(before);
        goes_on
    }

    fn has_work(&self) -> bool {
        self.more || self.worker.has_events()
    }

    fn next_timer(&mut self) -> Option<Time> {
        self.center.timers().next()
    }
}

impl<H: Handler> Shared<H> {
    /// Waits for whatever comes first: an external event, a source or a timer.
    fn await_events(
        &self,
        batch: &mut Batch,
        center: &mut EventCenter,
        spin: &mut Spin,
    ) -> io::Result<()> {
        if spin.is_off() {
            return self.sleep(batch, center);
        }
        let since = self.driver.now();
        if !self.look_on(batch, since, spin)? {
            self.sleep(batch, center)?;
        }
        spin.waited(self.driver.now().since(since));
        Ok(())
    }

    /// Looks for events without sleeping, and without being rung for. False: there
    /// were none, or it was not worth while. Timers may be late by as long.
    fn look_on(&self, batch: &mut Batch, since: Time, spin: &mut Spin) -> io::Result<bool> {
        let Some(patience) = spin.patience() else {
            return Ok(false);
        };
        let mut before = since;
        loop {
            self.driver.wait(batch, Some(Duration::ZERO))?;
            if !batch.is_empty() || self.inbox.has_items() {
                return Ok(true);
            }
            thread::yield_now();
            let now = self.driver.now();
            if spin.is_crowded(now.since(before)) || now.since(since) >= patience {
                return Ok(false);
            }
            before = now;
        }
    }

    fn sleep(&self, batch: &mut Batch, center: &mut EventCenter) -> io::Result<()> {
        let asleep = self.inbox.park(); // 3
        let timeout = if asleep {
            center.timeout()
        } else {
            Some(Duration::ZERO)
        };
        let waited = self.driver.wait(batch, timeout); // 4
        if asleep {
            self.inbox.unpark();
        }
        waited
    }

    fn drain(&self, handler: &mut H, center: &mut EventCenter) -> Drained {
        for n in 0..DRAIN_MAX {
            match self.inbox.pop() {
                Some(Command::External(event)) => handler.handle_external(event, center),
                Some(Command::Run(job)) => job(handler, center),
                Some(Command::Stop) => return Drained::Stop,
                None if n == 0 => return Drained::Nothing,
                None => break,
            }
        }
        Drained::Some
    }
}

impl<H: Handler> Drop for EventLoop<H> {
    fn drop(&mut self) {
        if thread::panicking() {
            log::error!("worker {} panicked and stops", self.worker.id());
        }
        self.worker.shared().inbox.close();
    }
}

#[derive(PartialEq)]
enum Drained {
    Nothing,
    Some,
    Stop,
}

/// External events handled in one turn.
pub(super) const DRAIN_MAX: usize = 4096;
