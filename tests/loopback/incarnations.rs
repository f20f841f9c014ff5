//! Connections that end together, messengers that come back as others, and
//! connections for one caller alone.

use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use msgr::{
    ConnectOptions, ConnectionRef, Context, Dispatcher, EntityAddrVec, EntityType, Message,
    Messenger, Policy,
};

use super::support::{
    DEADLINE, Reporter, Told, client, connect, message, next_message, next_reset, server,
};

fn lossless(
    context: &Arc<Context>,
    name: &str,
    policy: Policy,
) -> (Arc<Messenger>, Receiver<Told>) {
    lossless_at(context, name, policy, "v2:127.0.0.1:0")
}

fn lossless_at(
    context: &Arc<Context>,
    name: &str,
    policy: Policy,
    addr: &str,
) -> (Arc<Messenger>, Receiver<Told>) {
    let messenger = Messenger::create(context, name, "", 11).unwrap();
    messenger.set_default_policy(policy).unwrap();
    if policy == Policy::lossless_peer() {
        let clients = Policy::stateless_server();
        messenger.set_policy(EntityType::CLIENT, clients).unwrap();
    }
    messenger.bind(&addr.parse().unwrap()).unwrap();
    let (reporter, told) = Reporter::new(true);
    messenger.add_dispatcher_head(reporter).unwrap();
    messenger.start().unwrap();
    (messenger, told)
}

/// Sends a message and waits until it is there; the connection it came on.
fn talk(con: &ConnectionRef, told: &Receiver<Told>) -> ConnectionRef {
    con.send(message(2, b"")).unwrap();
    next_message(told).0
}

fn resets(told: &Receiver<Told>) -> usize {
    let resets = told
        .try_iter()
        .filter(|told| matches!(told, Told::Reset(_)));
    resets.count()
}

fn port(messenger: &Messenger) -> u16 {
    messenger.myaddrs().0[0].port()
}

#[test]
fn marking_down_all_resets_each_connection_once_and_new_ones_work_at_once() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (peer, at_peer) = lossless(&context, "osd.1", Policy::lossless_peer());
    let (hub, at_hub) = lossless(&context, "osd.2", Policy::lossless_peer());
    let (visitor, _at_visitor) = client(&context);

    let dialled = connect(&hub, &peer.myaddrs());
    let lossy = hub.connect_anonymous(EntityType::OSD, &server.myaddrs());
    let lossy = lossy.unwrap();
    talk(&dialled, &at_peer);
    talk(&lossy, &at_server);
    let accepted = talk(&connect(&visitor, &hub.myaddrs()), &at_hub);
    let own = hub.loopback_connection();

    hub.mark_down_all();
    let mut gone: Vec<_> = (0..3).map(|_| next_reset(&at_hub)).collect();
    for con in [&dialled, &lossy, &accepted] {
        let known = gone.iter().position(|gone| Arc::ptr_eq(gone, con));
        gone.remove(known.expect("a reset for each"));
        assert_eq!(
            con.send(Message::new(1)).unwrap_err().errno(),
            libc::ENOTCONN
        );
    }
    let again = connect(&hub, &peer.myaddrs());
    assert!(!Arc::ptr_eq(&again, &dialled));
    talk(&again, &at_peer);
    talk(&own, &at_hub);
    // Ends what is there, not what comes later.
    hub.mark_down_all();
    let last = connect(&hub, &peer.myaddrs());
    talk(&last, &at_peer);
    let gone = next_reset(&at_hub);
    assert!(
        Arc::ptr_eq(&gone, &again),
        "{gone:?} is not {again:?}; {last:?}"
    );
    assert!(last.is_connected());
    assert_eq!(resets(&at_hub), 0);
}

#[test]
fn marking_down_an_address_ends_that_connection_and_no_other() {
    let context = Context::new();
    let (first, at_first) = lossless(&context, "osd.0", Policy::lossless_peer());
    let (second, at_second) = lossless(&context, "osd.1", Policy::lossless_peer());
    let (hub, at_hub) = lossless(&context, "osd.2", Policy::lossless_peer());
    let con = connect(&hub, &first.myaddrs());
    let other = connect(&hub, &second.myaddrs());
    let anonymous = hub.connect_anonymous(EntityType::OSD, &first.myaddrs());
    let anonymous = anonymous.unwrap();
    for (con, told) in [(&con, &at_first), (&other, &at_second)] {
        talk(con, told);
    }
    hub.mark_down_addrs(&"v2:127.0.0.1:1/1".parse().unwrap());
    hub.mark_down_addrs(&EntityAddrVec::default());
    hub.mark_down_addrs(&hub.myaddrs());
    hub.mark_down_addrs(&first.myaddrs());
    hub.mark_down_addrs(&first.myaddrs());
    assert!(Arc::ptr_eq(&next_reset(&at_hub), &con));
    // An accepted one stands under the addresses that its peer calls itself.
    let (third, _at_third) = lossless(&context, "osd.3", Policy::lossless_peer());
    let back = talk(&connect(&third, &hub.myaddrs()), &at_hub);
    hub.mark_down_addrs(&third.myaddrs());
    assert!(Arc::ptr_eq(&next_reset(&at_hub), &back));
    talk(&other, &at_second);
    assert!(other.is_connected() && anonymous.send(Message::new(1)).is_ok());
    assert_eq!(resets(&at_hub), 0);
}

