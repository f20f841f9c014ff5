//! Where messages and events go: the application's dispatchers, in a chain.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock, PoisonError, RwLock, mpsc};

use super::connection::ConnectionRef;
use crate::types::Message;

/// What an application does with messages and connection events (Ceph's
/// `Dispatcher`).
///
/// `fast_*` methods run on a worker, one at a time for each connection, and
/// must not block: every connection of that worker waits. The others run on
/// the messenger's dispatch thread, one at a time. No lock of the library is
/// held in any of them, so all its calls are legal there, except that
/// [`Messenger::wait`](crate::Messenger::wait) answers `EDEADLK`.
pub trait Dispatcher: Send + Sync {
    /// Whether this dispatcher wants [`Dispatcher::fast_dispatch`] at all; asked
    /// once, when it is added.
    fn can_fast_dispatch_any(&self) -> bool {
        false
    }

    /// Whether [`Stamps::dispatched`](crate::Stamps::dispatched) shall tell when an
    /// ordinary message is dispatched, for which the clock is read each time; asked
    /// once, when the dispatcher is added.
    fn wants_stamps(&self) -> bool {
        false
    }

    /// Whether this dispatcher wants [`Dispatcher::fast_preprocess`]; asked once,
    /// when it is added.
    fn wants_preprocess(&self) -> bool {
        false
    }

    /// Any message, on the worker that read it, before a dispatcher gets it (Ceph's
    /// `ms_fast_preprocess`).
    fn fast_preprocess(&self, con: &ConnectionRef, message: &mut Message) {
        let _ = (con, message);
    }

    /// A message, on the worker that read it. `Err` gives it back: not one for
    /// fast dispatch. (Ceph's `ms_can_fast_dispatch` and `ms_fast_dispatch` in
    /// one.)
    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        let _ = con;
        Err(message)
    }

    /// A message, on the dispatch thread. `Err` gives it back: the next
    /// dispatcher is asked.
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>>;

    /// A connection that this end dialled is up; again after each reconnect.
    fn handle_connect(&self, con: &ConnectionRef) {
        let _ = con;
    }

    /// A connection that the peer dialled is up.
    fn handle_accept(&self, con: &ConnectionRef) {
        let _ = con;
    }

    /// As [`Dispatcher::handle_connect`], on the worker, before any message.
    fn handle_fast_connect(&self, con: &ConnectionRef) {
        let _ = con;
    }

    /// As [`Dispatcher::handle_accept`], on the worker, before any message.
    fn handle_fast_accept(&self, con: &ConnectionRef) {
        let _ = con;
    }

    /// The connection is gone for good; what was under way is lost. True ends
    /// the chain.
    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        let _ = con;
        false
    }

    /// The peer has lost its side of the session; the connection goes on.
    fn handle_remote_reset(&self, con: &ConnectionRef) {
        let _ = con;
    }

    /// The peer's host refused the connection; it is tried again after a
    /// pause. True ends the chain.
    fn handle_refused(&self, con: &ConnectionRef) -> bool {
        let _ = con;
        false
    }

    /// Itself, for those who look for it among others.
    fn as_any(&self) -> Option<&dyn Any> {
        None
    }
}

/// One dispatcher of a chain.
#[derive(Clone)]
pub(crate) struct Link {
    seat: Arc<Seat>,
    fast: bool,
    stamps: bool,
    preprocess: bool,
}

/// Where a dispatcher is, as long as a chain that anybody uses has it.
struct Seat {
    dispatcher: Arc<dyn Dispatcher>,
    /// Behind the dispatcher, so that it is dropped after it: whoever waits for the
    /// seat to be empty has the other end.
    empties: OnceLock<mpsc::Sender<()>>,
}

impl Link {
    fn new(dispatcher: Arc<dyn Dispatcher>) -> Self {
        let asked = |what, ask: fn(&dyn Dispatcher) -> bool| {
            guarded(what, || ask(&*dispatcher)).unwrap_or(false)
        };
        Self {
            fast: asked("can_fast_dispatch_any", |it| it.can_fast_dispatch_any()),
            stamps: asked("wants_stamps", |it| it.wants_stamps()),
            preprocess: asked("wants_preprocess", |it| it.wants_preprocess()),
            seat: Arc::new(Seat {
                dispatcher,
                empties: OnceLock::new(),
            }),
        }
    }

    fn dispatcher(&self) -> &dyn Dispatcher {
        &*self.seat.dispatcher
    }
}

/// A chain as it was at one moment; callbacks are made from such a copy, so
/// that a chain may change while it runs.
pub(crate) type Chain = Arc<[Link]>;

/// A messenger's dispatchers in the order they are asked.
pub(crate) struct DispatcherChain(RwLock<Chain>);

impl DispatcherChain {
    /// A chain without a dispatcher.
    pub(crate) fn new() -> Self {
        Self(RwLock::new(Arc::new([])))
    }

