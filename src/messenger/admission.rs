//! What a message has to be granted before its payload is read: a place and its
//! bytes of what its peer's type may take, then its bytes of the messenger's.
//!
//! The three are taken in one order by all, so nobody waits in a circle. What
//! is the peer type's comes back when the application drops the message, what
//! is the messenger's when the message has been dispatched.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::external::External;
use super::throttle::Throttle;
use crate::types::{EntityType, Hold};

/// Who waits, and for the how manieth time.
pub(crate) type Waiter = (ConnectionRef, u64);

/// The throttles of a messenger's policies, by the peer's type.
pub(crate) struct PolicyThrottles {
    /// Some type has a limit: asked with every message.
    any: AtomicBool,
    by_type: [Arc<PolicyThrottle>; 5],
}

/// What all peers of one type may take together.
struct PolicyThrottle {
    limited: AtomicBool,
    messages: Throttle<Waiter>,
    bytes: Throttle<Waiter>,
}

/// One message's part of that. It comes back when this is dropped.
struct Share {
    of: Arc<PolicyThrottle>,
    messages: u64,
    bytes: u64,
}

/// A message that may not be read yet, and what it has been granted so far.
pub(crate) struct Entry {
    bytes: u64,
    share: Option<Share>,
    next: Step,
}

/// What is to be granted next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Step {
    Message,
    Bytes,
    Dispatch,
}

/// What a wait was for, taken on the waiter's behalf. It goes back if it is
/// dropped, for instance because the waiter has gone.
pub(crate) struct Grant {
    of: Budget,
    amount: u64,
}

enum Budget {
    Messages(Arc<PolicyThrottle>),
    Bytes(Arc<PolicyThrottle>),
    Dispatch(Arc<AsyncMessenger>),
}

impl PolicyThrottles {
    /// Without limits.
    pub(crate) fn new() -> Self {
        let unlimited = || {
            Arc::new(PolicyThrottle {
                limited: AtomicBool::new(false),
                messages: Throttle::new(0),
                bytes: Throttle::new(0),
            })
        };
        Self {
            any: AtomicBool::new(false),
            by_type: std::array::from_fn(|_| unlimited()),
        }
    }

    /// Sets the limits of a type; 0 is none.
    pub(crate) fn set(&self, kind: EntityType, bytes: u64, messages: u64) {
        let Some(throttle) = self.by_type.get(index(kind)) else {
            return;
        };
        throttle
            .messages
            .set_max(messages, throttle.wake_for_message());
        throttle.bytes.set_max(bytes, throttle.wake_for_bytes());
        let limited = bytes > 0 || messages > 0;
        throttle.limited.store(limited, Ordering::Relaxed);
        if limited {
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// The end: nobody waits from now on.
    pub(crate) fn close(&self) {
        for throttle in &self.by_type {
            throttle.messages.close();
            throttle.bytes.close();
        }
    }

    /// Messages and bytes that are out.
    #[cfg(test)]
    pub(crate) fn current(&self, kind: EntityType) -> (u64, u64) {
        let throttle = &self.by_type[index(kind)];
        (throttle.messages.current(), throttle.bytes.current())
    }

    /// The limits for that type, if it has any.
    #[inline]
    fn of(&self, kind: EntityType) -> Option<&Arc<PolicyThrottle>> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let throttle = self.by_type.get(index(kind))?;
        throttle.limited.load(Ordering::Relaxed).then_some(throttle)
    }
}

/// Types are bits.
const fn index(kind: EntityType) -> usize {
    kind.0.trailing_zeros() as usize
}

impl PolicyThrottle {
    fn wake_for_message(self: &Arc<Self>) -> impl FnMut(Waiter, u64) + '_ {
        wake(|| Budget::Messages(Arc::clone(self)))
    }

    fn wake_for_bytes(self: &Arc<Self>) -> impl FnMut(Waiter, u64) + '_ {
        wake(|| Budget::Bytes(Arc::clone(self)))
    }
}

