//! `NetworkStack`: a set of workers that live and end together.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::driver::EventDriver;
use super::event_loop::EventLoop;
#[cfg(test)]
use super::sim;
use super::worker::{Handler, Worker};

/// Owns the workers' threads. Dropping it stops them.
pub struct NetworkStack<H: Handler> {
    /// Never empty.
    workers: Vec<Worker<H>>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Of what the next connection or listening socket is called.
    next_id: AtomicU64,
}

impl<H: Handler + Send> NetworkStack<H> {
    /// Starts `threads` workers, at least one. `make` builds the handler of each.
    /// Each of them looks on for `spin` before it sleeps, while that is promising.
    pub fn start(
        threads: usize,
        spin: Duration,
        mut make: impl FnMut(Worker<H>) -> H,
    ) -> io::Result<Self> {
        let ids = 0..threads.max(1);
        let workers = ids
            .map(|id| Ok(Worker::new(id, EventDriver::new()?)))
            .collect::<io::Result<Vec<_>>>()?;
        // If a thread cannot be started, dropping this stops those that were.
        let stack = Self::of(workers);
        for worker in &stack.workers {
            let event_loop = EventLoop::new(worker.clone(), make(worker.clone()), spin);
            let thread = thread::Builder::new()
                .name(format!("msgr-worker-{}", worker.id()))
                .spawn(|| event_loop.run())?;
            stack.threads().push(thread);
        }
        Ok(stack)
    }

    /// Workers of a simulated process: no threads, they take their turns when the
    /// simulation lets them.
    #[cfg(test)]
    pub fn simulated(
        process: &sim::Process,
        threads: usize,
        mut make: impl FnMut(Worker<H>) -> H,
    ) -> Self {
        let mut workers = Vec::new();
        for id in 0..threads.max(1) {
            let poller = process.seat();
            let seat = poller.seat();
            let worker = Worker::new(id, EventDriver::Simulated(poller));
            let handler = make(worker.clone());
            let event_loop = EventLoop::new(worker.clone(), handler, Duration::ZERO);
            process.sit(seat, Box::new(event_loop));
            workers.push(worker);
        }
        Self::of(workers)
    }
}

impl<H: Handler> NetworkStack<H> {
    fn of(workers: Vec<Worker<H>>) -> Self {
        Self {
            workers,
            threads: Mutex::default(),
            next_id: AtomicU64::new(1),
        }
    }

    /// A number that no other connection or listening socket of these workers has
    /// or had. Keys of the event centers are such numbers.
    pub fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    /// Does nothing run in it by itself?
    #[cfg(test)]
    pub fn is_simulated(&self) -> bool {
        self.workers.iter().all(Worker::is_simulated)
    }

    /// All of them, by number.
    pub fn workers(&self) -> &[Worker<H>] {
        &self.workers
    }

    /// The worker with the fewest connections.
    pub fn least_loaded(&self) -> &Worker<H> {
        let (first, rest) = self
            .workers
            .split_first()
            .expect("a stack has at least one worker");
        rest.iter().fold(first, |least, worker| {
            if worker.load() < least.load() {
                worker
            } else {
                least
            }
        })
    }

    /// Can each worker have a listener of its own on one port, among which the
    /// kernel spreads the connections? Elsewhere than on Linux sharing a port does
    /// not spread anything.
    pub fn supports_local_listen_table(&self) -> bool {
        cfg!(target_os = "linux")
    }

    /// Ends all workers after the events dispatched before, and waits for their
    /// threads, unless called on one of them: then they end on their own. Each
    /// drops its handler, and events dispatched too late, before it ends.
    pub fn stop(&self) {
        for worker in &self.workers {
            worker.stop();
        }
        if self.workers.iter().any(Worker::is_current) {
            // Whoever holds the lock waits for this thread already.
            match self.threads.try_lock() {
                Ok(mut threads) => threads.clear(),
                Err(TryLockError::Poisoned(threads)) => threads.into_inner().clear(),
                Err(TryLockError::WouldBlock) => {}
            }
            return;
        }
        #[cfg(test)]
        self.workers.iter().for_each(Worker::run_out);
        // Held while waiting, so that a second caller waits as well.
        for thread in self.threads().drain(..) {
            // A worker that panicked has said so.
            let _ = thread.join();
        }
    }

    fn threads(&self) -> MutexGuard<'_, Vec<JoinHandle<()>>> {
        self.threads.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<H: Handler> Drop for NetworkStack<H> {
    fn drop(&mut self) {
        self.stop();
    }
}
