//! Messengers over real loopback sockets: threads, workers, life cycle.

#![expect(
    clippy::disallowed_methods,
    reason = "strangers are not msgr's sockets"
)]

#[path = "loopback/addresses.rs"]
mod addresses;
#[path = "loopback/cephx.rs"]
mod cephx;
#[path = "loopback/cluster.rs"]
mod cluster;
#[cfg(all(
    feature = "snappy",
    feature = "zlib",
    feature = "zstd",
    feature = "lz4"
))]
#[path = "loopback/compression.rs"]
mod compression;
#[path = "loopback/endings.rs"]
mod endings;
#[path = "loopback/incarnations.rs"]
mod incarnations;
#[path = "loopback/injection.rs"]
mod injection;
#[path = "loopback/local.rs"]
mod local;
#[path = "loopback/strangers.rs"]
mod strangers;
mod support;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;

use msgr::{
    ConnectionRef, Context, Dispatcher, EntityAddrVec, EntityType, Message, Messenger, Payload,
    Policy,
};
use support::{
    DEADLINE, Reporter, Told, client, connect, message, next, next_message, next_refused,
    next_reset, server,
};

fn contexts() -> impl Iterator<Item = Arc<Context>> {
    ["1", "2", "8"].into_iter().map(|workers| {
        let context = Context::new();
        context.conf_set("ms_async_op_threads", workers).unwrap();
        context
    })
}

#[test]
fn a_message_and_its_answer_cross_ipv4_and_ipv6_with_any_number_of_workers() {
    for context in contexts() {
        for addr in ["v2:127.0.0.1:0", "v2:[::1]:0"] {
            let (server, at_server) = server(&context, addr);
            let (client, at_client) = client(&context);
            let con = connect(&client, &server.myaddrs());
            let mut request = message(2, b"front");
            request.middle.append_copy(b"middle");
            request.data = Payload::from(bytes::Bytes::from(vec![7; 300_000]));
            request.tid = 42;
            con.send(request.clone()).unwrap();

            let (back, got) = next_message(&at_server);
            assert_eq!((got.kind, got.tid, got.seq), (2, 42, 1));
            assert_eq!(
                (&got.front, &got.middle, &got.data),
                (&request.front, &request.middle, &request.data)
            );
            assert_eq!(back.peer_type(), EntityType::CLIENT);
            back.send(message(3, b"answer")).unwrap();
            let (con_again, got) = next_message(&at_client);
            assert!(Arc::ptr_eq(&con, &con_again) && con.is_connected());
            assert_eq!(
                got.front,
                Payload::from(bytes::Bytes::from_static(b"answer"))
            );
        }
    }
}

#[test]
fn every_usual_order_of_calls_works() {
    let context = Context::new();
    // bind, start, add_dispatcher
    let server = Messenger::create(&context, "osd.0", "server", 0).unwrap();
    server.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    server.start().unwrap();
    // start, connect, add_dispatcher, send
    let client = Messenger::create(&context, "client.0", "client", 0).unwrap();
    client.start().unwrap();
    let con = connect(&client, &server.myaddrs());
    let (reporter, at_client) = Reporter::new(false);
    client.add_dispatcher_tail(reporter).unwrap();
    con.send(message(2, b"before the server is ready")).unwrap();
    let (reporter, at_server) = Reporter::new(false);
    server.add_dispatcher_tail(reporter).unwrap();
    let (back, _) = next_message(&at_server);
    back.send(message(4, b"")).unwrap();
    next_message(&at_client);
}

