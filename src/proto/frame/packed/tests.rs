//! Compressed frames through writers and readers of every form.

use super::super::control::{Ack, ClientIdent, Control};
use super::super::{FrameReader, FrameWriter, MessageHeader, Revision, Side, crc_update, keys};
use super::*;
use crate::proto::captured::staged;
use crate::proto::output::{Admission, Request};
use crate::types::{EntityAddr, EntityAddrVec, Hold, Message, Random, Secret};

const MAX_PAYLOAD: u64 = 8 << 20;

fn algorithms() -> impl Iterator<Item = Algorithm> {
    (1..=4)
        .filter_map(Algorithm::from_code)
        .filter(|known| known.is_available())
}

fn with(algorithm: Algorithm, min_size: u64) -> Option<Compression> {
    Some(Compression {
        algorithm,
        min_size,
    })
}

/// A writer and a reader of what it writes.
fn pair(revision: Revision, is_secure: bool) -> (FrameWriter, FrameReader) {
    let (mut writer, mut reader) = (FrameWriter::new(true), FrameReader::new(true));
    writer.set_revision(revision);
    reader.set_revision(revision);
    if is_secure {
        let secret = Secret::new(vec![5; 64]);
        writer.set_secure(keys(&secret, Side::Dialler, revision).unwrap().0);
        reader.set_secure(keys(&secret, Side::Acceptor, revision).unwrap().1);
    }
    reader.allow_messages(MAX_PAYLOAD);
    (writer, reader)
}

fn compressing(algorithm: Algorithm, min_size: u64) -> (FrameWriter, FrameReader) {
    let (mut writer, mut reader) = pair(Revision::Rev1, false);
    writer.set_compression(with(algorithm, min_size));
    reader.set_compression(with(algorithm, min_size));
    (writer, reader)
}

fn text(len: usize) -> Bytes {
    let mut random = Random::new(len as u64);
    let mut out = Vec::new();
    while out.len() < len {
        out.extend(format!("line {} of a text\n", random.below(100)).bytes());
    }
    out.truncate(len);
    out.into()
}

fn noise(len: usize) -> Bytes {
    let mut random = Random::new(3);
    (0..len).map(|_| random.below(256) as u8).collect()
}

fn message(segments: [Bytes; 3]) -> Message {
    let mut message = Message::new(42);
    [message.front, message.middle, message.data] = segments.map(Payload::from);
    message
}

fn received(frame: &Frame<'_>) -> Message {
    let header = MessageHeader::decode(frame.first()).unwrap();
    let mut message = *header.into_message();
    frame.fill(&mut message);
    message
}

fn next<'a>(reader: &mut FrameReader, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Fault> {
    reader.next(input, &mut |_| Admission::Granted(Hold::NONE))
}

/// What comes of `bytes` of which `step` come at a time.
fn read(reader: &mut FrameReader, bytes: &[u8], step: usize) -> Vec<Message> {
    let mut messages = Vec::new();
    let mut held = Vec::new();
    for chunk in bytes.chunks(step) {
        held.extend_from_slice(chunk);
        let mut rest = &held[..];
        while let Some(frame) = next(reader, &mut rest).unwrap() {
            messages.push(received(&frame));
        }
        let kept = rest.len();
        held.drain(..held.len() - kept);
    }
    assert!(held.is_empty());
    messages
}

fn write(writer: &mut FrameWriter, message: &Message, seq: u64) -> Vec<u8> {
    writer.message(&message.clone().into(), seq, 0);
    let bytes = staged(writer);
    writer.handle_sent(bytes.len());
    bytes
}

fn is_flagged(plain: &[u8]) -> bool {
    plain[26] == 1
}

#[test]
fn messages_come_through_every_form_as_they_were_however_they_are_cut() {
    let messages = [
        message([text(900), text(200), text(5000)]),
        message([Bytes::new(), Bytes::new(), text(3000)]),
        message([text(2000), Bytes::new(), Bytes::new()]),
        message([Bytes::new(), text(1500), noise(300)]),
        message([Bytes::new(), Bytes::new(), Bytes::new()]),
        message([noise(100), text(300_000), text(100_000)]),
        message([noise(5000), Bytes::new(), Bytes::new()]),
    ];
    for algorithm in algorithms() {
        for revision in [Revision::Rev0, Revision::Rev1] {
            for is_secure in [false, true] {
                for step in [1, 33, 4096, usize::MAX] {
                    let (mut writer, mut reader) = pair(revision, is_secure);
                    writer.set_compression(with(algorithm, 0));
                    reader.set_compression(with(algorithm, 0));
                    let mut wire = Vec::new();
                    for (message, seq) in messages.iter().zip(1..) {
                        wire.extend(write(&mut writer, message, seq));
                    }
                    let mut expected = messages.to_vec();
                    expected
                        .iter_mut()
                        .zip(1..)
                        .for_each(|(message, seq)| message.seq = seq);
                    let context = format!("{algorithm:?} {revision:?} {is_secure} {step}");
                    assert!(
                        read(&mut reader, &wire, step) == expected,
                        "other messages: {context}"
                    );
                    assert!(wire.len() < 150_000, "{} {context}", wire.len());
                }
            }
        }
    }
}

