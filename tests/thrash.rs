//! Many messengers that connect, send and drop connections at random while
//! their sockets fail, after the workloads that Ceph's own messenger tests run.
//!
//!     cargo test --test thrash -- --ignored --nocapture --test-threads=1
//!
//! `MSGR_THRASH_OPS` sets how many operations each workload performs,
//! `MSGR_THRASH_SEEDS` how many seeds it is run with, and `MSGR_THRASH_SEED` the
//! first of them; what is printed says which one is running.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use msgr::{Context, EntityType, Messenger, Policy};
use support::letter::{Facts, Random, Witness, Writer};
use support::number_from_env;
use support::pair::eventually;

/// Who talks to whom, and what goes wrong meanwhile.
struct Workload {
    name: &'static str,
    servers: usize,
    clients: usize,
    server: Policy,
    client: Policy,
    /// Connections made before anything else.
    connections: usize,
    operations: u64,
    /// Whether the workload itself drops connections.
    drops: bool,
    /// Faults and delays, as options.
    faults: &'static [(&'static str, &'static str)],
}

/// One socket operation in 30 fails, and everything takes its time.
const FAULTS: &[(&str, &str)] = &[
    ("ms_inject_socket_failures", "30"),
    ("ms_inject_internal_delays", "0.002"),
    ("ms_inject_delay_type", "osd client"),
    ("ms_inject_delay_probability", "0.1"),
    ("ms_inject_delay_max", "0.01"),
];

/// The largest payload.
const LARGEST: u64 = 300 << 10;

/// Bytes under way on a connection before more are sent: so operations meet
/// connections that are up, and busy.
const WINDOW: u64 = 200 << 10;

/// After which a letter may be taken for lost with its session.
const PATIENCE: Duration = Duration::from_millis(200);

struct Node {
    messenger: Arc<Messenger>,
    witness: Arc<Witness>,
    writers: Vec<Writer>,
}

impl Node {
    fn start(context: &Arc<Context>, name: &str, policy: Policy, answers: bool) -> Self {
        // By the nonce a server tells clients of one host apart.
        static NONCES: AtomicU64 = AtomicU64::new(1);
        let nonce = NONCES.fetch_add(1, Ordering::Relaxed);
        let messenger = Messenger::create(context, name, "node", nonce).unwrap();
        messenger.set_default_policy(policy).unwrap();
        if name.starts_with("osd.") {
            messenger.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        }
        let witness = match answers {
            true => Witness::answering(),
            false => Witness::new(),
        };
        let dispatcher = Arc::clone(&witness);
        messenger.add_dispatcher_head(dispatcher).unwrap();
        messenger.start().unwrap();
        Self {
            messenger,
            witness,
            writers: Vec::new(),
        }
    }

    /// Dials that server, or keeps the connection there is.
    fn connect(&mut self, to: &Messenger) {
        let con = self
            .messenger
            .connect(EntityType::OSD, &to.myaddrs())
            .unwrap();
        if !self
            .writers
            .iter()
            .any(|known| Arc::ptr_eq(&known.con, &con))
        {
            self.writers.push(Writer::new(con));
        }
    }
}

/// What a run comes to.
#[derive(Default)]
struct Sum {
    letters: u64,
    bytes: u64,
    connects: u64,
    drops: u64,
    gaps: u64,
    resets: u64,
}

impl Workload {
    fn lossless(&self) -> bool {
        !self.client.lossy
    }

    fn peers(&self) -> bool {
        !self.server.server
    }

    fn run(&self) {
        let first = number_from_env("MSGR_THRASH_SEED", 1);
        for seed in first..first + number_from_env("MSGR_THRASH_SEEDS", 1) {
            self.run_seed(seed);
        }
    }

