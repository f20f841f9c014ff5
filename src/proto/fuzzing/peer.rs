//! One end under test: a protocol, what a driver keeps for it, and what always
//! holds of the two.

use std::io::IoSlice;

use crate::proto::{Admission, Clock, Event, Intake, LinkDown, Protocol, Request};
use crate::types::{Hold, Message, Time};

use super::keys::NOW;

/// The largest message between fuzzed ends.
pub const MAX_MESSAGE: u64 = 256 << 10;

pub const fn clock(now: Time) -> Clock {
    Clock { now, wall: NOW }
}

/// A protocol with its driver.
pub struct End {
    pub protocol: Protocol,
    /// Messages that arrived.
    pub messages: Vec<Message>,
    /// A session has begun, or gone on, so often.
    pub opened: usize,
    /// A link was lost so often.
    pub faults: usize,
    /// Read and not used up.
    kept: Vec<u8>,
    events: Vec<Event>,
    /// Bytes admitted and neither delivered nor given back.
    balance: u64,
    closed: bool,
    /// Bytes received on the present link.
    pub received: usize,
}

impl End {
    pub fn new(protocol: Protocol) -> Self {
        Self {
            protocol,
            messages: Vec::new(),
            opened: 0,
            faults: 0,
            kept: Vec::new(),
            events: Vec::new(),
            balance: 0,
            closed: false,
            received: 0,
        }
    }

    pub fn start(&mut self, now: Time) {
        self.protocol.start(now, &mut self.events);
        self.settle();
    }

    /// The socket that it asked for is up.
    pub fn connect(&mut self, now: Time) {
        self.received = 0;
        self.protocol.handle_connected(None, now);
        self.settle();
    }

    /// Feeds it `bytes` as one read.
    pub fn receive(&mut self, mut bytes: &[u8], now: Time) {
        self.received += bytes.len();
        loop {
            let balance = &mut self.balance;
            let mut admit = |request: Request| {
                assert!(request.bytes <= MAX_MESSAGE);
                *balance += request.bytes - request.packed;
                Admission::Granted(Hold::NONE)
            };
            let intake = &mut Intake {
                events: &mut self.events,
                admit: &mut admit,
                lend: None,
                decode: None,
                max_events: 64,
            };
            let before = self.kept.len();
            match self.protocol.bulk() {
                Some(bulk) => {
                    let room = bulk.buffer.capacity() - bulk.buffer.len();
                    let (ours, rest) = bytes.split_at(room.min(bulk.missing).min(bytes.len()));
                    bulk.buffer.extend_from_slice(ours);
                    bytes = rest;
                    self.protocol.handle_bulk(clock(now), intake);
                }
                None => {
                    self.kept.reserve_exact(bytes.len());
                    self.kept.extend_from_slice(bytes);
                    bytes = &[];
                    let used = self
                        .protocol
                        .handle_received(&self.kept, clock(now), intake);
                    self.kept.drain(..used);
                    self.kept.shrink_to_fit();
                }
            }
            let paused = self.events.len() >= 64 && self.kept.len() < before;
            self.settle();
            if bytes.is_empty() && !paused {
                return;
            }
        }
    }

    /// What it wants to write, all of it.
    pub fn transmit(&mut self, now: Time) -> Vec<u8> {
        let mut bytes = Vec::new();
        // Every round takes what is staged, and staging ends.
        for _ in 0..1000 {
            let mut slices = [IoSlice::new(&[]); 64];
            let filled = self.protocol.poll_transmit(clock(now), &mut slices);
            let start = bytes.len();
            for slice in &slices[..filled] {
                assert!(!slice.is_empty(), "an empty slice");
                bytes.extend_from_slice(slice);
            }
            let written = bytes.len() - start;
            if written == 0 {
                break;
            }
            self.protocol.handle_sent(written, now);
        }
        self.settle();
        bytes
    }

    pub fn disconnect(&mut self, why: LinkDown, now: Time) {
        self.kept = Vec::new();
        self.received = 0;
        self.protocol
            .handle_disconnected(why, now, &mut self.events);
        self.settle();
    }

    /// Lets it be the time that it waits for, which is returned.
    pub fn time_out(&mut self, now: Time) -> Time {
        let Some(due) = self.protocol.poll_timeout() else {
            return now;
        };
        let now = now.max(due);
        self.protocol.handle_timeout(now, &mut self.events);
        self.settle();
        now
    }

    /// Runs a command that makes events.
    pub fn command<R>(&mut self, command: impl FnOnce(&mut Protocol, &mut Vec<Event>) -> R) -> R {
        let done = command(&mut self.protocol, &mut self.events);
        self.settle();
        done
    }

    /// Takes events and budgets as a driver does, and checks what always holds.
    pub fn settle(&mut self) {
        for event in self.events.drain(..) {
            assert!(!self.closed, "after the end: {event:?}");
            match event {
                Event::Message(message) => {
                    assert!(self.opened > 0, "a message before there is a session");
                    self.balance = self
                        .balance
                        .checked_sub(message.payload_len() as u64)
                        .expect("a message that was not admitted");
                    self.messages.push(*message);
                }
                Event::KeepaliveAck(_) | Event::RemoteReset if self.opened == 0 => {
                    panic!("{event:?} before there is a session");
                }
                Event::Open(..) | Event::Resumed(..) => self.opened += 1,
                Event::Fault { fault, .. } => {
                    assert!(!fault.to_string().is_empty());
                    self.faults += 1;
                }
                Event::Closed { .. } => self.closed = true,
                _ => {}
            }
        }
        let unused = self.protocol.take_unused_admission();
        self.balance = self
            .balance
            .checked_sub(unused)
            .expect("more than admitted");
        if self.protocol.is_closed() {
            assert_eq!(self.protocol.poll_timeout(), None);
            assert!(!self.protocol.has_unsent());
            assert_eq!(self.balance, 0, "budget is lost");
        }
        assert!(!self.protocol.state_name().is_empty());
    }
}
