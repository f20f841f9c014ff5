//! What a message has to be granted before its payload is read: a place and its
//! bytes of what its peer's type may take, then its bytes of the messenger's.
//!
//! The three are taken in one order by all, so nobody waits in a circle. What
//! is the peer type's comes back when the application drops the message, what
//! is the messenger's when the message has been dispatched.
//!
//! A message that came compressed has been granted what it takes packed, and wants
//! what it takes unpacked in the place of that. It keeps the one while it waits for
//! the other, or there would be memory that nobody counts; but of the messenger's it
//! keeps nothing while it waits for what is the peer type's, or somebody could wait
//! in a circle after all.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::external::External;
use super::shared_throttle::SharedThrottle;
use crate::proto::Request;
use crate::types::{EntityType, Hold};

/// Who waits, and for the how manieth time.
pub(crate) type Waiter = (ConnectionRef, u64);

/// The throttles of a messenger's policies, by the peer's type.
pub(crate) struct PolicyThrottles {
    /// Some type has a limit: asked with every message.
    any: AtomicBool,
    by_type: [PolicyThrottle; 5],
}

/// What all peers of one type may take together.
struct PolicyThrottle {
    limited: AtomicBool,
    /// Its own, of which [`PolicyThrottles::set`] sets the limits.
    own: Budgets,
    /// Those that hold: its own, or what the program shares among several.
    held: RwLock<Budgets>,
}

/// Of messages, and of their payload bytes.
#[derive(Clone)]
struct Budgets {
    messages: Arc<SharedThrottle>,
    bytes: Arc<SharedThrottle>,
}

/// One message's part of that. It comes back when this is dropped.
struct Share {
    of: Budgets,
    messages: u64,
    bytes: u64,
}

/// A message that may not be read yet, and what it has been granted so far.
pub(crate) struct Entry {
    bytes: u64,
    share: Option<Share>,
    /// What it has of the messenger's already: what it takes packed.
    packed: u64,
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

pub(super) enum Budget {
    Shared(Arc<SharedThrottle>),
    Dispatch(Arc<AsyncMessenger>),
}

impl PolicyThrottles {
    /// Without limits.
    pub(crate) fn new() -> Self {
        Self {
            any: AtomicBool::new(false),
            by_type: std::array::from_fn(|_| PolicyThrottle::unlimited()),
        }
    }

    /// Sets the limits of a type; 0 is none.
    pub(crate) fn set(&self, kind: EntityType, bytes: u64, messages: u64) {
        let Some(throttle) = self.by_type.get(index(kind)) else {
            return;
        };
        throttle.own.messages.set_max(messages);
        throttle.own.bytes.set_max(bytes);
        throttle.hold(throttle.own.clone());
        self.note(throttle, bytes > 0 || messages > 0);
    }

    /// Lets a type take of these; where there is none it has no limit.
    pub(crate) fn share(
        &self,
        kind: EntityType,
        bytes: Option<Arc<SharedThrottle>>,
        messages: Option<Arc<SharedThrottle>>,
    ) {
        let Some(throttle) = self.by_type.get(index(kind)) else {
            return;
        };
        let limited = bytes.is_some() || messages.is_some();
        let none = || SharedThrottle::new("none", 0);
        throttle.hold(Budgets {
            messages: messages.unwrap_or_else(none),
            bytes: bytes.unwrap_or_else(none),
        });
        self.note(throttle, limited);
    }

    /// The end: no connection of that messenger waits from now on, nor is any limited.
    pub(crate) fn close(&self, messenger: &AsyncMessenger) {
        for throttle in &self.by_type {
            throttle.limited.store(false, Ordering::Relaxed);
            let held = throttle.held();
            for budget in [&held, &throttle.own] {
                budget.messages.forget(messenger);
                budget.bytes.forget(messenger);
            }
        }
    }

    /// Messages and bytes that are out.
    #[cfg(test)]
    pub(crate) fn current(&self, kind: EntityType) -> (u64, u64) {
        let held = self.by_type[index(kind)].held();
        (held.messages.current(), held.bytes.current())
    }

    fn note(&self, throttle: &PolicyThrottle, limited: bool) {
        throttle.limited.store(limited, Ordering::Relaxed);
        if limited {
            self.any.store(true, Ordering::Relaxed);
        }
    }

    /// The limits for that type, if it has any.
    #[inline]
    fn of(&self, kind: EntityType) -> Option<Budgets> {
        if !self.any.load(Ordering::Relaxed) {
            return None;
        }
        let throttle = self.by_type.get(index(kind))?;
        let limited = throttle.limited.load(Ordering::Relaxed);
        limited.then(|| throttle.held())
    }
}

/// Types are bits.
const fn index(kind: EntityType) -> usize {
    kind.0.trailing_zeros() as usize
}

impl PolicyThrottle {
    fn unlimited() -> Self {
        let own = Budgets {
            messages: SharedThrottle::new("messages", 0),
            bytes: SharedThrottle::new("bytes", 0),
        };
        Self {
            limited: AtomicBool::new(false),
            held: RwLock::new(own.clone()),
            own,
        }
    }

