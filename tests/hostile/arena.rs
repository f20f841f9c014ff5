//! Where scripts are played: messengers under attack, raw peers, and good ones
//! that have to be served whatever happens.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::Receiver;

use msgr::{ConnectOptions, ConnectionRef, Context, EntityType, Messenger, Policy};

use super::support::pair::eventually;
use super::support::{DEADLINE, Reporter, Told, counted, message, next_message};

/// A connection of its own, whatever others there are.
pub const ANONYMOUS: ConnectOptions = ConnectOptions {
    anonymous: true,
    not_local: false,
};

pub fn context(options: &[(&str, &str)]) -> Arc<Context> {
    let context = Context::new();
    context.conf_set("ms_async_op_threads", "1").unwrap();
    // Attempts that fail are over: the next script brings its own.
    context.conf_set("ms_initial_backoff", "60").unwrap();
    context.conf_set("ms_max_backoff", "60").unwrap();
    for (key, value) in options {
        context.conf_set(key, value).unwrap();
    }
    context
}

/// A messenger and what it is told.
pub struct End {
    pub messenger: Arc<Messenger>,
    pub told: Receiver<Told>,
}

impl End {
    pub fn server(options: &[(&str, &str)], addrs: &str) -> Self {
        Self::with(options, addrs, Policy::stateless_server(), |_| {})
    }

    pub fn with(
        options: &[(&str, &str)],
        addrs: &str,
        policy: Policy,
        prepare: impl FnOnce(&Messenger),
    ) -> Self {
        Self::before_start(options, policy, |server| {
            prepare(server);
            server.bind(&addrs.parse().unwrap()).unwrap();
        })
    }

    /// A server that `prepare` binds.
    pub fn before_start(
        options: &[(&str, &str)],
        policy: Policy,
        prepare: impl FnOnce(&Messenger),
    ) -> Self {
        let messenger = Messenger::create(&context(options), "osd.0", "server", 0).unwrap();
        messenger.set_default_policy(policy).unwrap();
        prepare(&messenger);
        Self::start(messenger)
    }

    /// A lossy client that `prepare` gives its keys.
    pub fn before_client(options: &[(&str, &str)], prepare: impl FnOnce(&Messenger)) -> Self {
        let messenger = Messenger::create(&context(options), "client.alice", "client", 7).unwrap();
        messenger
            .set_default_policy(Policy::lossy_client())
            .unwrap();
        prepare(&messenger);
        Self::start(messenger)
    }

    pub fn client(options: &[(&str, &str)], policy: Policy) -> Self {
        let messenger = Messenger::create(&context(options), "client.alice", "client", 7).unwrap();
        messenger.set_default_policy(policy).unwrap();
        Self::start(messenger)
    }

    fn start(messenger: Arc<Messenger>) -> Self {
        let (reporter, told) = Reporter::new(true);
        messenger.add_dispatcher_head(reporter).unwrap();
        messenger.start().unwrap();
        Self { messenger, told }
    }

    pub fn at(&self) -> SocketAddr {
        self.messenger.myaddrs().front().socket.unwrap()
    }

    pub fn dial(&self) -> Peer {
        Peer::new(TcpStream::connect(self.at()).unwrap())
    }

    /// Waits until a counter is above what it was.
    #[track_caller]
    pub fn expect_counted(&self, name: &str, before: u64) {
        eventually(|| counted(&self.messenger, name) > before, name);
    }

    /// Sends over a connection that is new, and is heard.
    #[track_caller]
    pub fn reaches(&self, server: &Self) {
        let addrs = server.messenger.myaddrs();
        let con = self
            .messenger
            .connect_with(EntityType::OSD, &addrs, ANONYMOUS);
        let con = con.unwrap();
        con.send(message(2, b"good")).unwrap();
        // What others have said before may be told in between, and is passed over; that
        // this comes at all is what `next_message` waits for.
        while next_message(&server.told).1.front.contiguous()[..] != b"good"[..] {}
        con.mark_down();
    }

    /// Nobody was told anything: of a peer that is nobody yet, nobody is.
    #[track_caller]
    pub fn expect_silence(&self) {
        let told = self
            .told
            .try_iter()
            .find(|told| !matches!(told, Told::Reset(_)));
        assert!(told.is_none(), "{told:?}");
    }
}