#[test]
fn the_preamble_tells_of_the_compressed_segments_and_the_crcs_are_theirs() {
    for algorithm in algorithms() {
        let (mut writer, _) = compressing(algorithm, 0);
        let wire = write(
            &mut writer,
            &message([text(700), Bytes::new(), text(2000)]),
            1,
        );
        assert!(is_flagged(&wire));
        let number =
            |at: usize| u32::from_le_bytes([wire[at], wire[at + 1], wire[at + 2], wire[at + 3]]);
        let lens = [2, 8, 14, 20].map(|at| number(at) as usize);
        assert_ne!(lens[0], 41);
        assert_eq!(lens[2], 0, "what is empty stays so");
        assert!(lens[1] < 700 && lens[3] < 2000);
        assert_eq!(wire.len(), 32 + lens.iter().sum::<usize>() + 4 + 13);
        let first_end = 32 + lens[0];
        let crc = |bytes: &[u8]| crc_update(u32::MAX, bytes);
        assert_eq!(number(first_end), crc(&wire[32..first_end]));
        let front_end = first_end + 4 + lens[1];
        let data_end = front_end + lens[3];
        assert_eq!(wire[data_end], 0x0e);
        let crcs = [1, 5, 9].map(|at| number(data_end + at));
        assert_eq!(
            crcs,
            [
                crc(&wire[first_end + 4..front_end]),
                u32::MAX,
                crc(&wire[front_end..data_end])
            ]
        );
        let mut header = Vec::new();
        algorithm
            .decompress(&wire[32..first_end], HEADER_LEN, &mut header)
            .unwrap();
        assert_eq!(MessageHeader::decode(&header).unwrap().kind, 42);
    }
}

#[test]
fn what_is_small_or_would_hardly_get_smaller_travels_as_it_is() {
    for algorithm in algorithms() {
        let (mut writer, mut reader) = compressing(algorithm, 1024);
        // With the header of 41 bytes, one below and one at the limit.
        for (len, flagged) in [(982, false), (983, true)] {
            let small = message([text(len), Bytes::new(), Bytes::new()]);
            let wire = write(&mut writer, &small, 1);
            assert_eq!(is_flagged(&wire), flagged, "{algorithm:?} {len}");
            assert_eq!(read(&mut reader, &wire, usize::MAX).len(), 1);
        }
        let random = message([noise(3000), Bytes::new(), Bytes::new()]);
        let wire = write(&mut writer, &random, 2);
        assert!(!is_flagged(&wire), "{algorithm:?}");
    }
}

#[test]
fn a_payload_in_pieces_is_compressed_across_their_borders() {
    for algorithm in algorithms() {
        let whole = text(9000);
        let mut pieces = message([Bytes::new(), Bytes::new(), Bytes::new()]);
        for chunk in [0..1, 1..1, 1..4000, 4000..9000] {
            pieces.data.append(whole.slice(chunk));
        }
        let one = message([Bytes::new(), Bytes::new(), whole]);
        let (mut writer, mut reader) = compressing(algorithm, 0);
        let wire = write(&mut writer, &pieces, 1);
        assert_eq!(wire, write(&mut writer, &one, 1), "{algorithm:?}");
        assert_eq!(read(&mut reader, &wire, usize::MAX)[0].data, one.data);
    }
}

/// A frame in msgr2.1's crc form of segments that are compressed already.
fn frame(tag: Tag, segments: [&[u8]; 4]) -> Vec<u8> {
    let mut preamble = Preamble::message(segments.map(|segment| count(segment.len())));
    preamble.tag = tag;
    preamble.is_compressed = true;
    let mut out = preamble.encode().to_vec();
    let crc = |segment: &[u8]| crc_update(u32::MAX, segment).to_le_bytes();
    let [first, payloads @ ..] = segments;
    out.extend(first);
    out.extend(crc(first));
    payloads.iter().for_each(|segment| out.extend(*segment));
    if preamble.count > 1 {
        out.push(0x0e);
        payloads.iter().for_each(|segment| out.extend(crc(segment)));
    }
    out
}