#[test]
fn a_disposable_connection_ends_with_its_link() {
    let context = Context::new();
    let (server, at_server) = lossless(&context, "osd.0", Policy::stateful_server());
    let (client, at_client) = lossless(&context, "client.1", Policy::lossless_client());
    let con = connect(&client, &server.myaddrs());
    let back = talk(&con, &at_server);
    con.mark_disposable();
    // It may take a moment; whatever comes first, the peer ends the link.
    talk(&con, &at_server);
    back.mark_down();
    assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
    assert_eq!(
        con.send(Message::new(1)).unwrap_err().errno(),
        libc::ENOTCONN
    );
    con.mark_disposable();
    talk(&connect(&client, &server.myaddrs()), &at_server);
}

#[test]
fn a_rebound_messenger_is_another_incarnation_at_other_ports() {
    let context = Context::new();
    // Of its own: another test would take the port as soon as it is closed.
    let (own, policy) = ("v2:127.0.0.163:0", Policy::lossless_peer());
    let (messenger, told) = lossless_at(&context, "osd.0", policy, own);
    let (peer, at_peer) = lossless(&context, "osd.1", Policy::lossless_peer());
    let con = connect(&messenger, &peer.myaddrs());
    let back = talk(&con, &at_peer);
    let (old, addrs) = (port(&messenger), messenger.myaddrs());
    let avoid: Vec<u16> = (6800..7000).collect();

    messenger.rebind(&avoid).unwrap();
    assert!(Arc::ptr_eq(&next_reset(&told), &con));
    let renewed = messenger.myaddrs();
    assert!(port(&messenger) >= 7000 && port(&messenger) != old);
    assert_eq!(renewed.0[0].nonce, 11 + 1_000_000);
    assert_eq!(
        renewed.0[0].socket.unwrap().ip(),
        addrs.0[0].socket.unwrap().ip()
    );
    assert!(
        TcpStream::connect(addrs.0[0].socket.unwrap()).is_err(),
        "the old port is closed"
    );
    // The peer's session with the old incarnation is over; one with the new is
    // another connection.
    let to_new = connect(&peer, &renewed);
    assert!(!Arc::ptr_eq(&to_new, &back));
    talk(&to_new, &told);
    talk(&connect(&messenger, &peer.myaddrs()), &at_peer);
    assert!(messenger.loopback_connection().peer_addrs() == renewed);

    messenger.rebind(&[]).unwrap();
    assert_ne!(port(&messenger), renewed.0[0].port());
    assert_eq!(messenger.myaddrs().0[0].nonce, 11 + 2_000_000);
    talk(&connect(&peer, &messenger.myaddrs()), &told);
}

#[test]
fn a_rebind_that_finds_no_port_changes_nothing() {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let free = probe.local_addr().unwrap().port().to_string();
    drop(probe);
    let context = Context::new();
    for key in ["ms_bind_port_min", "ms_bind_port_max"] {
        context.conf_set(key, &free).unwrap();
    }
    context.conf_set("ms_bind_retry_delay", "0.001").unwrap();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client, _told) = client(&context);
    let con = connect(&client, &server.myaddrs());
    talk(&con, &at_server);
    let before = server.myaddrs();
    assert_eq!(server.rebind(&[]).unwrap_err().errno(), libc::EADDRINUSE);
    assert_eq!(server.myaddrs(), before);
    talk(&con, &at_server);
    assert_eq!(client.rebind(&[]).unwrap_err().errno(), libc::EINVAL);
    server.shutdown().unwrap();
    assert_eq!(server.rebind(&[]).unwrap_err().errno(), libc::ESHUTDOWN);
    assert_eq!(server.client_reset().unwrap_err().errno(), libc::ESHUTDOWN);
}

