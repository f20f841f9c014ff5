//! A budget that messengers share with each other, and with threads of the program.

use std::fmt;
use std::sync::mpsc;
use std::sync::{Arc, PoisonError, RwLock};

use super::admission::{Budget, Grant};
use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::error::{Error, Result};
use super::external::External;
use super::shard::Shard;
use super::throttle::Throttle;
use crate::event::{Origin, Worker};

/// A budget with a name: of bytes, of messages, or of whatever a program counts
/// (Ceph's `Throttle`).
///
/// A request above the whole budget passes when nothing else is out. Who waits is
/// served in turn; connections that wait are not read.
pub struct SharedThrottle {
    name: String,
    origin: Origin,
    max: RwLock<u64>,
    budget: Throttle<Waiter>,
}

/// Who waits.
pub(super) enum Waiter {
    /// A connection, for the how manieth time.
    Link(ConnectionRef, u64),
    /// A thread of the program.
    Thread(mpsc::SyncSender<()>),
}

impl SharedThrottle {
    /// A budget of `max`; 0 is no limit.
    pub fn new(name: &str, max: u64) -> Arc<Self> {
        Arc::new(Self {
            name: name.to_owned(),
            origin: Origin::here(),
            max: RwLock::new(max),
            budget: Throttle::new(max),
        })
    }

    /// What it was called.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The process it was made in.
    pub fn origin(&self) -> Origin {
        self.origin
    }

    /// Takes `amount`, as soon as there is room; true if that meant to wait.
    ///
    /// # Errors
    /// `EDEADLK` on a worker, which might be the one to give back.
    pub fn get(self: &Arc<Self>, amount: u64) -> Result<bool> {
        if Worker::<Shard>::on_any_worker() {
            let why = "a worker must not wait for a throttle";
            return Err(Error::new(libc::EDEADLK, why));
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        if self.budget.get_or_wait(amount, || Waiter::Thread(sender)) {
            return Ok(false);
        }
        // The sender is dropped unsent only with the throttle, which we hold.
        let _ = receiver.recv();
        Ok(true)
    }

    /// Takes `amount` if there is room and nobody waits; true if it did.
    pub fn get_or_fail(&self, amount: u64) -> bool {
        self.budget.get_or_fail(amount)
    }

    /// Takes `amount` whatever is left.
    pub fn take(&self, amount: u64) {
        self.budget.take(amount);
    }

    /// Gives back `amount`, and lets in those who wait for it.
    ///
    /// # Errors
    /// `EINVAL` for more than is out.
    pub fn put(self: &Arc<Self>, amount: u64) -> Result<()> {
        match self.budget.put_some(amount, self.wake()) {
            true => Ok(()),
            false => Err(Error::invalid(format!(
                "throttle {}: {amount} is more than was taken",
                self.name
            ))),
        }
    }

    /// Changes the limit, 0 for none, and lets in those who have room now.
    pub fn set_max(self: &Arc<Self>, max: u64) {
        *self.max.write().unwrap_or_else(PoisonError::into_inner) = max;
        self.budget.set_max(max, self.wake());
    }

    /// What is out.
    pub fn current(&self) -> u64 {
        self.budget.current()
    }

    /// The limit; 0 if there is none.
    pub fn max(&self) -> u64 {
        *self.max.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes `amount` in the place of what the connection `has`, or lets it wait.
    pub(super) fn admit(
        self: &Arc<Self>,
        has: u64,
        amount: u64,
        con: &ConnectionRef,
        wait: u64,
    ) -> bool {
        let waiter = || Waiter::Link(Arc::clone(con), wait);
        if has == 0 {
            return self.budget.get_or_wait(amount, waiter);
        }
        let wake = self.wake();
        self.budget.grow_or_wait(has, amount, waiter, wake)
    }

    /// Gives back what was taken for a connection.
    pub(super) fn give_back(self: &Arc<Self>, amount: u64) {
        self.budget.put(amount, self.wake());
    }

    /// The connection does not wait any more.
    pub(super) fn cancel(self: &Arc<Self>, con: &ConnectionRef, wait: u64) {
        let is_it = |waiter: &Waiter| match waiter {
            Waiter::Link(waiting, number) => waiting.id() == con.id() && *number == wait,
            Waiter::Thread(_) => false,
        };
        self.budget.cancel(is_it, self.wake());
    }

    /// No connection of that messenger waits any more.
    pub(super) fn forget(self: &Arc<Self>, messenger: &AsyncMessenger) {
        let is_theirs = |waiter: &Waiter| match waiter {
            Waiter::Link(con, _) => std::ptr::eq(&raw const **con.messenger(), messenger),
            Waiter::Thread(_) => false,
        };
        self.budget.cancel(is_theirs, self.wake());
    }

    /// Tells a waiter that it was granted what it waited for.
    fn wake(self: &Arc<Self>) -> impl FnMut(Waiter, u64) + '_ {
        move |waiter, amount| match waiter {
            Waiter::Link(con, wait) => {
                let worker = con.worker().clone();
                let grant = Grant::new(Budget::Shared(Arc::clone(self)), amount);
                worker.dispatch_event_external(External::Admitted(con, wait, grant));
            }
            // There is room for one word, and there is one.
            Waiter::Thread(thread) => drop(thread.try_send(())),
        }
    }
}

impl fmt::Debug for SharedThrottle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} of {}", self.name, self.current(), self.max())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_waits_for_what_another_gives_back() {
        let throttle = SharedThrottle::new("test", 10);
        assert!(!throttle.get(8).unwrap());
        assert!(!throttle.get_or_fail(3));
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| throttle.get(5).unwrap());
            // Once somebody waits, not even what would fit is given to others.
            while throttle.get_or_fail(2) {
                throttle.put(2).unwrap();
            }
            throttle.put(8).unwrap();
            assert!(waiting.join().unwrap());
        });
        assert_eq!((throttle.current(), throttle.max()), (5, 10));
        throttle.take(20);
        assert_eq!(throttle.put(26).unwrap_err().errno(), libc::EINVAL);
        throttle.put(25).unwrap();
        assert_eq!(throttle.current(), 0);
    }

    #[test]
    fn a_higher_limit_lets_a_waiting_thread_in() {
        let throttle = SharedThrottle::new("test", 1);
        throttle.take(1);
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| throttle.get(1).unwrap());
            throttle.set_max(2);
            waiting.join().unwrap();
        });
        assert_eq!((throttle.current(), throttle.max()), (2, 2));
    }
}
