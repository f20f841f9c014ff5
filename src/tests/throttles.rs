//! The throttles of policies: everybody gets on, nobody polls, and nothing
//! stays taken. With real sockets, since it is the workers that wait.

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};

const DEADLINE: Duration = Duration::from_secs(60);

/// Hands what arrives to the test, which holds it as long as it likes.
struct Inbox {
    messages: Mutex<Sender<(ConnectionRef, Box<Message>)>>,
    accepted: Mutex<Sender<ConnectionRef>>,
}

impl Dispatcher for Inbox {
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        // The test may be over already.
        let _ = self
            .messages
            .lock()
            .unwrap()
            .send((Arc::clone(con), message));
        Ok(())
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        let _ = self.accepted.lock().unwrap().send(Arc::clone(con));
    }
}

struct Server {
    messenger: Arc<Messenger>,
    messages: Receiver<(ConnectionRef, Box<Message>)>,
    accepted: Receiver<ConnectionRef>,
}

impl Server {
    fn new(context: &Arc<Context>, policy: Policy, bytes: u64, messages: u64) -> Self {
        let messenger = Messenger::create(context, "osd.0", "server", 0).unwrap();
        messenger.set_default_policy(policy).unwrap();
        messenger
            .set_policy_throttlers(EntityType::CLIENT, bytes, messages)
            .unwrap();
        messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
        let ((sender, receiver), (accept, accepted)) = (channel(), channel());
        let inbox = Inbox {
            messages: sender.into(),
            accepted: accept.into(),
        };
        messenger.add_dispatcher_head(Arc::new(inbox)).unwrap();
        messenger.start().unwrap();
        Self {
            messenger,
            messages: receiver,
            accepted,
        }
    }

    fn next(&self) -> (ConnectionRef, Box<Message>) {
        self.messages.recv_timeout(DEADLINE).expect("a message")
    }

    /// Messages, their bytes, and bytes of the dispatch throttle that are out.
    fn balance(&self) -> (u64, u64, u64) {
        let inner = self.messenger.inner();
        let (messages, bytes) = inner.policy_throttles().current(EntityType::CLIENT);
        (messages, bytes, inner.throttle().current())
    }

    /// Waits until the balance is that, which takes a turn of a worker at most.
    fn settle(&self, balance: (u64, u64, u64)) {
        for _ in 0..DEADLINE.as_millis() {
            if self.balance() == balance {
                return;
            }
            pause(Duration::from_millis(1));
        }
        assert_eq!(self.balance(), balance);
    }

    fn turns(&self) -> u64 {
        let workers = self.messenger.inner().stack().workers();
        workers.iter().map(crate::event::Worker::turns).sum()
    }
}

fn client(context: &Arc<Context>, policy: Policy, nonce: u64) -> Arc<Messenger> {
    let client = Messenger::create(context, "client.0", "client", nonce).unwrap();
    client.set_default_policy(policy).unwrap();
    client.start().unwrap();
    client
}

fn connect(client: &Messenger, server: &Server) -> ConnectionRef {
    let addrs = server.messenger.myaddrs();
    client.connect(EntityType::OSD, &addrs).unwrap()
}

fn message(tid: u64, len: usize) -> Message {
    let mut message = Message::new(1);
    message.tid = tid;
    message.data = bytes::Bytes::from(vec![7; len]).into();
    message
}

/// Time to pass for things that must not happen in it.
fn pause(time: Duration) {
    let (_sender, receiver) = channel::<()>();
    assert_eq!(receiver.recv_timeout(time), Err(RecvTimeoutError::Timeout));
}

