//! Ordinary dispatch: one queue and one thread per messenger.

use std::cell::Cell;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use super::async_messenger::AsyncMessenger;
use super::connection::{Connection, ConnectionRef};
use super::dispatcher;
use super::prioritized_queue::PrioritizedQueue;
use crate::types::{Message, PRIO_HIGHEST, Time};

/// What waits for the dispatch thread.
pub(crate) enum Item {
    /// A message, and when it came; its payload is paid for.
    Message(Box<Message>, Time),
    /// The dialled connection is up.
    Connect,
    /// The accepted connection is up.
    Accept,
    /// The connection is gone.
    Reset,
    /// The peer has lost its side of the session.
    RemoteReset,
    /// The peer's host refused.
    Refused,
}

/// Messages and events in the order in which one thread dispatches them
/// (Ceph's `DispatchQueue`).
pub(crate) struct DispatchQueue {
    state: Mutex<State>,
    wake: Condvar,
}

struct State {
    queue: PrioritizedQueue<(ConnectionRef, Item)>,
    /// The thread sleeps: only then does a push need to wake it.
    idle: bool,
    stopping: bool,
    thread: Option<JoinHandle<()>>,
    /// A simulation delivers, by [`DispatchQueue::pump`], in place of a thread.
    #[cfg(test)]
    pumped: bool,
}

thread_local! {
    /// The messenger whose dispatch thread this is, as a number to compare.
    static DISPATCHING: Cell<usize> = const { Cell::new(0) };
}

impl DispatchQueue {
    /// An empty queue without a thread yet.
    pub(crate) fn new(max_tokens: u64, min_cost: u64) -> Self {
        let state = State {
            queue: PrioritizedQueue::new(max_tokens, min_cost),
            idle: false,
            stopping: false,
            thread: None,
            #[cfg(test)]
            pumped: false,
        };
        Self {
            state: Mutex::new(state),
            wake: Condvar::new(),
        }
    }

    /// Starts the thread of `messenger`'s queue, once.
    pub(crate) fn start(messenger: &Arc<AsyncMessenger>) -> std::io::Result<()> {
        let mut state = messenger.dispatch_queue().lock();
        if state.thread.is_some() || state.stopping {
            return Ok(());
        }
        #[cfg(test)]
        if messenger.stack().is_simulated() {
            state.pumped = true;
            return Ok(());
        }
        let messenger = Arc::clone(messenger);
        let thread = std::thread::Builder::new().name("ms_dispatch".to_owned());
        state.thread = Some(thread.spawn(move || run(&messenger))?);
        Ok(())
    }

    /// Is there anything to pump?
    #[cfg(test)]
    pub(crate) fn is_pumpable(&self) -> bool {
        let state = self.lock();
        state.pumped && !state.stopping && state.queue.len() > 0
    }

    /// Delivers one item, as the thread would that a simulation does not have.
    #[cfg(test)]
    pub(crate) fn pump(messenger: &Arc<AsyncMessenger>) {
        let mut state = messenger.dispatch_queue().lock();
        let item = match state.pumped && !state.stopping {
            true => state.queue.pop(),
            false => None,
        };
        drop(state);
        if let Some((con, item)) = item {
            let before = DISPATCHING.replace(identity(messenger));
            deliver(messenger, &con, item);
            DISPATCHING.set(before);
        }
    }

    /// Adds a message of that connection.
    pub(crate) fn enqueue(&self, con: &ConnectionRef, message: Box<Message>, now: Time) {
        let cost = message.payload_len() as u64;
        // The field is wider than what it may say.
        let priority = message.priority.min(PRIO_HIGHEST);
        self.push(priority, cost, con, Item::Message(message, now));
    }

    /// Adds an event, ahead of all messages.
    pub(crate) fn enqueue_event(&self, con: &ConnectionRef, event: Item) {
        self.push(PRIO_HIGHEST, 0, con, event);
    }

    /// Drops the messages that wait of that connection; returns their payload
    /// bytes. What happened to it stays to be told.
    pub(crate) fn discard(&self, con: &Connection) -> u64 {
        let mut state = self.lock();
        let removed = state.queue.remove_class(con.id());
        let (dropped, events): (Vec<_>, Vec<_>) = removed
            .into_iter()
            .partition(|(_, item)| matches!(item, Item::Message(..)));
        for event in events {
            state.queue.push(PRIO_HIGHEST, con.id(), 0, event);
        }
        drop(state);
        dropped.iter().map(|(_, item)| item.cost()).sum()
    }

    /// Messages and events that wait.
    pub(crate) fn len(&self) -> usize {
        self.lock().queue.len()
    }

    /// When the oldest message came that waits. Those of one connection and
    /// priority wait in their order, so that only the first of each are looked at.
    pub(crate) fn oldest(&self) -> Option<Time> {
        let state = self.lock();
        let came = state.queue.fronts().filter_map(|(_, item)| match item {
            Item::Message(_, came) => Some(*came),
            _ => None,
        });
        came.min()
    }

    /// Asks the thread to end. What waits is dropped, not dispatched: by the
    /// thread, or here if there is none. Returns the payload bytes.
    pub(crate) fn stop(&self) -> u64 {
        let mut state = self.lock();
        state.stopping = true;
        let has_thread = state.thread.is_some();
        drop(state);
        self.wake.notify_all();
        if has_thread { 0 } else { self.drain() }
    }

    /// Waits for the thread's end after [`DispatchQueue::stop`].
    pub(crate) fn join(&self, put_throttle: impl FnOnce(u64)) {
        let thread = self.lock().thread.take();
        if let Some(thread) = thread {
            // The thread catches panics of callbacks; there is nobody to tell
            // of its own.
            let _ = thread.join();
        }
        put_throttle(self.drain());
    }

