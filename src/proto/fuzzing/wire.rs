//! Two ends of the library, joined by a wire that a program cuts into pieces and
//! damages. What one end encodes the other decodes; what was changed on the way
//! is found out, wherever keys are at work.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::proto::auth::cephx::KeyType;
use crate::proto::auth::{AuthConfig, ConMode, METHOD_CEPHX};
use crate::proto::compression::{Algorithm, LinkCompression};
use crate::proto::config::{ConnectionModes, ProtocolConfig};
use crate::proto::frame::Tag;
use crate::proto::{LinkDown, Protocol};
use crate::types::{EntityType, Message, Time};

use super::frames::raw_crc;
use super::keys::{OneKey, entropy};
use super::machine::{SERVER, addrs, config, policy};
use super::peer::End;
use super::program::Program;

/// More of them find nothing more.
const MAX_STEPS: usize = 200;
/// Rounds that two ends need to say everything, and some more.
const MAX_ROUNDS: usize = 400;

/// A direction of the first link.
#[derive(Default)]
struct Way {
    /// Written and not delivered.
    pending: Vec<u8>,
    /// Everything that was written.
    written: Vec<u8>,
    /// Bits that were flipped, by where they were written: twice is not at all.
    flipped: BTreeMap<usize, u8>,
    /// Something was put in, or left out.
    spliced: bool,
}

impl Way {
    /// Where the next byte to be delivered was written.
    fn position(&self) -> usize {
        self.written.len().saturating_sub(self.pending.len())
    }

    /// Is what arrived something else than what was written, as far as that place?
    fn is_changed(&self, end: usize) -> bool {
        let mut flipped = self.flipped.range(..end);
        self.spliced || flipped.any(|(_, mask)| *mask != 0)
    }
}

struct Wire {
    ends: [End; 2],
    ways: [Way; 2],
    now: Time,
    sent: [u64; 2],
    /// Mode secure: nothing that was changed gets through.
    secure: bool,
    cephx: bool,
    rev0: bool,
}

/// Two ends, the dialler first, with keys if the program says so.
fn configs(flags: u8, more: u8) -> [ProtocolConfig; 2] {
    let mut both = [
        config("client.alice", policy(flags, false)),
        config("osd.0", policy(flags, true)),
    ];
    for (index, config) in both.iter_mut().enumerate() {
        if flags & 4 != 0 {
            let kind = match flags & 8 {
                0 => KeyType::Aes,
                _ => KeyType::Aes256Krb5,
            };
            config.auth = AuthConfig {
                cluster: vec![METHOD_CEPHX],
                service: vec![METHOD_CEPHX],
                client: vec![METHOD_CEPHX],
                keys: OneKey::new(kind),
                entropy: entropy(100 + index as u64),
                ..AuthConfig::default()
            };
        }
        config.modes = ConnectionModes::all(match flags & 16 {
            0 => &[ConMode::Crc],
            _ => &[ConMode::Secure, ConMode::Crc],
        });
        config.msgr2_supported = match more & 1 {
            0 => 3,
            _ => 2,
        };
        if more & 2 != 0 {
            let algorithm = Algorithm::from_code(u32::from(more >> 4) % 4 + 1);
            config.compression.any = LinkCompression {
                force: true,
                min_size: 64,
                algorithms: algorithm.into_iter().collect(),
            };
            config.compression.secure = true;
        }
    }
    both
}

impl Wire {
    fn new(flags: u8, more: u8) -> Self {
        let [client, server] = configs(flags, more);
        let dialler = Protocol::connect(
            Arc::new(client),
            addrs("any:/5"),
            EntityType::OSD,
            addrs(SERVER),
            1,
        );
        let from = "10.0.0.2:40000".parse().expect("a socket address");
        let acceptor = Protocol::accept(Arc::new(server), addrs(SERVER), from, 2, Time::ZERO);
        let mut ends = [End::new(dialler), End::new(acceptor)];
        ends[0].start(Time::ZERO);
        ends[0].connect(Time::ZERO);
        Self {
            ends,
            ways: [Way::default(), Way::default()],
            now: Time::ZERO,
            sent: [0; 2],
            secure: flags & 20 == 20,
            cephx: flags & 4 != 0,
            rev0: more & 1 != 0,
        }
    }

    /// What both ends have to say goes onto the wire.
    fn write(&mut self) {
        for (end, way) in self.ends.iter_mut().zip(&mut self.ways) {
            let bytes = end.transmit(self.now);
            way.pending.extend(&bytes);
            way.written.extend(bytes);
        }
    }

    /// Up to `len` bytes of a direction arrive.
    fn deliver(&mut self, from: usize, len: usize) {
        let way = &mut self.ways[from];
        let len = len.min(way.pending.len());
        let bytes: Vec<u8> = way.pending.drain(..len).collect();
        let to = &mut self.ends[1 - from];
        to.receive(&bytes, self.now);
        if to.protocol.asked().is_some() {
            let now = self.now;
            to.command(|protocol, events| protocol.grant(now, events));
        }
    }

    fn send(&mut self, from: usize, len: usize) {
        let mut message = Message::new(1);
        message.tid = self.sent[from];
        message.front.append_copy(&letter(message.tid, len));
        self.sent[from] += 1;
        self.ends[from].command(|protocol, _| protocol.send(message));
    }

