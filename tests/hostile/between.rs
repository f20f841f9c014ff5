//! Somebody on the way between two good ends, who have a key in common: what is
//! changed between them is noticed, what was recorded is of no use.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Mutex;

use msgr::{EntityType, Policy};

use super::arena::{ANONYMOUS, End, Peer};
use super::support::pair::eventually;
use super::support::{counted, message, next_message};
use super::wire::{
    AUTH_BAD_METHOD, AUTH_DONE, AUTH_REPLY_MORE, AUTH_REQUEST, AUTH_REQUEST_MORE, AUTH_SIGNATURE,
    CLIENT, HELLO, OSD, Revision, control, crc,
};

const KEYRING: &str = "[osd.]\n\tkey = AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==\n";

/// What comes along.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unit {
    Banner,
    /// A frame in the open, of that tag.
    Frame(u8),
    /// Sealed bytes, of which so many came before.
    Sealed(usize),
}

/// Changes what comes along: from the dialler, what, and its bytes (those of a
/// frame are its payload).
type Edit<'a> = &'a (dyn Fn(bool, Unit, &mut Vec<u8>) + Sync);

/// Two ends with the same key, and the place between them.
struct Between {
    server: End,
    client: End,
    listener: TcpListener,
    behind: SocketAddr,
    mode: &'static str,
}

impl Between {
    fn new(mode: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let kind = if mode == "v1" { "v1" } else { "v2" };
        let known_as = format!("{kind}:{}", listener.local_addr().unwrap());
        let bound_to = format!("{kind}:127.0.0.1:0");
        let mut behind = None;
        let options = [
            ("auth_service_required", "cephx"),
            ("ms_service_mode", "crc secure"),
        ];
        let server = End::before_start(&options, Policy::stateless_server(), |server| {
            server.add_keyring(KEYRING).unwrap();
            server.bind(&bound_to.parse().unwrap()).unwrap();
            behind = server.myaddrs().front().socket;
            server.set_addrs(&known_as.parse().unwrap()).unwrap();
        });
        let modes = match mode {
            "secure" => "secure crc",
            _ => "crc secure",
        };
        let options = [("auth_client_required", "cephx"), ("ms_client_mode", modes)];
        let client = End::before_client(&options, |client| client.add_keyring(KEYRING).unwrap());
        Self {
            server,
            client,
            listener,
            behind: behind.unwrap(),
            mode,
        }
    }

    /// The client sends a message; what comes along is changed so. Returns when
    /// both ends have hung up, and tells how many messages have arrived.
    fn change(&self, edit: Edit<'_>) -> usize {
        let addrs = self.server.messenger.myaddrs();
        let client = &self.client.messenger;
        let con = client
            .connect_with(EntityType::OSD, &addrs, ANONYMOUS)
            .unwrap();
        con.send(message(2, b"between us")).unwrap();
        let dialler = self.listener.accept().unwrap().0;
        let acceptor = TcpStream::connect(self.behind).unwrap();
        let state = self.state();
        std::thread::scope(|scope| {
            scope.spawn(|| carry(true, state, &dialler, &acceptor, edit));
            carry(false, state, &acceptor, &dialler, edit);
        });
        con.mark_down();
        let messages = self
            .server
            .told
            .try_iter()
            .filter(|told| matches!(told, super::support::Told::Message(..)));
        messages.count()
    }

    /// What a direction begins with.
    fn state(&self) -> State {
        match self.mode {
            "v1" => State::Sealed(0),
            _ => State::Banner,
        }
    }

    /// Nothing is changed: the two understand each other. What is there to see may
    /// be looked at.
    fn survives(&self, look: Edit<'_>) {
        let addrs = self.server.messenger.myaddrs();
        let client = &self.client.messenger;
        let con = client
            .connect_with(EntityType::OSD, &addrs, ANONYMOUS)
            .unwrap();
        con.send(message(2, b"good")).unwrap();
        let dialler = self.listener.accept().unwrap().0;
        let acceptor = TcpStream::connect(self.behind).unwrap();
        let state = self.state();
        std::thread::scope(|scope| {
            scope.spawn(|| carry(true, state, &dialler, &acceptor, look));
            scope.spawn(|| carry(false, state, &acceptor, &dialler, look));
            let (_, mut got) = next_message(&self.server.told);
            assert_eq!(got.front.contiguous()[..], b"good"[..]);
            con.mark_down();
        });
    }
}

