//! `Stream`: one end of a simulated TCP connection.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

use crate::types::Time;

/// Names a socket of a simulation; never used again.
pub type StreamId = u64;

/// One end: what it has sent that is still under way, and what has arrived.
pub(super) struct Stream {
    pub(super) owner: Owner,
    /// The process whose socket it is, or will be once accepted.
    pub(super) process: usize,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    pub(super) peer: Option<StreamId>,
    pub(super) phase: Phase,
    /// Told once; a broken stream says no more than its end afterwards.
    pub(super) error: Option<io::ErrorKind>,
    /// Under way to the peer, in order.
    pub(super) outgoing: VecDeque<Segment>,
    pub(super) in_flight: usize,
    /// Bytes it has ever sent.
    pub(super) sent: u64,
    /// Its end is under way: what it sends now nobody will see.
    pub(super) finished: bool,
    /// An arrival is among the network's events.
    pub(super) scheduled: bool,
    /// What it sends gets lost for good, and nobody tells.
    pub(super) void: bool,
    /// What a tap lets the process neither read nor write.
    pub(super) held: Held,
    /// Nothing it sends arrives before.
    pub(super) stalled_until: Time,
    pub(super) received: VecDeque<u8>,
    /// The peer has nothing more to say.
    pub(super) ended: bool,
}

/// The directions in which nothing passes between a process and its socket.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(super) struct Held {
    pub(super) reads: bool,
    pub(super) writes: bool,
}

/// Who holds an end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Owner {
    /// Waits for its handshake, or to be accepted on that listener.
    Listener(u64),
    Process,
    /// Closed; what it has sent is still under way.
    Nobody,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Phase {
    Connecting,
    Connected,
    Broken,
}

pub(super) struct Segment {
    pub(super) arrives: Time,
    pub(super) what: What,
}

pub(super) enum What {
    Syn,
    SynAck,
    /// The third step of the handshake.
    Established,
    /// Bytes, and how many of them have arrived already.
    Data(Vec<u8>, usize),
    Fin,
    /// The connection is broken.
    Reset,
}

impl Stream {
    pub(super) fn new(
        owner: Owner,
        process: usize,
        local: SocketAddr,
        remote: SocketAddr,
        peer: Option<StreamId>,
    ) -> Self {
        let phase = match owner {
            Owner::Listener(_) => Phase::Connected,
            _ => Phase::Connecting,
        };
        Self {
            owner,
            process,
            local,
            remote,
            peer,
            phase,
            error: None,
            outgoing: VecDeque::new(),
            in_flight: 0,
            sent: 0,
            finished: false,
            scheduled: false,
            void: false,
            held: Held::default(),
            stalled_until: Time::ZERO,
            received: VecDeque::new(),
            ended: false,
        }
    }

    /// The connection is no more: what was under way is lost.
    pub(super) fn break_with(&mut self, why: io::ErrorKind) {
        self.phase = Phase::Broken;
        self.error = Some(why);
        self.outgoing.clear();
        self.in_flight = 0;
        self.received.clear();
    }

    /// An error, once.
    pub(super) fn take_error(&mut self) -> io::Result<()> {
        self.error.take().map_or(Ok(()), |kind| Err(kind.into()))
    }

    pub(super) fn is_readable(&self) -> bool {
        let there = self.ended || !self.received.is_empty();
        self.phase == Phase::Broken || (there && !self.held.reads)
    }

    pub(super) fn is_writable(&self, sndbuf: usize) -> bool {
        match self.phase {
            Phase::Connecting => false,
            Phase::Connected => self.in_flight < sndbuf && !self.held.writes,
            Phase::Broken => true,
        }
    }

    /// How many bytes it had sent before those that are under way.
    pub(super) fn sent_before(&self) -> u64 {
        self.sent - self.in_flight as u64
    }

    /// Sent and not arrived.
    pub(super) fn bytes_under_way(&mut self) -> impl Iterator<Item = &mut u8> {
        self.outgoing
            .iter_mut()
            .flat_map(|segment| match &mut segment.what {
                What::Data(bytes, arrived) => bytes[*arrived..].iter_mut(),
                _ => [].iter_mut(),
            })
    }

    /// Moves at most `most` received bytes to the end of `buffer`.
    pub(super) fn take_received(&mut self, buffer: &mut Vec<u8>, most: usize) {
        let (first, second) = self.received.as_slices();
        let of_first = most.min(first.len());
        buffer.extend_from_slice(&first[..of_first]);
        buffer.extend_from_slice(&second[..most - of_first]);
        self.received.drain(..most);
    }
}
