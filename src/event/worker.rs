//! `Worker`: one thread and its handler, as others see them.

use std::any::TypeId;
use std::cell::Cell;
use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};

use super::center::EventCenter;
use super::driver::EventDriver;
use super::inbox::Inbox;
use super::registered::{Key, Readiness};
use crate::types::{Time, WallTime};

/// What a worker runs. All of it is called on the worker's thread, one call at a
/// time. A handler that panics ends its worker: what it left half-done is dropped,
/// and everybody who waits for the worker is told.
pub trait Handler: Sized + 'static {
    /// What others tell the handler.
    type External: Send + 'static;

    /// An event that was dispatched to this worker. Those of one thread come in order.
    fn handle_external(&mut self, event: Self::External, center: &mut EventCenter);

    /// The source registered under `key` is ready; ignore keys no longer known.
    fn handle_ready(&mut self, key: Key, ready: Readiness, center: &mut EventCenter);

    /// The timer of `key` has expired and is disarmed.
    fn handle_timer(&mut self, key: Key, center: &mut EventCenter);

    /// Last thing before the worker sleeps, and after callbacks: write what is
    /// queued. True: there is more to do, do not sleep.
    fn before_sleep(&mut self, center: &mut EventCenter) -> bool;
}

/// A handle on one worker: cheap to clone, and it may outlive the worker.
pub struct Worker<H: Handler> {
    shared: Arc<Shared<H>>,
}

/// What a worker's handles and its thread have in common.
pub(super) struct Shared<H: Handler> {
    pub(super) id: usize,
    pub(super) inbox: Inbox<Command<H>>,
    pub(super) driver: Arc<EventDriver>,
    references: AtomicUsize,
    turns: AtomicU64,
    rings: AtomicU64,
}

/// What is handed to a worker.
pub(super) enum Command<H: Handler> {
    External(H::External),
    Run(Box<Job<H>>),
    Stop,
}

type Job<H> = dyn FnOnce(&mut H, &mut EventCenter) + Send;

impl<H: Handler> Worker<H> {
    pub(super) fn new(id: usize, driver: EventDriver) -> Self {
        let shared = Shared {
            id,
            inbox: Inbox::new(),
            driver: Arc::new(driver),
            references: AtomicUsize::new(0),
            turns: AtomicU64::new(0),
            rings: AtomicU64::new(0),
        };
        Self {
            shared: Arc::new(shared),
        }
    }

    /// Its number in its stack, from 0.
    pub fn id(&self) -> usize {
        self.shared.id
    }

    /// Hands `event` to the handler, in a later turn. A system call is made only if
    /// the worker sleeps. Once the worker has stopped, the event is dropped.
    pub fn dispatch_event_external(&self, event: H::External) {
        self.push(Command::External(event));
    }