#[test]
fn calls_in_a_wrong_order_are_refused_with_an_errno() {
    let context = Context::new();
    let messenger = Messenger::create(&context, "osd.0", "", 0).unwrap();
    let addrs: EntityAddrVec = "127.0.0.1:0".parse().unwrap();
    let errno = |result: msgr::Result<()>| result.unwrap_err().errno();
    assert_eq!(
        errno(
            messenger
                .connect(EntityType::OSD, &"127.0.0.1:1".parse().unwrap())
                .map(drop)
        ),
        libc::ENOTCONN
    );
    messenger.wait().unwrap();
    messenger.bind(&addrs).unwrap();
    assert_eq!(errno(messenger.bind(&addrs)), libc::EALREADY);
    assert_eq!(
        errno(messenger.set_default_policy(Policy::stateless_server())),
        libc::EBUSY
    );
    messenger.start().unwrap();
    assert_eq!(errno(messenger.start()), libc::EALREADY);
    messenger.shutdown().unwrap();
    messenger.shutdown().unwrap();
    messenger.wait().unwrap();
    messenger.wait().unwrap();
    assert_eq!(errno(messenger.start()), libc::ESHUTDOWN);
    assert_eq!(errno(messenger.bind(&addrs)), libc::ESHUTDOWN);
    assert_eq!(
        errno(
            messenger
                .connect(EntityType::OSD, &"127.0.0.1:1".parse().unwrap())
                .map(drop)
        ),
        libc::ESHUTDOWN
    );
    let (reporter, _told) = Reporter::new(false);
    assert_eq!(
        errno(messenger.add_dispatcher_head(reporter)),
        libc::ESHUTDOWN
    );
}

#[test]
fn what_cannot_be_dialled_or_bound_is_refused_at_once() {
    let context = Context::new();
    let (client, _told) = client(&context);
    let connect = |addrs: &str| {
        client
            .connect(EntityType::OSD, &addrs.parse().unwrap())
            .unwrap_err()
            .errno()
    };
    assert_eq!(connect("127.0.0.1:0"), libc::EINVAL);
    assert_eq!(connect("0.0.0.0:6800"), libc::EINVAL);
    assert_eq!(connect("v1:127.0.0.1:0"), libc::EINVAL);
    assert_eq!(connect("any:127.0.0.1:6789"), libc::EINVAL);
    assert_eq!(
        client
            .connect(EntityType(3), &"127.0.0.1:1".parse().unwrap())
            .unwrap_err()
            .errno(),
        libc::EINVAL
    );
    let bind = |addrs: &str| {
        let messenger = Messenger::create(&context, "osd.1", "", 0).unwrap();
        messenger.bind(&addrs.parse().unwrap()).unwrap_err().errno()
    };
    assert_eq!(bind("[v2:127.0.0.1:0,any:127.0.0.1:0]"), libc::EINVAL);
    assert_eq!(bind("any:"), libc::EINVAL);
    assert_eq!(bind("192.0.2.1:7000"), libc::EADDRNOTAVAIL);
}

#[test]
fn bind_takes_the_first_free_port_of_the_range_and_says_when_there_is_none() {
    // Two neighbouring ports, the first of them taken.
    let (taken, port) = std::iter::repeat_with(|| TcpListener::bind("127.0.0.1:0").unwrap())
        .map(|taken| (taken.local_addr().unwrap().port(), taken))
        .find(|(port, _)| *port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok())
        .map(|(port, taken)| (taken, port))
        .unwrap();
    let context = Context::new();
    context
        .conf_set("ms_bind_port_min", &port.to_string())
        .unwrap();
    context
        .conf_set("ms_bind_port_max", &(port + 1).to_string())
        .unwrap();
    context.conf_set("ms_bind_retry_delay", "0.001").unwrap();
    let first = Messenger::create(&context, "osd.0", "", 0).unwrap();
    first.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(
        first.myaddrs().to_string(),
        format!("v2:127.0.0.1:{}/0", port + 1)
    );
    let second = Messenger::create(&context, "osd.1", "", 0).unwrap();
    let refused = second.bind(&"127.0.0.1:0".parse().unwrap()).unwrap_err();
    assert_eq!(refused.errno(), libc::EADDRINUSE, "{refused}");
    drop(taken);
    let avoid = second.bind_avoiding(&"127.0.0.1:0".parse().unwrap(), &[port]);
    assert_eq!(avoid.unwrap_err().errno(), libc::EADDRINUSE);
    second.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    assert_eq!(
        second.myaddrs().to_string(),
        format!("v2:127.0.0.1:{port}/0")
    );
}

