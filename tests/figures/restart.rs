//! One of two peers is killed and comes back, again and again, while both send
//! as fast as they may.

use std::env;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use msgr::{ConnectionRef, Context, Dispatcher, EntityType, Message, Messenger, Policy};

use super::support::DEADLINE;
use super::support::letter::{Random, Witness, letter, read};
use super::support::pair::eventually;
use super::{Times, heap_bytes, heap_pieces};

const RESTARTS: u64 = 50;

/// Bytes that either keeps in flight.
const WINDOW: u64 = 256 << 10;

/// Payload of a letter, and what it counts for while it is not acknowledged.
const LEN: usize = 1000;
const COUNTS: u64 = LEN as u64 + 24;

/// The survivor's stream: fast letters, so that a letter has been recorded when
/// it is acknowledged.
const STREAM: u64 = 1;

fn peer(name: &str, at: SocketAddr, reuse: bool, to: Arc<dyn Dispatcher>) -> Arc<Messenger> {
    let context = Context::new();
    for (key, value) in [
        ("ms_initial_backoff", "0.005"),
        ("ms_max_backoff", "0.02"),
        // One set of buffers, or its growth would look like a leak.
        ("ms_async_op_threads", "1"),
    ] {
        context.conf_set(key, value).unwrap();
    }
    // The same nonce in each life: it comes back under its address.
    let messenger = Messenger::create(&context, name, "peer", 0).unwrap();
    let policy = match reuse {
        true => Policy::lossless_peer_reuse(),
        false => Policy::lossless_peer(),
    };
    messenger.set_default_policy(policy).unwrap();
    messenger
        .bind(&format!("v2:{at}").parse().unwrap())
        .unwrap();
    messenger.add_dispatcher_head(to).unwrap();
    messenger.start().unwrap();
    messenger
}

fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap()
}

fn addr_from_env(name: &str) -> SocketAddr {
    env::var(name).unwrap().parse().unwrap()
}

/// Writes down the number of each letter, where it outlives this process.
struct Recorder(Mutex<TcpStream>);

impl Dispatcher for Recorder {
    fn can_fast_dispatch_any(&self) -> bool {
        true
    }

    fn fast_dispatch(
        &self,
        _: &ConnectionRef,
        mut message: Box<Message>,
    ) -> Result<(), Box<Message>> {
        let (_, number, _) = read(&mut message).unwrap();
        let mut record = self.0.lock().unwrap();
        record.write_all(&number.to_le_bytes()).unwrap();
        Ok(())
    }

    fn dispatch(&self, _: &ConnectionRef, message: Box<Message>) -> Result<(), Box<Message>> {
        panic!("not fast: {message:?}");
    }
}

#[test]
#[ignore = "the process that is killed; does nothing when run by itself"]
fn the_one_that_is_killed() {
    let Ok(life) = env::var("MSGR_TEST_LIFE") else {
        return;
    };
    let life: u64 = life.parse().unwrap();
    let record = TcpStream::connect(addr_from_env("MSGR_TEST_RECORD")).unwrap();
    let reuse = env::var("MSGR_TEST_REUSE").unwrap() == "true";
    let recorder = Arc::new(Recorder(Mutex::new(record)));
    let messenger = peer("osd.1", addr_from_env("MSGR_TEST_AT"), reuse, recorder);
    let survivor = format!("v2:{}", addr_from_env("MSGR_TEST_SURVIVOR"));
    let con = messenger
        .connect(EntityType::OSD, &survivor.parse().unwrap())
        .unwrap();
    let mut number = 0;
    loop {
        if con.queued_bytes() < WINDOW {
            con.send(letter(1001 + 2 * life, number, LEN)).unwrap();
            number += 1;
        } else {
            std::thread::yield_now();
        }
    }
}

/// One life of the other peer.
struct Life {
    process: Child,
    record: TcpStream,
    /// Bytes of the record that make no whole number yet.
    rest: Vec<u8>,
    numbers: Vec<u64>,
}

impl Life {
    fn begin(life: u64, at: SocketAddr, survivor: SocketAddr, reuse: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let process = Command::new(env::current_exe().unwrap())
            .args(["--exact", "restart::the_one_that_is_killed", "--ignored"])
            .env("MSGR_TEST_LIFE", life.to_string())
            .env("MSGR_TEST_REUSE", reuse.to_string())
            .env("MSGR_TEST_AT", at.to_string())
            .env("MSGR_TEST_SURVIVOR", survivor.to_string())
            .env(
                "MSGR_TEST_RECORD",
                listener.local_addr().unwrap().to_string(),
            )
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let (record, _) = listener.accept().unwrap();
        record.set_nonblocking(true).unwrap();
        Self {
            process,
            record,
            rest: Vec::new(),
            numbers: Vec::new(),
        }
    }

    /// Reads on in the record, to its end if `all`.
    fn read(&mut self, all: bool) {
        self.record.set_nonblocking(!all).unwrap();
        let mut chunk = [0; 4096];
        while let Ok(got @ 1..) = self.record.read(&mut chunk) {
            self.rest.extend_from_slice(&chunk[..got]);
        }
        let whole = self.rest.len() / 8 * 8;
        for number in self.rest.drain(..whole).as_slice().chunks(8) {
            self.numbers
                .push(u64::from_le_bytes(number.try_into().unwrap()));
        }
    }

