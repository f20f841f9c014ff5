//! `Apps`: what the applications of a cluster do, and what they tell the model.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use bytes::Bytes;

use super::cluster::ip;
use super::model::{Call, Con, Life, Model, Peer};
use super::plan::Plan;
use crate::event::sim::{Rng, Simulation};
use crate::tests::keys::KEYRING;
use crate::{
    ConnectionRef, Dispatcher, EntityAddrVec, EntityType, Message, Messenger, PRIO_DEFAULT,
    Payload, Policy,
};

/// The applications on all nodes.
pub struct Apps {
    pub plan: Plan,
    simulation: Arc<Simulation>,
    model: Mutex<Model>,
    rng: Mutex<Rng>,
    lives: Mutex<Vec<LifeState>>,
    quitters: Mutex<Vec<Life>>,
    /// Nobody forgets anything any more.
    sober: AtomicBool,
    /// Messages that the library has not let go of.
    held: Arc<AtomicUsize>,
    pattern: Arc<[u8]>,
}

/// One life of an application.
struct LifeState {
    node: usize,
    nonce: u32,
    messenger: Weak<Messenger>,
    /// Connections it has heard of or made.
    handles: Vec<ConnectionRef>,
    /// Those that it has marked as disposable.
    disposable: Vec<ConnectionRef>,
    /// Messages that it has not done with.
    kept: Vec<Message>,
    /// The nonce that each node has, as far as is known here.
    map: Vec<u32>,
}

/// The application's side of one messenger.
pub struct App {
    apps: Arc<Apps>,
    life: Life,
}

/// Kinds of messages.
const FAST: u16 = 1;
const ORDINARY: u16 = 2;

const PRIORITIES: [u16; 8] = [127, 127, 127, 0, 64, 196, 255, 20];

impl Apps {
    pub fn new(plan: Plan, simulation: &Arc<Simulation>, rng: Rng) -> Arc<Self> {
        Arc::new(Self {
            model: Mutex::new(Model::new(plan.nodes())),
            plan,
            simulation: Arc::clone(simulation),
            rng: Mutex::new(rng),
            lives: Mutex::default(),
            quitters: Mutex::default(),
            sober: AtomicBool::new(false),
            held: Arc::default(),
            pattern: (0..=u8::MAX).cycle().take(256 + (64 << 10)).collect(),
        })
    }