/// Carries one direction until either end hangs up.
fn carry(
    from_dialler: bool,
    mut state: State,
    mut from: &TcpStream,
    mut to: &TcpStream,
    edit: Edit<'_>,
) {
    to.set_nodelay(true).unwrap();
    let mut held = Vec::new();
    let mut heard = [0; 4096];
    loop {
        match from.read(&mut heard) {
            Ok(0) | Err(_) => break,
            Ok(len) => held.extend(&heard[..len]),
        }
        while let Some((unit, mut bytes)) = state.take(&mut held) {
            edit(from_dialler, unit, &mut bytes);
            let bytes = match unit {
                Unit::Frame(tag) => control(Revision::One, tag, &bytes),
                _ => bytes,
            };
            let _ = to.write_all(&bytes);
        }
    }
    let _ = to.shutdown(Shutdown::Both);
    let _ = from.shutdown(Shutdown::Both);
}

/// How far a direction has come.
#[derive(Clone, Copy)]
enum State {
    Banner,
    Frames,
    Sealed(usize),
}

impl State {
    /// The next unit that is whole, out of a direction of msgr2.1.
    fn take(&mut self, held: &mut Vec<u8>) -> Option<(Unit, Vec<u8>)> {
        match self {
            Self::Banner => {
                let banner = (held.len() >= 26).then(|| held.drain(..26).collect())?;
                *self = Self::Frames;
                Some((Unit::Banner, banner))
            }
            Self::Frames => {
                let head: [u8; 32] = held.get(..32)?.try_into().unwrap();
                let sum = u32::from_le_bytes(head[28..].try_into().unwrap());
                if crc(0, &head[..28]) != sum || head[1] != 1 {
                    *self = Self::Sealed(0);
                    return self.take(held);
                }
                let len = u32::from_le_bytes(head[2..6].try_into().unwrap()) as usize;
                let whole = if len == 0 { 32 } else { 36 + len };
                (held.len() >= whole).then_some(())?;
                let frame: Vec<u8> = held.drain(..whole).collect();
                Some((Unit::Frame(head[0]), frame[32..32 + len].to_vec()))
            }
            Self::Sealed(before) => {
                let bytes = std::mem::take(held);
                let unit = Unit::Sealed(*before);
                *before += bytes.len();
                (!bytes.is_empty()).then_some((unit, bytes))
            }
        }
    }
}

