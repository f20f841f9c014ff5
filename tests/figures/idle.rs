//! What connections cost that do nothing, and what is left of those that have
//! ended.

use std::fs;
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::support::pair::eventually;
use super::support::{DEADLINE, descriptors};
use super::{heap_bytes, heap_pieces};

/// Connections, as clients times servers; both ends are in this process.
const CLIENTS: usize = 95;
const SERVERS: usize = 100;

const CYCLES: u64 = 10_000;

/// How long doing nothing is watched.
const WATCHED: Duration = Duration::from_secs(3);

/// Counts, and keeps nothing else.
#[derive(Default)]
struct Counter {
    counts: Mutex<Counts>,
    changed: Condvar,
}

#[derive(Clone, Copy, Default, Debug)]
struct Counts {
    connects: u64,
    accepts: u64,
    messages: u64,
}

impl Counter {
    fn count(&self, one: impl FnOnce(&mut Counts)) {
        one(&mut self.counts.lock().unwrap());
        self.changed.notify_all();
    }

    #[track_caller]
    fn wait_until(&self, enough: impl Fn(&Counts) -> bool) {
        let counts = self.counts.lock().unwrap();
        let (counts, waited) = self
            .changed
            .wait_timeout_while(counts, DEADLINE, |counts| !enough(counts))
            .unwrap();
        assert!(!waited.timed_out(), "only {counts:?}");
    }
}

impl Dispatcher for Counter {
    fn dispatch(&self, _: &ConnectionRef, _: Box<Message>) -> Result<(), Box<Message>> {
        self.count(|counts| counts.messages += 1);
        Ok(())
    }

    fn handle_connect(&self, _: &ConnectionRef) {
        self.count(|counts| counts.connects += 1);
    }

    fn handle_accept(&self, _: &ConnectionRef) {
        self.count(|counts| counts.accepts += 1);
    }
}

struct Node {
    messenger: Arc<Messenger>,
    counter: Arc<Counter>,
}

impl Node {
    fn start(context: &Arc<Context>, name: &str, nonce: usize, policy: Policy) -> Self {
        let messenger = Messenger::create(context, name, "idle", nonce as u64).unwrap();
        messenger.set_default_policy(policy).unwrap();
        if policy.server {
            messenger.bind(&"127.0.0.1:0".parse().unwrap()).unwrap();
        }
        let counter = Arc::<Counter>::default();
        let dispatcher = Arc::clone(&counter);
        messenger.add_dispatcher_head(dispatcher).unwrap();
        messenger.start().unwrap();
        Self { messenger, counter }
    }

    fn connect(&self, to: &Self) -> ConnectionRef {
        let addrs = to.messenger.myaddrs();
        self.messenger.connect(EntityType::OSD, &addrs).unwrap()
    }

    /// Connects, says something, and hangs up when it was heard.
    fn call(&self, to: &Self, heard: u64) {
        let con = self.connect(to);
        con.send(Message::new(1)).unwrap();
        to.counter.wait_until(|counts| counts.messages > heard);
        con.mark_down();
    }
}

/// CPU time of this process so far.
fn cpu_time() -> Duration {
    let tasks = fs::read_dir("/proc/self/task").unwrap();
    let nanoseconds = tasks.map(|task| {
        let stat = fs::read_to_string(task.unwrap().path().join("schedstat")).unwrap();
        stat.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    Duration::from_nanos(nanoseconds.sum())
}

/// As many descriptors as this process may have.
pub fn raise_limit() -> usize {
    let most = getrlimit(Resource::Nofile).maximum;
    let limit = Rlimit {
        current: most,
        maximum: most,
    };
    setrlimit(Resource::Nofile, limit).unwrap();
    usize::try_from(most.unwrap_or(u64::MAX)).unwrap()
}

/// Watches doing nothing.
fn expect_idle(what: &str) {
    let (cpu, begin) = (cpu_time(), Instant::now());
    std::thread::sleep(WATCHED);
    let used = (cpu_time() - cpu).as_secs_f64() / begin.elapsed().as_secs_f64() * 100.0;
    println!("{what}: {used:.3} % of a CPU");
    assert!(used < 1.0, "{what}: idle, but busy");
}

fn expect_little(what: &str, server: Policy, client: Policy) {
    // 300 for everything else.
    let clients = CLIENTS.min((raise_limit() - 300) / 2 / SERVERS);
    let context = Context::new();
    context.conf_set("ms_bind_port_min", "0").unwrap();
    let start = |kind: &str, ids: std::ops::Range<usize>, policy: Policy| -> Vec<_> {
        ids.map(|id| Node::start(&context, &format!("{kind}.{id}"), id, policy))
            .collect()
    };
    let servers = start("osd", 0..SERVERS, server);
    let clients = start("client", SERVERS..SERVERS + clients, client);
    let caller = Node::start(&context, "client.0", 0, client);
    // What is made with the first connection is there.
    caller.call(&servers[0], 0);
    let quiet = descriptors();
    eventually(|| descriptors() <= quiet, "closed");

    let count = clients.len() * servers.len();
    let mut cons = Vec::with_capacity(count);
    let (bytes, pieces, begin) = (heap_bytes(), heap_pieces(), Instant::now());
    for client in &clients {
        cons.extend(servers.iter().map(|server| client.connect(server)));
        let all = servers.len() as u64;
        client.counter.wait_until(|counts| counts.connects == all);
    }
    for server in &servers {
        let all = clients.len() as u64;
        server.counter.wait_until(|counts| counts.accepts >= all);
    }
    let took = begin.elapsed();
    let each = |grown: i64| grown / i64::try_from(count).unwrap();
    let (bytes, pieces) = (each(heap_bytes() - bytes), each(heap_pieces() - pieces));
    println!(
        "{what}: {count} connections up in {took:.2?}; heap of an idle one, its two ends together: \
         {bytes} bytes in {pieces} pieces; of one end: {} bytes",
        bytes / 2
    );
    assert!(
        bytes / 2 <= 4096,
        "{what}: an idle end holds more than 4 KiB"
    );
    expect_idle(&format!("{what}, {count} idle connections"));

    let (open, bytes, begin) = (descriptors(), heap_bytes(), Instant::now());
    for heard in 1..=CYCLES {
        caller.call(&servers[0], heard);
    }
    let took = begin.elapsed();
    eventually(|| descriptors() <= open, "closed");
    let grown = heap_bytes() - bytes;
    println!(
        "{what}: {CYCLES} times connected and closed beside them in {took:.2?}; {grown} bytes left"
    );
    // The workers' buffers may have grown; a connection has more than 100 bytes.
    assert!(grown < 1 << 20, "{what}: {grown} bytes are left");
    drop(cons);
}

#[test]
#[ignore = "wants the machine for itself"]
fn idle_lossy_connections_cost_little() {
    expect_little("lossy", Policy::stateless_server(), Policy::lossy_client());
}

#[test]
#[ignore = "wants the machine for itself"]
fn idle_sessions_cost_little() {
    expect_little(
        "lossless",
        Policy::stateful_server(),
        Policy::lossless_client(),
    );
}