    pub fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }

    /// How many messages are held by the library.
    pub fn held(&self) -> usize {
        self.held.load(Ordering::Relaxed)
    }

    // ---- lives

    /// Brings up the application of a new messenger.
    pub fn begin(
        self: &Arc<Self>,
        node: usize,
        nonces: &[u32],
        messenger: &Arc<Messenger>,
    ) -> Life {
        let nonce = nonces[node];
        let life = self.model().born(node, nonce);
        let mut lives = self.lives();
        assert_eq!(life, lives.len());
        lives.push(LifeState {
            node,
            nonce,
            messenger: Arc::downgrade(messenger),
            handles: Vec::new(),
            disposable: Vec::new(),
            kept: Vec::new(),
            map: nonces.to_vec(),
        });
        drop(lives);
        let plan = &self.plan;
        if plan.is_secure() {
            messenger.add_keyring(KEYRING).unwrap();
        }
        if plan.is_client(node) {
            messenger.set_default_policy(plan.pact.0).unwrap();
        } else {
            let peers = plan.peers.unwrap_or_else(Policy::lossless_peer);
            messenger
                .set_policy(EntityType::CLIENT, plan.pact.1)
                .unwrap();
            messenger.set_policy(EntityType::OSD, peers).unwrap();
        }
        if plan.first_revision {
            messenger.offer(0);
        }
        if !plan.is_client(node) {
            let addr = format!("{}:{}:6800", plan.scheme(), host(node));
            messenger.bind(&addr.parse().unwrap()).unwrap();
        }
        for kind in [EntityType::OSD, EntityType::CLIENT] {
            let (bytes, messages) = plan.throttle;
            messenger
                .set_policy_throttlers(kind, bytes, messages)
                .unwrap();
        }
        let apps = Arc::clone(self);
        messenger
            .add_dispatcher_head(Arc::new(App { apps, life }))
            .unwrap();
        messenger.start().unwrap();
        life
    }

    /// The application is no more.
    pub fn end(&self, life: Life) {
        self.model().died(life, self.simulation.now());
        let mut lives = self.lives();
        let life = &mut lives[life];
        let handles = (
            std::mem::take(&mut life.handles),
            std::mem::take(&mut life.disposable),
            std::mem::take(&mut life.kept),
        );
        drop(lives);
        drop(handles);
    }

    /// Everybody learns the nonce of a node's current life, one after the other:
    /// this one now. Connections to its former life are of no use any more.
    pub fn learn(&self, life: Life, node: usize, nonce: u32) {
        let mut lives = self.lives();
        let former = std::mem::replace(&mut lives[life].map[node], nonce);
        let handles = lives[life].handles.clone();
        drop(lives);
        if former == nonce {
            return;
        }
        for con in handles {
            let peer = self.peer(life, &con);
            if (peer.node, peer.nonce) == (node, former) {
                self.mark_down(life, &con);
            }
        }
    }

    // ---- what they do

    fn drop_kept(&self, life: Life) {
        let kept = std::mem::take(&mut self.lives()[life].kept);
        // Others may be let in by that: not under a lock.
        drop(kept);
    }

    /// Something that an application may do at any time.
    pub fn act(&self, life: Life) {
        self.drop_kept(life);
        let mut rng = self.rng();
        let (what, burst) = (rng.below(1000), rng.between(1, 12));
        drop(rng);
        match what {
            0..600 => {
                if let Some(con) = self.some_peer(life) {
                    (0..burst).for_each(|_| self.send(life, &con, true));
                }
            }
            600..800 => {
                if let Some(con) = self.some_handle(life) {
                    (0..burst).for_each(|_| self.send(life, &con, true));
                }
            }
            800..850 => {
                if let Some(con) = self.some_handle(life) {
                    // Refused if it is gone, which is no news.
                    let _ = con.keepalive();
                }
            }
            850..900 => {
                if let Some(messenger) = self.messenger(life) {
                    self.send(life, &messenger.loopback_connection(), true);
                }
            }
            900..920 if self.plan.amnesia => {
                if let Some(con) = self.some_handle(life) {
                    self.mark_disposable(life, &con);
                }
            }
            _ if self.plan.amnesia => {
                if let Some(con) = self.some_handle(life) {
                    self.mark_down(life, &con);
                }
            }
            _ => {}
        }
    }

    /// From now on nobody forgets anything. Connections that might end by
    /// themselves end now.
    pub fn sober_up(&self) {
        self.sober.store(true, Ordering::Relaxed);
        let lives = self.lives().len();
        for life in 0..lives {
            self.drop_kept(life);
            let disposable = std::mem::take(&mut self.lives()[life].disposable);
            for con in disposable {
                self.mark_down(life, &con);
            }
        }
    }

    /// Ends of lives that applications have asked for from a callback.
    pub fn take_quitters(&self) -> Vec<Life> {
        std::mem::take(&mut *self.quitters.lock().unwrap())
    }

    /// Sends to everybody whom this life can reach, over every connection.
    pub fn probe(&self, life: Life) {
        for node in 0..self.plan.servers {
            if let Some(con) = self.connect(life, node) {
                self.send(life, &con, false);
            }
        }
        let handles = self.lives()[life].handles.clone();
        for con in handles {
            self.send(life, &con, false);
        }
    }

    /// Looks at every connection that is still held, now that all is quiet.
    pub fn check_handles(&self, life: Life) {
        let lives = self.lives();
        let me = lives[life].node;
        let handles = lives[life].handles.clone();
        drop(lives);
        let now = self.simulation.now();
        let peers: Vec<_> = handles.iter().map(|con| self.peer(life, con)).collect();
        for (con, peer) in handles.iter().zip(&peers) {
            let same = |other: &&Peer| (other.node, other.nonce) == (peer.node, peer.nonce);
            let alone = peers.iter().filter(same).count() == 1;
            let registered = self.plan.is_client(me) || self.plan.pact.1.register;
            let mut model = self.model();
            model.check_open(
                now,
                (life, con.id()),
                *peer,
                con.queued_bytes(),
                alone || !registered,
            );
        }
    }

    fn send(&self, life: Life, con: &ConnectionRef, may_ask: bool) {
        let mut rng = self.rng();
        let priority = *rng.pick(&PRIORITIES);
        let is_fast = rng.permille(500);
        let asks = may_ask && rng.permille(self.plan.answers);
        let largest = match rng.permille(800) {
            true => 100,
            false => self.plan.largest,
        };
        let len = rng.index(largest + 1);
        drop(rng);
        let mut message = Message::new(if is_fast { FAST } else { ORDINARY });
        message.priority = priority;
        message.reserved = u16::from(asks);
        let (peer, now) = (self.peer(life, con), self.simulation.now());
        let mut model = self.model();
        let lane = (class(priority), is_fast);
        let tid = model.sends(now, (life, con.id()), peer, lane, 8 + len);
        message.tid = tid;
        message.front = Payload::from(Bytes::copy_from_slice(&tid.to_le_bytes()));
        message.data = Payload::from(Bytes::from_owner(self.piece(tid, len)));
        if con.send(message).is_err() {
            model.unsent(tid);
        }
    }

    /// Shuts its messenger down from a callback.
    fn quit(&self, life: Life) {
        if let Some(messenger) = self.messenger(life) {
            messenger.shutdown().unwrap();
            self.model().died(life, self.simulation.now());
            self.quitters.lock().unwrap().push(life);
        }
    }

    fn mark_down(&self, life: Life, con: &ConnectionRef) {
        con.mark_down();
        let (peer, now) = (self.peer(life, con), self.simulation.now());
        self.model().marked_down(now, (life, con.id()), peer);
        let mut lives = self.lives();
        lives[life].handles.retain(|known| !Arc::ptr_eq(known, con));
    }

    fn mark_disposable(&self, life: Life, con: &ConnectionRef) {
        con.mark_disposable();
        let peer = self.peer(life, con);
        self.model().disposable((life, con.id()), peer);
        self.lives()[life].disposable.push(Arc::clone(con));
    }

    fn connect(&self, life: Life, node: usize) -> Option<ConnectionRef> {
        let lives = self.lives();
        let (me, nonce) = (lives[life].node, lives[life].map[node]);
        drop(lives);
        if me == node || (!self.plan.is_client(me) && self.plan.peers.is_none()) {
            return None;
        }
        let scheme = self.plan.scheme();
        let addrs = format!("{scheme}:{}:6800/{nonce}", host(node));
        let addrs: EntityAddrVec = addrs.parse().unwrap();
        let con = self
            .messenger(life)?
            .connect(EntityType::OSD, &addrs)
            .ok()?;
        self.know(life, &con);
        Some(con)
    }

    fn some_peer(&self, life: Life) -> Option<ConnectionRef> {
        let node = self.rng().index(self.plan.servers);
        self.connect(life, node)
    }

    fn some_handle(&self, life: Life) -> Option<ConnectionRef> {
        let lives = self.lives();
        let handles = &lives[life].handles;
        (!handles.is_empty()).then(|| Arc::clone(self.rng().pick(handles)))
    }

    // ---- facts

    fn peer(&self, life: Life, con: &ConnectionRef) -> Peer {
        let lives = self.lives();
        let (me, nonce) = (lives[life].node, lives[life].nonce);
        if con.is_loopback() {
            return Peer {
                node: me,
                nonce,
                lossy: false,
                loopback: true,
            };
        }
        let addr = con.peer_addrs().front();
        let node = match addr.socket.map(|socket| socket.ip()) {
            Some(IpAddr::V4(ip)) => usize::from(ip.octets()[3]) - 1,
            other => panic!("a peer without an address: {other:?}"),
        };
        let plan = &self.plan;
        Peer {
            node,
            nonce: addr.nonce,
            lossy: (plan.is_client(me) || plan.is_client(node)) && plan.pact.0.lossy,
            loopback: false,
        }
    }

    /// Is that a former life, as is known here already? Nonces grow.
    fn is_former(&self, life: Life, peer: Peer) -> bool {
        peer.nonce < self.lives()[life].map[peer.node]
    }

    fn messenger(&self, life: Life) -> Option<Arc<Messenger>> {
        self.lives()[life].messenger.upgrade()
    }

    fn know(&self, life: Life, con: &ConnectionRef) {
        let mut lives = self.lives();
        let handles = &mut lives[life].handles;
        if !handles.iter().any(|known| Arc::ptr_eq(known, con)) {
            handles.push(Arc::clone(con));
        }
    }

    fn forget(&self, life: Life, con: &ConnectionRef) {
        let mut lives = self.lives();
        lives[life].handles.retain(|known| !Arc::ptr_eq(known, con));
    }

    /// Bytes whose end is counted.
    fn piece(&self, tid: u64, len: usize) -> Piece {
        self.held.fetch_add(1, Ordering::Relaxed);
        Piece {
            pattern: Arc::clone(&self.pattern),
            first: offset(tid),
            len,
            held: Arc::clone(&self.held),
        }
    }

    fn lives(&self) -> MutexGuard<'_, Vec<LifeState>> {
        self.lives.lock().unwrap()
    }

    fn rng(&self) -> MutexGuard<'_, Rng> {
        self.rng.lock().unwrap()
    }
}

