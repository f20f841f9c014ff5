//! `Plan`: what a seed decides before a run begins.

use std::time::Duration;

use super::cluster::Config;
use crate::Policy;
use crate::event::sim::{Rng, Weather};

/// What a cluster consists of, what is promised in it, and how hard its life is.
#[derive(Debug)]
pub struct Plan {
    /// Messengers that are bound: `osd.0` and so on.
    pub servers: usize,
    /// Messengers that are not: `client.0` and so on.
    pub clients: usize,
    /// The policies of a client and of a server towards it.
    pub pact: (Policy, Policy),
    /// The policy of servers among themselves, if they talk at all.
    pub peers: Option<Policy>,
    /// Does anybody lose what it knows, by a restart or a `mark_down`?
    pub amnesia: bool,
    /// Can a link go silent for ever?
    pub voids: bool,
    pub weather: Weather,
    pub options: Config,
    /// Faults that the messengers inject themselves, as long as there are any.
    pub injection: Config,
    /// Bytes and messages that peers of one type may have under way together.
    pub throttle: (u64, u64),
    /// Most workers of a node.
    pub workers: u64,
    /// How long there is work and there are faults.
    pub busy: Duration,
    pub actions: u64,
    pub faults: u64,
    /// Largest message.
    pub largest: usize,
    /// Of a thousand messages, so many are answered from the callback.
    pub answers: u64,
    pub wire: Wire,
    /// All speak msgr2.0, if they speak msgr2.
    pub first_revision: bool,
}

/// How all nodes of a cluster speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wire {
    V1,
    Crc,
    Secure,
}

impl Wire {
    pub const ALL: [Self; 3] = [Self::V1, Self::Crc, Self::Secure];
}

impl Plan {
    /// What that seed decides.
    pub fn draw(rng: &mut Rng) -> Self {
        let servers = 1 + rng.index(3);
        let peers = match rng.below(3) {
            _ if servers == 1 => None,
            0 => Some(Policy::lossless_peer()),
            1 => Some(Policy::lossless_peer_reuse()),
            _ => None,
        };
        let clients = if peers.is_some() {
            rng.index(4)
        } else {
            1 + rng.index(4)
        };
        let pact = match rng.below(5) {
            0 => (Policy::lossy_client(), Policy::stateless_server()),
            1 => (
                Policy::lossy_client(),
                Policy::stateless_registered_server(),
            ),
            _ => (Policy::lossless_client(), Policy::stateful_server()),
        };
        let voids = rng.permille(300);
        // A lossy end that only listens hears of a dead link by keepalives alone.
        // A lossless one gets no acks, or is dialled anew.
        let keepalives = match voids && pact.0.lossy {
            true => true,
            false => rng.permille(300),
        };
        Self {
            servers,
            clients,
            pact,
            peers,
            amnesia: rng.permille(500),
            voids,
            weather: weather(rng),
            options: options(rng, keepalives),
            injection: injection(rng),
            throttle: *rng.pick(&[(0, 0), (0, 0), (0, 2), (5_000, 0), (20_000, 10)]),
            workers: 1 + rng.below(3),
            busy: Duration::from_millis(rng.between(300, 4000)),
            actions: rng.between(20, 150),
            faults: rng.between(5, 45),
            largest: *rng.pick(&[200, 5_000, 65_536]),
            answers: *rng.pick(&[0, 100, 500]),
            wire: *rng.pick(&Wire::ALL),
            first_revision: rng.permille(250),
        }
    }

    /// Servers first, then clients.
    pub fn nodes(&self) -> usize {
        self.servers + self.clients
    }