    fn run_seed(&self, seed: u64) {
        let operations = number_from_env("MSGR_THRASH_OPS", self.operations);
        println!("{}: seed {seed}, {operations} operations", self.name);
        let mut random = Random(seed);
        let context = Context::new();
        for (key, value) in [
            ("ms_bind_port_min", "0"),
            ("ms_initial_backoff", "0.005"),
            ("ms_max_backoff", "0.1"),
        ]
        .iter()
        .chain(self.faults)
        {
            context.conf_set(key, value).unwrap();
        }
        let mut nodes: Vec<_> = (0..self.servers)
            .map(|id| Node::start(&context, &format!("osd.{id}"), self.server, !self.peers()))
            .chain((0..self.clients).map(|id| {
                let kind = if self.peers() { "osd" } else { "client" };
                let id = self.servers + id;
                Node::start(&context, &format!("{kind}.{id}"), self.client, false)
            }))
            .collect();
        for _ in 0..self.connections {
            self.connect(&mut nodes, &mut random);
        }
        let mut drops = 0;
        for _ in 0..operations {
            match random.below(100) {
                90.. => self.connect(&mut nodes, &mut random),
                82.. if self.drops => drops += Self::drop_one(&mut nodes, &mut random),
                _ => self.send(&mut nodes, &mut random),
            }
        }
        self.settle(&mut nodes, &mut random);
        self.end(nodes, drops);
    }

    /// A node that dials, at random.
    fn dialler(&self, nodes: &[Node], random: &mut Random) -> usize {
        let first = if self.peers() { 0 } else { self.servers };
        first + below(random, nodes.len() - first)
    }

    fn connect(&self, nodes: &mut [Node], random: &mut Random) {
        let from = self.dialler(nodes, random);
        let servers = if self.peers() {
            nodes.len()
        } else {
            self.servers
        };
        let to = (from + 1 + below(random, servers.max(2) - 1)) % servers;
        if from != to {
            let to = Arc::clone(&nodes[to].messenger);
            nodes[from].connect(&to);
        }
    }

    /// Gives a connection up at either of its ends.
    fn drop_one(nodes: &mut [Node], random: &mut Random) -> u64 {
        let node = below(random, nodes.len());
        let Node {
            writers, witness, ..
        } = &mut nodes[node];
        let dropped = match writers.is_empty() {
            true => witness.some_accepted(random),
            false => Some(writers.swap_remove(below(random, writers.len())).con),
        };
        dropped.map_or(0, |con| {
            con.mark_down();
            1
        })
    }

    fn send(&self, nodes: &mut [Node], random: &mut Random) {
        let node = self.dialler(nodes, random);
        let writers = &mut nodes[node].writers;
        if writers.is_empty() {
            return self.connect(nodes, random);
        }
        let at = below(random, writers.len());
        let con = &writers[at].con;
        eventually(|| con.queued_bytes() <= WINDOW, "read");
        if writers[at].send(LARGEST, random).is_err() {
            // Lossy, and a fault has ended it.
            assert!(!self.lossless(), "a lossless connection is gone");
            writers.swap_remove(at);
        }
    }

    /// Waits for what must arrive: of each session that is left a last letter,
    /// and everything where nobody dropped anything.
    fn settle(&self, nodes: &mut [Node], random: &mut Random) {
        if !self.lossless() {
            return;
        }
        let found: Vec<_> = nodes
            .iter()
            .map(|node| (node.messenger.myaddrs(), Arc::clone(&node.witness)))
            .collect();
        for writer in nodes.iter_mut().flat_map(|node| &mut node.writers) {
            let to = writer.con.peer_addrs();
            let (_, witness) = found.iter().find(|(addrs, _)| *addrs == to).unwrap();
            if !self.drops {
                witness.wait_until(|facts| writer.all_in(facts));
            }
            // The other end may have dropped the session with the last letter.
            let mut tries = 0;
            while !witness.wait_for(PATIENCE, |facts| writer.all_in(facts)).1 {
                tries += 1;
                assert!(tries < 100, "{} does not heal", writer.con);
                writer.send(0, random).unwrap();
                writer.send(0, random).unwrap();
            }
        }
        if !self.drops && !self.peers() {
            let sent: u64 = nodes.iter().flat_map(|node| &node.writers).map(sent).sum();
            let answers = |nodes: &[Node]| -> u64 {
                let clients = &nodes[self.servers..];
                clients
                    .iter()
                    .map(|node| node.witness.facts().letters)
                    .sum()
            };
            eventually(|| answers(nodes) >= sent, "answered");
            assert_eq!(answers(nodes), sent);
        }
    }