    /// Kills it; every letter it was given, by number.
    fn end(mut self) -> Vec<u64> {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
        self.read(true);
        self.numbers
    }
}

/// The one that stays: what it has sent, and what became of it.
struct Survivor {
    what: &'static str,
    reuse: bool,
    here: SocketAddr,
    there: SocketAddr,
    con: ConnectionRef,
    witness: Arc<Witness>,
    _messenger: Arc<Messenger>,
    sent: u64,
    /// Letters below this one were acknowledged by an earlier life of the other,
    /// or given up with its session.
    settled: u64,
    /// The letter after the last one that was delivered.
    next: u64,
    delivered: u64,
    lost: u64,
    starts: Times,
}

impl Survivor {
    fn new(reuse: bool) -> Self {
        let (here, there) = (free_addr(), free_addr());
        let witness = Witness::new();
        let dispatcher = Arc::clone(&witness);
        let messenger = peer("osd.0", here, reuse, dispatcher);
        let to = format!("v2:{there}").parse().unwrap();
        Self {
            what: match reuse {
                true => "lossless peers with reuse",
                false => "lossless peers",
            },
            reuse,
            here,
            there,
            con: messenger.connect(EntityType::OSD, &to).unwrap(),
            witness,
            _messenger: messenger,
            sent: 0,
            settled: 0,
            next: 0,
            delivered: 0,
            lost: 0,
            starts: Times::default(),
        }
    }

    fn send(&mut self) {
        if self.con.queued_bytes() < WINDOW {
            self.con.send(letter(STREAM, self.sent, LEN)).unwrap();
            self.sent += 1;
        } else {
            std::thread::yield_now();
        }
    }

    /// One life of the other: it gets so many letters at least, and is killed
    /// amid more or, if `rested`, when it has acknowledged all.
    fn outlive(&mut self, life: u64, letters: usize, rested: bool) {
        let what = self.what;
        let resets = self.witness.facts().remote_resets;
        let begin = Instant::now();
        let mut other = Life::begin(life, self.there, self.here, self.reuse);
        while other.numbers.is_empty() {
            self.send();
            other.read(false);
            assert!(begin.elapsed() < DEADLINE, "{what}: it stays away");
        }
        self.starts.since(begin);
        while other.numbers.len() < letters {
            self.send();
            other.read(false);
        }
        if rested {
            eventually(|| self.con.queued_bytes() == 0, "acknowledged");
        }
        let settled = self.sent - self.con.queued_bytes().div_ceil(COUNTS);
        let numbers = other.end();
        let resets = self.witness.facts().remote_resets - resets;
        self.judge(&numbers, resets, life == 0);
        self.settled = settled.min(self.next);
    }

    /// What one life was given, and how often it was said that its predecessor
    /// had lost the session.
    fn judge(&mut self, numbers: &[u64], resets: u64, is_first: bool) {
        let (what, settled, next) = (self.what, self.settled, self.next);
        let (first, last) = (numbers[0], numbers[numbers.len() - 1]);
        assert!(
            first >= settled,
            "{what}: letter {first} again; all below {settled} were acknowledged"
        );
        let in_order = numbers.windows(2).all(|two| two[1] == two[0] + 1);
        assert!(in_order, "{what}: {numbers:?}");
        if first > next {
            assert!(
                resets > 0,
                "{what}: letters from {next} to {first} are lost, and nobody is told"
            );
            self.lost += first - next;
        }
        assert!(resets <= 1, "{what}: {resets} resets of one restart");
        if self.reuse && !is_first {
            assert_eq!(resets, 1, "{what}: a restart is told");
        }
        self.delivered += numbers.len() as u64;
        self.next = last + 1;
    }
}

fn kill_and_restart(reuse: bool) {
    let mut survivor = Survivor::new(reuse);
    let what = survivor.what;
    let mut random = Random(1);
    let mut heaps = Vec::new();
    for life in 0..RESTARTS + RESTARTS / 10 {
        let rested = life % 11 == 10;
        let letters = 20 + usize::try_from(random.below(500)).unwrap();
        survivor.outlive(life, letters, rested);
        if rested {
            // Nothing is under way now.
            eventually(|| !survivor.con.is_connected(), "disconnected");
            Message::release_spares();
            heaps.push((heap_bytes(), heap_pieces()));
        }
    }
    let facts = survivor.witness.facts();
    assert_eq!(facts.wrong, [""; 0]);
    assert_eq!(facts.resets, 0, "{what}: the connection stays");
    let (first, last) = (heaps[0], heaps[heaps.len() - 1]);
    let (bytes, pieces) = (last.0 - first.0, last.1 - first.1);
    println!(
        "{what}: killed {RESTARTS} times amid letters; {} letters there, {} back, {} given up in \
         {} reported resets; heap grew by {bytes} bytes and {pieces} pieces",
        survivor.delivered, facts.letters, survivor.lost, facts.remote_resets
    );
    let starts = format!("{what}, from start to the first letter");
    survivor.starts.print(&starts);
    // Buffers may have grown, and each thread may have some more messages at hand for
    // those to come; one connection left from each restart would be more.
    assert!(
        bytes < 1 << 20 && pieces < 400,
        "{what}: memory grows: {heaps:?}"
    );
}

#[test]
#[ignore = "wants the machine for itself"]
fn a_peer_that_is_killed_and_comes_back_gets_nothing_twice() {
    for reuse in [false, true] {
        kill_and_restart(reuse);
    }
}
