//! Compression between two protocols: how they agree on it, and what it does to
//! what they send.

use std::sync::Arc;

use super::handshake::frame as control;
use super::pair::{
    End, Pair, Pipes, SMOOTH, acceptor, addrs, client_config, config, dialler, message,
    server_config,
};
use crate::proto::{Algorithm, LinkDown, Protocol, ProtocolConfig};
use crate::types::{EntityType, Message, Policy, Time};

const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::Snappy,
    Algorithm::Zlib,
    Algorithm::Zstd,
    Algorithm::Lz4,
];

/// Wants every frame compressed like that, whoever the peer is.
fn forced(mut settings: ProtocolConfig, algorithms: &[Algorithm]) -> ProtocolConfig {
    settings.compression.any.force = true;
    settings.compression.any.min_size = 0;
    settings.compression.any.algorithms = algorithms.to_vec();
    settings
}

/// The frames of a link so far, tag and flags of each, banner left out. The link
/// is one of msgr2.1 in mode crc.
fn frames(bytes: &[u8]) -> Vec<(u8, u8)> {
    let mut rest = &bytes[26..];
    let mut frames = Vec::new();
    while !rest.is_empty() {
        frames.push((rest[0], rest[26]));
        let len = |index: usize| {
            let at = 2 + 6 * index;
            u32::from_le_bytes([rest[at], rest[at + 1], rest[at + 2], rest[at + 3]]) as usize
        };
        let lens: usize = (0..4).map(len).sum();
        let crcs = match (rest[1], len(0)) {
            (1, 0) => 0,
            (1, _) => 4,
            _ => 17,
        };
        rest = &rest[32 + lens + crcs..];
    }
    frames
}

/// Two ends that are fed one from the other, and all that each has written.
struct Talk {
    ends: [End; 2],
    said: [Vec<u8>; 2],
}

impl Talk {
    fn new(client: ProtocolConfig, server: ProtocolConfig) -> Self {
        let mut first = End::new(dialler(client));
        first.protocol.start(Time::ZERO, &mut first.events);
        first.protocol.handle_connected(None, Time::ZERO);
        Self {
            ends: [first, End::new(acceptor(server))],
            said: [Vec::new(), Vec::new()],
        }
    }

    /// Until nobody has anything to say.
    fn go_on(&mut self) {
        for _ in 0..1000 {
            let mut silent = true;
            for from in 0..2 {
                let bytes = self.ends[from].transmit_all(Time::ZERO);
                silent &= bytes.is_empty();
                self.said[from].extend(&bytes);
                let to = &mut self.ends[1 - from];
                to.receive(&bytes, Time::ZERO);
                while to.admit_refused(Time::ZERO) {}
                if to.protocol.asked().is_some() {
                    to.protocol.grant(Time::ZERO, &mut to.events);
                }
            }
            if silent {
                return;
            }
        }
        panic!("they never come to an end");
    }

    fn frames(&self, end: usize) -> Vec<(u8, u8)> {
        frames(&self.said[end])
    }

    fn tags(&self, end: usize) -> Vec<u8> {
        self.frames(end).iter().map(|(tag, _)| *tag).collect()
    }

    fn is_open(&self) -> bool {
        self.ends.iter().all(|end| end.protocol.is_open())
    }
}

fn texts(from: u64) -> [Message; 3] {
    [
        message(from, 3000, 0, 0),
        message(from + 1, 20, 0, 100_000),
        message(from + 2, 2000, 700, 9000),
    ]
}

#[test]
fn by_default_both_speak_of_compression_and_compress_nothing() {
    let mut talk = Talk::new(client_config(), server_config());
    talk.ends[0].protocol.send(message(1, 50_000, 0, 0));
    talk.go_on();
    assert!(talk.is_open());
    assert_eq!(talk.tags(0), [1, 2, 7, 21, 8, 17]);
    assert_eq!(talk.tags(1)[..5], [1, 6, 7, 22, 9]);
    // The dialler's peer is an OSD: it names its list, and wants nothing.
    let request = control(21, &[0, 1, 0, 0, 0, 1, 0, 0, 0]);
    let done = control(22, &[0, 0, 0, 0, 0]);
    let contains = |said: &[u8], part: &[u8]| said.windows(part.len()).any(|at| at == part);
    assert!(contains(&talk.said[0], &request));
    assert!(contains(&talk.said[1], &done));
    assert!(talk.frames(0).iter().all(|(_, flags)| *flags == 0));
}

