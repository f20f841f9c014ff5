//! What may be done to a network.

use std::io;
use std::net::IpAddr;
use std::time::Duration;

use super::network::Network;
use super::simulation::Process;
use super::stream::{Owner, Phase, StreamId, What};
use crate::types::Time;

/// How a process ends without a word of its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Death {
    /// The kernel closes its sockets: peers are told.
    Killed,
    /// Nobody tells peers. Whatever they send later is answered by a reset.
    Vanished,
}

/// How one end of a connection comes to hear nothing any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Silence {
    /// What it sends is answered by a reset.
    Answered,
    /// What it sends is lost, and nobody ever tells.
    Void,
}

impl Network {
    /// Open ends of connections, in the order in which they came to be.
    pub fn connected(&self) -> Vec<StreamId> {
        let open = self.streams.iter().filter(|(_, stream)| {
            stream.owner == Owner::Process && stream.phase == Phase::Connected
        });
        open.map(|(id, _)| *id).collect()
    }

    /// Breaks the connection of that end: both ends hear of it, and what was
    /// under way is lost.
    pub fn reset(&mut self, id: StreamId) {
        self.note("fault reset", &[id]);
        let peer = self.streams.get(&id).and_then(|stream| stream.peer);
        let why = *self.rng.pick(&REASONS);
        self.break_stream(id, why);
        if let Some(peer) = peer {
            self.break_stream(peer, io::ErrorKind::ConnectionReset);
        }
    }

    /// Tells the other end that nothing more will come, and loses what this one
    /// sends from now on.
    pub fn half_close(&mut self, id: StreamId) {
        self.note("fault half-close", &[id]);
        self.transmit(id, What::Fin);
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.finished = true;
        }
    }

    /// Flips a bit of something that this end has sent, not before its `first`
    /// byte ever sent. False: nothing such is under way.
    pub fn flip(&mut self, id: StreamId, first: u64) -> bool {
        let Some(stream) = self.streams.get_mut(&id) else {
            return false;
        };
        let spared = first.saturating_sub(stream.sent_before());
        let spared = usize::try_from(spared).unwrap_or(usize::MAX);
        let mut bytes: Vec<_> = stream.bytes_under_way().skip(spared).collect();
        if bytes.is_empty() {
            return false;
        }
        let at = self.rng.index(bytes.len());
        *bytes[at] ^= 1 << self.rng.below(8);
        self.note("fault flip", &[id]);
        true
    }

    /// Gives a process no further descriptors until then.
    pub fn starve(&mut self, process: &Process, until: Time) {
        self.note("fault starve", &[process.id() as u64]);
        self.starve_process(process.id(), until);
    }

    /// Breaks this end alone; the other one hears nothing of it.
    pub fn half_open(&mut self, id: StreamId, silence: Silence) {
        self.note("fault half-open", &[id]);
        let peer = self.streams.get(&id).and_then(|stream| stream.peer);
        self.break_stream(id, io::ErrorKind::ConnectionReset);
        if let Some(other) = peer.and_then(|peer| self.streams.get_mut(&peer)) {
            other.peer = None;
            other.void = silence == Silence::Void;
        }
    }

    /// Holds up for so long what this end has sent and will send meanwhile.
    pub fn stall(&mut self, id: StreamId, pause: Duration) {
        self.note("fault stall", &[id]);
        let until = self.now() + pause;
        if let Some(stream) = self.streams.get_mut(&id) {
            stream.stalled_until = until;
            for segment in &mut stream.outgoing {
                segment.arrives = segment.arrives.max(until);
            }
        }
    }

    /// Lets nothing through from one host to the other, in this direction.
    pub fn cut(&mut self, from: IpAddr, to: IpAddr) {
        self.note("fault cut", &[last_byte(from), last_byte(to)]);
        self.cut.insert((from, to));
    }

    /// Lets everything through again in this direction. What was held is
    /// delivered soon.
    pub fn mend(&mut self, from: IpAddr, to: IpAddr) {
        if self.cut.remove(&(from, to)) {
            self.note("mend", &[last_byte(from), last_byte(to)]);
            self.retry(|local, remote| (local, remote) == (from, to));
        }
    }

    /// Mends every path, and holds nothing up any more.
    pub fn heal(&mut self) {
        self.note("heal", &[]);
        self.cut.clear();
        let soon = self.later();
        for stream in self.streams.values_mut() {
            stream.stalled_until = Time::ZERO;
            // Whoever looks for it at its old time finds it gone.
            stream.scheduled = false;
            for segment in &mut stream.outgoing {
                segment.arrives = segment.arrives.min(soon);
            }
        }
        self.retry(|_, _| true);
    }

    /// Ends a process at once.
    pub fn kill(&mut self, process: &Process, death: Death) {
        self.note("fault kill", &[process.id() as u64]);
        self.end_process(process.id());
        for id in self.sockets_of(process.id()) {
            match death {
                Death::Killed => self.close(id),
                Death::Vanished => self.vanish(id),
            }
        }
    }

    fn retry(&mut self, on: impl Fn(IpAddr, IpAddr) -> bool) {
        let waiting = self
            .streams
            .iter()
            .filter(|(_, stream)| on(stream.local.ip(), stream.remote.ip()));
        let waiting: Vec<_> = waiting.map(|(id, _)| *id).collect();
        waiting.into_iter().for_each(|id| self.schedule_arrival(id));
    }
}

/// What the system may say when a connection is lost.
const REASONS: [io::ErrorKind; 4] = [
    io::ErrorKind::ConnectionReset,
    io::ErrorKind::TimedOut,
    io::ErrorKind::HostUnreachable,
    io::ErrorKind::BrokenPipe,
];

fn last_byte(ip: IpAddr) -> u64 {
    match ip {
        IpAddr::V4(ip) => u64::from(ip.octets()[3]),
        IpAddr::V6(ip) => u64::from(ip.octets()[15]),
    }
}
