//! Codecs against captured and constructed bytes.

use bytes::Bytes;

use super::banner::Banner;
use super::captured::{conversation, hex, records, staged};
use super::codec::{Field, Reader};
use super::exchange::{Exchange, Wire};
use super::fault::Fault;
use super::frame::control::{
    Ack, AuthBadMethod, AuthDone, AuthRequest, AuthSignature, ClientIdent, Control, Hello,
    IdentMissingFeatures, Keepalive2, Keepalive2Ack, ServerIdent, SessionReconnect, SessionReset,
};
use super::frame::{FrameReader, FrameWriter, MessageHeader, Revision, Tag, crc_update};
use super::output::{Admission, Clock, Event, Intake, Request};
use super::session::Session;
use crate::types::{AddrType, EntityAddr, EntityAddrVec, Hold, Message, Time};

#[test]
fn every_crc_of_the_vectors_is_reproduced() {
    let number = |text: &str| u32::from_str_radix(text, 16).unwrap();
    let mut checked = 0;
    for record in records("crc32c") {
        let (Some(data), Some(crc)) = (record.get("data"), record.get("crc")) else {
            continue;
        };
        assert_eq!(
            crc_update(number(&record["seed"]), &hex(data)),
            number(crc),
            "{record:?}"
        );
        checked += 1;
    }
    assert!(checked >= 15, "only {checked}");
}

fn same<F: Field + PartialEq>(bytes: &[u8]) -> F {
    let mut from = Reader::new(bytes);
    let value: F = from.field().unwrap();
    assert!(from.rest().is_empty());
    let mut again = Vec::new();
    value.encode(&mut again);
    assert_eq!(again, bytes);
    for end in 0..bytes.len() {
        assert!(
            Reader::new(&bytes[..end]).field::<F>().is_err(),
            "cut at {end}"
        );
    }
    value
}

#[test]
fn addresses_of_the_vectors_decode_and_encode_to_the_same_bytes() {
    let mut checked = 0;
    for record in records("addresses") {
        let Some(modern) = record.get("encoded_with_MSG_ADDR2").map(|text| hex(text)) else {
            continue;
        };
        let legacy = hex(&record["encoded_legacy"]);
        let text = &record["text"];
        if record["kind"] == "entity_addrvec_t" {
            let addrs: EntityAddrVec = same(&modern);
            assert_eq!(addrs.0.len().to_string(), record["count"]);
            let old: EntityAddrVec = Reader::new(&legacy).field().unwrap();
            assert_eq!(old.0.len(), 1, "a legacy vector is one address");
        } else {
            let addr: EntityAddr = same(&modern);
            if !text.starts_with("blank") {
                assert_eq!(addr.to_string(), *text);
            }
            let image = hex(&record["memory_image_for_compare"]);
            assert_eq!(addr.memory_image()[..], image);
            // The legacy form does not carry the type.
            let kind = if addr.socket.is_some() {
                AddrType::Legacy
            } else {
                AddrType::None
            };
            assert_eq!(
                Reader::new(&legacy).field(),
                Ok(EntityAddr { kind, ..addr })
            );
            // A single address stands for a vector of one.
            assert_eq!(Reader::new(&modern).field(), Ok(EntityAddrVec::from(addr)));
        }
        checked += 1;
    }
    assert_eq!(checked, 10);
}

#[test]
fn malformed_addresses_do_not_decode() {
    let good = hex("0101011c000000020000000000000010000000020033f47f0000010000000000000000");
    let broken = |at: usize, value: u8| {
        let mut bytes = good.clone();
        bytes[at] = value;
        Reader::new(&bytes).field::<EntityAddr>()
    };
    for (at, value, what) in [
        (0, 3, "marker"),
        (2, 2, "compat"),
        (3, 0x1d, "length"),
        (7, 4, "type"),
        (15, 1, "sockaddr of one byte"),
        (15, 17, "long sockaddr"),
        (19, 7, "family"),
    ] {
        assert!(broken(at, value).is_err(), "{what}");
    }
    assert!(
        broken(1, 9).is_ok(),
        "a newer version that older ones can read"
    );
    let mut vector = vec![2];
    65_u32.encode(&mut vector);
    vector.extend(good.repeat(65));
    assert!(Reader::new(&vector).field::<EntityAddrVec>().is_err());
}

