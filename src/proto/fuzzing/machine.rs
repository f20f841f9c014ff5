//! Both handshakes and what follows them, as machines that get inputs in any
//! order: frames, sound and broken, time, losses, commands, answers of the host.

use std::sync::Arc;

use crate::proto::auth::{Agreed, Answer, METHOD_NONE, SessionKey};
use crate::proto::config::ProtocolConfig;
use crate::proto::frame::control::{
    AuthDone, AuthReplyMore, AuthRequest, AuthSignature, ClientIdent, CompressionDone,
    CompressionRequest, Control, Hello, ServerIdent, SessionReconnect, SessionReconnectOk,
    SessionReset, SessionRetry,
};
use crate::proto::frame::{MessageHeader, Tag, encode_legacy};
use crate::proto::{LinkDown, Protocol, Verdict};
use crate::types::{EntityAddrVec, EntityType, Message, Policy, PolicySet, Secret, Time, features};

use super::frames::{raw_crc, raw_preamble};
use super::meter::Watch;
use super::peer::{End, MAX_MESSAGE, clock};
use super::program::Program;

/// Where the acceptor listens.
pub const SERVER: &str = "v2:10.0.0.1:6800/7";
const LEGACY_SERVER: &str = "v1:10.0.0.1:6789/7";
const CLIENT: &str = "v2:10.0.0.2:0/5";
const CLIENT_SOCKET: &str = "10.0.0.2:40000";

/// What a stranger may make an end hold besides what it has sent.
const STRANGERS_SHARE: usize = 64 << 10;

pub fn addrs(text: &str) -> EntityAddrVec {
    text.parse().expect("an address")
}

/// The policy of that number.
pub fn policy(number: u8, server: bool) -> Policy {
    match (number % 4, server) {
        (0, false) => Policy::lossy_client(),
        (0, true) => Policy::stateless_server(),
        (1, false) => Policy::lossless_client(),
        (1, true) => Policy::stateful_server(),
        (2, _) => Policy::lossless_peer(),
        _ => Policy::lossless_peer_reuse(),
    }
}

/// Settings of an end.
pub fn config(name: &str, policy: Policy) -> ProtocolConfig {
    let name = name.parse().expect("a name");
    let mut config = ProtocolConfig::new(name, PolicySet::new(policy));
    config.max_message = MAX_MESSAGE;
    config
}

/// A frame in the open, of either revision.
fn frame(rev0: bool, tag: u8, payload: &[u8]) -> Vec<u8> {
    let lens = [payload.len() as u32, 0, 0, 0];
    let mut bytes = raw_preamble(tag, 0, 1, lens).to_vec();
    bytes.extend(payload);
    let crc = raw_crc(u32::MAX, payload).to_le_bytes();
    if rev0 {
        bytes.push(0);
        bytes.extend(crc);
        bytes.extend([0; 12]);
    } else if !payload.is_empty() {
        bytes.extend(crc);
    }
    bytes
}

/// The other end, which says what the program says.
struct Script<'a> {
    program: Program<'a>,
    rev0: bool,
    legacy: bool,
    end: End,
    now: Time,
    watch: Watch,
}