#[test]
fn a_hundred_clients_share_a_throttle_fairly_and_without_polling() {
    const CLIENTS: u64 = 100;
    const SIZES: [usize; 8] = [1, 0, 70_000, 100, 1 << 20, 1, 10_000, 4 << 20];
    const ROUNDS: usize = 8;
    // One worker each, so that the system's scheduling of several does not count.
    let [context, their_context] = [Context::new(), Context::new()];
    for context in [&context, &their_context] {
        context.conf_set("ms_async_op_threads", "1").unwrap();
    }
    let server = Server::new(&context, Policy::stateless_server(), 1 << 20, 0);
    let clients: Vec<_> = (0..CLIENTS)
        .map(|nonce| client(&their_context, Policy::lossy_client(), nonce))
        .collect();
    let held = message(u64::MAX, 1 << 20);
    let first = connect(&clients[0], &server);
    first.send(held).unwrap();
    let (_, held) = server.next();
    for (tid, client) in (0..).zip(&clients) {
        let con = connect(client, &server);
        for (at, size) in SIZES.repeat(ROUNDS).into_iter().enumerate() {
            // A few large ones are enough to be in the way of the others.
            let is_large = tid % 10 == 0 && at < SIZES.len();
            let size = if is_large { size } else { size.min(70_000) };
            con.send(message(tid * 100 + at as u64, size)).unwrap();
        }
    }
    for _ in 0..CLIENTS {
        server.accepted.recv_timeout(DEADLINE).expect("a client");
    }

    // All wait for that one message, and waiting costs no turn.
    loop {
        let turns = server.turns();
        pause(Duration::from_millis(50));
        if server.turns() == turns {
            break;
        }
    }
    let (before, balance) = (server.turns(), server.balance());
    pause(Duration::from_millis(300));
    assert_eq!((server.turns(), server.balance()), (before, balance));
    assert_eq!(
        (balance.1, server.messages.try_iter().count()),
        (1 << 20, 0)
    );
    drop(held);

    let mut got: BTreeMap<u64, u64> = (0..CLIENTS).map(|client| (client, 0)).collect();
    let all = (SIZES.len() * ROUNDS) as u64;
    let mut behind = None;
    for _ in 0..CLIENTS * all {
        let (_, message) = server.next();
        let (client, at) = (message.tid / 100, message.tid % 100);
        assert_eq!(got.insert(client, at + 1), Some(at), "in its order");
        // Not the first ones: a link may use up its share of a turn while
        // nobody else happens to wait.
        let done = got.values().filter(|count| **count == all).count();
        if done == 50 && behind.is_none() {
            behind = got.values().min().copied();
        }
    }
    assert!(
        behind >= Some(all / 2),
        "somebody had {behind:?} of {all} messages through when half of the clients had all"
    );
    server.settle((0, 0, 0));
}

#[test]
fn messages_are_counted_as_well_as_bytes_and_count_until_they_are_dropped() {
    let context = Context::new();
    let server = Server::new(&context, Policy::stateless_server(), 0, 2);
    let client = client(&context, Policy::lossy_client(), 1);
    let con = connect(&client, &server);
    for tid in 0..5 {
        con.send(message(tid, 10 * tid as usize)).unwrap();
    }
    let (first, second) = (server.next().1, server.next().1);
    // The third waits, and is not even read.
    server.settle((2, 10, 0));
    assert!(server.messages.try_recv().is_err());
    let copy = second.clone();
    drop(second);
    let third = server.next().1;
    assert_eq!((third.tid, server.balance().0), (2, 2));
    // A copy counts nothing, and a message passed on is the peer's burden.
    drop(copy);
    con.send(*first).unwrap();
    let fourth = server.next().1;
    assert_eq!(fourth.tid, 3);
    drop((third, fourth));
    let (last, again) = (server.next().1, server.next().1);
    assert_eq!((last.tid, again.tid), (4, 0));
    server.messenger.shutdown().unwrap();
    server.messenger.wait().unwrap();
    assert_eq!(server.balance(), (2, 40, 0));
    drop((last, again));
    assert_eq!(server.balance(), (0, 0, 0));
}

#[test]
fn a_limit_that_is_raised_or_lifted_lets_those_go_on_who_wait() {
    let context = Context::new();
    let server = Server::new(&context, Policy::stateless_server(), 1000, 1);
    let set = |bytes, messages| {
        let throttled = &server.messenger;
        throttled
            .set_policy_throttlers(EntityType::CLIENT, bytes, messages)
            .unwrap();
    };
    let client = client(&context, Policy::lossy_client(), 1);
    let con = connect(&client, &server);
    for tid in 0..3 {
        con.send(message(tid, 900)).unwrap();
    }
    let first = server.next();
    set(1000, 2);
    // A place for the second, but no bytes.
    server.settle((2, 900, 0));
    set(2000, 2);
    let second = server.next();
    set(0, 0);
    let third = server.next();
    assert_eq!([&first, &second, &third].map(|got| got.1.tid), [0, 1, 2]);
    drop((first, second, third));
    server.settle((0, 0, 0));
    let unknown = (server.messenger).set_policy_throttlers(EntityType(3), 1, 1);
    assert_eq!(unknown.unwrap_err().errno(), libc::EINVAL);
}

