//! Conversations of real Ceph daemons over v1, one end played by us.

use std::sync::Arc;

use crate::proto::captured::{conversation, header, hex};
use crate::proto::{
    Agreed, Answer, AuthConfig, Event, LinkDown, METHOD_CEPHX, Outgoing, Protocol, ProtocolConfig,
    Question, SessionKey, Verdict,
};
use crate::types::{EntityType, Message, Policy, Secret, Time};

use super::pair::{End, addrs, clock, config};

const NOW: Time = Time::ZERO;

const MSG: u8 = 7;
const ACK: u8 = 8;
const KEEPALIVE2: u8 = 14;
const KEEPALIVE2_ACK: u8 = 15;

const CHALLENGE: u8 = 16;

/// A captured conversation, of which one end is ours.
struct Play {
    name: &'static str,
    /// Our units.
    ours: Vec<Vec<u8>>,
    /// How many of them belong to the handshake.
    shakes: usize,
    /// A unit of the peer's that answers what we do not say.
    skipped: Option<usize>,
    /// What we are found to send.
    sent: Vec<u8>,
    /// Authorizers, or answers to them, in order.
    proofs: std::vec::IntoIter<(u8, Vec<u8>)>,
    key: Option<Secret>,
}

impl Play {
    fn new(name: &'static str, dials: bool) -> Self {
        let units = conversation(name);
        let ours = units.into_iter().filter(|(dialler, _)| *dialler == dials);
        let ours: Vec<Vec<u8>> = ours.map(|(_, unit)| unit).collect();
        let fixed = if dials { 33 } else { 26 };
        let first = if dials { 2 } else { 1 };
        let mut shakes = first;
        let mut proofs = Vec::new();
        let len_at = if dials { 28 } else { 21 };
        while let Some(unit) = ours.get(shakes).filter(|unit| {
            let len = unit.get(len_at..len_at + 4);
            len.is_some_and(|len| {
                fixed + u32::from_le_bytes(len.try_into().unwrap()) as usize == unit.len()
            })
        }) {
            proofs.push((unit[0], unit[fixed..].to_vec()));
            shakes += 1;
        }
        // What was received, behind SEQ.
        let told = ours.get(shakes).is_some_and(|unit| unit.len() == 8);
        Self {
            name,
            ours,
            shakes: shakes + usize::from(told),
            skipped: None,
            sent: Vec::new(),
            proofs: proofs.into_iter(),
            key: header(name)
                .get("session_key")
                .map(|key| Secret::new(hex(key))),
        }
    }

    /// Lets `end` hear the peer's units, and say what it says of its own accord
    /// when the captured end said so.
    fn run(&mut self, end: &mut End, dials: bool, known: &mut Option<End>) {
        self.flush(end);
        let mut own = 0;
        for (at, (from_dialler, unit)) in conversation(self.name).into_iter().enumerate() {
            if self.skipped == Some(at) {
                continue;
            }
            if from_dialler != dials {
                let heard = end.events.len();
                end.receive(&unit, NOW);
                self.answer(end, heard);
                if end.protocol.asked().is_some() {
                    resolve(end, known);
                }
            } else {
                own += 1;
                if own > self.shakes {
                    match unit[0] {
                        MSG => end.protocol.send(Outgoing::from(message(&unit))),
                        KEEPALIVE2 => end.protocol.keepalive(),
                        _ => {}
                    }
                }
            }
            self.flush(end);
        }
    }

    fn flush(&mut self, end: &mut End) {
        self.sent.extend(end.transmit_all(NOW));
    }

    /// Answers what the host is asked with what the captured end has said.
    fn answer(&mut self, end: &mut End, heard: usize) {
        let mut next = heard;
        while let Some(event) = end.events.get(next) {
            next += 1;
            let Event::Auth(question) = event else {
                continue;
            };
            let answer = match question {
                Question::Begin { .. } => Answer::Request {
                    method: METHOD_CEPHX,
                    modes: Vec::new(),
                    payload: self.proof(),
                },
                Question::ReplyMore { .. } => Answer::More(self.proof()),
                Question::Done { .. } => Answer::Done(self.agreed(), Vec::new()),
                Question::Request { .. } => match self.proofs.next().expect("an answer") {
                    (CHALLENGE, challenge) => Answer::More(challenge),
                    (_, reply) => Answer::Done(self.agreed(), reply),
                },
                Question::BadMethod { .. } => Answer::No(1),
            };
            end.protocol
                .handle_auth(answer, clock(NOW), &mut end.events);
        }
    }

