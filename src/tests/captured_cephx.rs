//! Conversations of real Ceph ends that authenticate by cephx, one end played by us,
//! byte for byte. What the captured end drew at random, ours draws, too.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};

use crate::proto::captured::{conversation, headers, hex};
use crate::proto::replay::messages;
use crate::proto::{
    ConMode, CryptoKey, Event, GlobalSeq, KeyType, LinkDown, METHOD_CEPHX, METHOD_NONE, PERMANENT,
    Protocol, ProtocolConfig, Ticket, TicketBlob,
};
use crate::types::{EntityType, Entropy, NoEntropy, Policy, Secret, Time, WallTime};

use super::keys::{Known, authenticate};
use super::pair::{End, addrs, config};

const AUTH_REQUEST: u8 = 2;
const AUTH_REQUEST_MORE: u8 = 5;
const PREAMBLE_LEN: usize = 32;
const MON_OSD_MGR_AUTH: u32 = 0x35;
const AUTH_ALONE: u32 = 0x20;
const NOW: Time = Time::ZERO;

/// A capture whose dialler we are.
#[derive(Clone, Copy)]
struct Dialler {
    name: &'static str,
    nonce: u32,
    peer: (EntityType, &'static str),
    global_seq: u64,
    required: u64,
    services: u32,
    /// Asks for a session with a name of its own, which is drawn otherwise here.
    cookie: bool,
}

const MONITOR: (EntityType, &str) = (EntityType::MON, "v2:127.0.0.1:13300/0");

const fn client(name: &'static str, nonce: u32) -> Dialler {
    Dialler {
        name,
        nonce,
        peer: MONITOR,
        global_seq: 1,
        required: 0,
        services: MON_OSD_MGR_AUTH,
        cookie: false,
    }
}

const fn bootstrap(name: &'static str, nonce: u32) -> Dialler {
    Dialler {
        services: AUTH_ALONE,
        cookie: true,
        ..client(name, nonce)
    }
}

const fn librados(name: &'static str, nonce: u32) -> Dialler {
    Dialler {
        required: 0x1000,
        ..client(name, nonce)
    }
}

const fn of_osd(name: &'static str, nonce: u32, osd: &'static str) -> Dialler {
    Dialler {
        peer: (EntityType::OSD, osd),
        global_seq: 2,
        ..librados(name, nonce)
    }
}

const DIALLERS: [Dialler; 10] = [
    bootstrap("02a-cephx-crc-bootstrap", 1_151_085_547),
    librados("02b-cephx-crc-mon-dump", 2_795_946_323),
    client("02c-cephx-crc-rev0", 4321),
    bootstrap("02e-none-then-cephx", 3_175_112_759),
    bootstrap("03a-cephx-secure-bootstrap", 264_999_494),
    librados("03b-cephx-secure-mon-dump", 2_721_643_822),
    client("03c-cephx-secure-rev0", 4321),
    Dialler {
        global_seq: 2,
        ..client("03d-cephx-secure-reclaim-global-id", 4321)
    },
    of_osd(
        "04b-client-to-osd-authorizer-crc",
        2_942_435_699,
        "v2:127.0.0.1:26800/27366",
    ),
    of_osd(
        "05-client-to-osd-authorizer-secure",
        84_076_122,
        "v2:127.0.0.1:26800/27477",
    ),
];

/// The words of a header, of which there is one.
fn header(name: &str, key: &str) -> Option<Vec<String>> {
    headers(name, key).pop()
}

fn key(secret: &str) -> CryptoKey {
    CryptoKey::new(KeyType::Aes, Secret::new(hex(secret))).unwrap()
}

/// The payload of the first frame with that tag: what is sealed begins with any byte.
fn payload(name: &str, tag: u8) -> Option<Vec<u8>> {
    let mut units = conversation(name).into_iter().map(|(_, unit)| unit);
    let frame = units.find(|unit| unit[0] == tag)?;
    Some(frame[PREAMBLE_LEN..].to_vec())
}

fn number(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

fn blob(bytes: &[u8], at: usize) -> TicketBlob {
    let len = u32::from_le_bytes(bytes[at + 9..at + 13].try_into().unwrap()) as usize;
    TicketBlob {
        secret_id: number(bytes, at + 1),
        blob: bytes[at + 13..at + 13 + len].to_vec(),
    }
}

/// What an end draws, and nothing else.
fn script(draws: &[&[u8]]) -> Entropy {
    let rest = Mutex::new(VecDeque::from(draws.concat()));
    Entropy::new(move |wanted| {
        let mut rest = rest.lock().map_err(|_| NoEntropy)?;
        for byte in wanted {
            *byte = rest.pop_front().ok_or(NoEntropy)?;
        }
        Ok(())
    })
}

fn ticket(session_key: &str, blob: TicketBlob) -> Ticket {
    let later = WallTime {
        sec: u32::MAX,
        nsec: 0,
    };
    Ticket {
        session_key: key(session_key),
        blob,
        expires: later,
        renew_after: later,
    }
}

/// What is known of a comment in the capture, as `what=0x...`.
fn drawn(name: &str, what: &str) -> u64 {
    let path = format!(
        "{}/tests/vectors/conv/{name}.txt",
        env!("CARGO_MANIFEST_DIR")
    );
    let text = std::fs::read_to_string(path).unwrap();
    let (_, found) = text.split_once(&format!("{what}=0x")).expect(what);
    let digits = found.split(|char: char| !char.is_ascii_hexdigit());
    u64::from_str_radix(digits.into_iter().next().unwrap(), 16).unwrap()
}

fn mode(name: &str) -> ConMode {
    match header(name, "mode") {
        Some(mode) if mode[0] == "secure" => ConMode::Secure,
        _ => ConMode::Crc,
    }
}

fn speak(settings: &mut ProtocolConfig, name: &str) {
    let rev1 = header(name, "proto").unwrap()[0] == "msgr2.1";
    settings.msgr2_supported = u64::from(rev1);
}

impl Dialler {
    /// What it knew, and what it drew.
    fn knew(&self) -> (Known, Entropy) {
        let mut known = Known::default();
        if self.peer == MONITOR {
            let said = payload(self.name, AUTH_REQUEST_MORE).unwrap();
            // Behind its length, an operation and a version.
            let challenge = number(&said, 4 + 2 + 1);
            let secret = match header(self.name, "principal") {
                Some(principal) => key(&principal[1]),
                // That of the capture is no more known to us than to the monitor.
                None => key(&"00".repeat(16)),
            };
            known.secrets = BTreeMap::from([("client.admin".to_owned(), secret)]);
            if let Some(old) = header(self.name, "old_auth_session_key") {
                let old = ticket(&old[0], blob(&said, 4 + 2 + 1 + 8 + 8));
                let tickets = &mut known.tickets.get_mut().unwrap().by_service;
                tickets.insert(EntityType::AUTH, old);
                known.global_id = 4099;
            }
            return (known, script(&[&challenge.to_le_bytes()]));
        }
        let said = payload(self.name, AUTH_REQUEST).unwrap();
        // Behind method, one mode and its own length.
        let said = &said[16..];
        let session_key = &header(self.name, "session_key").unwrap()[0];
        known.global_id = number(said, 1);
        let tickets = &mut known.tickets.get_mut().unwrap().by_service;
        tickets.insert(EntityType::OSD, ticket(session_key, blob(said, 1 + 8 + 4)));
        let nonce = drawn(self.name, "nonce");
        (known, script(&[&nonce.to_le_bytes()]))
    }

    fn settings(&self) -> ProtocolConfig {
        let mut policy = Policy::lossy_client();
        if self.cookie {
            policy = Policy::lossless_client();
        }
        policy.features_required = self.required;
        let mut settings = config("client.admin", policy);
        let (known, entropy) = self.knew();
        authenticate(&mut settings, known, entropy, mode(self.name));
        settings.auth.services = self.services;
        if self.name.contains("none-then-cephx") {
            settings.auth.client = vec![METHOD_NONE, METHOD_CEPHX];
        }
        speak(&mut settings, self.name);
        if self.global_seq > 1 {
            settings.global_seq = Arc::new(GlobalSeq::above(self.global_seq - 1));
        }
        settings
    }

    fn end(&self) -> End {
        self.end_of(self.settings())
    }

    /// With its socket up.
    fn end_of(&self, settings: ProtocolConfig) -> End {
        let mut end = End::new(Protocol::connect(
            Arc::new(settings),
            addrs(&format!("any:/{}", self.nonce)),
            self.peer.0,
            addrs(self.peer.1),
            1,
        ));
        end.protocol.start(NOW, &mut end.events);
        end.protocol.handle_connected(None, NOW);
        end
    }

    /// Says its part of the capture; how many units were compared.
    fn play(&self) -> usize {
        let Self { name, .. } = *self;
        let mut end = self.end();
        let mut ours = Vec::new();
        let (mut from_us, mut same) = (0, 0);
        for ((from_dialler, unit), message) in conversation(name).into_iter().zip(messages(name)) {
            if !from_dialler {
                end.receive(&unit, NOW);
                ours.extend(end.transmit_all(NOW));
                continue;
            }
            from_us += 1;
            match message {
                Some(message) => end.protocol.send(message),
                // Beyond the handshake, what else it says are keepalives.
                None if end.protocol.is_open() => end.protocol.keepalive(),
                None => {}
            }
            ours.extend(end.transmit_all(NOW));
            let handshake = end.protocol.is_open() || from_us > HANDSHAKE;
            if self.cookie && handshake {
                // Its name differs, and with that all that is sealed behind it.
                return same;
            }
            assert!(
                ours.len() >= unit.len(),
                "{name}, {from_us}: {}",
                end.story()
            );
            let sent: Vec<u8> = ours.drain(..unit.len()).collect();
            assert_eq!(sent, unit, "{name}, {from_us}: {}", end.story());
            same += 1;
        }
        assert_eq!(ours, b"", "{name}: more than the capture has");
        assert!(end.protocol.is_open(), "{name}: {}", end.story());
        same
    }
}

/// Banner, HELLO, AUTH_REQUEST, AUTH_REQUEST_MORE, AUTH_SIGNATURE.
const HANDSHAKE: usize = 5;

#[test]
fn our_dialler_authenticates_as_a_real_client_byte_for_byte() {
    for dialler in DIALLERS {
        let same = dialler.play();
        assert!(same >= HANDSHAKE, "{}: {same}", dialler.name);
    }
}

/// Until then it has not proved to be a monitor, and one that we have may be better.
#[test]
fn the_tickets_of_a_login_are_kept_when_its_link_opens_and_not_before() {
    for name in ["02b-cephx-crc-mon-dump", "03b-cephx-secure-mon-dump"] {
        let dialler = DIALLERS.iter().find(|dialler| dialler.name == name);
        let dialler = dialler.unwrap();
        let settings = dialler.settings();
        let keys = Arc::clone(&settings.auth.keys);
        let mut end = dialler.end_of(settings);
        let mut before = 0;
        for (_, unit) in conversation(name).iter().filter(|(by_us, _)| !*by_us) {
            end.transmit_all(NOW);
            end.receive(unit, NOW);
            before += usize::from(!end.protocol.is_open());
            for service in [EntityType::AUTH, EntityType::OSD] {
                let has_it = keys.ticket(service).is_some();
                assert_eq!(has_it, end.protocol.is_open(), "{name}: {}", end.story());
            }
        }
        // Banner, HELLO, AUTH_REPLY_MORE, AUTH_DONE, AUTH_SIGNATURE.
        assert_eq!(before, HANDSHAKE, "{name}: {}", end.story());
        assert!(end.protocol.is_open());
        end.disconnect(LinkDown::Eof, NOW);
        assert!(keys.ticket(EntityType::OSD).is_some(), "and beyond it");
    }
}

#[test]
fn a_real_monitor_that_does_not_believe_us_says_so_in_so_many_words() {
    let dialler = client("02d-cephx-wrong-key", 1);
    let mut end = dialler.end();
    let units = conversation(dialler.name);
    for (_, unit) in units.iter().filter(|(from_dialler, _)| !*from_dialler) {
        end.receive(unit, NOW);
    }
    let story = end.story();
    assert!(story.contains("denied auth cephx: wrong key"), "{story}");
    assert_eq!(
        (end.opened(), end.protocol.is_open()),
        (0, false),
        "{story}"
    );
}

/// Plays the acceptor of a capture in which a monitor dials one; how many units were
/// the same.
fn accept(name: &str, from: &str) -> usize {
    let mut policy = Policy::lossless_peer();
    policy.features_required = 0;
    let mut settings = config("mon.b", policy);
    let principal = header(name, "principal").unwrap();
    let known = Known {
        services: BTreeMap::from([((EntityType::MON, PERMANENT), key(&principal[1]))]),
        ..Known::default()
    };
    let challenge = drawn(name, "server_challenge").to_le_bytes();
    let secret = header(name, "connection_secret").map(|secret| hex(&secret[0]));
    let draws = script(&[&challenge, &secret.unwrap_or_default()]);
    authenticate(&mut settings, known, draws, mode(name));
    speak(&mut settings, name);
    let local = addrs("[v2:127.0.0.1:13301/0,v1:127.0.0.1:13302/0]");
    let from = from.parse().unwrap();
    let mut end = End::new(Protocol::accept(Arc::new(settings), local, from, 1, NOW));
    // Tickets have an age.
    end.wall = WallTime {
        sec: 1_795_390_630,
        nsec: 0,
    };
    let mut ours = end.transmit_all(NOW);
    let (units, messages) = (conversation(name), messages(name));
    for (_, unit) in units.iter().filter(|(from_dialler, _)| *from_dialler) {
        end.receive(unit, NOW);
        if end.protocol.asked().is_some() {
            end.protocol.grant(NOW, &mut end.events);
        }
        ours.extend(end.transmit_all(NOW));
    }
    let got: Vec<_> = end.messages().cloned().collect();
    let sent = units.iter().zip(messages);
    let sent: Vec<_> = sent
        .filter_map(|((by, _), what)| what.filter(|_| *by))
        .collect();
    assert_eq!(got.len(), sent.len(), "{name}: {}", end.story());
    for (got, sent) in got.iter().zip(&sent) {
        assert_eq!((got.kind, &got.front), (sent.kind, &sent.front), "{name}");
    }
    let open = end.events.iter().find_map(|event| match event {
        Event::Open(peer, _) => Some(peer),
        _ => None,
    });
    let identity = &open.expect("never opened").identity;
    assert!(identity.is_proved, "{name}");
    assert_eq!(identity.name.as_ref().unwrap().to_string(), "mon.");
    let mut same = 0;
    for (_, unit) in units.iter().filter(|(from_dialler, _)| !*from_dialler) {
        let said: Vec<u8> = ours.drain(..unit.len()).collect();
        // Its SERVER_IDENT names a session, which is drawn.
        if said != *unit {
            break;
        }
        same += 1;
    }
    same
}

#[test]
fn our_acceptor_examines_a_real_monitor_byte_for_byte() {
    for (name, from) in [
        ("07a-service-side-mon-authorizer-crc", "127.0.0.1:38824"),
        ("07b-service-side-mon-authorizer-secure", "127.0.0.1:56882"),
        (
            "07c-service-side-mon-authorizer-secure-rev0",
            "127.0.0.1:56898",
        ),
    ] {
        // Banner, HELLO, AUTH_REPLY_MORE, AUTH_DONE, AUTH_SIGNATURE.
        assert_eq!(accept(name, from), HANDSHAKE, "{name}");
    }
}
