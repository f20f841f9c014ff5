//! Every captured msgr2 conversation, read and written again.

use std::path::Path;

use super::banner::Banner;
use super::captured::{conversation, header, hex, staged};
use super::frame::control::{
    Ack, AuthBadMethod, AuthDone, AuthReplyMore, AuthRequest, AuthRequestMore, AuthSignature,
    ClientIdent, Control, Hello, IdentMissingFeatures, Keepalive2, Keepalive2Ack, ServerIdent,
    SessionReconnect, SessionReconnectOk, SessionReset, SessionRetry, SessionRetryGlobal, Wait,
};
use super::frame::{Frame, FrameReader, FrameWriter, MessageHeader, Revision, Side, Tag, keys};
use super::output::Admission;
use crate::types::{Hold, Message, Secret};

/// One direction of a conversation: a reader of what is in the capture, and a
/// writer that has to say the same.
struct Direction {
    reader: FrameReader,
    writer: FrameWriter,
    /// A reader that gets the bytes in small pieces, and what it has not used.
    patient: FrameReader,
    held: Vec<u8>,
    has_banner: bool,
    /// The message that was read and written again last.
    message: Option<Message>,
}

/// What there was to see.
#[derive(Default, Debug, PartialEq, Eq)]
struct Seen {
    records: usize,
    sealed: usize,
    messages: usize,
    bytes: usize,
}

impl Direction {
    fn new(revision: Revision) -> Self {
        let reader = || {
            let mut reader = FrameReader::new(true);
            reader.set_revision(revision);
            reader.allow_messages(1 << 30);
            reader
        };
        let mut writer = FrameWriter::new(true);
        writer.set_revision(revision);
        Self {
            reader: reader(),
            writer,
            patient: reader(),
            held: Vec::new(),
            has_banner: false,
            message: None,
        }
    }

    fn seal(&mut self, secret: &Secret, writes: Side, revision: Revision) {
        let reads = match writes {
            Side::Dialler => Side::Acceptor,
            Side::Acceptor => Side::Dialler,
        };
        let keys = |side| keys(secret, side, revision).unwrap();
        self.writer.set_secure(keys(writes).0);
        self.reader.set_secure(keys(reads).1);
        self.patient.set_secure(keys(reads).1);
    }

    /// Reads one unit and writes it again. `None` for a banner.
    fn replay(&mut self, unit: &[u8]) -> Option<(Tag, Vec<u8>)> {
        let mut rest = unit;
        let told = if std::mem::replace(&mut self.has_banner, true) {
            let frame = next(&mut self.reader, &mut rest).expect("a frame");
            self.message = write_again(&frame, &mut self.writer);
            Some((frame.tag, frame.first().to_vec()))
        } else {
            let banner = Banner::decode(&mut rest).unwrap().expect("a banner");
            self.writer.raw(&banner.encode());
            None
        };
        assert_eq!(rest, b"", "bytes behind the unit");
        let ours = staged(&self.writer);
        self.writer.handle_sent(ours.len());
        assert_eq!(ours, unit, "{told:?}");
        if told.is_some() {
            assert_eq!(self.piece_by_piece(unit), told);
        }
        told
    }

    fn piece_by_piece(&mut self, unit: &[u8]) -> Option<(Tag, Vec<u8>)> {
        let mut told = None;
        for piece in unit.chunks(7) {
            assert_eq!(told, None, "before its end");
            // What is missing of a large frame is read to where it belongs.
            match self.patient.bulk() {
                Some(bulk) => bulk.buffer.extend_from_slice(piece),
                None => self.held.extend_from_slice(piece),
            }
            let mut rest = &self.held[..];
            told =
                next(&mut self.patient, &mut rest).map(|frame| (frame.tag, frame.first().to_vec()));
            let used = self.held.len() - rest.len();
            self.held.drain(..used);
        }
        told
    }
}

fn next<'a>(reader: &mut FrameReader, input: &mut &'a [u8]) -> Option<Frame<'a>> {
    reader
        .next(input, &mut |_| Admission::Granted(Hold::NONE))
        .unwrap()
}