    /// The next authorizer that is not the one before.
    fn proof(&mut self) -> Vec<u8> {
        let (_, proof) = self.proofs.next().expect("an authorizer");
        let again = self.proofs.as_slice().iter();
        let again = again.take_while(|(_, next)| *next == proof).count();
        self.proofs.by_ref().take(again).for_each(drop);
        proof
    }

    fn agreed(&self) -> Box<Agreed> {
        Box::new(Agreed {
            session_key: self.key.clone().map(SessionKey::Host),
            ..Agreed::unproved(1, None)
        })
    }

    /// What was sent has to be what the captured end sent, except for what only it
    /// could know: its clock, and in what number of acks it put what it had got.
    fn check(self) {
        let Self {
            name,
            ours,
            shakes,
            sent,
            ..
        } = self;
        let expected = ours[..shakes].concat();
        let (shaken, said) = sent.split_at(expected.len().min(sent.len()));
        assert_eq!(shaken, expected, "{name}: the handshake");
        let said = records(said);
        let is_ack = |record: &[u8]| record[0] == ACK;
        let last = |records: &mut dyn Iterator<Item = &[u8]>| {
            records
                .filter(|record| is_ack(record))
                .last()
                .map(<[u8]>::to_vec)
        };
        let theirs = &ours[shakes..];
        assert_eq!(
            last(&mut said.iter().map(|record| &record[..])),
            last(&mut theirs.iter().map(|record| &record[..])),
            "{name}: the last ack"
        );
        let said = said.iter().filter(|record| !is_ack(record));
        let theirs = theirs.iter().filter(|record| !is_ack(record));
        let said: Vec<_> = said.map(|record| comparable(record)).collect();
        let theirs: Vec<_> = theirs.map(|record| comparable(record)).collect();
        assert_eq!(said, theirs, "{name}");
    }
}

/// The clock of a keepalive is not ours.
fn comparable(record: &[u8]) -> &[u8] {
    match record[0] {
        KEEPALIVE2 => &record[..1],
        _ => record,
    }
}

fn word(record: &[u8], at: usize) -> usize {
    u32::from_le_bytes(record[at..at + 4].try_into().unwrap()) as usize
}

/// Cuts what an open link carries.
fn records(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut records = Vec::new();
    while let Some(tag) = bytes.first() {
        let len = match *tag {
            MSG => 1 + 53 + word(bytes, 23) + word(bytes, 27) + word(bytes, 31) + 21,
            ACK | KEEPALIVE2 | KEEPALIVE2_ACK => 9,
            other => panic!("a record with tag {other}"),
        };
        let (record, rest) = bytes.split_at(len);
        records.push(record.to_vec());
        bytes = rest;
    }
    records
}

/// The message in a captured record.
fn message(record: &[u8]) -> Message {
    let short = |at: usize| u16::from_le_bytes(record[at..at + 2].try_into().unwrap());
    let mut at = 54;
    let mut segment = |len: usize| {
        at += len;
        bytes::Bytes::copy_from_slice(&record[at - len..at]).into()
    };
    Message {
        tid: u64::from_le_bytes(record[9..17].try_into().unwrap()),
        priority: short(19),
        version: short(21),
        front: segment(word(record, 23)),
        middle: segment(word(record, 27)),
        data: segment(word(record, 31)),
        data_off: short(35),
        compat_version: short(46),
        reserved: short(48),
        ..Message::new(short(17))
    }
}

/// Gives a dialler what it asks for, given the session there is.
fn resolve(end: &mut End, known: &mut Option<End>) {
    let existing = known.as_ref().map(|known| &known.protocol);
    match end.protocol.meet(existing) {
        Verdict::New => end.protocol.grant(NOW, &mut end.events),
        verdict @ (Verdict::Replace { .. } | Verdict::Resume) => {
            let mut session = known.take().expect("a session");
            let reset = verdict == Verdict::Replace { reset: true };
            let events = &mut session.events;
            session
                .protocol
                .take_over(&mut end.protocol, reset, NOW, events);
            *end = session;
        }
        refusal => end.protocol.refuse(refusal),
    }
}