#[test]
fn several_addresses_bind_all_or_none() {
    let context = Context::new();
    let both = Messenger::create(&context, "osd.0", "", 9).unwrap();
    both.bind(&"[v2:127.0.0.1:0,v2:[::1]:0]".parse().unwrap())
        .unwrap();
    let addrs = both.myaddrs();
    assert_eq!(addrs.0.len(), 2);
    let neither = Messenger::create(&context, "osd.1", "", 9).unwrap();
    let clash: EntityAddrVec = format!("v2:[::1]:0,{}", addrs.0[0]).parse().unwrap();
    assert_eq!(neither.bind(&clash).unwrap_err().errno(), libc::EADDRINUSE);
    neither.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
}

#[test]
fn with_a_local_listen_table_every_worker_accepts_on_the_same_port() {
    let context = Context::new();
    context.conf_set("ms_async_op_threads", "4").unwrap();
    context
        .conf_set("ms_async_local_listen_table", "true")
        .unwrap();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let clients: Vec<_> = (0..32).map(|_| client(&context)).collect();
    for (client, _) in &clients {
        connect(client, &server.myaddrs())
            .send(message(2, b"hello"))
            .unwrap();
    }
    for _ in 0..clients.len() {
        next_message(&at_server);
    }
}

#[test]
fn with_local_listen_tables_a_port_still_belongs_to_one_messenger() {
    let context = Context::new();
    context.conf_set("ms_async_op_threads", "2").unwrap();
    context
        .conf_set("ms_async_local_listen_table", "true")
        .unwrap();
    let first = Messenger::create(&context, "osd.0", "", 0).unwrap();
    first.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
    let second = Messenger::create(&context, "osd.1", "", 0).unwrap();
    let refused = second.bind(&first.myaddrs()).unwrap_err();
    assert_eq!(refused.errno(), libc::EADDRINUSE, "{refused}");
}

#[test]
fn messages_of_one_priority_keep_their_order_and_all_arrive() {
    for context in contexts() {
        let (server, at_server) = server(&context, "v2:127.0.0.1:0");
        let (client, _told) = client(&context);
        let con = connect(&client, &server.myaddrs());
        const PRIORITIES: [u16; 4] = [64, 127, 196, 255];
        for tid in 0..20_000 {
            // Odd kinds go by fast dispatch: the order of arrival itself.
            let mut sent = message(1, &[0; 64]);
            sent.priority = PRIORITIES[tid as usize % 4];
            sent.tid = tid;
            con.send(sent).unwrap();
        }
        let mut next_of = [0, 1, 2, 3];
        for _ in 0..20_000 {
            let (_, got) = next_message(&at_server);
            let class = PRIORITIES
                .iter()
                .position(|priority| *priority == got.priority)
                .unwrap();
            assert_eq!(got.tid, next_of[class], "priority {}", got.priority);
            next_of[class] += 4;
        }
    }
}

#[test]
fn the_same_peer_is_dialled_once_until_its_connection_ends() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client, _told) = client(&context);
    let first = connect(&client, &server.myaddrs());
    assert!(Arc::ptr_eq(&first, &connect(&client, &server.myaddrs())));
    first.send(message(2, b"one")).unwrap();
    next_message(&at_server);
    first.mark_down();
    first.mark_down();
    assert_eq!(
        first.send(message(2, b"lost")).unwrap_err().errno(),
        libc::ENOTCONN
    );
    let second = connect(&client, &server.myaddrs());
    assert!(!Arc::ptr_eq(&first, &second));
    second.send(message(2, b"two")).unwrap();
    assert_eq!(
        next_message(&at_server).1.front,
        Payload::from(bytes::Bytes::from_static(b"two"))
    );
}