#[test]
fn without_the_feature_at_either_end_nobody_speaks_of_it() {
    for (ours, theirs) in [(1, 3), (3, 1), (1, 1)] {
        let (mut client, mut server) = (
            forced(client_config(), &ALGORITHMS),
            forced(server_config(), &ALGORITHMS),
        );
        client.msgr2_supported = ours;
        server.msgr2_supported = theirs;
        let mut talk = Talk::new(client, server);
        talk.ends[0].protocol.send(message(1, 50_000, 0, 0));
        talk.go_on();
        assert!(talk.is_open());
        assert_eq!(talk.tags(0), [1, 2, 7, 8, 17]);
        assert!(talk.frames(0).iter().all(|(_, flags)| *flags == 0));
    }
}

#[test]
fn messages_are_compressed_both_ways_and_arrive_as_they_were() {
    for algorithm in ALGORITHMS {
        let mut talk = Talk::new(
            forced(client_config(), &[algorithm]),
            forced(server_config(), &[algorithm]),
        );
        talk.go_on();
        let before = [0, 1].map(|end| talk.said[end].len());
        for end in &mut talk.ends {
            for text in texts(1) {
                end.protocol.send(text);
            }
        }
        talk.go_on();
        for (end, before) in before.into_iter().enumerate() {
            let frames = talk.frames(end);
            let messages = frames.iter().filter(|(tag, _)| *tag == 17);
            assert_eq!(messages.clone().count(), 3);
            assert!(
                messages.clone().all(|(_, flags)| *flags == 1),
                "{algorithm:?}"
            );
            // No other frame is.
            assert!(frames.iter().all(|(tag, flags)| *tag == 17 || *flags == 0));
            let len = talk.said[end].len() - before;
            assert!(len < 30_000, "{algorithm:?}: {len}");
            let got: Vec<&Message> = talk.ends[end].messages().collect();
            assert_eq!(got.len(), 3);
            for (got, sent) in got.into_iter().zip(texts(1)) {
                assert_eq!(
                    (got.tid, &got.front, &got.middle, &got.data),
                    (sent.tid, &sent.front, &sent.middle, &sent.data)
                );
            }
            assert_eq!(talk.ends[end].balance, 0);
        }
    }
}

#[test]
fn one_end_that_does_not_want_it_is_enough() {
    for wanting in 0..2 {
        let mut settings = [client_config(), server_config()];
        settings[wanting] = forced(settings[wanting].clone(), &ALGORITHMS);
        let [client, server] = settings;
        let mut talk = Talk::new(client, server);
        for end in &mut talk.ends {
            end.protocol.send(message(1, 9000, 0, 0));
        }
        talk.go_on();
        assert!(talk.is_open());
        for end in 0..2 {
            assert!(talk.frames(end).iter().all(|(_, flags)| *flags == 0));
            assert_eq!(talk.ends[end].messages().count(), 1);
        }
    }
}

/// As in Ceph, where the setting is one towards OSDs: of a client and an OSD only
/// the client would have it, so they do without.
#[test]
fn the_setting_for_osds_works_between_osds_and_not_with_a_client() {
    let towards_osds = |mut settings: ProtocolConfig| {
        settings.compression.osd.force = true;
        settings
    };
    let osd = config("osd.4", Policy::lossy_client());
    for (client, flagged) in [(osd, 1), (client_config(), 0)] {
        let mut talk = Talk::new(towards_osds(client), towards_osds(server_config()));
        talk.ends[0].protocol.send(message(1, 9000, 0, 0));
        // Below the smallest size.
        talk.ends[0].protocol.send(message(2, 900, 0, 0));
        talk.go_on();
        let frames = talk.frames(0);
        let messages: Vec<u8> = frames
            .iter()
            .filter(|(tag, _)| *tag == 17)
            .map(|(_, flags)| *flags)
            .collect();
        assert_eq!(messages, [flagged, 0]);
        assert_eq!(talk.ends[1].messages().count(), 2);
    }
}

