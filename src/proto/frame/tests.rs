//! Sealed frames against constructed bytes, and against each other.

use bytes::Bytes;
use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use super::control::{Ack, AuthSignature, Control, Keepalive2, Wait};
use super::nonces::record::Used;
use super::preamble::Preamble;
use super::*;
use crate::proto::captured::{hex, records, staged};
use crate::proto::codec::{DecodeError, Reader};
use crate::proto::fault::Fault;
use crate::proto::out_queue::Outgoing;
use crate::proto::output::{Admission, Request};
use crate::types::{Hold, Message, Payload, Secret};

const REVISIONS: [Revision; 2] = [Revision::Rev0, Revision::Rev1];

fn secret() -> Secret {
    Secret::new((0xa0..0xe0).collect())
}

/// A reader of what such a dialler's writer seals.
fn pair(revision: Revision) -> (FrameWriter, FrameReader) {
    let (sealer, _) = keys(&secret(), Side::Dialler, revision).unwrap();
    let (_, opener) = keys(&secret(), Side::Acceptor, revision).unwrap();
    let mut writer = FrameWriter::new(true);
    writer.set_secure(sealer);
    let mut reader = FrameReader::new(true);
    reader.set_secure(opener);
    reader.allow_messages(1 << 30);
    (writer, reader)
}

fn next<'a>(reader: &mut FrameReader, input: &mut &'a [u8]) -> Result<Option<Frame<'a>>, Fault> {
    reader.next(input, &mut |_| Admission::Granted(Hold::NONE))
}

/// What the writer has staged, which is over with this.
fn take(writer: &mut FrameWriter) -> Vec<u8> {
    let bytes = staged(writer);
    writer.handle_sent(bytes.len());
    assert!(writer.is_empty());
    bytes
}

/// A control frame of arbitrary bytes.
struct Raw(Vec<u8>);

impl Control for Raw {
    const TAG: Tag = Tag::ClientIdent;
    const EXTENSIBLE: bool = false;

    fn encode(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.0);
    }

    fn fields(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self(from.take(from.rest().len())?.to_vec()))
    }
}

fn write_again(frame: &Frame<'_>, writer: &mut FrameWriter) {
    match frame.tag {
        Tag::Message => {
            let header = MessageHeader::decode(frame.first()).unwrap();
            let mut message = header.into_message();
            frame.fill(&mut message);
            writer.message(&message.into(), header.seq, header.ack_seq);
        }
        Tag::Keepalive2 => writer.control(&Keepalive2::decode(frame.first()).unwrap()),
        Tag::AuthSignature => writer.control(&AuthSignature::decode(frame.first()).unwrap()),
        Tag::Wait => writer.control(&Wait::decode(frame.first()).unwrap()),
        Tag::ClientIdent => writer.control(&Raw::decode(frame.first()).unwrap()),
        tag => panic!("no vector has {tag:?}"),
    }
}

#[test]
fn sealed_frames_of_the_vectors_open_byte_by_byte_and_are_sealed_again() {
    for (name, revision) in [
        ("frames-rev0-secure", Revision::Rev0),
        ("frames-rev1-secure", Revision::Rev1),
    ] {
        let (mut writer, mut reader) = pair(revision);
        nonces_used();
        let frames: Vec<_> = records(name)
            .into_iter()
            .filter(|record| record.contains_key("frame"))
            .collect();
        assert_eq!(frames.len(), 10, "{name}");
        for record in frames {
            let bytes = hex(&record["frame"]);
            let mut held = Vec::new();
            for (at, byte) in bytes.iter().enumerate() {
                held.push(*byte);
                let mut rest = &held[..];
                let Some(frame) = next(&mut reader, &mut rest).unwrap() else {
                    let kept = rest.len();
                    held.drain(..held.len() - kept);
                    continue;
                };
                assert_eq!((at + 1, rest), (bytes.len(), &[][..]), "{name}");
                assert_eq!(frame.tag.code().to_string(), record["tag"]);
                assert_eq!(frame.first(), hex(&record["segment_0"]));
                for (payload, index) in frame.payloads().into_iter().zip(1..) {
                    let segment = record.get(&format!("segment_{index}"));
                    let segment = segment.map(|text| hex(text)).unwrap_or_default();
                    assert_eq!(payload, Bytes::from(segment).into());
                }
                write_again(&frame, &mut writer);
                held.clear();
                break;
            }
            assert_eq!(take(&mut writer), bytes, "{name} {}", record["name"]);
            let used = nonces_used();
            assert_eq!(used[0].1[..], hex(&record["first_nonce"]));
        }
    }
}

