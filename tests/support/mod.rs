//! What the tests over real sockets share: a dispatcher that reports, and
//! messengers that end with their test; a proxy that breaks connections.

#![allow(dead_code, reason = "each test program uses its part")]

pub mod letter;
pub mod pair;
pub mod proxy;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use msgr::{
    ConnectionRef, Context, Dispatcher, EntityAddrVec, EntityType, Message, Messenger, Policy,
};

/// Longer than anything here takes on a slow machine; reached only by failing.
pub const DEADLINE: Duration = Duration::from_secs(30);

/// Descriptors this process has open.
pub fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

/// A number from the environment, for longer runs than usual.
pub fn number_from_env(name: &str, usual: u64) -> u64 {
    let text = std::env::var(name);
    text.map_or(usual, |text| text.parse().expect("a number"))
}

/// What a dispatcher was told.
#[derive(Debug)]
pub enum Told {
    Message(ConnectionRef, Box<Message>),
    Fast(ConnectionRef, Box<Message>),
    Connect,
    Accept,
    Reset(ConnectionRef),
    Refused(ConnectionRef),
}

/// Passes everything on to the test. Messages of an odd kind are fast.
pub struct Reporter {
    sender: Mutex<Sender<Told>>,
    fast: bool,
}

impl Reporter {
    pub fn new(fast: bool) -> (Arc<Self>, Receiver<Told>) {
        let (sender, receiver) = channel();
        (
            Arc::new(Self {
                sender: Mutex::new(sender),
                fast,
            }),
            receiver,
        )
    }

    fn tell(&self, told: Told) {
        // The test may be over already.
        let _ = self.sender.lock().unwrap().send(told);
    }
}

impl Dispatcher for Reporter {
    fn can_fast_dispatch_any(&self) -> bool {
        self.fast
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        if message.kind % 2 == 0 {
            return Err(message);
        }
        self.tell(Told::Fast(Arc::clone(con), message));
        Ok(())
    }

    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.tell(Told::Message(Arc::clone(con), message));
        Ok(())
    }

    fn handle_connect(&self, _: &ConnectionRef) {
        self.tell(Told::Connect);
    }

    fn handle_accept(&self, _: &ConnectionRef) {
        self.tell(Told::Accept);
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.tell(Told::Reset(Arc::clone(con)));
        true
    }

    fn handle_refused(&self, con: &ConnectionRef) -> bool {
        self.tell(Told::Refused(Arc::clone(con)));
        true
    }
}

/// A server on a free loopback port, and what it is told.
pub fn server(context: &Arc<Context>, addr: &str) -> (Arc<Messenger>, Receiver<Told>) {
    let messenger = Messenger::create(context, "osd.0", "server", 0).unwrap();
    messenger
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    messenger.bind(&addr.parse().unwrap()).unwrap();
    let (reporter, told) = Reporter::new(true);
    messenger.add_dispatcher_head(reporter).unwrap();
    messenger.start().unwrap();
    (messenger, told)
}

/// A started client, and what it is told.
pub fn client(context: &Arc<Context>) -> (Arc<Messenger>, Receiver<Told>) {
    let messenger = Messenger::create(context, "client.admin", "client", 7).unwrap();
    let (reporter, told) = Reporter::new(true);
    messenger.add_dispatcher_head(reporter).unwrap();
    messenger.start().unwrap();
    (messenger, told)
}

pub fn connect(client: &Messenger, addrs: &EntityAddrVec) -> ConnectionRef {
    client.connect(EntityType::OSD, addrs).unwrap()
}

pub fn message(kind: u16, front: &[u8]) -> Message {
    let mut message = Message::new(kind);
    message.front.append_copy(front);
    message
}

/// The next thing told that `pick` takes; others are passed over.
pub fn next<T>(told: &Receiver<Told>, pick: impl Fn(Told) -> Option<T>) -> T {
    loop {
        let told = told
            .recv_timeout(DEADLINE)
            .expect("nothing of the kind was told in time");
        if let Some(picked) = pick(told) {
            return picked;
        }
    }
}

pub fn next_message(told: &Receiver<Told>) -> (ConnectionRef, Box<Message>) {
    next(told, |told| match told {
        Told::Message(con, message) | Told::Fast(con, message) => Some((con, message)),
        _ => None,
    })
}

pub fn next_reset(told: &Receiver<Told>) -> ConnectionRef {
    next(told, |told| match told {
        Told::Reset(con) => Some(con),
        _ => None,
    })
}

pub fn next_refused(told: &Receiver<Told>) -> ConnectionRef {
    next(told, |told| match told {
        Told::Refused(con) => Some(con),
        _ => None,
    })
}

/// A counter of a messenger; the sum, if each worker has one.
pub fn counted(messenger: &Messenger, name: &str) -> u64 {
    let dump = messenger.perf_dump();
    let name = format!("\"{name}\":");
    let found = dump.split(&name).skip(1);
    let number = |rest: &str| {
        let end = rest.find([',', '}']).unwrap();
        rest[..end].parse::<u64>().unwrap()
    };
    found.map(number).sum()
}