/// The end that is in that state, led there by a real one.
fn in_state(end: usize, state: &str) -> End {
    let mut ends = Talk::new(
        forced(client_config(), &[Algorithm::Snappy]),
        forced(server_config(), &[Algorithm::Snappy]),
    )
    .ends;
    for _ in 0..100 {
        for from in 0..2 {
            let bytes = ends[from].transmit_all(Time::ZERO);
            // Frame by frame: the next may lead past the state.
            for byte in bytes {
                if ends[end].protocol.state_name() == state {
                    ends[end].transmit_all(Time::ZERO);
                    let [first, second] = ends;
                    return if end == 0 { first } else { second };
                }
                ends[1 - from].receive(&[byte], Time::ZERO);
            }
        }
    }
    panic!("it never gets to {state}");
}

#[test]
fn frames_of_the_phase_belong_to_it_alone() {
    let request = control(21, &[1, 1, 0, 0, 0, 1, 0, 0, 0]);
    let done = control(22, &[1, 1, 0, 0, 0]);
    let ident = control(8, &[0; 8]);
    let told = |mut end: End, bytes: &[u8]| {
        end.receive(bytes, Time::ZERO);
        end.story()
    };
    for (end, state, frame, name) in [
        (0, "COMPRESSION_CONNECTING", &request, "CompressionRequest"),
        (0, "COMPRESSION_CONNECTING", &ident, "ClientIdent"),
        (0, "SESSION_CONNECTING", &done, "CompressionDone"),
        (0, "AUTH_CONNECTING", &done, "CompressionDone"),
        (1, "COMPRESSION_ACCEPTING", &done, "CompressionDone"),
        (1, "COMPRESSION_ACCEPTING", &ident, "ClientIdent"),
        (1, "SESSION_ACCEPTING", &request, "CompressionRequest"),
        (1, "AUTH_ACCEPTING", &request, "CompressionRequest"),
    ] {
        let story = told(in_state(end, state), frame);
        let why = format!("fault: {name} frame out of turn");
        assert!(story.contains(&why), "{state}: {story}");
    }
    for state in ["COMPRESSION_ACCEPTING", "AUTH_ACCEPTING"] {
        assert_eq!(in_state(1, state).protocol.state_name(), state);
    }
}

#[test]
fn an_answer_that_was_not_proposed_ends_the_attempt() {
    for (code, why) in [
        (2, "fault: peer chose compression 2"),
        (5, "fault: peer chose compression 5"),
        (u32::MAX, "fault: peer chose compression 4294967295"),
    ] {
        let mut end = in_state(0, "COMPRESSION_CONNECTING");
        let mut payload = vec![1];
        payload.extend(code.to_le_bytes());
        end.receive(&control(22, &payload), Time::ZERO);
        assert!(end.story().contains(why), "{}", end.story());
    }
    // No compression is always an answer.
    for payload in [[0, 1, 0, 0, 0], [1, 0, 0, 0, 0], [0; 5]] {
        let mut end = in_state(0, "COMPRESSION_CONNECTING");
        end.receive(&control(22, &payload), Time::ZERO);
        assert_eq!(end.protocol.state_name(), "SESSION_CONNECTING");
    }
}

#[test]
fn a_compressed_frame_before_the_agreement_ends_the_attempt() {
    // CLIENT_IDENT, flagged and with a good crc.
    let mut frame = control(8, &[0; 60]);
    frame[26] = 1;
    let crc = !crc32c::crc32c_append(u32::MAX, &frame[..28]);
    frame[28..32].copy_from_slice(&crc.to_le_bytes());
    for state in ["COMPRESSION_ACCEPTING", "AUTH_ACCEPTING"] {
        let mut end = in_state(1, state);
        end.receive(&frame, Time::ZERO);
        let why = "fault: compressed ClientIdent frame, which was not agreed";
        assert!(end.story().contains(why), "{}", end.story());
    }
}

#[test]
fn compressed_messages_get_through_pipes_of_any_width() {
    for algorithm in ALGORITHMS {
        for pipes in [
            Pipes { read: 1, ..SMOOTH },
            Pipes {
                read: 777,
                write: 100,
                slices: 1,
                ..SMOOTH
            },
        ] {
            for refuse in [false, true] {
                let mut pair = Pair::new(
                    forced(client_config(), &[algorithm]),
                    forced(server_config(), &[algorithm]),
                );
                pair.pipes = pipes;
                pair.dialler.refuse = refuse;
                pair.start();
                texts(1).into_iter().for_each(|text| pair.send(text));
                pair.drive();
                let tids: Vec<u64> = pair.acceptor().messages().map(|got| got.tid).collect();
                assert_eq!(tids, [1, 2, 3], "{algorithm:?} {refuse}");
                assert_eq!(pair.acceptor().balance, 0);
            }
        }
    }
}