#[test]
fn where_the_kernel_chooses_ports_a_rebind_avoids_some_as_well() {
    let context = Context::new();
    context.conf_set("ms_bind_port_min", "0").unwrap();
    context
        .conf_set("ms_async_local_listen_table", "true")
        .unwrap();
    let (server, at_server) = server(&context, "[v2:127.0.0.1:0,v2:[::1]:0]");
    let before = server.myaddrs();
    server.rebind(&[1, 2, 3]).unwrap();
    for (old, new) in before.0.iter().zip(&server.myaddrs().0) {
        assert!(old.port() != new.port() && new.port() > 3);
    }
    let (client, _told) = client(&context);
    talk(&connect(&client, &server.myaddrs()), &at_server);
}

#[test]
fn a_client_that_resets_itself_is_another_to_its_servers() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client, at_client) = client(&context);
    let con = connect(&client, &server.myaddrs());
    let back = talk(&con, &at_server);
    let nonce = client.myaddrs().0[0].nonce;
    client.client_reset().unwrap();
    assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
    assert!(Arc::ptr_eq(&next_reset(&at_server), &back));
    let again = talk(&connect(&client, &server.myaddrs()), &at_server);
    assert_eq!(again.peer_addrs().0[0].nonce, nonce + 1_000_000);
    assert_eq!(server.client_reset().unwrap_err().errno(), libc::EALREADY);
}

#[test]
fn a_hundred_anonymous_connections_are_a_hundred() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client, at_client) = client(&context);
    let known = connect(&client, &server.myaddrs());
    assert!(!known.is_anonymous());
    let anonymous: Vec<_> = (0..100)
        .map(|_| {
            let con = client.connect_anonymous(EntityType::OSD, &server.myaddrs());
            con.unwrap()
        })
        .collect();
    for (index, con) in anonymous.iter().enumerate() {
        assert!(con.is_anonymous() && !Arc::ptr_eq(con, &known));
        assert!(
            anonymous[..index]
                .iter()
                .all(|other| !Arc::ptr_eq(other, con))
        );
        let back = talk(con, &at_server);
        back.send(message(4, b"")).unwrap();
        assert!(Arc::ptr_eq(&next_message(&at_client).0, con));
    }
    assert!(Arc::ptr_eq(&connect(&client, &server.myaddrs()), &known));
    for con in &anonymous {
        con.mark_down();
    }
    for _ in &anonymous {
        next_reset(&at_server);
    }
    talk(&known, &at_server);
}

#[test]
fn ones_own_address_is_dialled_on_demand() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let options = ConnectOptions {
        anonymous: true,
        not_local: true,
    };
    let con = server.connect_with(EntityType::OSD, &server.myaddrs(), options);
    let con = con.unwrap();
    let back = talk(&con, &at_server);
    assert!(!con.is_loopback() && !back.is_loopback() && !Arc::ptr_eq(&con, &back));
    let own = server.connect_anonymous(EntityType::OSD, &server.myaddrs());
    assert!(own.unwrap().is_loopback());
}

#[test]
fn anonymous_connections_end_with_their_messenger_also_those_dialled_meanwhile() {
    for _ in 0..20 {
        let context = Context::new();
        let (server, _at_server) = server(&context, "v2:127.0.0.1:0");
        let (client, _told) = client(&context);
        let data = Arc::new(());
        let addrs = server.myaddrs();
        std::thread::scope(|scope| {
            let dialler = scope.spawn(|| {
                loop {
                    match client.connect_anonymous(EntityType::OSD, &addrs) {
                        Ok(con) => con.set_priv(Some(Arc::clone(&data) as Arc<_>)),
                        Err(error) => return error.errno(),
                    }
                }
            });
            while Arc::strong_count(&data) < 10 {
                std::thread::yield_now();
            }
            client.shutdown().unwrap();
            assert_eq!(dialler.join().unwrap(), libc::ESHUTDOWN);
        });
        client.wait().unwrap();
        // Those that came late wait for their worker's next turn.
        drop((client, server, context));
        assert_eq!(Arc::strong_count(&data), 1);
    }
}

/// What a callback may do.
#[derive(Clone, Copy, PartialEq, Debug)]
enum Deed {
    MarkDownOwn,
    MarkDownOther,
    MarkDownAll,
    Send,
    Connect,
    Rebind,
    Shutdown,
}

const DEEDS: [Deed; 7] = [
    Deed::MarkDownOwn,
    Deed::MarkDownOther,
    Deed::MarkDownAll,
    Deed::Send,
    Deed::Connect,
    Deed::Rebind,
    Deed::Shutdown,
];