fn settings(name: &str, policy: Policy, cephx: bool) -> ProtocolConfig {
    ProtocolConfig {
        auth: AuthConfig {
            by_host: cephx,
            ..AuthConfig::default()
        },
        ..config(name, policy)
    }
}

fn dialler(settings: ProtocolConfig, local: &str, peer: EntityType, target: &str) -> End {
    let mut end = End::new(Protocol::connect(
        Arc::new(settings),
        addrs(local),
        peer,
        addrs(target),
        1,
    ));
    end.protocol.start(NOW, &mut end.events);
    end
}

/// Plays the dialler of a capture on a link that is up.
fn dial(end: &mut End, name: &'static str) {
    end.protocol.handle_connected(None, NOW);
    let mut play = Play::new(name, true);
    play.run(end, true, &mut None);
    play.check();
    assert!(end.protocol.is_open(), "{name}: {}", end.story());
}

/// Plays the acceptor of a capture; its answers to messages are not ours.
fn accept(
    name: &'static str,
    settings: ProtocolConfig,
    local: &str,
    from: &str,
    known: Option<End>,
) -> (End, Play) {
    let from = from.parse().unwrap();
    let local = addrs(local);
    let at = local.0.last().unwrap().socket.unwrap();
    let protocol = Protocol::accept_legacy(Arc::new(settings), local, at, from, 2, NOW);
    let mut end = End::new(protocol);
    let mut play = Play::new(name, false);
    // A real monitor says RETRY_GLOBAL before it lets a session go on, to hear the
    // same request again; we go on at once.
    play.skipped = match name {
        "11b-v1-peer-reconnect" => Some(7),
        "11c-v1-peer-hard-reset" => Some(5),
        _ => None,
    };
    play.run(&mut end, false, &mut { known });
    (end, play)
}

/// Lets the next attempt be of that number.
fn counting_to(settings: ProtocolConfig, next: u32) -> ProtocolConfig {
    for _ in 1..next {
        settings.global_seq.next_narrow();
    }
    settings
}

const MONITOR: &str = "v1:127.0.0.1:16789/0";

#[test]
fn our_dialler_says_to_a_monitor_what_a_real_client_says() {
    // That over IPv6 was not told to be lossy, and was told that it is.
    for (name, target, policy) in [
        ("10a-v1-none-mon-dump", MONITOR, Policy::lossy_client()),
        ("10e-v1-cephx-mon-dump", MONITOR, Policy::lossy_client()),
        (
            "14b-v1-none-ipv6",
            "v1:[::1]:16789/0",
            Policy::lossless_client(),
        ),
    ] {
        let local = format!("any:/{}", word(&conversation(name)[2].1, 4));
        let mut end = dialler(
            settings("client.admin", policy, false),
            &local,
            EntityType::MON,
            target,
        );
        end.protocol.handle_connected(None, NOW);
        let mut play = Play::new(name, true);
        // A client learns its number by messages, which are not looked into here.
        let shakes = play.shakes;
        let said = play.ours.iter_mut().skip(shakes);
        said.for_each(|unit| forget_number(unit));
        play.run(&mut end, true, &mut None);
        play.check();
        assert!(end.protocol.is_open(), "{name}: {}", end.story());
        assert!(end.count(|event| matches!(event, Event::Learned(_))) == 1);
        assert!(end.messages().count() > 0, "{name}");
    }
}

/// Makes the source of a message one without a number.
fn forget_number(record: &mut [u8]) {
    if record[0] != MSG || record[38..46] == [0xff; 8] {
        return;
    }
    record[38..46].copy_from_slice(&[0xff; 8]);
    let crc = record[1..50].iter().fold(0_u32, |register, byte| {
        (0..8).fold(register ^ u32::from(*byte), |register, _| {
            (register >> 1) ^ (0x82f6_3b78 * (register & 1))
        })
    });
    record[50..54].copy_from_slice(&crc.to_le_bytes());
}

#[test]
fn our_dialler_answers_challenges_and_signs_as_a_real_client_does() {
    let lossy = settings("client.4115", Policy::lossy_client(), true);
    let mut end = dialler(
        counting_to(lossy, 2),
        "any:/3267669738",
        EntityType::OSD,
        "v1:127.0.0.1:26800/27588",
    );
    dial(&mut end, "12b-v1-client-to-osd-signed");
    assert_eq!(end.messages().count(), 1);
}