    fn end(&self, nodes: Vec<Node>, drops: u64) {
        let sent: u64 = nodes.iter().flat_map(|node| &node.writers).map(sent).sum();
        let witnesses: Vec<_> = nodes.iter().map(|node| Arc::clone(&node.witness)).collect();
        drop(nodes);
        let mut sum = Sum {
            drops,
            ..Sum::default()
        };
        for witness in witnesses {
            let facts: Facts = witness.facts();
            assert_eq!(facts.wrong, [""; 0], "{}", self.name);
            assert_eq!(facts.repeats, 0, "{}", self.name);
            sum.letters += facts.letters;
            sum.bytes += facts.bytes;
            sum.connects += facts.connects + facts.accepts;
            sum.gaps += facts.gaps;
            sum.resets += facts.resets + facts.remote_resets;
        }
        if self.lossless() && !self.drops {
            assert_eq!((sum.gaps, sum.resets), (0, 0), "{}", self.name);
            let answered = if self.peers() { sent } else { 2 * sent };
            assert_eq!(sum.letters, answered, "{}", self.name);
        }
        println!(
            "{}: {} letters, {} MiB, {} times connected or accepted, {} dropped, {} resets, {} gaps",
            self.name,
            sum.letters,
            sum.bytes >> 20,
            sum.connects,
            sum.drops,
            sum.resets,
            sum.gaps
        );
    }
}

fn sent(writer: &Writer) -> u64 {
    writer.sent.iter().sum()
}

fn below(random: &mut Random, end: usize) -> usize {
    usize::try_from(random.below(end as u64)).unwrap()
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossy_clients_and_stateless_servers_under_stress() {
    Workload {
        name: "8 stateless servers, 32 lossy clients",
        servers: 8,
        clients: 32,
        server: Policy::stateless_server(),
        client: Policy::lossy_client(),
        connections: 50,
        operations: 2000,
        drops: true,
        faults: &[],
    }
    .run();
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossy_clients_and_stateless_servers_with_failing_sockets() {
    Workload {
        name: "16 stateless servers, 32 lossy clients, faults",
        servers: 16,
        clients: 32,
        server: Policy::stateless_server(),
        client: Policy::lossy_client(),
        connections: 50,
        operations: 2000,
        drops: true,
        faults: FAULTS,
    }
    .run();
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossless_clients_and_stateful_servers_under_stress() {
    Workload {
        name: "8 stateful servers, 32 lossless clients",
        servers: 8,
        clients: 32,
        server: Policy::stateful_server(),
        client: Policy::lossless_client(),
        connections: 50,
        operations: 2000,
        drops: true,
        faults: &[],
    }
    .run();
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossless_clients_and_stateful_servers_with_failing_sockets() {
    Workload {
        name: "16 stateful servers, 32 lossless clients, faults",
        servers: 16,
        clients: 32,
        server: Policy::stateful_server(),
        client: Policy::lossless_client(),
        connections: 50,
        operations: 2000,
        drops: false,
        faults: FAULTS,
    }
    .run();
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossless_clients_that_drop_connections_while_sockets_fail() {
    Workload {
        name: "16 stateful servers, 32 lossless clients, faults and drops",
        servers: 16,
        clients: 32,
        server: Policy::stateful_server(),
        client: Policy::lossless_client(),
        connections: 50,
        operations: 2000,
        drops: true,
        faults: FAULTS,
    }
    .run();
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossless_peers_with_failing_sockets() {
    for (name, policy) in [
        ("48 lossless peers, faults", Policy::lossless_peer()),
        (
            "48 lossless peers with reuse, faults",
            Policy::lossless_peer_reuse(),
        ),
    ] {
        Workload {
            name,
            servers: 16,
            clients: 32,
            server: policy,
            client: policy,
            connections: 50,
            operations: 2000,
            drops: false,
            faults: FAULTS,
        }
        .run();
    }
}

#[test]
#[ignore = "keeps the machine busy"]
fn lossless_peers_that_drop_connections_while_sockets_fail() {
    Workload {
        name: "48 lossless peers with reuse, faults and drops",
        servers: 16,
        clients: 32,
        server: Policy::lossless_peer_reuse(),
        client: Policy::lossless_peer_reuse(),
        connections: 50,
        operations: 2000,
        drops: true,
        faults: FAULTS,
    }
    .run();
}