#[test]
fn a_frame_with_any_bit_flipped_is_refused() {
    for revision in REVISIONS {
        let (mut writer, _) = pair(revision);
        let mut message = Message::new(7);
        message.front = Bytes::from_static(b"front").into();
        message.data = Bytes::from_static(b"some data").into();
        writer.message(&message.into(), 1, 0);
        let bytes = staged(&writer);
        for bit in 0..bytes.len() * 8 {
            let mut wrong = bytes.clone();
            wrong[bit / 8] ^= 1 << (bit % 8);
            // A length that says so may have it wait for more.
            wrong.extend([0; 64]);
            let (_, mut reader) = pair(revision);
            let outcome = next(&mut reader, &mut &wrong[..]);
            assert!(!matches!(outcome, Ok(Some(_))), "{revision:?}, bit {bit}");
            // And if a length has it wait for more, that is not for free memory.
            assert!(
                reader
                    .bulk()
                    .is_none_or(|bulk| bulk.buffer.capacity() <= 65 << 10)
            );
        }
        let (_, mut reader) = pair(revision);
        assert!(next(&mut reader, &mut &bytes[..]).unwrap().is_some());
        assert!(
            matches!(
                next(&mut reader, &mut &bytes[..]),
                Err(Fault::RecordTag | Fault::PreambleCrc)
            ),
            "a frame that comes again is refused too"
        );
    }
}

#[test]
fn an_aborted_sealed_frame_is_passed_over_and_its_budget_given_back() {
    let records = records("frames-aborted");
    let record = records
        .iter()
        .find(|record| record["name"].starts_with("msgr2.1 secure"));
    let bytes = hex(&record.unwrap()["frame"]);
    let (_, mut reader) = pair(Revision::Rev1);
    let mut rest = &bytes[..];
    assert!(next(&mut reader, &mut rest).unwrap().is_none());
    assert_eq!((rest.len(), reader.take_unused()), (0, 10));
}

/// One record under the dialler's key and so many nonces after its first.
fn record(revision: Revision, number: u8, plain: &[u8]) -> Vec<u8> {
    let secret = secret();
    let (key, nonces) = secret.expose().split_at(16);
    let mut nonce: [u8; 12] = nonces[12..24].try_into().unwrap();
    nonce[if revision == Revision::Rev0 { 0 } else { 4 }] += number;
    let key = LessSafeKey::new(UnboundKey::new(&AES_128_GCM, key).unwrap());
    let mut record = plain.to_vec();
    let nonce = Nonce::assume_unique_for_key(nonce);
    key.seal_in_place_append_tag(nonce, Aad::empty(), &mut record)
        .unwrap();
    record
}

/// A message with a front of 16 bytes and that status.
fn with_status(revision: Revision, status: u8) -> Vec<u8> {
    let head = [&Preamble::message([41, 16, 0, 0]).encode()[..], &[0; 48]].concat();
    let mut rest = [0; 32];
    rest[16] = status;
    match revision {
        Revision::Rev0 => record(revision, 0, &[&head[..], &rest].concat()),
        Revision::Rev1 => [record(revision, 0, &head), record(revision, 1, &rest)].concat(),
    }
}

#[test]
fn the_status_of_a_sealed_frame_is_that_of_its_revision() {
    let outcome = |revision, status| {
        let (_, mut reader) = pair(revision);
        let bytes = with_status(revision, status);
        next(&mut reader, &mut &bytes[..]).map(|frame| frame.is_some())
    };
    for (status, rev0, rev1) in [
        (0x00, Ok(true), Err(Fault::LateStatus(0x00))),
        (0x01, Ok(false), Ok(false)),
        (0x0e, Ok(true), Ok(true)),
        (0xfe, Ok(true), Ok(true)),
        (0xf1, Ok(false), Ok(false)),
        (0x07, Ok(false), Err(Fault::LateStatus(0x07))),
    ] {
        assert_eq!(outcome(Revision::Rev0, status), rev0, "{status:#x}");
        assert_eq!(outcome(Revision::Rev1, status), rev1, "{status:#x}");
    }
}