    /// Runs `f` inside the loop and waits for what it returns. Two workers that
    /// submit to each other at the same time would wait for ever.
    pub fn submit_to<R: Send + 'static>(
        &self,
        f: impl FnOnce(&mut H, &mut EventCenter) -> R + Send + 'static,
    ) -> Result<R, SubmitError> {
        if self.is_current() {
            return Err(SubmitError::OwnThread);
        }
        let (sender, receiver) = mpsc::sync_channel(1);
        self.push(Command::Run(Box::new(move |handler, center| {
            // The receiver waits, so this cannot fail.
            let _ = sender.send(f(handler, center));
        })));
        #[cfg(test)]
        if let EventDriver::Simulated(poller) = &*self.shared.driver {
            // Nobody else would: its turns are taken on this thread.
            let mut answer = receiver.try_recv();
            while matches!(answer, Err(mpsc::TryRecvError::Empty)) && poller.take_turn() {
                answer = receiver.try_recv();
            }
            return answer.map_err(|_| SubmitError::Stopped);
        }
        // The sender goes with the job, if that is dropped or panics.
        receiver.recv().map_err(|_| SubmitError::Stopped)
    }

    /// The monotonic clock, on any thread.
    pub fn now(&self) -> Time {
        self.shared.driver.now()
    }

    /// The calendar time, on any thread.
    pub fn wall(&self) -> WallTime {
        self.shared.driver.wall()
    }

    /// Do events wait that were dispatched to this worker?
    pub fn has_events(&self) -> bool {
        self.shared.inbox.has_items()
    }

    /// Am I on this worker's thread?
    pub fn is_current(&self) -> bool {
        CURRENT
            .get()
            .is_some_and(|(_, worker)| worker == self.address())
    }

    /// Am I on the thread of any worker with such a handler?
    pub fn on_any_worker() -> bool {
        CURRENT
            .get()
            .is_some_and(|(handler, _)| handler == TypeId::of::<H>())
    }

    /// Counts a connection that lives on this worker.
    pub fn acquire(&self) {
        self.shared.references.fetch_add(1, Ordering::Relaxed);
    }

    /// The counterpart of [`acquire`](Self::acquire).
    pub fn release(&self) {
        let before = self.shared.references.fetch_sub(1, Ordering::Relaxed);
        debug_assert!(before > 0, "released more often than acquired");
    }

    /// How many connections live on this worker.
    pub fn load(&self) -> usize {
        self.shared.references.load(Ordering::Relaxed)
    }

    /// How often the loop went round: an idle worker's stays the same.
    pub fn turns(&self) -> u64 {
        self.shared.turns.load(Ordering::Relaxed)
    }

    /// How often the bell was rung because an event found the worker asleep.
    pub fn rings(&self) -> u64 {
        self.shared.rings.load(Ordering::Relaxed)
    }

    #[cfg(test)]
    pub(super) fn is_parked(&self) -> bool {
        self.shared.inbox.is_parked()
    }

    /// Ends the worker after the events dispatched before.
    pub(super) fn stop(&self) {
        self.push(Command::Stop);
    }

    #[cfg(test)]
    pub(super) fn is_simulated(&self) -> bool {
        matches!(*self.shared.driver, EventDriver::Simulated(_))
    }

    /// Takes the turns of a simulated worker until it has ended, since there is
    /// no thread to wait for.
    #[cfg(test)]
    pub(super) fn run_out(&self) {
        if let EventDriver::Simulated(poller) = &*self.shared.driver {
            while poller.take_turn() {}
        }
    }

    fn push(&self, command: Command<H>) {
        if self.shared.inbox.push(command) {
            self.shared.rings.fetch_add(1, Ordering::Relaxed);
            self.shared.driver.ring();
        }
    }

    pub(super) fn shared(&self) -> &Arc<Shared<H>> {
        &self.shared
    }

    /// This thread is the worker's now; returns whose it was, for `leave`.
    pub(super) fn enter(&self) -> Current {
        CURRENT.replace(Some((TypeId::of::<H>(), self.address())))
    }

    fn address(&self) -> usize {
        Arc::as_ptr(&self.shared) as usize
    }
}

impl<H: Handler> Shared<H> {
    /// For the worker's own thread: a turn begins.
    pub(super) fn count_turn(&self) {
        // No other thread writes it, so this need not be one atomic step.
        let turns = self.turns.load(Ordering::Relaxed);
        self.turns.store(turns + 1, Ordering::Relaxed);
    }
}

impl<H: Handler> Clone for Worker<H> {
    fn clone(&self) -> Self {
        Self {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl<H: Handler> fmt::Debug for Worker<H> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("id", &self.id())
            .field("load", &self.load())
            .field("turns", &self.turns())
            .field("rings", &self.rings())
            .finish()
    }
}

/// Why a submitted function's result cannot be had.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubmitError {
    /// The caller is the worker: it would wait for itself.
    OwnThread,
    /// The worker has stopped, or did so before it came to an end with this.
    Stopped,
}

impl fmt::Display for SubmitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OwnThread => "a worker cannot wait for itself",
            Self::Stopped => "the worker has stopped",
        })
    }
}

impl std::error::Error for SubmitError {}

/// Whose thread one is: the handler's type and the worker's address, which stays
/// taken while its thread runs.
pub(super) type Current = Option<(TypeId, usize)>;

thread_local! {
    static CURRENT: Cell<Current> = const { Cell::new(None) };
}

/// This thread is that worker's again.
#[cfg(test)]
pub(super) fn leave(before: Current) {
    CURRENT.set(before);
}