/// An acceptor under attack, and a good client.
pub struct Arena {
    pub server: End,
    good: End,
}

impl Arena {
    pub fn new(options: &[(&str, &str)]) -> Self {
        Self::of(End::server(options, "v2:127.0.0.1:0"))
    }

    pub fn of(server: End) -> Self {
        Self {
            server,
            good: End::client(&[], Policy::lossy_client()),
        }
    }

    /// A peer that says all this and is to be hung up on, for a reason that is
    /// counted under that name.
    #[track_caller]
    pub fn refuses(&self, words: &[u8], reason: &str) {
        let before = counted(&self.server.messenger, reason);
        let mut peer = self.server.dial();
        peer.say(words);
        peer.expect_closed();
        self.server.expect_counted(reason, before);
    }

    /// The good client is served.
    #[track_caller]
    pub fn survives(&self) {
        // What the peer may rightly have caused.
        while self.server.told.try_recv().is_ok() {}
        self.good.reaches(&self.server);
    }
}

/// A dialler under attack, and a good server.
pub struct Dialler {
    pub client: End,
    good: End,
    listener: TcpListener,
}

impl Dialler {
    pub fn new(options: &[(&str, &str)], policy: Policy) -> Self {
        Self {
            client: End::client(options, policy),
            good: End::server(&[], "v2:127.0.0.1:0"),
            listener: TcpListener::bind("127.0.0.1:0").unwrap(),
        }
    }

    /// Where the hostile end listens.
    pub fn at(&self) -> SocketAddr {
        self.listener.local_addr().unwrap()
    }

    /// The client dials the hostile end, by an address of that kind.
    pub fn lure(&self, kind: &str) -> (ConnectionRef, Peer) {
        let addrs = format!("{kind}:{}/0", self.at()).parse().unwrap();
        let con = self
            .client
            .messenger
            .connect_with(EntityType::OSD, &addrs, ANONYMOUS);
        (con.unwrap(), self.accept())
    }

    pub fn accept(&self) -> Peer {
        Peer::new(self.listener.accept().unwrap().0)
    }

    /// A host that says all this and is to be hung up on.
    #[track_caller]
    pub fn leaves(&self, kind: &str, words: &[u8], reason: &str) {
        let before = counted(&self.client.messenger, reason);
        let (con, mut peer) = self.lure(kind);
        peer.say(words);
        peer.expect_closed();
        self.client.expect_counted(reason, before);
        con.mark_down();
    }

    #[track_caller]
    pub fn survives(&self) {
        while self.client.told.try_recv().is_ok() {}
        self.client.reaches(&self.good);
    }
}

/// A raw socket of somebody else's.
pub struct Peer(pub TcpStream);

impl Peer {
    pub fn new(stream: TcpStream) -> Self {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.set_write_timeout(Some(DEADLINE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self(stream)
    }

    /// Writes; whoever is hung up on meanwhile need not be heard.
    pub fn say(&mut self, words: &[u8]) {
        let _ = self.0.write_all(words);
    }

    pub fn hear(&mut self, len: usize) -> Vec<u8> {
        let mut heard = vec![0; len];
        self.0.read_exact(&mut heard).unwrap();
        heard
    }

    /// Nothing more will be said.
    pub fn finish(&mut self) {
        let _ = self.0.shutdown(Shutdown::Write);
    }

    /// Reads until the other end hangs up; what it has said.
    #[track_caller]
    pub fn expect_closed(&mut self) -> Vec<u8> {
        let mut heard = Vec::new();
        match self.0.read_to_end(&mut heard) {
            Ok(_) => heard,
            Err(why) if why.kind() == ErrorKind::ConnectionReset => heard,
            Err(why) => panic!("it does not hang up: {why}"),
        }
    }
}

impl End {
    /// No message has come that was not asked for.
    #[track_caller]
    pub fn expect_silence_of_messages(&self) {
        let is_message = |told: &Told| matches!(told, Told::Message(..) | Told::Fast(..));
        let told = self.told.try_iter().find(is_message);
        assert!(told.is_none(), "{told:?}");
    }
}