    /// Adds a dispatcher; true if it is the first.
    pub(crate) fn add(&self, dispatcher: Arc<dyn Dispatcher>, at_head: bool) -> bool {
        let added = Link::new(dispatcher);
        let mut chain = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let was_empty = chain.is_empty();
        let mut links = chain.to_vec();
        links.insert(if at_head { 0 } else { links.len() }, added);
        *chain = links.into();
        was_empty
    }

    /// Takes those dispatchers out and waits until no callback of theirs runs; false
    /// if there are none. Not for threads that run callbacks.
    pub(crate) fn remove(&self, is_it: impl Fn(&dyn Dispatcher) -> bool) -> bool {
        // Asked without the lock, and without keeping a snapshot.
        let leaving: Vec<Link> = (self.snapshot().iter())
            .filter(|link| is_it(link.dispatcher()))
            .cloned()
            .collect();
        let leaves = |link: &Link| leaving.iter().any(|it| Arc::ptr_eq(&it.seat, &link.seat));
        let mut chain = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let stay = chain.iter().filter(|link| !leaves(link)).cloned().collect();
        // Its snapshots are what callbacks are made from.
        let former = std::mem::replace(&mut *chain, stay);
        drop(chain);
        let removed: Vec<Link> = former.iter().filter(|link| leaves(link)).cloned().collect();
        drop((former, leaving));
        let is_any = !removed.is_empty();
        for Link { seat, .. } in removed {
            let (empties, emptied) = mpsc::channel();
            // Whoever took it out of the chain is the only one to come here.
            let _ = seat.empties.set(empties);
            // Its destructor is the last of all.
            let last = Arc::clone(&seat.dispatcher);
            drop(seat);
            // Nothing is ever sent: the other end just goes.
            let _ = emptied.recv();
            drop(last);
        }
        is_any
    }

    /// Takes all dispatchers out.
    pub(crate) fn clear(&self) {
        let cleared = std::mem::replace(
            &mut *self.0.write().unwrap_or_else(PoisonError::into_inner),
            Arc::new([]),
        );
        // Their destructors are the application's code: run them unlocked.
        drop(cleared);
    }

    /// The chain as it is now.
    pub(crate) fn snapshot(&self) -> Chain {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Does any of them want to know when messages are dispatched?
pub(crate) fn wants_stamps(chain: &Chain) -> bool {
    chain.iter().any(|link| link.stamps)
}

/// Shows a message to those that want to see it first.
pub(crate) fn preprocess(chain: &Chain, con: &ConnectionRef, message: &mut Message) {
    for link in chain.iter().filter(|link| link.preprocess) {
        guarded("fast_preprocess", || {
            link.dispatcher().fast_preprocess(con, message)
        });
    }
}

/// Offers a message to the fast dispatchers; gives it back if none takes it.
pub(crate) fn fast_dispatch(
    chain: &Chain,
    con: &ConnectionRef,
    message: Box<Message>,
) -> Option<Box<Message>> {
    offer(
        chain.iter().filter(|link| link.fast),
        message,
        |dispatcher, message| dispatcher.fast_dispatch(con, message),
    )
}

/// Offers a message to the dispatchers in order; gives it back if none takes it.
pub(crate) fn dispatch(
    chain: &Chain,
    con: &ConnectionRef,
    message: Box<Message>,
) -> Option<Box<Message>> {
    offer(chain.iter(), message, |dispatcher, message| {
        dispatcher.dispatch(con, message)
    })
}

/// Tells every dispatcher.
pub(crate) fn tell(chain: &Chain, what: &str, call: impl Fn(&dyn Dispatcher)) {
    for link in chain.iter() {
        guarded(what, || call(link.dispatcher()));
    }
}

/// Asks the dispatchers in order until one says that it has dealt with it.
pub(crate) fn ask(chain: &Chain, what: &str, call: impl Fn(&dyn Dispatcher) -> bool) {
    for link in chain.iter() {
        if guarded(what, || call(link.dispatcher())).unwrap_or(false) {
            return;
        }
    }
}

fn offer<'a>(
    links: impl Iterator<Item = &'a Link>,
    message: Box<Message>,
    call: impl Fn(&dyn Dispatcher, Box<Message>) -> Result<(), Box<Message>>,
) -> Option<Box<Message>> {
    let mut message = message;
    for link in links {
        match guarded("dispatch", || call(link.dispatcher(), message)) {
            // A dispatcher that panicked has had the message.
            Some(Ok(())) | None => return None,
            Some(Err(returned)) => message = returned,
        }
    }
    Some(message)
}

/// Runs a callback; a panic in it is logged and must not take down the thread
/// that serves everybody else.
pub(crate) fn guarded<R>(what: &str, callback: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(callback));
    if result.is_err() {
        log::error!("the program panicked in {what}");
    }
    result.ok()
}
