//! Every record of captured conversations, read and written again.

use crate::proto::auth::cephx::{CryptoKey, KeyType};
use crate::proto::captured::{conversation, header, hex, staged};
use crate::proto::codec::{Field, Reader};
use crate::proto::config::HandshakeLimits;
use crate::proto::fault::Fault;
use crate::proto::frame::control::{Ack, Control, Keepalive2, Keepalive2Ack};
use crate::proto::frame::{
    Frame, FrameReader, FrameWriter, LegacyForm, Tag as FrameTag, decode_legacy_header,
};
use crate::proto::out_queue::Outgoing;
use crate::proto::output::Admission;
use crate::types::{EntityName, EntityType, Hold, Secret, features};

use super::records::{Expected, Record, Tag};

/// Bytes of an authorizer.
const MOST: usize = HandshakeLimits::MAX_FRAME;

const CONVERSATIONS: [&str; 17] = [
    "10a-v1-none-mon-dump",
    "10b-v1-badprotover",
    "10c-v1-features",
    "10d-v1-ready",
    "10e-v1-cephx-mon-dump",
    "11a-v1-peer-first",
    "11b-v1-peer-reconnect",
    "11c-v1-peer-hard-reset",
    "12a-v1-osd-to-mon-cephx",
    "12b-v1-client-to-osd-signed",
    "14b-v1-none-ipv6",
    "15a-v1-osd-osd-session",
    "15b-v1-osd-osd-session",
    "15c-v1-osd-osd-session",
    "15d-v1-osd-osd-session",
    "15e-v1-osd-osd-session",
    "15f-v1-osd-osd-session",
];

impl Record {
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        match self {
            Self::Opening(opening) => out = opening.encode(),
            Self::Banner => out.extend(super::records::BANNER),
            Self::Address(addr) => super::records::put_address(addr, &mut out),
            Self::Connect(connect) => out = connect.encode(),
            Self::Reply(reply) => out = reply.encode(),
            Self::Seq(seq) => seq.encode(&mut out),
        }
        out
    }
}

/// A record of the handshake: it comes whole or not at all, and is written again
/// as it was.
fn same(name: &str, expected: Expected, unit: &[u8]) -> Record {
    for end in 0..unit.len() {
        let mut part = &unit[..end];
        assert_eq!(
            expected.take(&mut part, MOST),
            Ok(None),
            "{name}, cut at {end}"
        );
        assert_eq!(part.len(), end);
    }
    let longer = [unit, b"more"].concat();
    let mut rest = &longer[..];
    let record = expected
        .take(&mut rest, MOST)
        .unwrap()
        .expect("it is whole");
    assert_eq!(rest, b"more", "{name}: {expected:?}");
    assert_eq!(record.encode(), unit, "{name}: {expected:?}");
    record
}