impl Script<'_> {
    fn run(&mut self) {
        // A step costs about a frame: more of them find nothing more.
        for _ in 0..500 {
            let Some(step) = self.program.step() else {
                return;
            };
            self.step(step);
            let unknown = self.end.opened == 0;
            if unknown {
                let allowed = STRANGERS_SHARE + self.end.received;
                self.watch.expect_held_at_most(allowed);
            }
        }
    }

    fn step(&mut self, step: u8) {
        match step % 16 {
            0 => {
                let bytes = self.program.piece();
                self.end.receive(bytes, self.now);
            }
            1 => {
                let (tag, payload) = (self.program.byte(), self.program.piece());
                self.say(tag, payload);
            }
            2..=7 => self.right_frame(),
            8 => self.banner(),
            9 => self.now = self.end.time_out(self.now),
            10 => self.answer(),
            11 => self.meet(),
            12 => self.message(),
            13 => self.end.disconnect(LinkDown::Eof, self.now),
            14 => self.command(),
            _ => self.reconnect(),
        }
        self.end.transmit(self.now);
    }

    fn say(&mut self, tag: u8, payload: &[u8]) {
        if self.legacy {
            return self.end.receive(&[&[tag], payload].concat(), self.now);
        }
        let bytes = frame(self.rev0, tag, payload);
        self.end.receive(&bytes, self.now);
    }

    fn control<C: Control>(&mut self, control: &C) {
        let mut payload = Vec::new();
        control.encode(&mut payload);
        self.say(C::TAG.code(), &payload);
    }

    fn banner(&mut self) {
        let features = self.program.byte() % 4;
        self.rev0 = features & 1 == 0;
        let mut banner = b"ceph v2\n\x10\0".to_vec();
        banner.extend(u64::from(features).to_le_bytes());
        banner.extend([0; 8]);
        self.end.receive(&banner, self.now);
    }

    /// The frame that the state asks for, with numbers of the program's.
    fn right_frame(&mut self) {
        let number = self.program.number();
        if self.legacy {
            return self.right_record(number);
        }
        match self.end.protocol.state_name() {
            "BANNER_CONNECTING" | "BANNER_ACCEPTING" => self.banner(),
            "HELLO_CONNECTING" => self.hello(EntityType::OSD),
            "HELLO_ACCEPTING" => self.hello(EntityType::CLIENT),
            "AUTH_CONNECTING" if number % 4 == 3 => {
                let payload = self.program.piece().to_vec();
                self.control(&AuthReplyMore { payload });
            }
            "AUTH_CONNECTING" => self.control(&AuthDone {
                global_id: number,
                con_mode: 1,
                payload: Vec::new(),
            }),
            "AUTH_ACCEPTING" => self.control(&AuthRequest {
                method: METHOD_NONE,
                preferred_modes: vec![2, 1],
                payload: none_request(number),
            }),
            "AUTH_CONNECTING_SIGN" | "AUTH_ACCEPTING_SIGN" => {
                self.control(&AuthSignature { signature: [0; 32] })
            }
            "COMPRESSION_CONNECTING" => self.control(&CompressionDone {
                is_compress: number % 2 == 1,
                algorithm: (number >> 8) as u32 % 6,
            }),
            "COMPRESSION_ACCEPTING" => self.control(&CompressionRequest {
                is_compress: number % 2 == 1,
                preferred_algorithms: vec![(number >> 8) as u32 % 6, 2],
            }),
            "SESSION_CONNECTING" => self.server_ident(number),
            "SESSION_RECONNECTING" => self.answer_reconnect(number),
            "SESSION_ACCEPTING" => self.ask(number),
            _ => self.message(),
        }
    }

    /// The same in v1.
    fn right_record(&mut self, number: u64) {
        let mut bytes = Vec::new();
        match self.end.protocol.state_name() {
            "CONNECTING_WAIT_BANNER_AND_IDENTIFY" => {
                bytes.extend(b"ceph v027");
                put_legacy(LEGACY_SERVER, &mut bytes);
                put_legacy("v1:10.0.0.2:40000/0", &mut bytes);
            }
            "CONNECTING_SEND_CONNECT_MSG" if number % 16 == 15 => {
                bytes.extend((number >> 8 & 7).to_le_bytes());
            }
            "CONNECTING_SEND_CONNECT_MSG" => {
                bytes.push([1, 2, 3, 4, 5, 10, 11, 12, 13, 16][(number % 10) as usize]);
                bytes.extend(u64::MAX.to_le_bytes());
                bytes.extend((number >> 8 & 3).to_le_bytes()[..4].to_vec());
                bytes.extend((number >> 16 & 3).to_le_bytes()[..4].to_vec());
                bytes.extend([24, 0, 0, 0]);
                bytes.extend([0, 0, 0, 0, (number >> 24 & 1) as u8]);
            }
            "ACCEPTING_HANDLED_CONNECT_MSG" => {
                bytes.extend((number & 7).to_le_bytes());
            }
            "ACCEPTING" => {
                bytes.extend(b"ceph v027");
                put_legacy("v1:10.0.0.2:0/5", &mut bytes);
            }
            "ACCEPTING_WAIT_CONNECT_MSG_AUTH" => {
                bytes.extend(u64::MAX.to_le_bytes());
                bytes.extend([8, 0, 0, 0]);
                bytes.extend((number >> 8 & 3).to_le_bytes()[..4].to_vec());
                bytes.extend((number >> 16 & 3).to_le_bytes()[..4].to_vec());
                bytes.extend([24, 0, 0, 0, 1, 0, 0, 0]);
                let authorizer = none_request(number);
                bytes.extend((authorizer.len() as u32).to_le_bytes());
                bytes.push(0);
                bytes.extend(authorizer);
            }
            _ => return self.message(),
        }
        self.end.receive(&bytes, self.now);
    }

    fn hello(&mut self, entity_type: EntityType) {
        self.control(&Hello {
            entity_type,
            peer_addr: addrs(SERVER).front(),
        });
    }

    fn server_ident(&mut self, number: u64) {
        self.control(&ServerIdent {
            addrs: addrs(SERVER),
            gid: 3,
            global_seq: number % 5,
            supported_features: u64::MAX,
            required_features: 0,
            flags: number >> 8 & 1,
            cookie: number >> 16 & 0xff,
        });
    }

    fn answer_reconnect(&mut self, number: u64) {
        match number % 4 {
            0 => self.control(&SessionReconnectOk {
                msg_seq: number >> 8,
            }),
            1 => self.control(&SessionReset { full: true }),
            2 => self.control(&SessionReset { full: false }),
            _ => self.control(&SessionRetry {
                connect_seq: number >> 8,
            }),
        }
    }

    fn ask(&mut self, number: u64) {
        match number % 4 {
            0 => self.control(&SessionReconnect {
                addrs: addrs(CLIENT),
                client_cookie: number >> 8 & 3,
                server_cookie: number >> 16 & 3,
                global_seq: number >> 24 & 3,
                connect_seq: number >> 32 & 3,
                msg_seq: number >> 40,
            }),
            _ => self.control(&ClientIdent {
                addrs: addrs(CLIENT),
                target: addrs(SERVER).front(),
                gid: 5,
                global_seq: number >> 24,
                supported_features: features::MSG_ADDR2 | number,
                required_features: 0,
                flags: number >> 8 & 1,
                cookie: number >> 16 & 3,
            }),
        }
    }

    /// What the host says, whatever it was asked.
    fn answer(&mut self) {
        let (kind, number) = (self.program.byte(), self.program.number());
        let payload = self.program.piece().to_vec();
        let answer = match kind % 4 {
            0 => Answer::Request {
                method: number as u32,
                modes: vec![1, (number >> 32) as u32],
                payload,
            },
            1 => Answer::More(payload),
            2 => {
                let mut agreed = Agreed::unproved(number, None);
                agreed.session_key = Some(SessionKey::Host(Secret::new(vec![1; 16])));
                agreed.connection_secret = Some(Secret::new(payload.clone()));
                Answer::Done(Box::new(agreed), payload)
            }
            _ => Answer::No(number as i32),
        };
        let now = clock(self.now);
        self.end
            .command(|protocol, events| protocol.handle_auth(answer, now, events));
        // What was kept while the host was asked.
        self.end.receive(&[], self.now);
    }

    /// What the registry says to a dialler that asks for a session.
    fn meet(&mut self) {
        let (kind, number) = (self.program.byte(), self.program.number());
        if self.end.protocol.asked().is_none() {
            return;
        }
        let now = self.now;
        self.end.command(|protocol, events| match kind % 5 {
            0 => protocol.refuse(Verdict::Retry(number)),
            1 => protocol.refuse(Verdict::RetryGlobal(number)),
            2 => protocol.refuse(Verdict::Wait),
            3 => protocol.refuse(Verdict::Reset { full: true }),
            _ => protocol.grant(now, events),
        });
    }

    fn message(&mut self) {
        let flags = self.program.byte();
        let front = self.program.piece();
        let header = MessageHeader {
            seq: u64::from(flags >> 4),
            ack_seq: u64::from(flags & 15),
            tid: 1,
            kind: 7,
            priority: 127,
            version: 1,
            compat_version: 1,
            data_off: 0,
            reserved: 0,
        };
        if self.legacy {
            return self.legacy_message(flags, front);
        }
        let header = header.encode();
        let count = if front.is_empty() { 1 } else { 2 };
        let lens = [header.len() as u32, front.len() as u32, 0, 0];
        let mut bytes = raw_preamble(Tag::Message.code(), 0, count, lens).to_vec();
        let crcs = [&header[..], front].map(|bytes| raw_crc(u32::MAX, bytes).to_le_bytes());
        bytes.extend(header);
        if !self.rev0 {
            bytes.extend(crcs[0]);
        }
        bytes.extend(front);
        match (self.rev0, count) {
            (true, _) => {
                bytes.push(0);
                bytes.extend(crcs[0]);
                bytes.extend(if count == 2 { crcs[1] } else { [0; 4] });
                bytes.extend([0; 8]);
            }
            (false, 2) => {
                bytes.push(0x0e);
                bytes.extend(crcs[1]);
                bytes.extend([0; 8]);
            }
            _ => {}
        }
        self.end.receive(&bytes, self.now);
    }

    fn legacy_message(&mut self, flags: u8, front: &[u8]) {
        let mut header = [0; 49];
        header[0] = flags >> 4;
        header[22..26].copy_from_slice(&(front.len() as u32).to_le_bytes());
        header[36] = 8;
        let mut bytes = vec![7];
        bytes.extend(header);
        bytes.extend(raw_crc(0, &header).to_le_bytes());
        bytes.extend(front);
        bytes.extend(raw_crc(0, front).to_le_bytes());
        bytes.extend([0; 16]);
        bytes.push(1);
        self.end.receive(&bytes, self.now);
    }

    fn command(&mut self) {
        match self.program.byte() % 8 {
            0 => self.end.command(|protocol, _| protocol.mark_down()),
            1 => self.end.command(|protocol, _| protocol.mark_disposable()),
            2 => self.end.command(|protocol, _| protocol.keepalive()),
            _ => {
                let mut message = Message::new(1);
                message.front.append_copy(self.program.piece());
                // Our own messages are nothing that a peer makes us keep.
                if self.end.opened > 0 {
                    self.end.command(|protocol, _| protocol.send(message));
                }
            }
        }
    }

    /// A dialler that waits is let dial; its next link begins.
    fn reconnect(&mut self) {
        if self.end.protocol.state_name() == "BACKOFF" {
            self.now = self.end.time_out(self.now);
        }
        if self.end.protocol.state_name() == "START_CONNECT" {
            self.end.connect(self.now);
        }
    }
}

