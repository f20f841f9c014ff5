//! Two messengers with a session between them, and a proxy in front of each
//! that can be dialled.

use std::sync::Arc;
use std::time::Instant;

use msgr::{ConnectionRef, Context, EntityType, Messenger, Policy};

use super::DEADLINE;
use super::letter::{Random, Witness, Writer};
use super::proxy::{Cut, Plan, Proxy, Seen};

/// Who keeps the session with whom.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A lossless client of a stateful server.
    ClientServer,
    /// Two lossless peers.
    Peers,
    /// Two lossless peers that come back under their address.
    PeersReuse,
}

pub const KINDS: [Kind; 3] = [Kind::ClientServer, Kind::Peers, Kind::PeersReuse];

/// One side.
pub struct End {
    pub messenger: Arc<Messenger>,
    pub witness: Arc<Witness>,
    /// In front of it, if it can be dialled.
    proxy: Option<Proxy>,
    /// To the other side, if this one dials.
    writer: Option<Writer>,
}

impl End {
    /// Listens behind a proxy, unless it is a client.
    pub fn start(conf: &[(&str, &str)], name: &str, policy: Policy, witness: Arc<Witness>) -> Self {
        let context = Context::new();
        // Outside the range that other test programs search.
        for (key, value) in [("ms_bind_port_min", "0"), ("ms_async_op_threads", "1")]
            .iter()
            .chain(conf)
        {
            context.conf_set(key, value).unwrap();
        }
        let messenger = Messenger::create(&context, name, "end", 4711).unwrap();
        messenger.set_default_policy(policy).unwrap();
        let proxy = (!name.starts_with("client.")).then(Proxy::new);
        if let Some(proxy) = &proxy {
            messenger.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
            proxy.forward_to(messenger.myaddrs().0[0].socket.unwrap());
            let known_as = format!("v2:{}", proxy.addr());
            messenger.set_addrs(&known_as.parse().unwrap()).unwrap();
        }
        let dispatcher = Arc::clone(&witness);
        messenger.add_dispatcher_head(dispatcher).unwrap();
        messenger.start().unwrap();
        Self {
            messenger,
            witness,
            proxy,
            writer: None,
        }
    }

    fn connect(&mut self, to: &Self) {
        let addrs = to.messenger.myaddrs();
        let con = self.messenger.connect(EntityType::OSD, &addrs).unwrap();
        self.writer = Some(Writer::new(con));
    }

    /// To the other side, if this one dials.
    pub fn con(&self) -> &ConnectionRef {
        &self.writer.as_ref().unwrap().con
    }

    pub fn proxy(&self) -> &Proxy {
        self.proxy.as_ref().unwrap()
    }

    /// Sends so many letters of up to that many bytes, some of them to be
    /// dispatched fast.
    pub fn send(&mut self, count: u64, largest: u64, random: &mut Random) {
        let writer = self.writer.as_mut().unwrap();
        for _ in 0..count {
            writer.send(largest, random).unwrap();
        }
    }

    /// Letters sent.
    fn sent(&self) -> u64 {
        let writer = self.writer.as_ref();
        writer.map_or(0, |writer| writer.sent.iter().sum())
    }
}

/// Both sides.
pub struct Pair {
    pub kind: Kind,
    pub a: End,
    pub b: End,
    pub random: Random,
}

impl Pair {
    /// Both sides up, no connection yet. Options go before those of the tests:
    /// short pauses, and nobody who gives up.
    pub fn new(kind: Kind, seed: u64, conf: &[(&str, &str)]) -> Self {
        let mut options = vec![("ms_initial_backoff", "0.002"), ("ms_max_backoff", "0.05")];
        options.extend_from_slice(conf);
        let (a, b) = match kind {
            Kind::ClientServer => (
                ("client.1", Policy::lossless_client(), Witness::new()),
                ("osd.0", Policy::stateful_server(), Witness::answering()),
            ),
            Kind::Peers => (
                ("osd.1", Policy::lossless_peer(), Witness::new()),
                ("osd.0", Policy::lossless_peer(), Witness::new()),
            ),
            Kind::PeersReuse => (
                ("osd.1", Policy::lossless_peer_reuse(), Witness::new()),
                ("osd.0", Policy::lossless_peer_reuse(), Witness::new()),
            ),
        };
        Self {
            kind,
            a: End::start(&options, a.0, a.1, a.2),
            b: End::start(&options, b.0, b.1, b.2),
            random: Random(seed),
        }
    }