fn read<R>(form: &LegacyForm, unit: &[u8], look: impl FnOnce(Frame<'_>) -> R) -> Result<R, Fault> {
    let mut reader = FrameReader::new(true);
    reader.set_legacy(form.clone());
    reader.allow_messages(1 << 20);
    let mut rest = unit;
    let mut admit = |_| Admission::Granted(Hold::NONE);
    let frame = reader.next(&mut rest, &mut admit)?;
    let looked = look(frame.expect("it is whole"));
    assert_eq!(rest, b"");
    Ok(looked)
}

fn control<C: Control>(payload: &[u8], out: &mut FrameWriter) {
    out.control(&C::decode(payload).unwrap());
}

/// What an open link carries: read, checked and written again as it was.
fn same_open(name: &str, features: u64, key: Option<&CryptoKey>, unit: &[u8]) {
    let nobody = EntityName::new(EntityType(0), 0);
    let form = LegacyForm::new(nobody, features, key.cloned());
    let again = read(&form, unit, |frame| {
        let mut out = FrameWriter::new(true);
        out.set_legacy(form.clone());
        match frame.tag {
            FrameTag::Ack => control::<Ack>(frame.first(), &mut out),
            FrameTag::Keepalive2 => control::<Keepalive2>(frame.first(), &mut out),
            FrameTag::Keepalive2Ack => control::<Keepalive2Ack>(frame.first(), &mut out),
            _ => {
                let (header, source) = decode_legacy_header(frame.first()).unwrap();
                out.set_legacy(LegacyForm::new(source, features, key.cloned()));
                let mut message = header.into_message();
                frame.fill(&mut message);
                out.message(&Outgoing::from(message), header.seq, 0);
            }
        }
        staged(&out)
    });
    assert_eq!(again.as_deref(), Ok(unit), "{name}");
}

/// Reads a conversation; how many units, and how many of them messages.
fn check(name: &str) -> (usize, usize) {
    let key = header(name).get("session_key").map(|text| {
        let secret = Secret::new(hex(text));
        CryptoKey::new(KeyType::Aes, secret).unwrap()
    });
    let mut expected = [Some(Expected::Opening), Some(Expected::Banner)];
    let (mut offered, mut features) = (0, 0);
    let (mut units, mut messages) = (0, 0);
    for (from_dialler, unit) in conversation(name) {
        units += 1;
        let side = usize::from(from_dialler);
        let Some(next) = expected[side] else {
            messages += usize::from(unit[0] == 7);
            same_open(name, features, key.as_ref(), &unit);
            continue;
        };
        expected[side] = match same(name, next, &unit) {
            Record::Opening(_) => Some(Expected::Reply),
            Record::Banner => Some(Expected::Address),
            Record::Address(_) => Some(Expected::Connect),
            Record::Connect(connect) => {
                offered = connect.features;
                Some(Expected::Connect)
            }
            Record::Reply(reply) => {
                features = offered & reply.features;
                match reply.tag {
                    Tag::Seq => {
                        expected = [Some(Expected::Seq); 2];
                        continue;
                    }
                    Tag::Ready => {
                        expected = [None; 2];
                        continue;
                    }
                    _ => Some(Expected::Reply),
                }
            }
            Record::Seq(_) => None,
        };
    }
    (units, messages)
}

#[test]
fn every_captured_record_is_read_and_written_again() {
    let checked = CONVERSATIONS.map(check);
    let units: usize = checked.iter().map(|(units, _)| units).sum();
    let messages: usize = checked.iter().map(|(_, messages)| messages).sum();
    println!("{units} records, {messages} of them messages");
    assert!(units > 230 && messages > 80, "{units} {messages}");
}

#[test]
fn every_bit_of_a_signed_message_counts() {
    let name = "12b-v1-client-to-osd-signed";
    let secret = Secret::new(hex(&header(name)["session_key"]));
    let key = CryptoKey::new(KeyType::Aes, secret).unwrap();
    let form = LegacyForm::new(
        EntityName::new(EntityType::OSD, 0),
        features::SUPPORTED_DEFAULT,
        Some(key),
    );
    let conversation = conversation(name);
    let (_, signed) = conversation.last().unwrap();
    assert_eq!(
        read(&form, signed, |frame| frame.tag),
        Ok(FrameTag::Message)
    );
    let flags = signed.len() - 1;
    for at in 1..signed.len() {
        for bit in 0..8 {
            let mut forged = signed.clone();
            forged[at] ^= 1 << bit;
            let taken = read(&form, &forged, |_| ());
            // Nobody signs the flags: of them only COMPLETE is believed.
            let believed = at == flags && bit != 0;
            assert_eq!(taken.is_ok(), believed, "bit {bit} of byte {at}: {taken:?}");
        }
    }
    // With the crc of the data declared missing, it still has to be right.
    let mut forged = signed.clone();
    forged[flags] |= 2;
    forged[flags - 30] ^= 1;
    assert_eq!(read(&form, &forged, |_| ()), Err(Fault::SegmentCrc));
}

#[test]
fn a_hostile_length_is_refused_before_anything_is_kept() {
    let name = "10a-v1-none-mon-dump";
    let units = conversation(name);
    let mut connect = units[3].1.clone();
    let mut reply = units[4].1.clone();
    for (len, connects, replies) in [
        (4095_u32, true, true),
        (4096, true, false),
        (16_384, true, false),
        (16_385, false, false),
        (u32::MAX, false, false),
    ] {
        connect[28..32].copy_from_slice(&len.to_le_bytes());
        reply[21..25].copy_from_slice(&len.to_le_bytes());
        let connect = Expected::Connect.take(&mut &connect[..], MOST);
        let reply = Expected::Reply.take(&mut &reply[..], MOST);
        assert_eq!(
            (connect.is_ok(), reply.is_ok()),
            (connects, replies),
            "{len}"
        );
    }
}

#[test]
fn strangers_are_found_out_at_their_first_wrong_byte() {
    for (bytes, clause) in [
        (&b"ceph v2\n"[..], "peer speaks msgr v2"),
        (b"ceph v2", "peer speaks msgr v2"),
        (b"ceph v03", "not a msgr peer: banner 'ceph v03'"),
        (b"GET / HTTP/1.1\r\n", "not a msgr peer: banner 'GET / HT'"),
    ] {
        for expected in [Expected::Banner, Expected::Opening] {
            let refused = expected.take(&mut &bytes[..], MOST).unwrap_err();
            assert_eq!(refused.to_string(), clause);
        }
    }
    assert_eq!(Expected::Banner.take(&mut &b"ceph v"[..], MOST), Ok(None));
}

#[test]
fn records_that_say_nothing_are_passed_over_and_a_goodbye_is_heard() {
    let form = LegacyForm::new(EntityName::new(EntityType::MON, 0), 0, None);
    let mut bytes = vec![9, 9, 8];
    7_u64.encode(&mut bytes);
    let seq = read(&form, &bytes, |frame| {
        Reader::new(frame.first()).field::<u64>()
    });
    assert_eq!(seq, Ok(Ok(7)));
    assert_eq!(read(&form, &[9, 6], |_| ()), Err(Fault::Closed));
    for tag in [0, 1, 10, 13, 16, 255] {
        assert_eq!(read(&form, &[tag], |_| ()), Err(Fault::UnknownTag(tag)));
    }
}