fn same_control<C: Control + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
    let control = C::decode(bytes).unwrap();
    let mut again = Vec::new();
    control.encode(&mut again);
    assert_eq!(again, bytes, "{control:?}");
    for end in 0..bytes.len() {
        assert!(
            C::decode(&bytes[..end]).is_err(),
            "{:?} cut at {end}",
            C::TAG
        );
    }
    let longer = C::decode(&[bytes, &[0]].concat());
    assert_eq!(
        longer.is_ok(),
        C::EXTENSIBLE,
        "{:?} with a byte more",
        C::TAG
    );
}

/// False for the frames that only session-keeping peers send.
fn check_control(tag: u8, payload: &[u8]) -> bool {
    match tag {
        1 => same_control::<Hello>(payload),
        2 => same_control::<AuthRequest>(payload),
        3 => same_control::<AuthBadMethod>(payload),
        6 => same_control::<AuthDone>(payload),
        7 => same_control::<AuthSignature>(payload),
        8 => same_control::<ClientIdent>(payload),
        9 => same_control::<ServerIdent>(payload),
        10 => same_control::<IdentMissingFeatures>(payload),
        11 => same_control::<SessionReconnect>(payload),
        12 => same_control::<SessionReset>(payload),
        18 => same_control::<Keepalive2>(payload),
        19 => same_control::<Keepalive2Ack>(payload),
        20 => same_control::<Ack>(payload),
        _ => return false,
    }
    true
}

#[test]
fn control_payloads_of_the_vectors_decode_and_encode_to_the_same_bytes() {
    let known = records("control-payloads")
        .iter()
        .filter(|record| check_control(record["tag"].parse().unwrap(), &hex(&record["payload"])))
        .count();
    assert_eq!(known, 7);
}

fn reader(revision: Revision) -> FrameReader {
    let mut reader = FrameReader::new(true);
    reader.set_revision(revision);
    reader.allow_messages(1 << 30);
    reader
}

#[test]
fn frames_of_the_vectors_decode_and_messages_encode_to_the_same_bytes() {
    for (name, revision) in [
        ("frames-rev0-crc", Revision::Rev0),
        ("frames-rev1-crc", Revision::Rev1),
    ] {
        for record in records(name) {
            let bytes = hex(&record["frame"]);
            let segment = |index| {
                record
                    .get(&format!("segment_{index}"))
                    .map(|text| hex(text))
            };
            let segments: Vec<Vec<u8>> = (0..4)
                .map(|index| segment(index).unwrap_or_default())
                .collect();
            for end in 0..bytes.len() {
                let mut part = &bytes[..end];
                assert!(
                    reader(revision)
                        .next(&mut part, &mut |_| Admission::Granted(Hold::NONE))
                        .unwrap()
                        .is_none()
                );
            }
            let mut rest = &bytes[..];
            let frame = reader(revision)
                .next(&mut rest, &mut |_| Admission::Granted(Hold::NONE))
                .unwrap()
                .unwrap();
            assert_eq!(
                (frame.tag.code().to_string(), rest),
                (record["tag"].clone(), &[][..])
            );
            assert_eq!(frame.first(), segments[0]);
            let payloads = frame.payloads();
            for (payload, segment) in payloads.iter().zip(&segments[1..]) {
                assert_eq!(*payload, Bytes::copy_from_slice(segment).into());
            }
            let mut writer = FrameWriter::new(true);
            writer.set_revision(revision);
            match frame.tag {
                Tag::Message => {
                    let header = MessageHeader::decode(frame.first()).unwrap();
                    let mut message = header.into_message();
                    [message.front, message.middle, message.data] = payloads;
                    writer.message(&message.into(), header.seq, header.ack_seq);
                }
                Tag::Keepalive2 => writer.control(&Keepalive2::decode(frame.first()).unwrap()),
                Tag::AuthSignature => {
                    writer.control(&AuthSignature::decode(frame.first()).unwrap())
                }
                _ => continue,
            }
            assert_eq!(staged(&writer), bytes, "{name} {}", record["name"]);
        }
    }
}