fn packed(algorithm: Algorithm, segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    assert!(algorithm.compress(segment, &mut out));
    out
}

fn fault(reader: &mut FrameReader, bytes: &[u8]) -> Fault {
    match next(reader, &mut &bytes[..]) {
        Err(fault) => fault,
        Ok(frame) => panic!("{:?}", frame.map(|frame| frame.tag)),
    }
}

#[test]
fn compressed_control_frames_are_understood() {
    for algorithm in algorithms() {
        let ident = ClientIdent {
            addrs: EntityAddrVec(vec![EntityAddr::default(); 60]),
            target: EntityAddr::default(),
            gid: 4,
            global_seq: 1,
            supported_features: 1,
            required_features: 1,
            flags: 0,
            cookie: 7,
        };
        let mut payload = Vec::new();
        ident.encode(&mut payload);
        let bytes = frame(
            Tag::ClientIdent,
            [&packed(algorithm, &payload), &[], &[], &[]],
        );
        let (_, mut reader) = compressing(algorithm, 0);
        let mut rest = &bytes[..];
        let got = next(&mut reader, &mut rest).unwrap().unwrap();
        assert_eq!(got.tag, Tag::ClientIdent);
        assert_eq!(ClientIdent::decode(got.first()), Ok(ident));
        assert!(rest.is_empty());
    }
}

#[test]
fn without_an_agreement_no_frame_may_be_compressed() {
    for algorithm in algorithms() {
        let (mut writer, _) = compressing(algorithm, 0);
        let wire = write(&mut writer, &message([text(900), text(9), text(9)]), 1);
        let (_, mut reader) = pair(Revision::Rev1, false);
        // Its preamble is enough.
        assert_eq!(
            fault(&mut reader, &wire[..32]),
            Fault::Compressed(Tag::Message)
        );
        let ack = frame(Tag::Ack, [&packed(algorithm, &[1; 8]), &[], &[], &[]]);
        let (_, mut reader) = pair(Revision::Rev1, false);
        assert_eq!(fault(&mut reader, &ack), Fault::Compressed(Tag::Ack));
    }
}

#[test]
fn a_header_that_unpacks_to_another_length_is_refused() {
    for algorithm in algorithms() {
        for len in [0, 1, 40] {
            let (_, mut reader) = compressing(algorithm, 0);
            let bytes = frame(
                Tag::Message,
                [&packed(algorithm, &vec![1; len]), &[], &[], &[]],
            );
            assert_eq!(
                fault(&mut reader, &bytes),
                Fault::MessageHeader(len as u32),
                "{algorithm:?}"
            );
        }
        let (_, mut reader) = compressing(algorithm, 0);
        let bytes = frame(Tag::Message, [&packed(algorithm, &[1; 42]), &[], &[], &[]]);
        assert!(matches!(
            fault(&mut reader, &bytes),
            Fault::Unpack(Tag::Message, _)
        ));
    }
}

#[test]
fn frames_that_do_not_unpack_are_refused() {
    for algorithm in algorithms() {
        let header = packed(algorithm, &[0; 41]);
        let front = packed(algorithm, &text(500));
        for end in 1..front.len() {
            let (_, mut reader) = compressing(algorithm, 0);
            let bytes = frame(Tag::Message, [&header, &front[..end], &[], &[]]);
            let refused = fault(&mut reader, &bytes);
            assert!(matches!(refused, Fault::Unpack(Tag::Message, _)), "{end}");
        }
    }
}

#[test]
fn a_bomb_ends_at_the_largest_message_and_a_control_frame_at_16_kib() {
    for algorithm in algorithms() {
        let header = packed(algorithm, &[0; 41]);
        let half = packed(algorithm, &vec![0; 5 << 20]);
        let (_, mut reader) = compressing(algorithm, 0);
        // Each fits, both do not.
        let bytes = frame(Tag::Message, [&header, &half, &[], &half]);
        assert!(bytes.len() < 1 << 20);
        let mut asked = Vec::new();
        let outcome = reader.next(&mut &bytes[..], &mut |request: Request| {
            asked.push(request.bytes);
            Admission::Granted(Hold::NONE)
        });
        let refused = outcome.err().unwrap();
        assert_eq!(
            refused.to_string(),
            "malformed compressed Message frame: it unpacks to more than is allowed"
        );
        // Only for what is on the wire.
        assert_eq!(asked, [2 * half.len() as u64]);
        for (len, good) in [(16 << 10, true), ((16 << 10) + 1, false)] {
            let (_, mut reader) = compressing(algorithm, 0);
            let ack = packed(algorithm, &vec![0; len]);
            let bytes = frame(Tag::ClientIdent, [&ack, &[], &[], &[]]);
            assert_eq!(next(&mut reader, &mut &bytes[..]).is_ok(), good);
        }
    }
}

