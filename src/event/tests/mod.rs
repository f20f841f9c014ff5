//! Workers as their users see them.

mod sockets;
mod timers;
mod workers;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, poll};

use super::registered::{Key, Source, Watched};
use super::{
    ConnectedSocket, EventCenter, Handler, NetworkStack, Readiness, Registered, ServerSocket,
    SocketOptions, Worker,
};

/// A handler that does as it is told and reports what it sees.
struct Probe {
    worker: Worker<Self>,
    seen: Sender<Seen>,
    listeners: HashMap<Key, Registered<ServerSocket>>,
    sockets: HashMap<Key, Registered<ConnectedSocket>>,
    /// Disarmed when the timer of the first key expires.
    victims: HashMap<Key, Key>,
    /// Echoes what its sockets receive.
    echo: bool,
    next_key: Key,
    /// Gone when the handler is.
    _alive: Arc<()>,
}

enum Seen {
    Note(usize, u64),
    Timer(Key),
    Accepted(usize),
    Ready(Key, Readiness),
}

type Call = Box<dyn FnOnce(&mut Probe, &mut EventCenter) + Send>;

enum External {
    Note(usize, u64),
    Call(Call),
}

impl Handler for Probe {
    type External = External;

    fn handle_external(&mut self, event: External, center: &mut EventCenter) {
        match event {
            External::Note(thread, n) => self.report(Seen::Note(thread, n)),
            External::Call(call) => call(self, center),
        }
    }

    fn handle_ready(&mut self, key: Key, ready: Readiness, center: &mut EventCenter) {
        if self.listeners.contains_key(&key) {
            self.accept(key, center);
        } else if self.echo {
            self.echo(key);
        } else if self.sockets.contains_key(&key) {
            self.report(Seen::Ready(key, ready));
            // One report each: the test looks at the socket itself.
            self.sockets.remove(&key);
        }
    }

    fn handle_timer(&mut self, key: Key, center: &mut EventCenter) {
        self.report(Seen::Timer(key));
        if let Some(victim) = self.victims.remove(&key) {
            center.disarm(victim);
        }
    }

    fn before_sleep(&mut self, _: &mut EventCenter) -> bool {
        false
    }
}

impl Probe {
    fn new(worker: Worker<Self>, seen: Sender<Seen>, alive: Arc<()>) -> Self {
        Self {
            worker,
            seen,
            listeners: HashMap::new(),
            sockets: HashMap::new(),
            victims: HashMap::new(),
            echo: false,
            next_key: 1000,
            _alive: alive,
        }
    }

    fn report(&self, seen: Seen) {
        // A test that has seen enough is gone.
        let _ = self.seen.send(seen);
    }

    fn accept(&mut self, listener: Key, center: &mut EventCenter) {
        while let Ok((socket, _)) = self.listeners[&listener].accept(&SocketOptions::default()) {
            self.next_key += 1;
            let socket = center
                .register(self.next_key, socket, super::Interest::READ)
                .unwrap();
            self.sockets.insert(self.next_key, socket);
            self.report(Seen::Accepted(self.worker.id()));
        }
    }

    fn echo(&mut self, key: Key) {
        let Some(socket) = self.sockets.get(&key) else {
            return;
        };
        let mut buffer = Vec::with_capacity(4096);
        match socket.read_to_spare(&mut buffer) {
            Ok(0) => drop(self.sockets.remove(&key)),
            Ok(_) => {
                let sent = socket.write_vectored(&[io::IoSlice::new(&buffer)]).unwrap();
                assert_eq!(sent, buffer.len());
            }
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
        }
    }
}

/// Workers with probes, what these report, and one `Arc` for as long as they live.
struct Rig {
    stack: NetworkStack<Probe>,
    seen: Receiver<Seen>,
    alive: Arc<()>,
}

/// Workers that sleep at once, and such that look on before.
const SPINS: [Duration; 2] = [Duration::ZERO, Duration::from_millis(1)];

fn rig(threads: usize) -> Rig {
    spinning_rig(threads, Duration::ZERO)
}

fn spinning_rig(threads: usize, spin: Duration) -> Rig {
    let (sender, seen) = channel();
    let alive = Arc::new(());
    let make = |worker| Probe::new(worker, sender.clone(), Arc::clone(&alive));
    let stack = NetworkStack::start(threads, spin, make).unwrap();
    Rig { stack, seen, alive }
}

impl Rig {
    fn worker(&self) -> &Worker<Probe> {
        &self.stack.workers()[0]
    }

    fn timer(&self) -> Key {
        match self.seen.recv().unwrap() {
            Seen::Timer(key) => key,
            _ => panic!("something else than a timer"),
        }
    }

    /// Turns the first worker takes while a timer of 30 ms runs down, its own two
    /// (to arm it and to fire it) left out.
    fn turns_while_idle(&self) -> u64 {
        until_parked(self.worker());
        let before = self.worker().turns();
        let arm = |_: &mut Probe, center: &mut EventCenter| {
            let at = center.now() + Duration::from_millis(30);
            center.arm(77, at);
        };
        self.worker().submit_to(arm).unwrap();
        assert_eq!(self.timer(), 77);
        until_parked(self.worker());
        (self.worker().turns() - before).saturating_sub(2)
    }
}

/// Returns once the worker sleeps.
fn until_parked(worker: &Worker<Probe>) {
    while !worker.is_parked() {
        std::thread::yield_now();
    }
}

/// Waits until `socket` is ready for one of `flags`.
fn await_ready(socket: &impl AsFd, flags: PollFlags) {
    poll(&mut [PollFd::new(socket, flags)], None).unwrap();
}

impl AsFd for ServerSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        descriptor(self)
    }
}

impl AsFd for ConnectedSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        descriptor(self)
    }
}

fn descriptor(socket: &impl Watched) -> BorrowedFd<'_> {
    match socket.source() {
        Source::Kernel(descriptor) => descriptor,
        Source::Simulated(_) => panic!("these tests are about the kernel's sockets"),
    }
}