    fn held(&self) -> Budgets {
        let held = self.held.read().unwrap_or_else(PoisonError::into_inner);
        held.clone()
    }

    /// Whoever waits for the former ones goes on to.
    fn hold(&self, budgets: Budgets) {
        *self.held.write().unwrap_or_else(PoisonError::into_inner) = budgets;
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.of.bytes.give_back(self.bytes);
        self.of.messages.give_back(self.messages);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        match &self.of {
            Budget::Shared(of) => of.give_back(self.amount),
            Budget::Dispatch(of) => of.put_throttle(self.amount),
        }
    }
}

/// Tells a waiter's worker what it was granted.
fn wake(of: impl Fn() -> Budget) -> impl FnMut(Waiter, u64) {
    move |(con, wait), amount| {
        let worker = con.worker().clone();
        let grant = Grant::new(of(), amount);
        worker.dispatch_event_external(External::Admitted(con, wait, grant));
    }
}

impl Grant {
    pub(super) const fn new(of: Budget, amount: u64) -> Self {
        Self { of, amount }
    }

    /// It has found its waiter, who keeps it.
    fn keep(mut self) {
        self.amount = 0;
    }
}

impl AsyncMessenger {
    /// Asks for room for a message of `con`. If there is none `con` is woken
    /// when there is, by [`External::Admitted`] with that `wait`.
    #[inline]
    pub(crate) fn admit(
        &self,
        con: &ConnectionRef,
        wait: u64,
        request: Request,
    ) -> Result<Hold, Entry> {
        if request.packed > 0 {
            return Entry::unpack(request).proceed(con, wait);
        }
        let bytes = request.bytes;
        let Some(policy) = self.policy_throttles().of(con.peer_type()) else {
            if bytes == 0 || self.take_or_wait(con, wait, 0, bytes) {
                return Ok(Hold::NONE);
            }
            return Err(Entry::new(bytes, None));
        };
        let share = Share {
            of: policy,
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

    /// Takes `bytes` in the place of the `packed` ones that it has, if any.
    #[inline]
    fn take_or_wait(&self, con: &ConnectionRef, wait: u64, packed: u64, bytes: u64) -> bool {
        let waiter = || (Arc::clone(con), wait);
        if packed == 0 {
            return self.throttle().get_or_wait(bytes, waiter);
        }
        let of = || Budget::Dispatch(Arc::clone(con.messenger()));
        self.throttle()
            .grow_or_wait(packed, bytes, waiter, wake(of))
    }
}

impl Entry {
    const fn new(bytes: u64, share: Option<Share>) -> Self {
        let next = match &share {
            Some(_) => Step::Message,
            None => Step::Dispatch,
        };
        Self {
            bytes,
            share,
            packed: 0,
            next,
        }
    }

    /// To unpack what was granted packed.
    #[cold]
    fn unpack(request: Request) -> Self {
        let share = request.hold.into_held::<Share>();
        let next = match &share {
            Some(_) => Step::Bytes,
            None => Step::Dispatch,
        };
        Self {
            bytes: request.bytes,
            share,
            packed: request.packed,
            next,
        }
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
        match (self.next, &self.share) {
            (Step::Message, Some(share)) => {
                share.of.messages.cancel(con, wait);
            }
            (Step::Bytes, Some(share)) => {
                share.of.bytes.cancel(con, wait);
            }
            _ => {
                let messenger = con.messenger();
                let of = || Budget::Dispatch(Arc::clone(messenger));
                let is_it = |waiter: &Waiter| waiter.0.id() == con.id() && waiter.1 == wait;
                messenger.throttle().cancel(is_it, wake(of));
                messenger.put_throttle(self.packed);
            }
        }
    }

    /// Takes what there is; an error is a wait.
    fn proceed(mut self, con: &ConnectionRef, wait: u64) -> Result<Hold, Self> {
        loop {
            let granted = match (self.next, &self.share) {
                (Step::Message, Some(share)) => share.of.messages.admit(0, 1, con, wait),
                _ if self.bytes == 0 => true,
                (Step::Bytes, Some(share)) => {
                    let bytes = &share.of.bytes;
                    bytes.admit(share.bytes, self.bytes, con, wait)
                }
                _ => (con.messenger()).take_or_wait(con, wait, self.packed, self.bytes),
            };
            if !granted {
                if self.next == Step::Bytes {
                    let packed = std::mem::take(&mut self.packed);
                    con.messenger().put_throttle(packed);
                }
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