fn large(len: usize) -> Outgoing {
    let mut message = Message::new(42);
    message.front = Bytes::from_static(b"front").into();
    let pieces = (0..len).map(|at| (at % 251) as u8).collect::<Vec<_>>();
    let pieces = Bytes::from(pieces);
    message.data.append(pieces.slice(..len / 3));
    message.data.append(pieces.slice(len / 3..));
    message.into()
}

#[test]
fn large_sealed_messages_are_collected_and_opened_where_they_lie() {
    for revision in REVISIONS {
        let (mut writer, mut reader) = pair(revision);
        writer.control(&Ack { seq: 1 });
        writer.message(&large(3 << 20), 1, 0);
        writer.message(&large(100), 2, 0);
        writer.control(&Ack { seq: 2 });
        let bytes = take(&mut writer);
        let (mut input, mut frames, mut zero_copy) = (&bytes[..], 0, 0);
        let mut held = Vec::new();
        while !input.is_empty() || !held.is_empty() {
            let spots = reader.bulk().map(|bulk| {
                let spare = bulk.buffer.capacity() - bulk.buffer.len();
                let (ours, rest) = input.split_at(bulk.missing.min(spare).min(input.len()));
                bulk.buffer.extend_from_slice(ours);
                input = rest;
                bulk.buffer.as_ptr_range()
            });
            if spots.is_none() {
                let (ours, rest) = input.split_at(input.len().min(100_000));
                held.extend_from_slice(ours);
                input = rest;
            }
            let given = std::mem::take(&mut held);
            let mut rest = &given[..];
            while let Some(frame) = next(&mut reader, &mut rest).unwrap() {
                frames += 1;
                if frame.tag != Tag::Message {
                    continue;
                }
                let [mut front, _, mut data] = frame.payloads();
                assert_eq!(front.contiguous(), b"front");
                let sent = large(data.len()).message.data;
                assert!(data == sent, "{revision:?}: other bytes");
                let place = data.contiguous().as_ptr();
                zero_copy += usize::from(spots.as_ref().is_some_and(|it| it.contains(&place)));
            }
            held = rest.to_vec();
        }
        assert_eq!((frames, zero_copy), (4, 1), "{revision:?}");
    }
}

#[test]
fn what_is_held_of_a_large_sealed_frame_follows_the_bytes_that_came() {
    for revision in REVISIONS {
        let (mut writer, mut reader) = pair(revision);
        writer.message(&large(1 << 20), 1, 0);
        let bytes = staged(&writer);
        let mut head = &bytes[..200];
        assert!(next(&mut reader, &mut head).unwrap().is_none());
        assert!(head.is_empty());
        let bulk = reader.bulk().unwrap();
        assert_eq!(bulk.missing, bytes.len() - 200, "{revision:?}");
        assert!(bulk.buffer.capacity() <= 64 << 10);
    }
}

#[test]
fn a_waiting_sealed_message_is_admitted_once() {
    for revision in REVISIONS {
        let (mut writer, mut reader) = pair(revision);
        writer.message(&large(1000), 1, 0);
        let bytes = staged(&writer);
        let (mut rest, mut asked) = (&bytes[..], Vec::new());
        for _ in 0..3 {
            let refuse = &mut |request: Request| {
                asked.push(request.bytes);
                Admission::Wait
            };
            assert!(reader.next(&mut rest, refuse).unwrap().is_none());
        }
        reader.handle_admitted(Hold::NONE);
        let mut never = |_| unreachable!("it was admitted");
        assert!(reader.next(&mut rest, &mut never).unwrap().is_some());
        assert_eq!((rest.len(), asked), (0, vec![1005]));
    }
}