#[test]
fn who_waits_and_is_cut_returns_what_it_had_and_nothing_else() {
    for end in ["mark_down", "shutdown", "fault"] {
        let context = Context::new();
        let server = Server::new(&context, Policy::stateless_server(), 1000, 10);
        let their_context = Context::new();
        let clients = [1, 2, 3].map(|nonce| client(&their_context, Policy::lossy_client(), nonce));
        let (mut cons, mut accepted) = (Vec::new(), Vec::new());
        for client in &clients {
            cons.push(connect(client, &server));
            accepted.push(server.accepted.recv_timeout(DEADLINE).expect("a client"));
        }
        cons[0].send(message(0, 900)).unwrap();
        let (_, held) = server.next();
        cons[1].send(message(1, 800)).unwrap();
        server.settle((2, 900, 0));
        cons[2].send(message(2, 700)).unwrap();
        server.settle((3, 900, 0));
        match end {
            "mark_down" => {
                accepted[1].mark_down();
                server.settle((2, 900, 0));
                drop(held);
                // It was first in the queue: the other must not wait for it.
                assert_eq!(server.next().1.tid, 2);
            }
            "shutdown" => {
                server.messenger.shutdown().unwrap();
                server.messenger.wait().unwrap();
                assert_eq!(server.balance(), (1, 900, 0));
                drop(held);
            }
            _ => {
                cons[1].mark_down();
                // It learns of that when it may read on.
                drop(held);
                while server.next().1.tid != 2 {}
            }
        }
        server.settle((0, 0, 0));
    }
}

#[test]
fn frames_that_break_off_and_sessions_that_go_on_leave_nothing_taken() {
    let context = Context::new();
    context.conf_set("ms_initial_backoff", "0.001").unwrap();
    // Half of the attempts fail here, so that pauses that double grow to minutes.
    context.conf_set("ms_max_backoff", "0.01").unwrap();
    let server = Server::new(&context, Policy::stateful_server(), 300_000, 3);
    let client = client(&context, Policy::lossless_client(), 1);
    let con = connect(&client, &server);
    con.send(message(0, 0)).unwrap();
    let (back, _) = server.next();
    context.conf_set("ms_inject_socket_failures", "20").unwrap();
    for tid in 1..200 {
        con.send(message(tid, (tid as usize * 7919) % 400_000))
            .unwrap();
    }
    let mut kept = Vec::new();
    for tid in 1..200 {
        let (_, message) = server.next();
        assert_eq!(message.tid, tid);
        kept.push(message);
        if kept.len() == 2 || message_is_large(&kept) {
            kept.clear();
        }
    }
    context.conf_set("ms_inject_socket_failures", "0").unwrap();
    kept.clear();
    server.settle((0, 0, 0));
    back.mark_down();
    server.settle((0, 0, 0));
}

/// One that takes the whole throttle must not be kept while others are waited
/// for.
fn message_is_large(kept: &[Box<Message>]) -> bool {
    kept.iter().map(|kept| kept.payload_len()).sum::<usize>() > 100_000
}

/// Sends every message back, as it is, until it has made its way so often.
struct Echo {
    done: Mutex<Sender<u64>>,
}

impl Dispatcher for Echo {
    fn dispatch(&self, con: &ConnectionRef, mut message: Box<Message>) -> Result<(), Box<Message>> {
        message.reserved += 1;
        if message.reserved < 20 {
            con.send(message).unwrap();
        } else {
            let _ = self.done.lock().unwrap().send(message.tid);
        }
        Ok(())
    }
}