#[test]
fn an_aborted_compressed_message_is_passed_over_unread() {
    let (mut writer, mut reader) = compressing(Algorithm::Snappy, 0);
    let mut bytes = frame(Tag::Message, [&[1; 9], &[2; 9], &[], &[]]);
    let status = bytes.len() - 13;
    bytes[status] = 0x01;
    writer.control(&Ack { seq: 5 });
    bytes.extend(staged(&writer));
    let got = next(&mut reader, &mut &bytes[..]).unwrap().unwrap();
    assert_eq!(got.tag, Tag::Ack);
    assert_eq!(reader.take_unused(), 9);
}

/// Room is asked for twice: for what is read, and in the place of that for what it
/// becomes. Whatever is refused on the way, in the end the message holds what it
/// takes unpacked.
#[test]
fn what_a_message_takes_unpacked_is_admitted_before_it_is_unpacked() {
    for algorithm in algorithms() {
        for refusals in [[false, false], [true, false], [false, true], [true, true]] {
            let (mut writer, mut reader) = compressing(algorithm, 0);
            let sent = message([text(2000), Bytes::new(), text(60_000)]);
            let wire = write(&mut writer, &sent, 1);
            let lens = [8, 14, 20].map(|at| u32::from(wire[at]) | u32::from(wire[at + 1]) << 8);
            let on_wire = u64::from(lens.iter().sum::<u32>());
            let mut rest = &wire[..];
            let mut asked = Vec::new();
            let mut got = None;
            let mut looks = 0;
            while got.is_none() {
                looks += 1;
                assert!(looks <= 3);
                let frame = reader.next(&mut rest, &mut |request: Request| {
                    asked.push((request.bytes, request.packed));
                    match refusals[asked.len() - 1] {
                        false => Admission::Granted(Hold::NONE),
                        true => Admission::Wait,
                    }
                });
                got = frame.unwrap().map(|frame| received(&frame));
                assert_eq!(reader.is_waiting(), got.is_none());
                if reader.is_waiting() {
                    assert!(!reader.is_within_frame());
                    // Until then nothing moves.
                    assert!(next(&mut reader, &mut &b"more"[..]).unwrap().is_none());
                    reader.handle_admitted(Hold::NONE);
                }
            }
            assert_eq!(
                asked,
                [(on_wire, 0), (62_000, on_wire)],
                "{algorithm:?} {refusals:?}"
            );
            reader.spend();
            reader.refund();
            assert_eq!(reader.take_unused(), 0);
            assert_eq!(got.unwrap().data, sent.data);
            assert!(rest.is_empty());
        }
    }
}

#[test]
fn a_message_that_gets_smaller_gives_back_what_it_does_not_need() {
    for algorithm in algorithms() {
        let (_, mut reader) = compressing(algorithm, 0);
        let (header, data) = (packed(algorithm, &[0; 41]), packed(algorithm, &noise(5000)));
        assert!(data.len() > 5000, "{algorithm:?} has made it smaller");
        let bytes = frame(Tag::Message, [&header, &[], &[], &data]);
        let got = next(&mut reader, &mut &bytes[..]).unwrap().unwrap();
        assert_eq!(got.payloads()[2].len(), 5000);
        assert_eq!(reader.take_unused(), data.len() as u64 - 5000);
    }
}

#[test]
fn a_link_lost_before_a_message_is_unpacked_gives_back_what_it_held() {
    let (mut writer, mut reader) = compressing(Algorithm::Snappy, 0);
    let wire = write(&mut writer, &message([text(3000), text(1), text(1)]), 1);
    let mut asked = Vec::new();
    let frame = reader.next(&mut &wire[..], &mut |request: Request| {
        asked.push(request.bytes);
        match asked.len() {
            1 => Admission::Granted(Hold::NONE),
            _ => Admission::Wait,
        }
    });
    assert!(frame.unwrap().is_none());
    reader.handle_admitted(Hold::NONE);
    reader.reset();
    assert_eq!(reader.take_unused(), asked[1]);
    assert!(!reader.is_waiting());
    // The next link has yet to agree.
    reader.allow_messages(MAX_PAYLOAD);
    assert_eq!(fault(&mut reader, &wire), Fault::Compressed(Tag::Message));
}
