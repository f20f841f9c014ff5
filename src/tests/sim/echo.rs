//! The simulation itself: messengers talk in it, and one seed gives one run.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::cluster::Cluster;
use crate::event::sim::{Death, Rng, Weather};
use crate::types::EntityType;
use crate::{ConnectionRef, Dispatcher, Message, Messenger, Policy};

/// Sends everything back.
struct Echo;

impl Dispatcher for Echo {
    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        con.send(message).unwrap();
        Ok(())
    }
}

/// Counts what comes.
#[derive(Default)]
struct Counter {
    tids: Mutex<Vec<u64>>,
    resets: AtomicUsize,
}

impl Dispatcher for Counter {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.tids.lock().unwrap().push(message.tid);
        Ok(())
    }

    fn dispatch(&self, con: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        self.fast_dispatch(con, message)
    }

    fn handle_reset(&self, _: &ConnectionRef) -> bool {
        self.resets.fetch_add(1, Ordering::Relaxed);
        false
    }
}

const MESSAGES: u64 = 200;

fn rough() -> Weather {
    Weather {
        short_reads: 300,
        short_writes: 300,
        sndbuf: 30_000,
        rcvbuf: 20_000,
        ..Weather::FAIR
    }
}

fn server(cluster: &mut Cluster) -> usize {
    let server = cluster.add(1, "osd.0", 7, &Vec::new());
    let messenger = &cluster.node(server).messenger;
    messenger
        .set_default_policy(Policy::stateless_server())
        .unwrap();
    messenger
        .bind(&"v2:10.0.0.1:6800".parse().unwrap())
        .unwrap();
    messenger.add_dispatcher_head(Arc::new(Echo)).unwrap();
    messenger.start().unwrap();
    server
}

fn client(cluster: &mut Cluster, host: u8) -> (Arc<Messenger>, Arc<Counter>, ConnectionRef) {
    let node = cluster.add(
        host,
        "client.admin",
        u64::from(host),
        &vec![("ms_async_op_threads", "2".to_owned())],
    );
    let messenger = Arc::clone(&cluster.node(node).messenger);
    let counter = Arc::<Counter>::default();
    messenger.add_dispatcher_head(counter.clone()).unwrap();
    messenger.start().unwrap();
    let server = "v2:10.0.0.1:6800/7".parse().unwrap();
    let con = messenger.connect(EntityType::OSD, &server).unwrap();
    (messenger, counter, con)
}

/// Runs three clients against an echoing server; the whole trace, and its hash.
fn echo(seed: u64) -> (String, u64) {
    let mut cluster = Cluster::new(seed, rough());
    cluster.simulation.network().trace().keep_text();
    let server = server(&mut cluster);
    let clients: Vec<_> = (2..5).map(|host| client(&mut cluster, host)).collect();
    let mut rng = Rng::new(seed);
    for tid in 0..MESSAGES {
        for (_, _, con) in &clients {
            let mut message = Message::new(1);
            message.tid = tid;
            message.data.append_copy(&vec![7; rng.index(5000)]);
            con.send(message).unwrap();
        }
        if rng.permille(200) {
            cluster.run_for(Duration::from_micros(rng.below(500)));
        }
    }
    // One that does not get the processor for a while.
    let paused = cluster.simulation.workers_of(&cluster.node(server).process)[0];
    let until = cluster.simulation.now() + Duration::from_millis(100);
    cluster.simulation.pause(paused, until);
    cluster.run_for(Duration::from_secs(5));
    for (_, counter, _) in &clients {
        let expected: Vec<_> = (0..MESSAGES).collect();
        assert_eq!(*counter.tids.lock().unwrap(), expected);
        assert_eq!(counter.resets.load(Ordering::Relaxed), 0);
    }
    for node in cluster.living() {
        node.messenger.shutdown().unwrap();
        node.messenger.wait().unwrap();
    }
    cluster.run_for(Duration::from_secs(1));
    let mut network = cluster.simulation.network();
    assert_eq!(network.open_sockets(), 0);
    let trace = network.trace();
    let trace = (trace.text().to_owned(), trace.hash());
    drop(network);
    assert!(
        cluster
            .simulation
            .workers_of(&cluster.node(server).process)
            .len()
            == 3
    );
    let world = Arc::downgrade(&cluster.simulation);
    drop((cluster, clients));
    assert_eq!(world.strong_count(), 0, "somebody holds on to the world");
    trace
}

#[test]
fn simulated_messengers_echo_and_one_seed_gives_one_trace() {
    for seed in 0..5 {
        let (first, second) = (echo(seed), echo(seed));
        assert!(first == second, "seed {seed} gave two different runs");
        assert!(first.0.lines().count() > 1000);
    }
    assert!(echo(1).1 != echo(2).1);
}

#[test]
fn the_death_of_a_process_resets_its_lossy_peers() {
    for death in [Death::Killed, Death::Vanished] {
        let mut cluster = Cluster::new(3, Weather::FAIR);
        let server = server(&mut cluster);
        let (_, counter, con) = client(&mut cluster, 2);
        cluster.run_for(Duration::from_secs(1));
        assert!(con.is_connected());
        let process = cluster.node(server).process.clone();
        cluster.simulation.network().kill(&process, death);
        cluster.run_for(Duration::from_secs(1));
        if death == Death::Vanished {
            assert!(con.is_connected());
            con.send(Message::new(1)).unwrap();
            cluster.run_for(Duration::from_secs(1));
        }
        assert!(!con.is_connected());
        assert_eq!(counter.resets.load(Ordering::Relaxed), 1);
    }
}