/// Tells a waiter's worker what it was granted.
fn wake(of: impl Fn() -> Budget) -> impl FnMut(Waiter, u64) {
    move |(con, wait), amount| {
        let (worker, of) = (con.worker().clone(), of());
        let grant = Grant { of, amount };
        worker.dispatch_event_external(External::Admitted(con, wait, grant));
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.bytes.put(self.bytes, self.of.wake_for_bytes());
        self.of
            .messages
            .put(self.messages, self.of.wake_for_message());
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        match &self.of {
            Budget::Messages(of) => of.messages.put(self.amount, of.wake_for_message()),
            Budget::Bytes(of) => of.bytes.put(self.amount, of.wake_for_bytes()),
            Budget::Dispatch(of) => of.put_throttle(self.amount),
        }
    }
}

impl Grant {
    /// It has found its waiter, who keeps it.
    fn keep(mut self) {
        self.amount = 0;
    }
}

impl AsyncMessenger {
    /// Asks for room for a message of `con`. If there is none `con` is woken
    /// when there is, by [`External::Admitted`] with that `wait`.
    #[inline]
    pub(crate) fn admit(&self, con: &ConnectionRef, wait: u64, bytes: u64) -> Result<Hold, Entry> {
        let Some(policy) = self.policy_throttles().of(con.peer_type()) else {
            if bytes == 0 || self.take_or_wait(con, wait, bytes) {
                return Ok(Hold::NONE);
            }
            return Err(Entry::new(bytes, None));
        };
        let share = Share {
            of: Arc::clone(policy),
            messages: 0,
            bytes: 0,
        };
        Entry::new(bytes, Some(share)).proceed(con, wait)
    }

    /// Returns payload bytes and lets the connections that wait for them read on.
    pub(crate) fn put_throttle(self: &Arc<Self>, bytes: u64) {
        let of = || Budget::Dispatch(Arc::clone(self));
        self.throttle().put(bytes, wake(of));
    }

    fn take_or_wait(&self, con: &ConnectionRef, wait: u64, bytes: u64) -> bool {
        self.throttle()
            .get_or_wait(bytes, || (Arc::clone(con), wait))
    }
}

impl Entry {
    const fn new(bytes: u64, share: Option<Share>) -> Self {
        let next = match &share {
            Some(_) => Step::Message,
            None => Step::Dispatch,
        };
        Self { bytes, share, next }
    }

    /// Goes on with what a wait has brought.
    pub(crate) fn granted(
        mut self,
        grant: Grant,
        con: &ConnectionRef,
        wait: u64,
    ) -> Result<Hold, Self> {
        grant.keep();
        match self.pass() {
            true => Ok(self.hold()),
            false => self.proceed(con, wait),
        }
    }

    /// The connection wants nothing any more.
    pub(crate) fn cancel(self, con: &ConnectionRef, wait: u64) {
        let is_it = |waiter: &Waiter| waiter.0.id() == con.id() && waiter.1 == wait;
        match (self.next, &self.share) {
            (Step::Message, Some(share)) => {
                share.of.messages.cancel(is_it, share.of.wake_for_message());
            }
            (Step::Bytes, Some(share)) => {
                share.of.bytes.cancel(is_it, share.of.wake_for_bytes());
            }
            _ => {
                let messenger = con.messenger();
                let of = || Budget::Dispatch(Arc::clone(messenger));
                messenger.throttle().cancel(is_it, wake(of));
            }
        }
    }

    /// Takes what there is; an error is a wait.
    fn proceed(mut self, con: &ConnectionRef, wait: u64) -> Result<Hold, Self> {
        loop {
            let waiter = || (Arc::clone(con), wait);
            let granted = match (self.next, &self.share) {
                (Step::Message, Some(share)) => share.of.messages.get_or_wait(1, waiter),
                _ if self.bytes == 0 => true,
                (Step::Bytes, Some(share)) => share.of.bytes.get_or_wait(self.bytes, waiter),
                _ => con.messenger().take_or_wait(con, wait, self.bytes),
            };
            if !granted {
                return Err(self);
            }
            if self.pass() {
                return Ok(self.hold());
            }
        }
    }

    /// Notes that the next step is granted; true if it was the last.
    fn pass(&mut self) -> bool {
        match (self.next, &mut self.share) {
            (Step::Message, Some(share)) => {
                share.messages = 1;
                self.next = Step::Bytes;
            }
            (Step::Bytes, Some(share)) => {
                share.bytes = self.bytes;
                self.next = Step::Dispatch;
            }
            _ => return true,
        }
        false
    }

    fn hold(self) -> Hold {
        self.share.map_or(Hold::NONE, Hold::new)
    }
}
