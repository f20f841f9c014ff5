//! Connections and messengers that end at an awkward moment.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, Weak};

use msgr::{ConnectionRef, Context, Dispatcher, EntityAddrVec, Message, Messenger, Policy};

use super::support::{
    DEADLINE, Reporter, Told, client, connect, message, next_message, next_reset, server,
};

/// A context with one worker, so that what one event does is done before the
/// next begins.
fn one_worker() -> Arc<Context> {
    let context = Context::new();
    context.conf_set("ms_async_op_threads", "1").unwrap();
    context
}

fn server_with(context: &Arc<Context>, dispatcher: Arc<dyn Dispatcher>) -> Arc<Messenger> {
    let server = Messenger::create(context, "osd.0", "server", 0).unwrap();
    server
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    server.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
    server.add_dispatcher_head(dispatcher).unwrap();
    server.start().unwrap();
    server
}

/// Does what it is told with each message, on the worker.
struct OnFast<F>(F);

impl<F: Fn(&ConnectionRef, Box<Message>) + Send + Sync> Dispatcher for OnFast<F> {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        (self.0)(con, message);
        Ok(())
    }

    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        Ok(())
    }
}

/// Blocks a worker from [`Gate::close`] to [`Gate::open`].
struct Gate {
    own: ConnectionRef,
    entered: Receiver<()>,
    leave: Sender<()>,
    _messenger: Arc<Messenger>,
}

impl Gate {
    fn new(context: &Arc<Context>) -> Self {
        let (enter, entered) = channel();
        let (leave, left) = channel();
        let (enter, left) = (Mutex::new(enter), Mutex::new(left));
        let messenger = Messenger::create(context, "client.gate", "gate", 0).unwrap();
        messenger
            .add_dispatcher_head(Arc::new(OnFast(move |_: &ConnectionRef, _| {
                enter.lock().unwrap().send(()).unwrap();
                // An error is a test that failed and is gone.
                let _ = left.lock().unwrap().recv();
            })))
            .unwrap();
        messenger.start().unwrap();
        Self {
            own: messenger.loopback_connection(),
            entered,
            leave,
            _messenger: messenger,
        }
    }

    fn close(&self) {
        self.own.send(Message::new(1)).unwrap();
        self.entered.recv_timeout(DEADLINE).unwrap();
    }

    fn open(&self) {
        self.leave.send(()).unwrap();
    }
}

#[test]
fn a_handshake_that_breaks_in_a_write_is_tried_again_after_the_backoff() {
    let context = one_worker();
    context.conf_set("ms_initial_backoff", "0.01").unwrap();
    context
        .conf_set("ms_connection_ready_timeout", "3600")
        .unwrap();
    let gate = Gate::new(&context);
    let (client, _told) = client(&context);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = format!("v2:{}", listener.local_addr().unwrap());
    let _con = connect(&client, &addr.parse().unwrap());

    let (mut first, _) = listener.accept().unwrap();
    let mut banner = [0; 26];
    first.read_exact(&mut banner).unwrap();
    // Banner and reset are both there when the worker looks: it reads the one
    // and finds out about the other by writing its answer.
    gate.close();
    first.write_all(&banner).unwrap();
    rustix::net::sockopt::set_socket_linger(&first, Some(std::time::Duration::ZERO)).unwrap();
    drop(first);
    gate.open();

    let (sender, dialled) = channel();
    let watch = std::thread::spawn(move || sender.send(listener.accept().map(drop)));
    assert!(
        dialled.recv_timeout(DEADLINE).is_ok(),
        "it waits for the first attempt's deadline"
    );
    watch.join().unwrap().unwrap();
}

#[test]
fn a_mark_down_amid_a_payload_gives_its_budget_back() {
    let context = one_worker();
    context
        .conf_set("ms_dispatch_throttle_bytes", "1M")
        .unwrap();
    let (sender, fronts) = channel();
    let sender = Mutex::new(sender);
    let server = server_with(
        &context,
        Arc::new(OnFast(move |con: &ConnectionRef, message: Box<Message>| {
            if message.front.is_empty() {
                return con.mark_down();
            }
            sender.lock().unwrap().send(message.front.len()).unwrap();
        })),
    );
    // Both are there when the handshake is done and leave in one write. More
    // than is read in a turn, so it is half read when the mark_down comes.
    let client_context = one_worker();
    let gate = Gate::new(&client_context);
    gate.close();
    let (one, at_one) = client(&client_context);
    let con = connect(&one, &server.myaddrs());
    let mut large = Message::new(1);
    large.data = bytes::Bytes::from(vec![0; 8 << 20]).into();
    con.send(Message::new(1)).unwrap();
    con.send(large).unwrap();
    gate.open();
    next_reset(&at_one);

    let (two, _told) = client(&Context::new());
    let con = connect(&two, &server.myaddrs());
    con.send(message(1, b"room?")).unwrap();
    assert_eq!(fronts.recv_timeout(DEADLINE), Ok(5));
}