#[test]
fn our_dialler_resumes_a_session_of_two_real_osds() {
    let mut end = dialler(
        settings("osd.0", Policy::lossless_peer(), true),
        "v1:127.0.0.1:26801/3139",
        EntityType::OSD,
        "v1:127.0.0.1:26805/3257",
    );
    dial(&mut end, "15a-v1-osd-osd-session");
    assert_eq!(end.opened(), 1);
    end.protocol.keepalive();
    end.disconnect(LinkDown::Eof, NOW);
    // It does not rest: there is a keepalive to be sent.
    assert_eq!(end.protocol.state_name(), "START_CONNECT");
    end.protocol.handle_connected(None, NOW);
    let mut play = Play::new("15b-v1-osd-osd-session", true);
    play.run(&mut end, true, &mut None);
    assert_eq!(end.count(|event| matches!(event, Event::Resumed(..))), 1);
    let shaken = play.ours[..play.shakes].concat();
    assert_eq!(play.sent[..shaken.len()], shaken);
}

#[test]
fn our_acceptor_answers_as_a_real_monitor_answers() {
    let lossy = |required| {
        let mut policy = Policy::stateless_server();
        policy.features_required = required;
        settings("mon.0", policy, false)
    };
    let both = "[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]";
    for (name, from, seq, required, opens) in [
        ("10a-v1-none-mon-dump", "127.0.0.1:52248", 2, 0, true),
        ("10b-v1-badprotover", "127.0.0.1:52262", 1, 0, false),
        (
            "10c-v1-features",
            "127.0.0.1:52266",
            1,
            0x0401_0200_0204_0000,
            false,
        ),
        (
            "10d-v1-ready",
            "127.0.0.1:52282",
            3,
            0x0401_0200_0204_0000,
            true,
        ),
    ] {
        let settings = counting_to(lossy(required), seq);
        let (end, play) = accept(name, settings, both, from, None);
        assert_eq!(end.protocol.is_open(), opens, "{name}: {}", end.story());
        play.check();
    }
}

#[test]
fn our_acceptor_goes_on_with_a_session_as_a_real_monitor_does() {
    let settings = |seq| {
        let mut policy = Policy::lossless_peer_reuse();
        policy.features_required = 0x0800_0000_0020_0000;
        counting_to(settings("mon.0", policy, false), seq)
    };
    let both = "[v2:127.0.0.1:13300/0,v1:127.0.0.1:16789/0]";
    let first = "11a-v1-peer-first";
    let (mut end, play) = accept(first, settings(4), both, "127.0.0.1:52298", None);
    play.check();
    assert_eq!((end.opened(), end.messages().count()), (1, 1));
    end.disconnect(LinkDown::Eof, NOW);
    assert_eq!(end.protocol.state_name(), "STANDBY");

    let again = "11b-v1-peer-reconnect";
    let (mut end, play) = accept(again, settings(5), both, "127.0.0.1:52302", Some(end));
    let ours = &play.ours;
    let expected = [&ours[0][..], &ours[1], &ours[3], &ours[4]].concat();
    assert_eq!(play.sent[..expected.len()], expected);
    assert_eq!(end.count(|event| matches!(event, Event::Resumed(..))), 1);
    end.disconnect(LinkDown::Eof, NOW);

    let anew = "11c-v1-peer-hard-reset";
    let (end, play) = accept(anew, settings(6), both, "127.0.0.1:52314", Some(end));
    // A real monitor says READY here; we say SEQ, to hear whether that has come.
    let ours = &play.ours;
    let granted = [&[13], &ours[2][1..], &[0; 8]].concat();
    let expected = [&ours[0][..], &granted].concat();
    assert_eq!(play.sent[..expected.len()], expected);
    assert_eq!(end.count(|event| *event == Event::RemoteReset), 1);
    assert_eq!(end.opened(), 2);
}

#[test]
fn our_acceptor_challenges_and_checks_signatures_as_a_real_osd_does() {
    let settings = settings("osd.0", Policy::stateless_server(), true);
    let settings = counting_to(settings, 2);
    let name = "12b-v1-client-to-osd-signed";
    let local = "v1:127.0.0.1:26800/27588";
    let (end, play) = accept(name, settings, local, "127.0.0.1:33698", None);
    play.check();
    assert_eq!((end.opened(), end.messages().count()), (1, 1));
}