fn write_again(frame: &Frame<'_>, writer: &mut FrameWriter) -> Option<Message> {
    match frame.tag {
        Tag::Hello => control::<Hello>(frame, writer),
        Tag::AuthRequest => control::<AuthRequest>(frame, writer),
        Tag::AuthBadMethod => control::<AuthBadMethod>(frame, writer),
        Tag::AuthReplyMore => control::<AuthReplyMore>(frame, writer),
        Tag::AuthRequestMore => control::<AuthRequestMore>(frame, writer),
        Tag::AuthDone => control::<AuthDone>(frame, writer),
        Tag::AuthSignature => control::<AuthSignature>(frame, writer),
        Tag::ClientIdent => control::<ClientIdent>(frame, writer),
        Tag::ServerIdent => control::<ServerIdent>(frame, writer),
        Tag::IdentMissingFeatures => control::<IdentMissingFeatures>(frame, writer),
        Tag::SessionReconnect => control::<SessionReconnect>(frame, writer),
        Tag::SessionReset => control::<SessionReset>(frame, writer),
        Tag::SessionRetry => control::<SessionRetry>(frame, writer),
        Tag::SessionRetryGlobal => control::<SessionRetryGlobal>(frame, writer),
        Tag::SessionReconnectOk => control::<SessionReconnectOk>(frame, writer),
        Tag::Wait => control::<Wait>(frame, writer),
        Tag::Keepalive2 => control::<Keepalive2>(frame, writer),
        Tag::Keepalive2Ack => control::<Keepalive2Ack>(frame, writer),
        Tag::Ack => control::<Ack>(frame, writer),
        tag @ (Tag::CompressionRequest | Tag::CompressionDone) => panic!("no capture has {tag:?}"),
        Tag::Message => {
            let header = MessageHeader::decode(frame.first()).unwrap();
            let mut message = header.into_message();
            frame.fill(&mut message);
            writer.message(&message.clone().into(), header.seq, header.ack_seq);
            return Some(*message);
        }
    }
    None
}

fn control<C: Control>(frame: &Frame<'_>, writer: &mut FrameWriter) {
    writer.control(&C::decode(frame.first()).unwrap());
}

/// Plays one conversation, both ways.
///
/// Unit by unit, the message that it is.
fn replay(
    name: &str,
    revision: Revision,
    secret: Option<&Secret>,
    seen: &mut Seen,
) -> Vec<Option<Message>> {
    let mut dialler = Direction::new(revision);
    let mut acceptor = Direction::new(revision);
    let mut sealed = false;
    let mut messages = Vec::new();
    for (from_dialler, unit) in conversation(name) {
        let direction = if from_dialler {
            &mut dialler
        } else {
            &mut acceptor
        };
        let told = direction.replay(&unit);
        messages.push(direction.message.take());
        seen.records += 1;
        seen.bytes += unit.len();
        seen.sealed += usize::from(sealed);
        match told {
            Some((Tag::Message, _)) => seen.messages += 1,
            Some((Tag::AuthDone, payload)) if AuthDone::decode(&payload).unwrap().con_mode == 2 => {
                let secret = secret.expect("a secret");
                dialler.seal(secret, Side::Dialler, revision);
                acceptor.seal(secret, Side::Acceptor, revision);
                sealed = true;
            }
            _ => {}
        }
    }
    assert_eq!(sealed, secret.is_some(), "{name}");
    messages
}

/// How a capture's frames are read: nothing of it if it is none of msgr2.
fn reading(name: &str) -> Option<(Revision, Option<Secret>)> {
    let header = header(name);
    let revision = match header["proto"].as_str() {
        "msgr2.0" => Revision::Rev0,
        "msgr2.1" => Revision::Rev1,
        _ => return None,
    };
    let secret = header.get("connection_secret");
    Some((revision, secret.map(|secret| Secret::new(hex(secret)))))
}

/// The messages of a conversation: one, or none, for each of its units.
pub fn messages(name: &str) -> Vec<Option<Message>> {
    let (revision, secret) = reading(name).expect("msgr2");
    replay(name, revision, secret.as_ref(), &mut Seen::default())
}

#[test]
fn every_captured_conversation_is_read_and_written_again_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/conv");
    let mut seen = Seen::default();
    let mut conversations = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        let Some((revision, secret)) = reading(name) else {
            continue;
        };
        replay(name, revision, secret.as_ref(), &mut seen);
        conversations += 1;
    }
    println!("{conversations} msgr2 conversations: {seen:?}");
    assert!(conversations >= 38, "only {conversations}");
    assert!(seen.sealed >= 69, "only {} sealed", seen.sealed);
}