fn put_legacy(addr: &str, out: &mut Vec<u8>) {
    encode_legacy(&addrs(addr).front(), out);
}

/// What a client of method none says.
fn none_request(global_id: u64) -> Vec<u8> {
    let mut payload = vec![1, 8, 0, 0, 0, 1, 0, 0, 0, b'a'];
    payload.extend(global_id.to_le_bytes());
    payload
}

/// An end that accepted a connection from whoever.
pub fn acceptor(input: &[u8]) {
    let mut program = Program::new(input);
    let flags = program.byte();
    let mut config = config("osd.3", policy(flags, true));
    config.auth.by_host = flags & 4 != 0;
    let config = Arc::new(config);
    let from = CLIENT_SOCKET.parse().expect("a socket address");
    let watch = Watch::begin();
    let legacy = flags & 8 != 0;
    let protocol = match legacy {
        true => {
            let (local, at) = (addrs(LEGACY_SERVER), from);
            Protocol::accept_legacy(config, local, at, from, 2, Time::ZERO)
        }
        false => Protocol::accept(config, addrs(SERVER), from, 2, Time::ZERO),
    };
    let mut script = Script {
        program,
        rev0: false,
        legacy,
        end: End::new(protocol),
        now: Time::ZERO,
        watch,
    };
    script.run();
}

/// An end that has dialled whoever is there.
pub fn dialler(input: &[u8]) {
    let mut program = Program::new(input);
    let flags = program.byte();
    let mut config = config("client.admin", policy(flags, false));
    config.auth.by_host = flags & 4 != 0;
    let legacy = flags & 8 != 0;
    let watch = Watch::begin();
    let protocol = Protocol::connect(
        Arc::new(config),
        addrs("any:/5"),
        EntityType::OSD,
        addrs(if legacy { LEGACY_SERVER } else { SERVER }),
        1,
    );
    let mut end = End::new(protocol);
    end.start(Time::ZERO);
    end.connect(Time::ZERO);
    let mut script = Script {
        program,
        rev0: false,
        legacy,
        end,
        now: Time::ZERO,
        watch,
    };
    script.run();
}