/// Runs a closure when the application's data is dropped.
struct OnDrop<F: Fn()>(F);

impl<F: Fn()> Drop for OnDrop<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

#[test]
fn data_that_goes_with_the_loopback_connection_may_ask_for_it_again() {
    let context = Context::new();
    let (messenger, _told) = client(&context);
    let (sender, receiver) = channel();
    let (weak, sender) = (Arc::downgrade(&messenger), Mutex::new(sender));
    let data = OnDrop(move || {
        let again = weak.upgrade().unwrap().loopback_connection();
        sender.lock().unwrap().send(again.is_connected()).unwrap();
    });
    messenger
        .loopback_connection()
        .set_priv(Some(Arc::new(data)));
    let ender = std::thread::spawn(move || messenger.shutdown().unwrap());
    assert_eq!(receiver.recv_timeout(DEADLINE), Ok(false));
    ender.join().unwrap();
}

#[test]
fn wait_does_not_overtake_the_shutdown_that_it_waits_for() {
    let (server, at_server) = server(&Context::new(), "v2:127.0.0.1:0");
    let (client, at_client) = client(&Context::new());
    let con = connect(&client, &server.myaddrs());
    con.send(message(1, b"")).unwrap();
    next_message(&at_server);

    // The application's destructor holds up the thread that shuts down.
    let (enter, entered) = channel();
    let (leave, left) = channel::<()>();
    let (enter, left) = (Mutex::new(enter), Mutex::new(left));
    let data = OnDrop(move || {
        enter.lock().unwrap().send(()).unwrap();
        let _ = left.lock().unwrap().recv();
    });
    server.loopback_connection().set_priv(Some(Arc::new(data)));
    let ender = Arc::clone(&server);
    let ender = std::thread::spawn(move || ender.shutdown().unwrap());
    entered.recv_timeout(DEADLINE).unwrap();

    server.wait().unwrap();
    // Whatever it was told before, its socket is closed now.
    assert!(Arc::ptr_eq(&next_reset(&at_client), &con));
    drop(leave);
    ender.join().unwrap();
}

/// Marks connections down as soon as they are up.
struct Unwelcoming(Arc<Reporter>);

impl Dispatcher for Unwelcoming {
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.0.dispatch(con, message)
    }

    fn handle_fast_connect(&self, con: &ConnectionRef) {
        con.mark_down();
    }

    fn handle_fast_accept(&self, con: &ConnectionRef) {
        con.mark_down();
    }

    fn handle_connect(&self, con: &ConnectionRef) {
        self.0.handle_connect(con);
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        self.0.handle_accept(con);
    }
}

#[test]
fn a_connection_marked_down_as_it_comes_up_is_not_announced() {
    let context = one_worker();
    let (reporter, told) = Reporter::new(false);
    let server = server_with(&context, Arc::new(Unwelcoming(reporter)));
    let (welcome, at_client) = client(&Context::new());
    connect(&welcome, &server.myaddrs());
    next_reset(&at_client);
    // Behind it in the one worker's events, and in the queue.
    server.loopback_connection().send(message(2, b"")).unwrap();
    assert!(matches!(told.recv_timeout(DEADLINE), Ok(Told::Message(..))));
}

#[test]
fn no_fast_dispatch_begins_after_a_shutdown_in_the_one_before() {
    let (sender, begun) = channel();
    let sender = Mutex::new(sender);
    let slot: Arc<Mutex<Weak<Messenger>>> = Arc::default();
    let messenger = Arc::clone(&slot);
    let context = one_worker();
    let server = server_with(
        &context,
        Arc::new(OnFast(move |_: &ConnectionRef, _| {
            let server = messenger.lock().unwrap().upgrade().unwrap();
            server.shutdown().unwrap();
            sender.lock().unwrap().send(()).unwrap();
        })),
    );
    *slot.lock().unwrap() = Arc::downgrade(&server);
    let (client, _told) = client(&Context::new());
    let con = connect(&client, &server.myaddrs());
    // Queued before the handshake is done, they arrive together.
    for _ in 0..8 {
        con.send(Message::new(1)).unwrap();
    }
    server.wait().unwrap();
    assert_eq!(begun.try_iter().count(), 1);
}

#[test]
fn a_bind_that_shutdown_overtakes_leaves_no_listening_socket() {
    let context = one_worker();
    context.conf_set("ms_bind_port_min", "0").unwrap();
    let gate = Gate::new(&context);
    let messenger = Messenger::create(&context, "osd.1", "", 0).unwrap();
    gate.close();
    let binder = Arc::clone(&messenger);
    let binder = std::thread::spawn(move || {
        let addrs: EntityAddrVec = "[v2:127.0.0.1:0,v2:[::1]:0]".parse().unwrap();
        loop {
            match binder.bind(&addrs) {
                Err(error) if error.errno() == libc::EALREADY => std::thread::yield_now(),
                other => return other.map_err(|error| error.errno()),
            }
        }
    });
    // Until the other thread's bind has begun, this one's fails for its address.
    let nowhere: EntityAddrVec = "any:".parse().unwrap();
    while messenger.bind(&nowhere).unwrap_err().errno() != libc::EALREADY {
        std::thread::yield_now();
    }
    messenger.shutdown().unwrap();
    gate.open();
    assert_eq!(binder.join().unwrap(), Err(libc::ESHUTDOWN));
    messenger.wait().unwrap();
}