#[test]
fn an_aborted_frame_is_passed_over_and_its_budget_given_back() {
    for record in records("frames-aborted") {
        let revision = match record["name"].as_str() {
            name if name.starts_with("msgr2.1 crc") => Revision::Rev1,
            name if name.starts_with("msgr2.0 crc") => Revision::Rev0,
            _ => continue,
        };
        let bytes = hex(&record["frame"]);
        let mut reader = reader(revision);
        let mut admitted = 0;
        let mut rest = &bytes[..];
        let mut admit = |request: Request| {
            admitted += request.bytes;
            Admission::Granted(Hold::NONE)
        };
        assert!(reader.next(&mut rest, &mut admit).unwrap().is_none());
        assert_eq!(
            (
                rest.len(),
                admitted,
                reader.take_unused(),
                reader.take_unused()
            ),
            (0, 10, 10, 0)
        );
        let mut wrong = bytes.clone();
        wrong[80] ^= 1;
        let outcome =
            self::reader(revision).next(&mut &wrong[..], &mut |_| Admission::Granted(Hold::NONE));
        assert_eq!(
            outcome.err(),
            Some(Fault::SegmentCrc),
            "the filler has a crc too"
        );
    }
}

/// One direction of a conversation: frames, and messages among them.
fn parse(mut bytes: &[u8], revision: Revision) -> (usize, Vec<Message>) {
    assert!(Banner::decode(&mut bytes).unwrap().is_some());
    let mut frames = 0;
    let mut reader = reader(revision);
    let mut exchange = Exchange::new(true, Wire::Frames, Time::ZERO);
    let mut session = Session::default();
    let mut events = Vec::new();
    while !bytes.is_empty() {
        let mut ahead = bytes;
        let tag = {
            let mut scout = self::reader(revision);
            let frame = scout
                .next(&mut ahead, &mut |_| Admission::Granted(Hold::NONE))
                .unwrap()
                .unwrap();
            if frame.tag != Tag::Message {
                assert!(
                    check_control(frame.tag.code(), frame.first()),
                    "{:?}",
                    frame.tag
                );
            }
            frame.tag
        };
        let (mut unit, rest) = bytes.split_at(bytes.len() - ahead.len());
        if tag == Tag::Message {
            let mut intake = Intake {
                events: &mut events,
                admit: &mut |_| Admission::Granted(Hold::NONE),
                lend: None,
                decode: None,
                max_events: usize::MAX,
            };
            exchange
                .receive(
                    &mut reader,
                    &mut session,
                    &mut unit,
                    Clock::default(),
                    &mut intake,
                )
                .unwrap();
            assert!(unit.is_empty());
        }
        frames += 1;
        bytes = rest;
    }
    let messages = events.into_iter().map(|event| match event {
        Event::Message(message) => message,
        other => panic!("{other:?}"),
    });
    (frames, messages.map(|message| *message).collect())
}

#[test]
fn captured_conversations_parse_whole_in_both_directions() {
    for (name, revision, frames, messages) in [
        ("01a-none-crc-bootstrap", Revision::Rev1, 13, 5),
        ("01b-none-crc-mon-dump", Revision::Rev1, 21, 13),
        ("01c-none-crc-rev0", Revision::Rev0, 12, 2),
        (
            "01d-none-bad-method-and-missing-features",
            Revision::Rev1,
            14,
            0,
        ),
        ("06a-peer-first", Revision::Rev1, 9, 1),
        ("14a-none-crc-ipv6", Revision::Rev1, 13, 5),
    ] {
        let conversation = conversation(name);
        let mut seen = (0, 0);
        for dialler in [true, false] {
            let sent = conversation.iter().filter(|(from, _)| *from == dialler);
            let bytes: Vec<u8> = sent.flat_map(|(_, bytes)| bytes.clone()).collect();
            let (frames, messages) = parse(&bytes, revision);
            assert!(
                messages
                    .iter()
                    .zip(1..)
                    .all(|(message, seq)| message.seq == seq)
            );
            seen = (seen.0 + frames, seen.1 + messages.len());
        }
        assert_eq!(seen, (frames, messages), "{name}");
    }
}