/// A change of one unit of one direction.
type Change = (&'static str, bool, Unit, fn(&mut Vec<u8>));

const CHANGES: [Change; 18] = [
    (
        "a feature less, as the acceptor hears",
        true,
        Unit::Banner,
        |b| b[10] &= !2,
    ),
    (
        "a feature less, as the dialler hears",
        false,
        Unit::Banner,
        |b| b[10] &= !2,
    ),
    ("a feature more", true, Unit::Banner, |b| b[17] |= 1),
    ("a feature more, back", false, Unit::Banner, |b| b[17] |= 1),
    ("a longer banner", true, Unit::Banner, |b| {
        b[8] += 1;
        b.push(0);
    }),
    ("another type of dialler", true, Unit::Frame(HELLO), |b| {
        b[0] = OSD
    }),
    ("another type of acceptor", false, Unit::Frame(HELLO), |b| {
        b[0] = CLIENT
    }),
    ("another address", true, Unit::Frame(HELLO), |b| {
        *b.last_mut().unwrap() ^= 1
    }),
    ("another address, back", false, Unit::Frame(HELLO), |b| {
        b[25] ^= 1
    }),
    ("only crc is wanted", true, Unit::Frame(AUTH_REQUEST), |b| {
        b[8..16].copy_from_slice(&[1, 0, 0, 0, 1, 0, 0, 0]);
    }),
    (
        "the other mode is preferred",
        true,
        Unit::Frame(AUTH_REQUEST),
        |b| b.swap(8, 12),
    ),
    (
        "method none is asked for",
        true,
        Unit::Frame(AUTH_REQUEST),
        |b| b[0] = 1,
    ),
    (
        "the other mode is chosen",
        false,
        Unit::Frame(AUTH_DONE),
        |b| b[8] = 3 - b[8],
    ),
    (
        "another number is given",
        false,
        Unit::Frame(AUTH_DONE),
        |b| b[0] ^= 1,
    ),
    (
        "the last word is changed",
        false,
        Unit::Frame(AUTH_DONE),
        |b| {
            let at = b.len() - 3;
            b[at] ^= 1;
        },
    ),
    (
        "another challenge",
        false,
        Unit::Frame(AUTH_REPLY_MORE),
        |b| b[20] ^= 1,
    ),
    (
        "another answer",
        true,
        Unit::Frame(AUTH_REQUEST_MORE),
        |b| {
            let at = b.len() - 20;
            b[at] ^= 1;
        },
    ),
    ("bytes behind a payload", true, Unit::Frame(HELLO), |b| {
        b.push(0)
    }),
];

pub fn changes() -> usize {
    let mut played = 0;
    for mode in ["crc", "secure"] {
        let between = Between::new(mode);
        between.survives(&|_, _, _| {});
        for (what, from_dialler, at, change) in CHANGES {
            let before = faults(&between);
            let arrived = between.change(&|of_dialler, unit, bytes| {
                if of_dialler == from_dialler && unit == at {
                    change(bytes);
                }
            });
            assert_eq!(arrived, 0, "{mode}: {what}");
            eventually(|| faults(&between) > before, what);
            played += 1;
        }
        // Every byte of what is shown and proved, one at a time.
        for at in (0..220).step_by(6) {
            let arrived = between.change(&|_, unit, bytes| {
                let proofs = [AUTH_REQUEST, AUTH_REQUEST_MORE, AUTH_REPLY_MORE, AUTH_DONE];
                if matches!(unit, Unit::Frame(tag) if proofs.contains(&tag)) {
                    let at = at % bytes.len();
                    bytes[at] ^= 0x10;
                }
            });
            assert_eq!(arrived, 0, "{mode}: byte {at}");
            played += 1;
        }
        played += match between.mode {
            "secure" => sealed_bits(&between),
            _ => signatures(&between),
        };
        played += refused_by_somebody_else(&between);
        between.survives(&|_, _, _| {});
    }
    played + signed_messages()
}

/// Every byte of a message that v1 signs, but its flags: only one of them means
/// anything, and it is not signed.
fn signed_messages() -> usize {
    let between = Between::new("v1");
    let len = Mutex::new(0);
    between.survives(&|from_dialler, unit, bytes| {
        if let (true, Unit::Sealed(before)) = (from_dialler, unit) {
            *len.lock().unwrap() = before + bytes.len();
        }
    });
    // The message is the last that is said: tag, header, "good", footer.
    let end = len.into_inner().unwrap() - 1;
    let begin = end - (1 + 53 + 4 + 20);
    // The other message has six letters more.
    for at in begin..end + 6 {
        let arrived = between.change(&|from_dialler, unit, bytes| {
            let Unit::Sealed(before) = unit else {
                return;
            };
            let here = at.checked_sub(before).and_then(|at| bytes.get_mut(at));
            if let Some(byte) = here.filter(|_| from_dialler) {
                *byte ^= 1 << (at % 8);
            }
        });
        assert_eq!(arrived, 0, "byte {at}");
    }
    between.survives(&|_, _, _| {});
    end + 6 - begin
}

/// How often either end has lost a link.
fn faults(between: &Between) -> u64 {
    let of = |end: &End| {
        [
            "auth",
            "protocol",
            "features",
            "address",
            "peer_closed",
            "socket",
            "banner",
        ]
        .iter()
        .map(|kind| counted(&end.messenger, &format!("msgr_faults_{kind}")))
        .sum::<u64>()
    };
    of(&between.server) + of(&between.client)
}

/// The proofs of mode crc: changed, and sent back to whom they came from.
fn signatures(between: &Between) -> usize {
    let before = counted(&between.server.messenger, "msgr_faults_auth");
    for at in 0..32 {
        for of_dialler in [true, false] {
            let arrived = between.change(&|from_dialler, unit, bytes| {
                if from_dialler == of_dialler && unit == Unit::Frame(AUTH_SIGNATURE) {
                    bytes[at] ^= 1 << (at % 8);
                }
            });
            assert_eq!(arrived, 0, "bit of byte {at}");
        }
    }
    between
        .server
        .expect_counted("msgr_faults_auth", before + 20);
    // The acceptor's own proof is no proof of the dialler's.
    let acceptors = Mutex::new(Vec::new());
    let arrived = between.change(&|from_dialler, unit, bytes| {
        if unit == Unit::Frame(AUTH_SIGNATURE) {
            match from_dialler {
                false => acceptors.lock().unwrap().clone_from(bytes),
                true => bytes.clone_from(&acceptors.lock().unwrap()),
            }
        }
    });
    assert_eq!(arrived, 0, "a reflected proof");
    65
}

/// A bit of every seventh sealed byte, until the first message has been sent.
fn sealed_bits(between: &Between) -> usize {
    let mut played = 0;
    for (of_dialler, len) in [(true, 384_usize), (false, 330)] {
        for at in (0..len).step_by(7) {
            let arrived = between.change(&|from_dialler, unit, bytes| {
                let Unit::Sealed(before) = unit else {
                    return;
                };
                let here = at.checked_sub(before).and_then(|at| bytes.get_mut(at));
                if let Some(byte) = here.filter(|_| from_dialler == of_dialler) {
                    *byte ^= 1 << (at % 8);
                }
            });
            assert_eq!(arrived, 0, "byte {at}");
            played += 1;
        }
    }
    played
}

/// Somebody between them says that cephx will not do, and none would.
fn refused_by_somebody_else(between: &Between) -> usize {
    let arrived = between.change(&|from_dialler, unit, bytes| {
        if !from_dialler && unit == Unit::Frame(AUTH_REPLY_MORE) {
            // As an AUTH_REPLY_MORE it makes no sense either.
            *bytes = vec![2, 0, 0, 0, 0xa1, 0xff, 0xff, 0xff, 1, 0, 0, 0, 1, 0, 0, 0];
        }
    });
    assert_eq!(arrived, 0);
    let mut peer = Peer::new(TcpStream::connect(between.behind).unwrap());
    peer.say(&super::wire::dialler(Revision::One, between.behind)[..3].concat());
    let heard = peer.hear(26 + 36 + 36 + 32);
    assert_eq!(heard[26 + 36 + 36], AUTH_BAD_METHOD);
    2
}

/// A dialler's side of a whole connection, once more, and parts of it.
pub fn replays() -> usize {
    let mut played = 0;
    for mode in ["crc", "secure"] {
        let between = Between::new(mode);
        let recorded = Mutex::new(Vec::new());
        let starts = Mutex::new(Vec::new());
        let record = |from_dialler: bool, unit: Unit, bytes: &mut Vec<u8>| {
            if from_dialler {
                let words = match unit {
                    Unit::Frame(tag) => control(Revision::One, tag, bytes),
                    _ => bytes.clone(),
                };
                let mut recorded = recorded.lock().unwrap();
                starts.lock().unwrap().push(recorded.len());
                recorded.extend(words);
            }
        };
        between.survives(&record);
        let recorded = recorded.into_inner().unwrap();
        let starts = starts.into_inner().unwrap();
        assert!(starts.len() >= 4, "{starts:?}");
        while between.server.told.try_recv().is_ok() {}
        let before = faults(&between);
        // The whole of it, and from each unit on behind the greeting.
        for from in starts.iter().skip(2) {
            let mut peer = Peer::new(TcpStream::connect(between.behind).unwrap());
            peer.say(&recorded[..starts[2]]);
            peer.say(&recorded[*from..]);
            peer.finish();
            peer.expect_closed();
            played += 1;
        }
        assert!(faults(&between) > before);
        played += challenge_sent_back(&between, &recorded[..starts[3]]);
        between.server.expect_silence();
        between.survives(&|_, _, _| {});
    }
    played
}

/// The service's challenge as the answer to itself.
fn challenge_sent_back(between: &Between, asked: &[u8]) -> usize {
    let before = counted(&between.server.messenger, "msgr_auth_denied");
    let mut peer = Peer::new(TcpStream::connect(between.behind).unwrap());
    peer.say(asked);
    peer.hear(26 + 36 + 36);
    let head = peer.hear(32);
    assert_eq!(head[0], AUTH_REPLY_MORE);
    let len = u32::from_le_bytes(head[2..6].try_into().unwrap()) as usize;
    let challenge = peer.hear(len + 4);
    peer.say(&control(
        Revision::One,
        AUTH_REQUEST_MORE,
        &challenge[..len],
    ));
    assert_eq!(peer.hear(32)[0], AUTH_BAD_METHOD);
    between.server.expect_counted("msgr_auth_denied", before);
    peer.finish();
    peer.expect_closed();
    1
}