#[test]
fn our_own_address_gives_the_loopback_connection() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let own = connect(&server, &server.myaddrs());
    assert!(own.is_loopback() && own.is_connected());
    assert!(Arc::ptr_eq(&own, &server.loopback_connection()));
    for tid in 0..10_000 {
        let mut sent = message(1, b"to myself");
        sent.tid = tid;
        own.send(sent).unwrap();
    }
    for tid in 0..10_000 {
        let (con, got) = next_message(&at_server);
        assert!(Arc::ptr_eq(&con, &own));
        assert_eq!(got.tid, tid);
    }
}

#[test]
fn a_broken_connection_resets_once_on_both_sides_and_a_mark_down_never_where_it_was_called() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let (client, at_client) = client(&context);
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"")).unwrap();
    let (back, _) = next_message(&at_server);
    con.mark_down();
    assert!(Arc::ptr_eq(&next_reset(&at_server), &back));
    assert!(!back.is_connected());

    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"")).unwrap();
    let (back, _) = next_message(&at_server);
    back.mark_down();
    assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
    client.shutdown().unwrap();
    client.wait().unwrap();
    let resets = at_client
        .try_iter()
        .filter(|told| matches!(told, Told::Reset(_)))
        .count();
    assert_eq!(
        resets, 0,
        "the first connection was marked down here, the second has reset"
    );
}

#[test]
fn a_refused_peer_is_tried_again_and_found_when_it_comes_up() {
    let context = Context::new();
    context.conf_set("ms_initial_backoff", "0.01").unwrap();
    let probe = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("v2:{}/0", probe.local_addr().unwrap());
    drop(probe);
    let (client, at_client) = client(&context);
    let con = connect(&client, &addr.parse().unwrap());
    con.send(message(2, b"patience")).unwrap();
    for _ in 0..2 {
        assert!(Arc::ptr_eq(&next_refused(&at_client), &con));
    }
    let (_server, at_server) = server(&context, &addr);
    assert_eq!(next_message(&at_server).1.kind, 2);
}

#[test]
fn whoever_speaks_something_else_is_dropped_and_the_others_are_served() {
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let socket = server.myaddrs().0[0].socket.unwrap();
    for garbage in [
        &b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"[..],
        b"ceph v027 and then some",
        &[0xff; 64],
    ] {
        let mut stranger = TcpStream::connect(socket).unwrap();
        stranger.write_all(garbage).unwrap();
        stranger.set_read_timeout(Some(DEADLINE)).unwrap();
        let mut rest = Vec::new();
        // A reset is as good an end as any.
        let _ = stranger.read_to_end(&mut rest);
        assert!(rest.len() < 100, "a stranger got {} bytes", rest.len());
    }
    let (client, _told) = client(&context);
    connect(&client, &server.myaddrs())
        .send(message(2, b"served"))
        .unwrap();
    next_message(&at_server);
    let accepts = at_server
        .try_iter()
        .filter(|told| matches!(told, Told::Accept | Told::Reset(_)))
        .count();
    assert!(accepts <= 1, "strangers are not announced");
}

#[test]
fn more_than_the_dispatch_throttle_passes_bit_by_bit_and_every_byte_comes_back() {
    let context = Context::new();
    context
        .conf_set("ms_dispatch_throttle_bytes", "64K")
        .unwrap();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    let clients: Vec<_> = (0..4).map(|_| client(&context)).collect();
    let sizes = [10, 70_000, 4_000_000, 0, 65_536, 1];
    for (client, _) in &clients {
        let con = connect(client, &server.myaddrs());
        for size in sizes {
            con.send(message(2, &vec![1; size])).unwrap();
        }
    }
    let mut bytes = 0;
    for _ in 0..clients.len() * sizes.len() {
        bytes += next_message(&at_server).1.front.len();
    }
    assert_eq!(bytes, clients.len() * sizes.iter().sum::<usize>());
}