#[test]
fn a_messenger_without_dispatchers_leaves_nothing_behind_when_dropped_in_a_callback() {
    let context = one_worker();
    let slot: Arc<Mutex<Option<Arc<Messenger>>>> = Arc::default();
    let dropped = Arc::clone(&slot);
    let (sender, done) = channel();
    let sender = Mutex::new(sender);
    let server = server_with(
        &context,
        Arc::new(OnFast(move |_: &ConnectionRef, _| {
            let messenger = dropped.lock().unwrap().take();
            drop(messenger);
            sender.lock().unwrap().send(()).unwrap();
        })),
    );
    let mute_context = one_worker();
    let mute = Messenger::create(&mute_context, "client.0", "", 0).unwrap();
    mute.start().unwrap();
    let con = connect(&mute, &server.myaddrs());
    let data = Arc::new(());
    con.set_priv(Some(Arc::clone(&data) as Arc<_>));
    *slot.lock().unwrap() = Some(mute);
    con.send(Message::new(1)).unwrap();
    done.recv_timeout(DEADLINE).unwrap();
    drop(con);
    // Joins the worker, which is done with everything then.
    drop(mute_context);
    assert_eq!(Arc::strong_count(&data), 1, "its connection is still there");
}

#[test]
fn connections_that_wait_for_budget_end_with_their_messenger() {
    let context = one_worker();
    context
        .conf_set("ms_dispatch_throttle_bytes", "64K")
        .unwrap();
    let (leave, left) = channel::<()>();
    let data = Arc::new(());
    struct Slow {
        left: Mutex<Receiver<()>>,
        data: Arc<()>,
        seen: Mutex<Sender<()>>,
    }
    impl Dispatcher for Slow {
        fn can_fast_dispatch_any(&self) -> bool {
            true
        }
        fn fast_dispatch(
            &self,
            con: &ConnectionRef,
            message: Box<Message>,
        ) -> Result<(), Box<Message>> {
            if message.kind == 2 {
                return Err(message);
            }
            con.set_priv(Some(Arc::clone(&self.data) as Arc<_>));
            self.seen.lock().unwrap().send(()).unwrap();
            Ok(())
        }
        fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
            let _ = self.left.lock().unwrap().recv();
            Ok(())
        }
    }
    let (seen, all) = channel();
    let server = server_with(
        &context,
        Arc::new(Slow {
            left: left.into(),
            data: Arc::clone(&data),
            seen: seen.into(),
        }),
    );
    // Goes before the server, which waits for its dispatch thread.
    let leave = leave;
    let clients: Vec<_> = (0..40).map(|_| client(&Context::new())).collect();
    for (client, _) in &clients {
        let con = connect(client, &server.myaddrs());
        // In one write: when the first is dispatched, the second waits for
        // budget, except for the one that has it.
        con.send(Message::new(1)).unwrap();
        con.send(message(2, &[0; 60_000])).unwrap();
    }
    for _ in 0..clients.len() {
        all.recv_timeout(DEADLINE).unwrap();
    }
    server.shutdown().unwrap();
    drop(leave);
    drop(server);
    drop(context);
    assert_eq!(Arc::strong_count(&data), 1, "connections are still there");
}

/// Blocks the dispatch thread with each message of its own, and reports.
struct Busy {
    reporter: Arc<Reporter>,
    gate: Mutex<Receiver<()>>,
}

impl Dispatcher for Busy {
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.reporter.dispatch(con, message)?;
        if con.is_loopback() {
            let _ = self.gate.lock().unwrap().recv();
        }
        Ok(())
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.reporter.handle_reset(con)
    }
}

#[test]
fn after_a_mark_down_no_reset_is_told_that_was_under_way() {
    let (reporter, told) = Reporter::new(false);
    let (leave, gate) = channel();
    let gate = Mutex::new(gate);
    let server = server_with(&Context::new(), Arc::new(Busy { reporter, gate }));
    // Goes before the server, which waits for its dispatch thread.
    let leave = leave;
    let (client, _at_client) = client(&Context::new());
    let con = connect(&client, &server.myaddrs());
    con.send(message(2, b"")).unwrap();
    let (back, _) = next_message(&told);

    let own = server.loopback_connection();
    own.send(message(2, b"busy")).unwrap();
    next_message(&told);
    con.mark_down();
    while server.dispatch_queue_len() == 0 {
        std::thread::yield_now();
    }
    back.mark_down();
    // Of lower priority than the reset, so dispatched behind it.
    own.send(message(2, b"behind")).unwrap();
    leave.send(()).unwrap();
    assert!(matches!(told.recv_timeout(DEADLINE), Ok(Told::Message(..))));
    drop(leave);
}