/// Wherever the link breaks, in the handshake or in a message: no budget stays
/// taken, nothing is made up, and nothing comes twice or out of turn.
#[test]
fn a_link_may_break_at_any_byte_of_what_is_compressed() {
    let mut broken = 0;
    for cut in (0..3000).step_by(7) {
        for refuse in [false, true] {
            let mut pair = Pair::new(
                forced(client_config(), &ALGORITHMS),
                forced(server_config(), &ALGORITHMS),
            );
            pair.pipes.cut = Some((0, cut));
            pair.pipes.read = 97;
            pair.dialler.refuse = refuse;
            pair.start();
            texts(1).into_iter().for_each(|text| pair.send(text));
            pair.drive();
            broken += pair.former.len();
            for end in pair.former.iter().chain(&pair.acceptor) {
                assert_eq!(end.balance, 0, "cut at {cut}");
                for (got, sent) in end.messages().zip(texts(1)) {
                    assert_eq!((got.tid, &got.front), (sent.tid, &sent.front));
                    assert_eq!(got.data, sent.data, "cut at {cut}");
                }
            }
        }
    }
    assert!(broken > 400, "{broken}");
}

/// A link that is taken over by an existing connection keeps what was agreed on it.
#[test]
fn a_resumed_session_compresses_as_its_new_link_has_agreed() {
    let peer = |name: &str, algorithm| {
        Arc::new(forced(config(name, Policy::lossless_peer()), &[algorithm]))
    };
    for second in ALGORITHMS {
        let connect = |settings: Arc<ProtocolConfig>| {
            let local = addrs("v2:10.0.0.2:6800/5");
            let target = addrs(super::pair::SERVER);
            Protocol::connect(settings, local, EntityType::OSD, target, 1)
        };
        let accept = |settings: &Arc<ProtocolConfig>| {
            let from = super::pair::CLIENT_SOCKET.parse().unwrap();
            let local = addrs(super::pair::SERVER);
            End::new(Protocol::accept(
                Arc::clone(settings),
                local,
                from,
                2,
                Time::ZERO,
            ))
        };
        let first = ALGORITHMS[0];
        let both = |algorithm| [peer("osd.4", algorithm), peer("osd.3", algorithm)];
        let [client, server] = both(first);
        let mut talk = Talk {
            ends: [End::new(connect(client)), accept(&server)],
            said: Default::default(),
        };
        let start = |end: &mut End| {
            end.protocol.start(Time::ZERO, &mut end.events);
            end.protocol.handle_connected(None, Time::ZERO);
        };
        start(&mut talk.ends[0]);
        talk.go_on();
        assert!(talk.is_open());
        let existing = std::mem::replace(&mut talk.ends[1], accept(&peer("osd.3", second)));
        let mut existing = existing;
        existing.disconnect(LinkDown::Eof, Time::ZERO);
        // With something to say it dials again.
        talk.ends[0].protocol.send(message(9, 9000, 0, 0));
        talk.ends[0].disconnect(LinkDown::Eof, Time::ZERO);
        talk.ends[0].protocol.handle_connected(None, Time::ZERO);
        talk.said = Default::default();
        // By hand up to the request, which the existing one takes over.
        for _ in 0..20 {
            for from in 0..2 {
                let bytes = talk.ends[from].transmit_all(Time::ZERO);
                talk.said[from].extend(&bytes);
                talk.ends[1 - from].receive(&bytes, Time::ZERO);
            }
        }
        assert!(talk.ends[1].protocol.asked().is_some());
        let incoming = &mut talk.ends[1].protocol;
        existing
            .protocol
            .take_over(incoming, false, Time::ZERO, &mut existing.events);
        talk.ends[1] = existing;
        let answer = message(9, 9000, 0, 0);
        talk.ends[1].protocol.send(answer);
        talk.go_on();
        assert!(talk.is_open());
        let wanted = u8::from(second == first);
        for end in 0..2 {
            let frames = talk.frames(end);
            assert!(frames.contains(&(17, wanted)), "{second:?}: {frames:?}");
            assert_eq!(talk.ends[end].messages().count(), 1);
        }
    }
}