#[test]
fn dispatchers_are_asked_from_head_to_tail_until_one_takes_the_message() {
    struct Picky(u16, Arc<Reporter>);
    impl Dispatcher for Picky {
        fn dispatch(
            &self,
            con: &ConnectionRef,
            mut message: Box<Message>,
        ) -> Result<(), Box<Message>> {
            // Leaves a mark, so that the order shows.
            message.reserved = message.reserved * 10 + self.0;
            if message.kind == self.0 {
                self.1.dispatch(con, message)
            } else {
                Err(message)
            }
        }
    }
    let context = Context::new();
    let messenger = Messenger::create(&context, "osd.0", "", 0).unwrap();
    let (reporter, told) = Reporter::new(false);
    messenger
        .add_dispatcher_tail(Arc::new(Picky(2, Arc::clone(&reporter))))
        .unwrap();
    messenger
        .add_dispatcher_head(Arc::new(Picky(1, Arc::clone(&reporter))))
        .unwrap();
    messenger
        .add_dispatcher_tail(Arc::new(Picky(3, reporter)))
        .unwrap();
    messenger.start().unwrap();
    let own = messenger.loopback_connection();
    for kind in [3, 1, 9, 2] {
        own.send(Message::new(kind)).unwrap();
    }
    let marks: Vec<_> = (0..3).map(|_| next_message(&told).1.reserved).collect();
    assert_eq!(marks, [123, 1, 12], "the one that nobody takes is dropped");
}

#[test]
fn a_dispatcher_that_panics_takes_nothing_down() {
    struct Clumsy;
    impl Dispatcher for Clumsy {
        fn can_fast_dispatch_any(&self) -> bool {
            true
        }
        fn fast_dispatch(
            &self,
            _: &ConnectionRef,
            message: Box<Message>,
        ) -> Result<(), Box<Message>> {
            assert_ne!(message.kind, 13, "on purpose");
            Err(message)
        }
        fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
            assert_ne!(message.kind, 14, "on purpose");
            Err(message)
        }
    }
    let context = Context::new();
    let (server, at_server) = server(&context, "v2:127.0.0.1:0");
    server.add_dispatcher_head(Arc::new(Clumsy)).unwrap();
    let (client, _told) = client(&context);
    let con = connect(&client, &server.myaddrs());
    for kind in [13, 14, 2] {
        con.send(Message::new(kind)).unwrap();
    }
    assert_eq!(next_message(&at_server).1.kind, 2);
}

#[test]
fn wait_in_a_callback_is_refused_and_shutdown_in_one_works() {
    struct Ender(
        std::sync::Mutex<Option<Arc<Messenger>>>,
        std::sync::Mutex<std::sync::mpsc::Sender<i32>>,
    );
    impl Dispatcher for Ender {
        fn can_fast_dispatch_any(&self) -> bool {
            true
        }
        fn fast_dispatch(
            &self,
            con: &ConnectionRef,
            message: Box<Message>,
        ) -> Result<(), Box<Message>> {
            if message.kind == 1 {
                self.dispatch(con, message)
            } else {
                Err(message)
            }
        }
        fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
            let messenger = self.0.lock().unwrap().clone().unwrap();
            let refused = messenger.wait().unwrap_err().errno();
            self.1.lock().unwrap().send(refused).unwrap();
            if message.kind == 2 {
                messenger.shutdown().unwrap();
            }
            Ok(())
        }
    }
    let context = Context::new();
    let messenger = Messenger::create(&context, "osd.0", "", 0).unwrap();
    let (sender, receiver) = channel();
    let ender = Arc::new(Ender(Some(Arc::clone(&messenger)).into(), sender.into()));
    messenger
        .add_dispatcher_head(Arc::clone(&ender) as Arc<dyn Dispatcher>)
        .unwrap();
    messenger.start().unwrap();
    messenger
        .loopback_connection()
        .send(Message::new(1))
        .unwrap();
    messenger
        .loopback_connection()
        .send(Message::new(2))
        .unwrap();
    messenger.wait().unwrap();
    assert_eq!(receiver.recv_timeout(DEADLINE).unwrap(), libc::EDEADLK);
    assert_eq!(receiver.recv_timeout(DEADLINE).unwrap(), libc::EDEADLK);
    // The dispatcher holds its messenger: untie the knot.
    ender.0.lock().unwrap().take();
}