#[test]
fn a_secret_gives_each_end_what_the_other_opens_and_has_to_be_long_enough() {
    for len in 0..40 {
        let short = keys(&Secret::new(vec![1; len]), Side::Dialler, Revision::Rev1);
        assert_eq!(short.err(), Some(Fault::ShortSecret(len)));
    }
    for revision in REVISIONS {
        let (mut writer, mut reader) = pair(revision);
        writer.control(&Ack { seq: 5 });
        let bytes = staged(&writer);
        assert!(next(&mut reader, &mut &bytes[..]).unwrap().is_some());
        // The same end does not open what it has sealed itself.
        let (_, opener) = keys(&secret(), Side::Dialler, revision).unwrap();
        let mut own = FrameReader::new(true);
        own.set_secure(opener);
        assert!(next(&mut own, &mut &bytes[..]).is_err());
    }
}

#[test]
fn no_nonce_seals_two_records() {
    for revision in REVISIONS {
        nonces_used();
        let (mut dialler, _) = pair(revision);
        let (sealer, _) = keys(&secret(), Side::Acceptor, revision).unwrap();
        let mut acceptor = FrameWriter::new(true);
        acceptor.set_secure(sealer);
        for writer in [&mut dialler, &mut acceptor] {
            for seq in 0..50 {
                writer.control(&Ack { seq });
                writer.control(&Raw(vec![0; 100]));
                writer.message(&large(usize::try_from(seq).unwrap()), seq, 0);
            }
        }
        let mut used = nonces_used();
        let records = if revision == Revision::Rev0 { 3 } else { 5 };
        assert_eq!(used.len(), 2 * 50 * records);
        used.sort_unstable();
        assert!(used.windows(2).all(|two: &[Used]| two[0] != two[1]));
    }
}

#[test]
fn a_writer_without_nonces_stages_nothing() {
    for revision in REVISIONS {
        let (mut sealer, _) = keys(&secret(), Side::Dialler, revision).unwrap();
        sealer.skip_to_last(3);
        let mut writer = FrameWriter::new(true);
        writer.set_secure(sealer);
        assert!(!writer.is_worn());
        writer.control(&Ack { seq: 1 });
        assert!(writer.is_worn());
        for _ in 0..4 {
            writer.message(&large(300_000), 1, 0);
            writer.control(&Raw(vec![0; 100]));
            writer.message(&large(100), 2, 0);
        }
        let bytes = take(&mut writer);
        let (mut rest, mut reader) = (&bytes[..], pair(revision).1);
        reader.skip_to_last(3);
        while next(&mut reader, &mut rest).unwrap().is_some() {}
        assert!(
            rest.is_empty(),
            "{revision:?}: {} bytes of half a frame",
            rest.len()
        );
    }
}

#[test]
fn a_new_link_begins_without_the_keys_of_the_last() {
    let (mut writer, mut reader) = pair(Revision::Rev1);
    writer.control(&Ack { seq: 1 });
    writer.clear();
    reader.reset();
    writer.control(&Ack { seq: 2 });
    let bytes = take(&mut writer);
    assert_eq!(bytes.len(), 32 + 8 + 4);
    assert!(next(&mut reader, &mut &bytes[..]).unwrap().is_some());
}

#[test]
fn an_empty_payload_is_one_record_in_either_revision() {
    for (revision, len) in [(Revision::Rev0, 32 + 48 + 16 + 16), (Revision::Rev1, 96)] {
        let (mut writer, mut reader) = pair(revision);
        writer.message(&Message::new(2).into(), 1, 0);
        let bytes = take(&mut writer);
        assert_eq!(bytes.len(), len);
        let mut rest = &bytes[..];
        let frame = next(&mut reader, &mut rest).unwrap().unwrap();
        assert!(frame.payloads().iter().all(Payload::is_empty));
    }
}

#[test]
fn the_keys_of_a_link_take_little_memory() {
    let keys = size_of::<secure::Sealer>() + size_of::<secure::Opener>();
    println!("keys of a link: {keys} bytes");
    assert!(keys <= 2560, "{keys}");
    // What a link in the open pays for what others need.
    let open = size_of::<FrameReader>() + size_of::<FrameWriter>();
    println!("reader and writer: {open} bytes");
    assert!(open <= 512, "{open}");
}
