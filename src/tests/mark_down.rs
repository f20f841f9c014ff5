//! The end of a thousand connections at once, whatever they are at.

#![expect(
    clippy::disallowed_methods,
    reason = "strangers are not msgr's sockets, and the time it takes is the point"
)]

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use crate::{
    ConnectionRef, Context, Dispatcher, EntityAddrVec, EntityType, Message, Messenger, Policy,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// Counts what it is told.
#[derive(Default)]
struct Counter {
    accepted: AtomicUsize,
    reset: AtomicUsize,
    refused: AtomicUsize,
    got: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Counter {
    fn count(&self, what: &AtomicUsize) {
        let _guard = self.lock.lock().unwrap();
        what.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_all();
    }

    fn wait_until(&self, enough: impl Fn() -> bool) {
        let guard = self.lock.lock().unwrap();
        let waited = (self.changed).wait_timeout_while(guard, DEADLINE, |()| !enough());
        assert!(!waited.unwrap().1.timed_out(), "not in time");
    }
}

impl Dispatcher for Counter {
    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        self.count(&self.got);
        Ok(())
    }
    fn handle_accept(&self, _: &ConnectionRef) {
        self.count(&self.accepted);
    }
    fn handle_reset(&self, _: &ConnectionRef) -> bool {
        self.count(&self.reset);
        true
    }
    fn handle_refused(&self, _: &ConnectionRef) -> bool {
        self.count(&self.refused);
        true
    }
}

fn messenger(context: &Arc<Context>, name: &str, policy: Policy) -> (Arc<Messenger>, Arc<Counter>) {
    let messenger = Messenger::create(context, name, "", 0).unwrap();
    messenger.set_default_policy(policy).unwrap();
    let stateless = Policy::stateless_server();
    messenger.set_policy(EntityType::CLIENT, stateless).unwrap();
    messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
    let counter = Arc::new(Counter::default());
    messenger
        .add_dispatcher_head(Arc::clone(&counter) as Arc<dyn Dispatcher>)
        .unwrap();
    messenger.start().unwrap();
    (messenger, counter)
}

#[test]
fn a_thousand_connections_in_all_states_are_marked_down_within_a_second() {
    const EACH: usize = 200;
    let (context, theirs) = (Context::new(), Context::new());
    let (hub, at_hub) = messenger(&context, "osd.0", Policy::lossless_peer());
    let (server, at_server) = messenger(&theirs, "osd.1", Policy::stateful_server());
    let told = |what: &AtomicUsize, count| what.load(Ordering::SeqCst) >= count;

    // Open, one of them lossless and with a session; a message has gone.
    let mut cons = vec![hub.connect(EntityType::OSD, &server.myaddrs()).unwrap()];
    cons.extend((1..EACH).map(|_| {
        let con = hub.connect_anonymous(EntityType::OSD, &server.myaddrs());
        con.unwrap()
    }));
    for con in &cons {
        con.send(Message::new(1)).unwrap();
    }
    // All but one share an address, and so the server displaces them, or lets
    // them wait for each other: open or not, they are there.
    at_server.wait_until(|| told(&at_server.got, 1));
    // Refused, and so resting until the next attempt.
    let probe = TcpListener::bind("0.0.0.0:0").unwrap();
    let free = probe.local_addr().unwrap().port();
    drop(probe);
    for host in 1..=EACH {
        let nobody: EntityAddrVec = format!("v2:127.0.1.{host}:{free}/0").parse().unwrap();
        cons.push(hub.connect(EntityType::OSD, &nobody).unwrap());
    }
    at_hub.wait_until(|| told(&at_hub.refused, EACH));
    // With somebody who never speaks.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let mute = format!("v2:{}", silent.local_addr().unwrap());
    for _ in 0..EACH {
        let con = hub.connect_anonymous(EntityType::OSD, &mute.parse().unwrap());
        cons.push(con.unwrap());
    }
    // Accepted.
    let visitors: Vec<_> = (0..EACH)
        .map(|nonce| {
            let visitor = Messenger::create(&theirs, "client.1", "", nonce as u64).unwrap();
            visitor.start().unwrap();
            let con = visitor.connect(EntityType::OSD, &hub.myaddrs()).unwrap();
            (visitor, con)
        })
        .collect();
    at_hub.wait_until(|| told(&at_hub.accepted, EACH));
    // Accepted, and unknown to the application.
    let socket = hub.myaddrs().0[0].socket.unwrap();
    let strangers: Vec<_> = (0..EACH)
        .map(|_| TcpStream::connect(socket).unwrap())
        .collect();

    let workers = hub.inner().stack().workers();
    let load = || workers.iter().map(|worker| worker.load()).sum::<usize>();
    let begin = Instant::now();
    while load() < 5 * EACH && begin.elapsed() < DEADLINE {
        std::thread::yield_now();
    }
    assert_eq!((load(), at_hub.reset.load(Ordering::SeqCst)), (5 * EACH, 0));
    let known = cons.len() + visitors.len();
    let begin = Instant::now();
    hub.mark_down_all();
    at_hub.wait_until(|| told(&at_hub.reset, known));
    for worker in workers {
        worker.submit_to(|_, _| ()).unwrap();
    }
    let took = begin.elapsed();
    println!("marked down {known} connections in {took:?}");
    assert!(took < Duration::from_secs(1), "{took:?}");
    assert_eq!(hub.inner().registry().len(), 0);
    assert_eq!(load(), 0);
    for con in &cons {
        assert_eq!(
            con.send(Message::new(1)).unwrap_err().errno(),
            libc::ENOTCONN
        );
    }
    let resets = at_hub.reset.load(Ordering::SeqCst);
    assert_eq!(resets, known, "one for each, none for strangers");
    drop((visitors, strangers));
}