#[test]
fn after_wait_no_callback_runs_whatever_is_still_under_way() {
    struct Watch(AtomicBool);
    impl Dispatcher for Watch {
        fn can_fast_dispatch_any(&self) -> bool {
            true
        }
        fn fast_dispatch(
            &self,
            con: &ConnectionRef,
            message: Box<Message>,
        ) -> Result<(), Box<Message>> {
            if message.kind == 1 {
                self.dispatch(con, message)
            } else {
                Err(message)
            }
        }
        fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
            assert!(!self.0.load(Ordering::SeqCst), "a callback after wait");
            // Keeps the conversation going until the end.
            let _ = con.send(message);
            Ok(())
        }
    }
    for round in 0..20 {
        let context = Context::new();
        let server = Messenger::create(&context, "osd.0", "", 0).unwrap();
        server.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        let watch = Arc::new(Watch(AtomicBool::new(false)));
        server
            .add_dispatcher_head(Arc::clone(&watch) as Arc<dyn Dispatcher>)
            .unwrap();
        server.start().unwrap();
        let (client, told) = client(&context);
        let con = connect(&client, &server.myaddrs());
        for kind in 1..=2 {
            con.send(Message::new(kind)).unwrap();
        }
        let (_, first) = next_message(&told);
        for _ in 0..round {
            con.send(Message::new(first.kind)).unwrap();
        }
        server.shutdown().unwrap();
        server.wait().unwrap();
        watch.0.store(true, Ordering::SeqCst);
        assert_eq!(
            con.send(Message::new(1))
                .map_err(|why| why.errno())
                .err()
                .unwrap_or(libc::ENOTCONN),
            libc::ENOTCONN
        );
    }
}

#[test]
fn dropping_the_last_handle_ends_everything_and_frees_the_port_and_the_dispatcher() {
    let context = Context::new();
    // A port from outside the range that the tests beside this one search.
    context.conf_set("ms_bind_port_min", "0").unwrap();
    let (server_one, at_server) = server(&context, "v2:127.0.0.1:0");
    let addrs = server_one.myaddrs();
    let (client, at_client) = client(&context);
    let con = connect(&client, &addrs);
    con.send(message(2, b"")).unwrap();
    let (back, _) = next_message(&at_server);
    drop(server_one);
    assert_eq!(
        back.send(Message::new(1)).unwrap_err().errno(),
        libc::ESHUTDOWN
    );
    drop(back);
    next(&at_client, |told| {
        matches!(told, Told::Reset(_)).then_some(())
    });
    // The channel ends when the dispatcher with its sender is gone.
    while at_server.recv_timeout(DEADLINE).is_ok() {}
    let (_again, _) = server(&context, &addrs.to_string());
}

#[test]
fn a_peer_that_listens_but_never_speaks_is_given_up_and_tried_again() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let context = Context::new();
    context
        .conf_set("ms_connection_ready_timeout", "0.05")
        .unwrap();
    context.conf_set("ms_initial_backoff", "0.001").unwrap();
    let (client, _told) = client(&context);
    let _con = connect(
        &client,
        &format!("v2:{}", silent.local_addr().unwrap())
            .parse()
            .unwrap(),
    );
    let (first, _) = silent.accept().unwrap();
    let (_second, _) = silent.accept().unwrap();
    first.set_read_timeout(Some(DEADLINE)).unwrap();
    let mut banner = Vec::new();
    (&first).read_to_end(&mut banner).unwrap();
    assert!(banner.starts_with(b"ceph v2\n"));
}