    /// Which protocol they speak, as addresses have it.
    pub fn scheme(&self) -> &'static str {
        match self.wire {
            Wire::V1 => "v1",
            Wire::Crc | Wire::Secure => "v2",
        }
    }

    /// Do they prove who they are, and encrypt?
    pub fn is_secure(&self) -> bool {
        self.wire == Wire::Secure
    }

    /// Are all frames protected by checksums? In v1 only messages are.
    pub fn has_crcs(&self) -> bool {
        self.wire != Wire::V1 && self.options.contains(&("ms_crc_data", "true".to_owned()))
    }

    /// Do ends that hear nothing ask for a sign of life?
    pub fn has_keepalives(&self) -> bool {
        let off = ("ms_connection_keepalive_interval", "0".to_owned());
        !self.options.contains(&off)
    }

    /// Do messengers hold messages back on purpose?
    pub fn delays(&self) -> bool {
        let mut keys = self.injection.iter().map(|(key, _)| key);
        keys.any(|key| *key == "ms_inject_delay_probability")
    }

    pub fn is_client(&self, node: usize) -> bool {
        node >= self.servers
    }
}

fn weather(rng: &mut Rng) -> Weather {
    let fastest = rng.between(5, 500);
    let slowest = fastest * rng.between(1, 40);
    Weather {
        latency: (
            Duration::from_micros(fastest),
            Duration::from_micros(slowest),
        ),
        sndbuf: usize::try_from(rng.between(1_000, 200_000)).expect("it is small"),
        rcvbuf: usize::try_from(rng.between(1_000, 200_000)).expect("it is small"),
        short_reads: *rng.pick(&[0, 100, 700]),
        short_writes: *rng.pick(&[0, 100, 700]),
    }
}

/// Times that are short enough for a run of seconds.
fn options(rng: &mut Rng, keepalives: bool) -> Config {
    let budget = *rng.pick(&["100M", "100M", "70000", "3000"]);
    let keepalive = if keepalives { "1.5" } else { "0" };
    let mut options = vec![
        ("ms_initial_backoff", "0.05".to_owned()),
        ("ms_max_backoff", "1".to_owned()),
        ("ms_connection_ready_timeout", "2".to_owned()),
        ("ms_connection_progress_timeout", "3".to_owned()),
        ("ms_connection_keepalive_interval", keepalive.to_owned()),
        ("ms_connection_keepalive_timeout", "1".to_owned()),
        ("ms_dispatch_throttle_bytes", budget.to_owned()),
        ("ms_crc_data", rng.permille(700).to_string()),
        ("ms_async_local_listen_table", rng.permille(300).to_string()),
    ];
    if rng.permille(400) {
        let algorithm = *rng.pick(&["snappy", "zlib", "zstd", "lz4"]);
        let min_size = *rng.pick(&["0", "1K"]);
        options.push(("ms_compress_mode", "force".to_owned()));
        options.push(("ms_compression_algorithm", algorithm.to_owned()));
        options.push(("ms_compress_min_size", min_size.to_owned()));
        options.push(("ms_compress_secure", rng.permille(500).to_string()));
    }
    options
}

fn injection(rng: &mut Rng) -> Config {
    let mut options = Vec::new();
    if rng.permille(150) {
        let one_in = rng.between(20, 300);
        options.push(("ms_inject_socket_failures", one_in.to_string()));
    }
    if rng.permille(150) {
        options.push(("ms_inject_delay_type", "osd client".to_owned()));
        options.push(("ms_inject_delay_probability", "0.2".to_owned()));
        options.push(("ms_inject_delay_max", "0.05".to_owned()));
    }
    options
}

/// Ends the faults that [`Plan::injection`] asks for.
pub fn no_injection() -> Config {
    vec![
        ("ms_inject_socket_failures", "0".to_owned()),
        ("ms_inject_delay_probability", "0".to_owned()),
    ]
}

/// How long a message may take once nothing is in its way: a last attempt that
/// was doomed already comes to nothing, and the pauses after it and after one
/// more are as long as they can be.
pub const PROMPT: Duration = Duration::from_millis(2_000 + 2 * 1_000 + 500);

/// The same with links that went silent: each end first has to notice that.
pub const SETTLED: Duration = Duration::from_millis(3_000 + 2_500 + 2_000 + 2_500);