    /// Dials: from one side where there is a server, from both otherwise.
    pub fn connect(&mut self) {
        self.a.connect(&self.b);
        if self.kind != Kind::ClientServer {
            self.b.connect(&self.a);
        }
    }

    /// The proxies there are: one where only the server can be dialled.
    fn proxies(&self) -> impl Iterator<Item = &Proxy> {
        [&self.a, &self.b]
            .into_iter()
            .filter_map(|end| end.proxy.as_ref())
    }

    /// Gives every proxy that plan.
    pub fn plan(&self, planner: impl FnMut(u64) -> Plan + Send + Clone + 'static) {
        self.proxies().for_each(|proxy| proxy.plan(planner.clone()));
    }

    /// Breaks what there is between the two.
    pub fn cut(&self, how: Cut) {
        self.proxies().for_each(|proxy| proxy.cut(how));
    }

    /// What all proxies have seen, whoever dialled.
    pub fn seen(&self, what: impl Fn(&Seen) -> u64) -> u64 {
        self.proxies().map(|proxy| what(&proxy.seen())).sum()
    }

    /// Sends letters each way: answers where the other side is a server.
    pub fn send(&mut self, count: u64, largest: u64) {
        self.a.send(count, largest, &mut self.random);
        if self.kind != Kind::ClientServer {
            self.b.send(count, largest, &mut self.random);
        }
    }

    /// Waits until all that was sent has arrived, once and in order.
    #[track_caller]
    pub fn expect_all(&self) {
        let (at_a, at_b) = (&self.a.witness, &self.b.witness);
        at_b.wait_until(|facts| facts.letters >= self.a.sent());
        // A server answers each letter.
        let back = match self.kind {
            Kind::ClientServer => self.a.sent(),
            Kind::Peers | Kind::PeersReuse => self.b.sent(),
        };
        at_a.wait_until(|facts| facts.letters >= back);
        let arrived = (at_a.facts().letters, at_b.facts().letters);
        assert_eq!(arrived, (back, self.a.sent()), "more than was sent");
    }

    /// Sends and waits for all of it.
    #[track_caller]
    pub fn exchange(&mut self, count: u64, largest: u64) {
        self.send(count, largest);
        self.expect_all();
    }

    /// Waits until nothing sent is kept any more.
    #[track_caller]
    pub fn expect_acknowledged(&self) {
        for writer in [&self.a.writer, &self.b.writer].into_iter().flatten() {
            eventually(|| writer.con.queued_bytes() == 0, "acknowledged");
        }
    }

    /// Everything has arrived, is acknowledged, and nobody was told of a reset.
    #[track_caller]
    pub fn finish(self) {
        self.expect_all();
        self.expect_acknowledged();
        let witnesses = [Arc::clone(&self.a.witness), Arc::clone(&self.b.witness)];
        drop(self);
        for witness in witnesses {
            let facts = witness.facts();
            assert_eq!(facts.wrong, [""; 0]);
            let broken = [facts.resets, facts.remote_resets, facts.gaps, facts.repeats];
            assert_eq!(broken, [0; 4], "{facts:?}");
        }
    }
}

/// Waits for something that nobody tells of.
#[track_caller]
#[expect(clippy::disallowed_methods, reason = "a test has a deadline, too")]
pub fn eventually(holds: impl Fn() -> bool, what: &str) {
    let deadline = Instant::now() + DEADLINE;
    while !holds() {
        assert!(Instant::now() < deadline, "it is never {what}");
        std::thread::yield_now();
    }
}