const CALLBACKS: [&str; 9] = [
    "fast_dispatch",
    "dispatch",
    "fast_connect",
    "connect",
    "fast_accept",
    "accept",
    "reset",
    "remote_reset",
    "refused",
];

/// Does its deed in the first callback of one kind, and keeps a record of all.
struct Meddler {
    callback: &'static str,
    deed: Deed,
    state: Mutex<State>,
    told: Mutex<Sender<Record>>,
}

struct State {
    done: bool,
    messenger: Option<Arc<Messenger>>,
    other: Option<ConnectionRef>,
    elsewhere: EntityAddrVec,
}

/// Which callback, about which connection; and `did` after the deed.
type Record = (&'static str, ConnectionRef);

impl Meddler {
    fn tell(&self, callback: &'static str, con: &ConnectionRef) {
        let _ = self.told.lock().unwrap().send((callback, Arc::clone(con)));
        let mut state = self.state.lock().unwrap();
        if callback != self.callback || std::mem::replace(&mut state.done, true) {
            return;
        }
        let messenger = state.messenger.clone().unwrap();
        let (other, elsewhere) = (state.other.clone().unwrap(), state.elsewhere.clone());
        drop(state);
        assert_eq!(messenger.wait().unwrap_err().errno(), libc::EDEADLK);
        match self.deed {
            Deed::MarkDownOwn => {
                con.mark_down();
                con.mark_down();
                assert_eq!(
                    con.send(Message::new(1)).unwrap_err().errno(),
                    libc::ENOTCONN
                );
            }
            Deed::MarkDownOther => other.mark_down(),
            Deed::MarkDownAll => messenger.mark_down_all(),
            // A connection that was reset takes none.
            Deed::Send => drop((con.send(Message::new(1)), other.send(Message::new(2)))),
            Deed::Connect => {
                let new = messenger.connect(EntityType::OSD, &elsewhere);
                new.unwrap().send(Message::new(2)).unwrap();
            }
            Deed::Rebind => {
                let rebound = messenger.rebind(&[]).map_err(|why| why.errno());
                let on_worker = callback.starts_with("fast");
                assert_eq!(rebound.err(), on_worker.then_some(libc::EDEADLK));
            }
            Deed::Shutdown => messenger.shutdown().unwrap(),
        }
        let _ = self.told.lock().unwrap().send(("did", Arc::clone(con)));
    }
}

impl Dispatcher for Meddler {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }
    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        if message.kind % 2 == 0 {
            return Err(message);
        }
        self.tell("fast_dispatch", con);
        Ok(())
    }
    fn dispatch(&self, con: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        self.tell("dispatch", con);
        Ok(())
    }
    fn handle_connect(&self, con: &ConnectionRef) {
        self.tell("connect", con);
    }
    fn handle_accept(&self, con: &ConnectionRef) {
        self.tell("accept", con);
    }
    fn handle_fast_connect(&self, con: &ConnectionRef) {
        self.tell("fast_connect", con);
    }
    fn handle_fast_accept(&self, con: &ConnectionRef) {
        self.tell("fast_accept", con);
    }
    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.tell("reset", con);
        true
    }
    fn handle_remote_reset(&self, con: &ConnectionRef) {
        self.tell("remote_reset", con);
    }
    fn handle_refused(&self, con: &ConnectionRef) -> bool {
        self.tell("refused", con);
        true
    }
}