    fn step(&mut self, step: u8, program: &mut Program<'_>) {
        let from = usize::from(step >> 7);
        self.write();
        match step % 8 {
            0 | 1 => self.deliver(from, usize::MAX),
            2 => self.deliver(from, usize::from(program.byte())),
            3 => {
                let len = usize::from(program.short()) % 5000;
                self.send(from, len);
            }
            4 => self.flip(from, program),
            5 => self.splice(from, program),
            6 => self.remove(from, program),
            _ => {
                self.ends[from].command(|protocol, _| protocol.keepalive());
            }
        }
    }

    fn flip(&mut self, from: usize, program: &mut Program<'_>) {
        let (at, mask) = (usize::from(program.short()), program.byte());
        let way = &mut self.ways[from];
        if let Some(byte) = way.pending.get_mut(at).filter(|_| mask != 0) {
            *byte ^= mask;
            let at = way.position() + at;
            *way.flipped.entry(at).or_default() ^= mask;
        }
    }

    /// Inserts bytes, or some that were there before.
    fn splice(&mut self, from: usize, program: &mut Program<'_>) {
        let (kind, at) = (program.byte(), usize::from(program.short()));
        let way = &self.ways[from];
        let at = at.min(way.pending.len());
        let inserted = match kind % 3 {
            0 => program.piece().to_vec(),
            // A replay, and a reflection.
            kind => {
                let source = match kind {
                    1 => &way.written,
                    _ => &self.ways[1 - from].written,
                };
                let start = usize::from(program.short()).min(source.len());
                let len = usize::from(program.byte());
                source.iter().skip(start).take(len).copied().collect()
            }
        };
        let way = &mut self.ways[from];
        if !inserted.is_empty() {
            way.spliced = true;
            way.pending.splice(at..at, inserted);
        }
    }

    fn remove(&mut self, from: usize, program: &mut Program<'_>) {
        let (at, len) = (usize::from(program.short()), usize::from(program.byte()));
        let way = &mut self.ways[from];
        let end = (at + len).min(way.pending.len());
        if at < end {
            way.spliced = true;
            way.pending.drain(at..end);
        }
    }

    /// Everything arrives, until nobody has anything to say.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            self.write();
            if self.ways.iter().all(|way| way.pending.is_empty()) {
                return;
            }
            self.deliver(0, usize::MAX);
            self.deliver(1, usize::MAX);
        }
    }

    fn check(&self) {
        let changed = self.ways.iter().any(|way| way.is_changed(usize::MAX));
        // Where a byte was written is told by how many are left.
        let spliced = self.ways.iter().any(|way| way.spliced);
        if !changed {
            for (end, sent) in self.ends.iter().zip([self.sent[1], self.sent[0]]) {
                assert_eq!(end.faults, 0, "{}", end.protocol.state_name());
                assert!(end.opened == 1 && end.protocol.is_open());
                assert_eq!(end.messages.len() as u64, sent, "not all arrived");
            }
        }
        if !changed || self.secure {
            for end in &self.ends {
                self.check_messages(end);
            }
        }
        if self.cephx && changed && !spliced {
            self.check_signed();
        }
    }

    /// Only what was sent, and in that order.
    fn check_messages(&self, end: &End) {
        for (message, number) in end.messages.iter().zip(0..) {
            assert_eq!(message.tid, number, "a message is missing");
            let len = message.front.len();
            let mut front = message.front.clone();
            assert_eq!(front.contiguous()[..], letter(number, len));
        }
    }

    /// Neither end opens a link of which a signed byte was changed: the dialler
    /// knows by the acceptor's signature, the acceptor by the dialler's.
    fn check_signed(&self) {
        let touched = self.ways.iter().any(|way| {
            let signed = signed_len(&way.written, self.rev0);
            way.is_changed(signed)
        });
        if touched {
            let opened = self.ends.iter().map(|end| end.opened).sum::<usize>();
            assert_eq!(opened, 0, "a changed handshake was believed");
        }
    }
}

/// Bytes in front of the AUTH_SIGNATURE, whether that is in the open or the first
/// that is sealed.
fn signed_len(written: &[u8], rev0: bool) -> usize {
    let mut at = 26;
    while let Some(head) = written.get(at..at + 32) {
        let len = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let is_sealed = raw_crc(0, &head[..28]).to_le_bytes() != head[28..];
        if is_sealed || head[0] == Tag::AuthSignature.code() {
            break;
        }
        at += match (rev0, len) {
            (true, _) => 49 + len,
            (false, 0) => 32,
            (false, _) => 36 + len,
        };
    }
    at
}

/// Bytes that tell which message they are of.
fn letter(number: u64, len: usize) -> Vec<u8> {
    let byte = |at: usize| (at as u64 * 31 + number * 7) as u8;
    (0..len).map(byte).collect()
}

/// Two ends and a wire between them.
pub fn wire(input: &[u8]) {
    let mut program = Program::new(input);
    let (flags, more) = (program.byte(), program.byte());
    let mut wire = Wire::new(flags, more);
    for _ in 0..MAX_STEPS {
        let Some(step) = program.step() else {
            break;
        };
        wire.step(step, &mut program);
    }
    wire.settle();
    wire.check();
    for end in &mut wire.ends {
        end.disconnect(LinkDown::Eof, wire.now);
        end.command(|protocol, _| protocol.mark_down());
        end.settle();
    }
}