#[test]
fn two_peers_that_are_full_towards_each_other_get_on() {
    let context = Context::new();
    context
        .conf_set("ms_dispatch_throttle_bytes", "64K")
        .unwrap();
    let (sender, done) = channel();
    let peers = [0, 1].map(|number| {
        let name = format!("osd.{number}");
        let peer = Messenger::create(&context, &name, "peer", number).unwrap();
        peer.set_default_policy(Policy::lossless_peer()).unwrap();
        peer.set_policy_throttlers(EntityType::OSD, 64 << 10, 2)
            .unwrap();
        peer.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
        let done = sender.clone().into();
        peer.add_dispatcher_head(Arc::new(Echo { done })).unwrap();
        peer.start().unwrap();
        peer
    });
    let cons = [(0, 1), (1, 0)].map(|(from, to): (usize, usize)| {
        let addrs = peers[to].myaddrs();
        peers[from].connect(EntityType::OSD, &addrs).unwrap()
    });
    for tid in 0..100 {
        for con in &cons {
            con.send(message(tid, 40_000)).unwrap();
        }
    }
    for _ in 0..200 {
        done.recv_timeout(DEADLINE).expect("a message that is done");
    }
    for peer in &peers {
        let inner = peer.inner();
        let out = inner.policy_throttles().current(EntityType::OSD);
        // The dispatch of the last is just about to return.
        assert!(out.0 <= 1, "{out:?}");
    }
}

/// Does nothing until it is told to.
struct Busy {
    free: Mutex<Receiver<()>>,
    done: Mutex<Sender<u64>>,
}

impl Dispatcher for Busy {
    fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        // Nobody tells any more: the test is over.
        let _ = self.free.lock().unwrap().recv();
        let _ = self.done.lock().unwrap().send(message.tid);
        Ok(())
    }
}

/// Half of it can be compressed away.
fn half_noise(len: usize) -> bytes::Bytes {
    let mut random = crate::types::Random::new(1);
    let mut noise: Vec<u8> = (0..len / 2).map(|_| random.below(256) as u8).collect();
    noise.resize(len, 0);
    noise.into()
}

#[cfg(feature = "lz4")]
#[test]
fn compressed_messages_that_wait_for_room_to_be_unpacked_take_no_more_than_a_throttle_gives() {
    const CLIENTS: u64 = 30;
    const SIZE: u64 = 4 << 20;
    const THROTTLE: u64 = 40 << 20;
    // What a link has read before it sees that there is no room.
    const STAGED: u64 = CLIENTS * (300 << 10);
    let context = Context::new();
    for (key, value) in [
        ("ms_compress_mode", "force"),
        ("ms_compression_algorithm", "lz4"),
        ("ms_dispatch_throttle_bytes", "40M"),
    ] {
        context.conf_set(key, value).unwrap();
    }
    for by_type in [0, THROTTLE] {
        let server = Server::new(&context, Policy::stateless_server(), by_type, 0);
        let ((free, wait), (sender, done)) = (channel(), channel());
        let busy = Busy {
            free: wait.into(),
            done: sender.into(),
        };
        server
            .messenger
            .add_dispatcher_head(Arc::new(busy))
            .unwrap();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|nonce| client(&context, Policy::lossy_client(), nonce))
            .collect();
        let data = half_noise(SIZE as usize);
        let cons: Vec<_> = (0..)
            .zip(&clients)
            .map(|(tid, client)| {
                let con = connect(client, &server);
                let mut message = message(tid, 0);
                message.data = data.clone().into();
                con.send(message).unwrap();
                con
            })
            .collect();
        let counted = |name| {
            let workers = server.messenger.inner().stack().workers();
            let of = |worker: &crate::event::Worker<_>| {
                let group = format!("AsyncMessenger::Worker-{}", worker.id());
                server.messenger.perf_get(&group, name).unwrap()
            };
            workers.iter().map(of).sum::<u64>()
        };
        // Nothing is dispatched, so in the end nothing more can be read.
        let mut before = 0;
        for _ in 0..DEADLINE.as_millis() / 100 {
            pause(Duration::from_millis(100));
            let now = counted("msgr_recv_bytes");
            if now == std::mem::replace(&mut before, now) && now > THROTTLE / 2 {
                break;
            }
        }
        // What has come, and what has become twice as large since.
        let memory = before + counted("msgr_recv_messages") * SIZE / 2;
        // One message gets on whatever others hold that wait as it does.
        assert!(memory <= THROTTLE + SIZE + STAGED, "{memory} bytes");
        for _ in 0..CLIENTS {
            free.send(()).unwrap();
            done.recv_timeout(DEADLINE).expect("a message");
        }
        server.settle((0, 0, 0));
        drop(cons);
    }
}