/// Lets that callback of a messenger come, do that deed, and ends all.
fn meddle(context: &Arc<Context>, nobody: &EntityAddrVec, callback: &'static str, deed: Deed) {
    let (peer, at_peer) = lossless(context, "osd.1", Policy::stateful_server());
    let (elsewhere, at_elsewhere) = server(context, "v2:127.0.0.1:0");
    let (sender, told) = channel();
    let meddler = Arc::new(Meddler {
        callback,
        deed,
        state: Mutex::new(State {
            done: true,
            messenger: None,
            other: None,
            elsewhere: elsewhere.myaddrs(),
        }),
        told: sender.into(),
    });
    let messenger = Messenger::create(context, "osd.0", "", 5).unwrap();
    messenger
        .set_default_policy(Policy::lossless_client())
        .unwrap();
    messenger
        .set_policy(EntityType::CLIENT, Policy::stateless_server())
        .unwrap();
    messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
    messenger
        .add_dispatcher_head(Arc::clone(&meddler) as Arc<dyn Dispatcher>)
        .unwrap();
    messenger.start().unwrap();
    let other = messenger.connect_anonymous(EntityType::OSD, &elsewhere.myaddrs());
    let other = other.unwrap();
    talk(&other, &at_elsewhere);
    *meddler.state.lock().unwrap() = State {
        done: false,
        messenger: Some(Arc::clone(&messenger)),
        other: Some(other),
        elsewhere: elsewhere.myaddrs(),
    };

    let (visitor, _at_visitor) = client(context);
    match callback {
        "accept" | "fast_accept" | "dispatch" | "fast_dispatch" => {
            let con = connect(&visitor, &messenger.myaddrs());
            for kind in 1..=4 {
                // The deed may have ended it already.
                let _ = con.send(Message::new(kind));
            }
        }
        "refused" => drop(connect(&messenger, nobody)),
        _ => {
            let con = connect(&messenger, &peer.myaddrs());
            // Marked down or shut down by a callback, it takes no message.
            if con.send(message(2, b"")).is_ok() && callback.ends_with("reset") {
                let (back, _) = next_message(&at_peer);
                if callback == "reset" {
                    con.mark_disposable();
                }
                con.send(message(2, b"")).unwrap();
                next_message(&at_peer);
                back.mark_down();
            }
        }
    }
    next_record(&told, |record| (record.0 == callback).then_some(()));
    let own = next_record(&told, |record| (record.0 == "did").then_some(record.1));
    visitor.shutdown().unwrap();
    messenger.shutdown().unwrap();
    messenger.wait().unwrap();
    let state = std::mem::replace(
        &mut *meddler.state.lock().unwrap(),
        State {
            done: true,
            messenger: None,
            other: None,
            elsewhere: EntityAddrVec::default(),
        },
    );
    let later: Vec<_> = told.try_iter().collect();
    if deed == Deed::MarkDownOwn {
        // What another thread had begun with may just about have come.
        let about_own = later.iter().filter(|record| Arc::ptr_eq(&record.1, &own));
        assert!(about_own.count() <= 1, "{callback}, {deed:?}: {later:?}");
    }
    drop((state, messenger));
    assert!(told.try_recv().is_err(), "a callback after wait");
}

fn next_record<T>(told: &Receiver<Record>, pick: impl Fn(Record) -> Option<T>) -> T {
    loop {
        let record = told.recv_timeout(DEADLINE).expect("told in time");
        if let Some(picked) = pick(record) {
            return picked;
        }
    }
}

#[test]
fn every_callback_may_do_everything_but_wait() {
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let nobody: EntityAddrVec = format!("v2:{}", probe.local_addr().unwrap())
        .parse()
        .unwrap();
    drop(probe);
    let context = Context::new();
    context.conf_set("ms_initial_backoff", "0.001").unwrap();
    for callback in CALLBACKS {
        for deed in DEEDS {
            meddle(&context, &nobody, callback, deed);
        }
    }
}

#[test]
fn messengers_of_one_context_come_and_go_without_each_other_noticing() {
    let context = Context::new();
    context.conf_set("ms_async_op_threads", "2").unwrap();
    let servers: Vec<_> = (0..7).map(|_| server(&context, "v2:127.0.0.1:0")).collect();
    let (client, at_client) = client(&context);
    let cons: Vec<_> = (servers.iter())
        .map(|(server, _)| connect(&client, &server.myaddrs()))
        .collect();
    for ((_, told), con) in servers.iter().zip(&cons) {
        talk(con, told);
    }
    let mut rest: Vec<_> = servers.into_iter().zip(cons).collect();
    while let Some(((server, told), con)) = rest.pop() {
        server.shutdown().unwrap();
        server.wait().unwrap();
        assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
        drop((server, told));
        for ((_, told), con) in &rest {
            talk(con, told);
        }
    }
    assert_eq!(resets(&at_client), 0);
}

#[test]
fn a_shutdown_by_many_at_once_is_one() {
    for _ in 0..20 {
        let context = Context::new();
        let (server, at_server) = server(&context, "v2:127.0.0.1:0");
        let (client, _told) = client(&context);
        talk(&connect(&client, &server.myaddrs()), &at_server);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    server.shutdown().unwrap();
                    server.wait().unwrap();
                });
            }
        });
    }
}

#[test]
fn a_connection_that_is_marked_down_while_it_comes_up_is_not_reset() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    for _ in 0..200 {
        let (client, at_client) = client(&context);
        connect(&client, &server.myaddrs()).mark_down();
        client.shutdown().unwrap();
        client.wait().unwrap();
        assert_eq!(resets(&at_client), 0);
    }
    let (client, _told) = client(&context);
    talk(&connect(&client, &server.myaddrs()), &at_server);
}