/// The payload of one message.
struct Piece {
    pattern: Arc<[u8]>,
    first: usize,
    len: usize,
    held: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Piece {
    fn as_ref(&self) -> &[u8] {
        &self.pattern[self.first..self.first + self.len]
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        self.held.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Messages without a priority have the default one.
fn class(priority: u16) -> u16 {
    if priority == 0 {
        PRIO_DEFAULT
    } else {
        priority
    }
}

fn offset(tid: u64) -> usize {
    usize::from(tid.to_le_bytes()[0])
}

impl App {
    fn called(&self, con: &ConnectionRef, call: Call) {
        let (peer, now) = (self.apps.peer(self.life, con), self.apps.simulation.now());
        self.apps.model().called(now, self.con(con), peer, call);
        match call {
            Call::Reset => self.apps.forget(self.life, con),
            Call::Connect | Call::Accept if self.apps.is_former(self.life, peer) => {
                self.apps.mark_down(self.life, con);
            }
            Call::Connect | Call::Accept => self.apps.know(self.life, con),
            _ => {}
        }
        let again = call == Call::Reset && self.apps.rng().permille(300);
        if again && !self.apps.plan.is_client(peer.node) {
            if let Some(con) = self.apps.connect(self.life, peer.node) {
                self.apps.send(self.life, &con, false);
            }
        }
    }

    fn received(&self, con: &ConnectionRef, mut message: Message, is_fast: bool) {
        let apps = &self.apps;
        let (peer, now) = (apps.peer(self.life, con), apps.simulation.now());
        let len = message.payload_len();
        let (tid, lane) = (message.tid, (class(message.priority), is_fast));
        let front = message.front.contiguous() == &tid.to_le_bytes()[..];
        let data = message.data.contiguous();
        let whole = apps.pattern[offset(tid)..].starts_with(data);
        // One that is held back on purpose, or waits in a queue, may come later.
        let is_up = con.is_connected() || !is_fast || apps.plan.delays();
        let mut model = apps.model();
        model.delivers(now, self.con(con), peer, tid, lane, len);
        if !is_up {
            let what = format!("message {tid} comes by a connection that is not up");
            model.violations.push(what);
        }
        if !front || !whole {
            model
                .violations
                .push(format!("message {tid} has other bytes"));
        }
        drop(model);
        if message.reserved == 1 {
            apps.send(self.life, con, false);
        }
        let is_sober = apps.sober.load(Ordering::Relaxed);
        if !is_sober && apps.rng().permille(20) {
            apps.lives()[self.life].kept.push(message);
        }
        let may_forget = apps.plan.amnesia && !is_sober;
        if may_forget && apps.rng().permille(3) {
            apps.mark_down(self.life, con);
        }
        if may_forget && apps.rng().permille(1) {
            apps.quit(self.life);
        }
    }

    fn con(&self, con: &ConnectionRef) -> Con {
        (self.life, con.id())
    }
}

impl Dispatcher for App {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(
        &self,
        con: &ConnectionRef,
        message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        if message.kind != FAST {
            return Err(message);
        }
        self.received(con, *message, true);
        Ok(())
    }

    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.received(con, *message, false);
        Ok(())
    }

    fn handle_fast_connect(&self, con: &ConnectionRef) {
        self.called(con, Call::FastConnect);
    }

    fn handle_fast_accept(&self, con: &ConnectionRef) {
        self.called(con, Call::FastAccept);
    }

    fn handle_connect(&self, con: &ConnectionRef) {
        self.called(con, Call::Connect);
    }

    fn handle_accept(&self, con: &ConnectionRef) {
        self.called(con, Call::Accept);
    }

    fn handle_reset(&self, con: &ConnectionRef) -> bool {
        self.called(con, Call::Reset);
        true
    }

    fn handle_remote_reset(&self, con: &ConnectionRef) {
        self.called(con, Call::RemoteReset);
    }

    fn handle_refused(&self, con: &ConnectionRef) -> bool {
        self.called(con, Call::Refused);
        true
    }
}

/// Where a node lives.
pub fn host(node: usize) -> IpAddr {
    ip(u8::try_from(node + 1).expect("few nodes"))
}

/// What a node is called.
pub fn name(plan: &Plan, node: usize) -> String {
    match plan.is_client(node) {
        true => format!("client.{}", node - plan.servers),
        false => format!("osd.{node}"),
    }
}