    /// Drops what is left; returns the payload bytes. It refers back to the
    /// messenger by its connections.
    fn drain(&self) -> u64 {
        let mut state = self.lock();
        let left: Vec<_> = std::iter::from_fn(|| state.queue.pop()).collect();
        drop(state);
        left.iter().map(|(_, item)| item.cost()).sum()
    }

    /// True on the dispatch thread of that messenger.
    pub(crate) fn is_current(messenger: &Arc<AsyncMessenger>) -> bool {
        DISPATCHING.try_with(Cell::get).unwrap_or(0) == identity(messenger)
    }

    fn push(&self, priority: u16, cost: u64, con: &ConnectionRef, item: Item) {
        let mut state = self.lock();
        if state.stopping {
            drop(state);
            return con.messenger().put_throttle(item.cost());
        }
        state
            .queue
            .push(priority, con.id(), cost, (Arc::clone(con), item));
        let wake = std::mem::take(&mut state.idle);
        drop(state);
        if wake {
            self.wake.notify_one();
        }
    }

    /// The next item; `None` when the queue is to end.
    fn next(&self) -> Option<(ConnectionRef, Item)> {
        let mut state = self.lock();
        loop {
            if state.stopping {
                return None;
            }
            if let Some(item) = state.queue.pop() {
                return Some(item);
            }
            state.idle = true;
            state = self
                .wake
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Item {
    fn cost(&self) -> u64 {
        match self {
            Self::Message(message, _) => message.payload_len() as u64,
            _ => 0,
        }
    }
}

fn identity(messenger: &Arc<AsyncMessenger>) -> usize {
    Arc::as_ptr(messenger) as usize
}

/// The dispatch thread.
fn run(messenger: &Arc<AsyncMessenger>) {
    DISPATCHING.with(|current| current.set(identity(messenger)));
    while let Some((con, item)) = messenger.dispatch_queue().next() {
        deliver(messenger, &con, item);
    }
    // Nobody waits for a messenger that was dropped in a callback.
    messenger.put_throttle(messenger.dispatch_queue().drain());
}

fn deliver(messenger: &Arc<AsyncMessenger>, con: &ConnectionRef, item: Item) {
    let chain = messenger.dispatchers().snapshot();
    // While it waited, or just before it was queued, the connection may have ended:
    // then nobody gets its messages any more, but what happened to it is told in
    // its order, and its reset behind it. Whoever marked it down hears nothing.
    match item {
        Item::Message(mut message, _) => {
            let cost = message.payload_len() as u64;
            if dispatcher::wants_stamps(&chain) {
                message.stamps.dispatched = messenger.wall();
            }
            if !con.is_closed() {
                if let Some(unhandled) = dispatcher::dispatch(&chain, con, message) {
                    log::warn!(
                        "{con}: no dispatcher took a message of type {}",
                        unhandled.kind
                    );
                }
            }
            messenger.put_throttle(cost);
        }
        _ if con.is_marked_down() => {}
        Item::Reset => dispatcher::ask(&chain, "handle_reset", |to| to.handle_reset(con)),
        Item::RemoteReset => dispatcher::tell(&chain, "handle_remote_reset", |to| {
            to.handle_remote_reset(con);
        }),
        Item::Connect => dispatcher::tell(&chain, "handle_connect", |to| to.handle_connect(con)),
        Item::Accept => dispatcher::tell(&chain, "handle_accept", |to| to.handle_accept(con)),
        Item::Refused => dispatcher::ask(&chain, "handle_refused", |to| to.handle_refused(con)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::sim::{Simulation, Weather};
    use crate::messenger::connection::Kind;
    use crate::types::EntityType;
    use crate::{Context, Dispatcher, Messenger};

    #[derive(Default)]
    struct Diary(Mutex<Vec<&'static str>>);

    impl Diary {
        fn note(&self, what: &'static str) {
            self.0.lock().unwrap().push(what);
        }
    }

    impl Dispatcher for Diary {
        fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
            self.note("message");
            Ok(())
        }

        fn handle_accept(&self, _: &ConnectionRef) {
            self.note("accept");
        }
    }

    /// What is told of a connection for which `fill` fills the queue.
    fn told(fill: impl FnOnce(&DispatchQueue, &ConnectionRef)) -> Vec<&'static str> {
        let simulation = Simulation::new(1, Weather::FAIR);
        let process = simulation.spawn([10, 0, 0, 1].into());
        let context = Context::simulated(&process, 1);
        let messenger = Messenger::create(&context, "osd.0", "test", 1).unwrap();
        let diary = Arc::new(Diary::default());
        messenger.add_dispatcher_head(diary.clone()).unwrap();
        let inner = messenger.inner();
        let worker = &inner.stack().workers()[0];
        let kind = EntityType::CLIENT;
        let con = Connection::new(inner, worker, Kind::Accepted, kind, inner.myaddrs());
        fill(inner.dispatch_queue(), &con);
        while messenger.is_pumpable() {
            messenger.pump();
        }
        let told = std::mem::take(&mut *diary.0.lock().unwrap());
        told
    }

    fn message(priority: u16) -> Box<Message> {
        let mut message = Message::new(1);
        message.priority = priority;
        message.into()
    }

    #[test]
    fn no_priority_passes_what_is_told_of_connections() {
        let order = told(|queue, con| {
            queue.enqueue_event(con, Item::Accept);
            queue.enqueue(con, message(u16::MAX), Time::ZERO);
            queue.enqueue(con, message(PRIO_HIGHEST), Time::ZERO);
        });
        assert_eq!(order, ["accept", "message", "message"]);
    }
}
