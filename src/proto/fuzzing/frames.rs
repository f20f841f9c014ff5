//! Streams of frames, in the open and sealed: the steps of a program make them,
//! sound or not, and a reader gets them at once and in pieces.

use ring::aead::{AES_128_GCM, Aad, LessSafeKey, Nonce, UnboundKey};

use crate::proto::auth::cephx::KeyType;
use crate::proto::compression::{Algorithm, Compression};
use crate::proto::fault::Fault;
use crate::proto::frame::{FrameReader, LegacyForm, Revision, Side, keys};
use crate::proto::output::{Admission, Request};
use crate::types::{EntityName, EntityType, Hold, Secret, features};

use super::keys::key;
use super::meter::Watch;
use super::program::Program;

/// The most that a message may unpack to.
const MAX_MESSAGE: u64 = 256 << 10;
/// What a reader may hold besides what it was sent: a first buffer, and a cipher.
const START: usize = (64 << 10) + (4 << 10);
/// What unpacking takes besides its result.
const WORKSPACE: usize = 512 << 10;
/// Longer streams find nothing more.
const MAX_WIRE: usize = 48 << 10;

const SECRET: [u8; 64] = [7; 64];

/// crc32c as a register, without a final inversion.
pub fn raw_crc(register: u32, bytes: &[u8]) -> u32 {
    !crc32c::crc32c_append(!register, bytes)
}

/// A preamble of that tag and those lengths with its crc.
pub fn raw_preamble(tag: u8, flags: u8, count: u8, lens: [u32; 4]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes[0] = tag;
    bytes[1] = count;
    for (index, len) in lens.iter().enumerate() {
        bytes[2 + 6 * index..6 + 6 * index].copy_from_slice(&len.to_le_bytes());
        bytes[6 + 6 * index] = 8;
    }
    bytes[26] = flags;
    let crc = raw_crc(0, &bytes[..28]);
    bytes[28..].copy_from_slice(&crc.to_le_bytes());
    bytes
}

/// What both ends of the stream have agreed on.
#[derive(Clone, Copy)]
struct Setup {
    revision: Revision,
    messages: bool,
    crcs: bool,
    algorithm: Option<Algorithm>,
    form: Form,
}

/// How frames lie on the wire.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Crc,
    Sealed,
    /// Records of v1, signed or not.
    Legacy {
        signed: bool,
    },
}

impl Setup {
    fn of(flags: u8, form: Form) -> Self {
        // v1 knows no compression.
        let compresses = matches!(form, Form::Crc | Form::Sealed);
        let algorithm = Algorithm::from_code(u32::from((flags >> 4) % 5));
        let algorithm = algorithm.filter(|_| compresses);
        Self {
            revision: match flags & 1 {
                0 => Revision::Rev1,
                _ => Revision::Rev0,
            },
            messages: flags & 2 != 0,
            crcs: flags & 4 == 0,
            algorithm: algorithm.filter(|algorithm| *algorithm != Algorithm::None),
            form,
        }
    }

    fn reader(&self) -> FrameReader {
        let mut reader = FrameReader::new(self.crcs);
        reader.set_revision(self.revision);
        match self.form {
            Form::Crc => {}
            Form::Sealed => {
                let keys = keys(&Secret::new(SECRET.to_vec()), Side::Acceptor, self.revision);
                reader.set_secure(keys.expect("a long secret").1);
            }
            Form::Legacy { signed } => reader.set_legacy(legacy_form(signed)),
        }
        reader.set_compression(self.algorithm.map(|algorithm| Compression {
            algorithm,
            min_size: 0,
        }));
        if self.messages {
            reader.allow_messages(MAX_MESSAGE);
        }
        reader
    }

    /// The most that reading so many bytes may take.
    const fn limit(&self, wire: usize) -> usize {
        let unpacked = match self.algorithm {
            None => 0,
            Some(_) => WORKSPACE + 3 * MAX_MESSAGE as usize,
        };
        START + 4 * wire + unpacked
    }
}

/// Makes frames, whatever is in them.
struct Maker {
    setup: Setup,
    wire: Vec<u8>,
    /// How many records were sealed.
    sealed: u64,
}

impl Maker {
    const fn new(setup: Setup) -> Self {
        Self {
            setup,
            wire: Vec::new(),
            sealed: 0,
        }
    }

    fn run(mut self, program: &mut Program<'_>) -> Vec<u8> {
        while let Some(step) = program.step() {
            if self.wire.len() > MAX_WIRE {
                break;
            }
            match step % 5 {
                0 => self.wire.extend(program.piece()),
                1 => self.control(program),
                2 => self.message(program),
                3 => self.claim(program),
                _ => self.damage(program),
            }
        }
        self.wire
    }

    fn control(&mut self, program: &mut Program<'_>) {
        let (tag, flags) = (program.byte(), program.byte());
        let payload = self.packed(program.piece(), flags);
        self.frame(tag, flags, 1, [payload, vec![], vec![], vec![]], 0x0e);
    }

    fn message(&mut self, program: &mut Program<'_>) {
        let (flags, status) = (program.byte(), program.byte());
        let mut segments = [(); 4].map(|()| self.packed(program.piece(), flags));
        if flags & 2 == 0 {
            segments[0] = self.packed(&[status; 41], flags);
        }
        let used = segments.iter().rposition(|segment| !segment.is_empty());
        let count = used.map_or(1, |last| last + 1) as u8;
        let status = if flags & 4 == 0 { 0x0e } else { status };
        self.frame(17, flags, count, segments, status);
    }

    /// A preamble with nothing behind it, or whatever comes next.
    fn claim(&mut self, program: &mut Program<'_>) {
        let (tag, flags, count) = (program.byte(), program.byte(), program.byte());
        let (low, high) = (program.number(), program.number());
        let lens = [low, low >> 32, high, high >> 32].map(|len| len as u32);
        let preamble = raw_preamble(tag, flags, count, lens);
        match (self.setup.form, self.setup.revision) {
            (Form::Legacy { .. }, _) => self.record_head(lens),
            (Form::Crc, _) => self.wire.extend(preamble),
            (Form::Sealed, Revision::Rev1) => self.seal([&preamble[..], &[0; 48]].concat()),
            // All that is read of it before its tag is the preamble.
            (Form::Sealed, Revision::Rev0) => {
                let start = self.wire.len();
                self.seal(preamble.to_vec());
                self.sealed -= 1;
                self.wire.truncate(start + preamble.len());
            }
        }
    }

    fn damage(&mut self, program: &mut Program<'_>) {
        let (back, mask) = (usize::from(program.short()), program.byte());
        let at = self.wire.len().checked_sub(back + 1);
        if let Some(byte) = at.and_then(|at| self.wire.get_mut(at)) {
            *byte ^= mask;
        }
    }

    fn packed(&self, segment: &[u8], flags: u8) -> Vec<u8> {
        let mut packed = Vec::new();
        match self.setup.algorithm {
            Some(algorithm) if flags & 1 != 0 && flags & 8 == 0 => {
                algorithm.compress(segment, &mut packed);
            }
            _ => packed.extend(segment),
        }
        packed
    }

    fn frame(&mut self, tag: u8, flags: u8, count: u8, segments: [Vec<u8>; 4], status: u8) {
        let lens = segments.each_ref().map(|segment| segment.len() as u32);
        let preamble = raw_preamble(tag, flags & 1, count, lens);
        match (self.setup.form, self.setup.revision) {
            (Form::Legacy { signed }, _) => self.record(tag, signed, &segments, status),
            (Form::Crc, revision) => {
                self.wire.extend(preamble);
                self.plain(revision, count, &segments, status);
            }
            (Form::Sealed, Revision::Rev0) => {
                let mut whole = preamble.to_vec();
                segments.iter().for_each(|segment| pad(segment, &mut whole));
                whole.extend([&[status & 1][..], &[0; 15]].concat());
                self.seal(whole);
            }
            (Form::Sealed, Revision::Rev1) => self.sealed_rev1(&preamble, count, &segments, status),
        }
    }

    fn plain(&mut self, revision: Revision, count: u8, segments: &[Vec<u8>; 4], status: u8) {
        let mut crcs = segments.each_ref().map(|bytes| raw_crc(u32::MAX, bytes));
        crcs.iter_mut()
            .skip(usize::from(count))
            .for_each(|crc| *crc = 0);
        let crc = |index: usize| crcs[index].to_le_bytes();
        let [first, rest @ ..] = segments;
        self.wire.extend(first);
        if revision == Revision::Rev1 && !first.is_empty() {
            self.wire.extend(crc(0));
        }
        rest.iter().for_each(|segment| self.wire.extend(segment));
        match revision {
            Revision::Rev0 => {
                self.wire.push(status & 1);
                (0..4).for_each(|index| self.wire.extend(crc(index)));
            }
            Revision::Rev1 if count > 1 => {
                self.wire.push(status);
                (1..4).for_each(|index| self.wire.extend(crc(index)));
            }
            Revision::Rev1 => {}
        }
    }

    fn sealed_rev1(&mut self, preamble: &[u8; 32], count: u8, segments: &[Vec<u8>; 4], status: u8) {
        let [first, rest @ ..] = segments;
        let mut padded = Vec::new();
        pad(first, &mut padded);
        padded.resize(padded.len().max(48), 0);
        let (inline, more) = padded.split_at(48);
        self.seal([&preamble[..], inline].concat());
        if !more.is_empty() {
            self.seal(more.to_vec());
        }
        if count > 1 {
            let mut last = Vec::new();
            rest.iter().for_each(|segment| pad(segment, &mut last));
            last.extend([&[status][..], &[0; 15]].concat());
            self.seal(last);
        }
    }

    /// A record of v1: a message, or a tag and what may stand behind it.
    fn record(&mut self, tag: u8, signed: bool, segments: &[Vec<u8>; 4], status: u8) {
        let [first, payload @ ..] = segments;
        if tag != 17 {
            self.wire.push(tag);
            return self.wire.extend(first);
        }
        let lens = segments.each_ref().map(|segment| segment.len() as u32);
        self.record_head(lens);
        payload.iter().for_each(|segment| self.wire.extend(segment));
        let crcs = payload.each_ref().map(|segment| raw_crc(0, segment));
        crcs.iter()
            .for_each(|crc| self.wire.extend(crc.to_le_bytes()));
        if signed {
            let header = self.wire.len() - 12 - lens[1..].iter().sum::<u32>() as usize - 4;
            let head_crc = &self.wire[header..header + 4];
            let words = [
                head_crc,
                &crcs[0].to_le_bytes(),
                &lens[1].to_le_bytes(),
                &crcs[1].to_le_bytes(),
                &lens[2].to_le_bytes(),
                &crcs[2].to_le_bytes(),
                &lens[3].to_le_bytes(),
                &[1, 0, 0, 0],
            ];
            let mut block = [0; 32];
            block.copy_from_slice(&words.concat());
            let signature = key(KeyType::Aes).sign_v1(&block);
            self.wire.extend(signature.to_le_bytes());
        }
        let flags = if signed { 5 } else { 1 };
        self.wire.push(if status == 0x0e { flags } else { status });
    }

    /// What a message of v1 begins with.
    fn record_head(&mut self, lens: [u32; 4]) {
        let mut header = [0; 49];
        header[0] = 1;
        for (index, len) in lens[1..].iter().enumerate() {
            header[22 + 4 * index..26 + 4 * index].copy_from_slice(&len.to_le_bytes());
        }
        header[36] = 8;
        self.wire.push(7);
        self.wire.extend(header);
        self.wire.extend(raw_crc(0, &header).to_le_bytes());
    }

    /// The dialler's next record.
    fn seal(&mut self, mut record: Vec<u8>) {
        let key = UnboundKey::new(&AES_128_GCM, &SECRET[..16]).expect("a key");
        let mut nonce = [0; 12];
        nonce.copy_from_slice(&SECRET[28..40]);
        let count = self.sealed;
        match self.setup.revision {
            Revision::Rev0 => add(&mut nonce[..4], count),
            Revision::Rev1 => add(&mut nonce[4..], count),
        }
        self.sealed += 1;
        let nonce = Nonce::assume_unique_for_key(nonce);
        let sealed =
            LessSafeKey::new(key).seal_in_place_append_tag(nonce, Aad::empty(), &mut record);
        sealed.expect("a short record");
        self.wire.extend(record);
    }
}

/// Adds to a little-endian number.
fn add(number: &mut [u8], mut more: u64) {
    for byte in number {
        more += u64::from(*byte);
        *byte = more as u8;
        more >>= 8;
    }
}

fn pad(segment: &[u8], out: &mut Vec<u8>) {
    out.extend(segment);
    out.resize(out.len().next_multiple_of(16), 0);
}

/// What a reader made of a stream.
#[derive(PartialEq, Eq, Debug)]
struct Outcome {
    /// Tag, lengths and a crc over each segment.
    frames: Vec<(u8, [usize; 4], [u32; 4])>,
    /// Bytes not used up, if there is no fault.
    rest: Result<usize, Fault>,
}

/// Gives the stream to a reader in pieces of so many bytes, cyclically. It may be
/// refused room for each message once.
fn read(setup: Setup, wire: &[u8], pieces: &[usize], refuse: bool) -> Outcome {
    let mut outcome = Outcome {
        frames: Vec::with_capacity(wire.len() / 32 + 1),
        rest: Ok(0),
    };
    let mut kept = Vec::with_capacity(wire.len());
    let watch = Watch::begin();
    let mut reader = setup.reader();
    let mut sizes = pieces.iter().cycle();
    let mut to_come = wire;
    loop {
        let size = sizes.next().copied().unwrap_or(usize::MAX);
        let (mut piece, rest) = to_come.split_at(size.min(to_come.len()));
        to_come = rest;
        while let Some(bulk) = reader.bulk().filter(|_| !piece.is_empty()) {
            let room = bulk.buffer.capacity() - bulk.buffer.len();
            assert!(room > 0 && bulk.missing > 0, "a buffer without room");
            let (ours, rest) = piece.split_at(room.min(bulk.missing).min(piece.len()));
            bulk.buffer.extend_from_slice(ours);
            piece = rest;
            if let Err(fault) = take(&mut reader, &mut kept, refuse, &mut outcome) {
                outcome.rest = Err(fault);
                break;
            }
        }
        kept.extend_from_slice(piece);
        if let Err(fault) = take(&mut reader, &mut kept, refuse, &mut outcome) {
            outcome.rest = Err(fault);
        }
        watch.expect_at_most(setup.limit(wire.len()));
        if outcome.rest.is_err() || to_come.is_empty() {
            break;
        }
    }
    if outcome.rest.is_ok() {
        let held = reader.bulk().map_or(0, |bulk| bulk.buffer.len());
        outcome.rest = Ok(if held == 0 { kept.len() } else { usize::MAX });
    }
    outcome
}

/// Takes all frames that are there.
fn take(
    reader: &mut FrameReader,
    kept: &mut Vec<u8>,
    refuse: bool,
    outcome: &mut Outcome,
) -> Result<(), Fault> {
    let mut rest = &kept[..];
    let mut asked = 0;
    loop {
        let mut refused = false;
        let mut admit = |request: Request| {
            assert!(request.bytes <= MAX_MESSAGE);
            asked += 1;
            refused = refuse && asked % 2 == 1;
            match refused {
                true => Admission::Wait,
                false => Admission::Granted(Hold::NONE),
            }
        };
        match reader.next(&mut rest, &mut admit)? {
            Some(frame) => {
                let segments = frame.segments();
                let crcs = segments.map(|segment| raw_crc(0, segment));
                let lens = segments.map(<[u8]>::len);
                outcome.frames.push((frame.tag.code(), lens, crcs));
                assert!(lens[1..].iter().sum::<usize>() as u64 <= MAX_MESSAGE);
                reader.spend();
            }
            None if reader.is_waiting() => reader.handle_admitted(Hold::NONE),
            None => break,
        }
        reader.take_unused();
    }
    let used = kept.len() - rest.len();
    kept.drain(..used);
    Ok(())
}

fn frames(input: &[u8], form: impl FnOnce(u8) -> Form) {
    let mut program = Program::new(input);
    let flags = program.byte();
    let setup = Setup::of(flags, form(flags));
    let sizes = [program.byte(), program.byte()];
    let wire = Maker::new(setup).run(&mut program);
    // A byte at a time takes its time.
    let least = if wire.len() <= 2048 { 1 } else { 100 };
    let sizes = sizes.map(|size| usize::from(size).max(least));
    let at_once = read(setup, &wire, &[], false);
    let in_pieces = read(setup, &wire, &sizes, true);
    assert_eq!(at_once.frames, in_pieces.frames);
    assert_eq!(at_once.rest.is_err(), in_pieces.rest.is_err());
    if !setup.messages {
        assert!(at_once.frames.iter().all(|(tag, ..)| *tag != 17));
    }
}

/// Frames in the open, of both revisions.
pub fn frames_crc(input: &[u8]) {
    frames(input, |_| Form::Crc);
}

/// Sealed frames, of both revisions, by a peer that has the keys.
pub fn frames_secure(input: &[u8]) {
    frames(input, |_| Form::Sealed);
}

/// Messages and other records of v1, signed and not.
pub fn v1_messages(input: &[u8]) {
    frames(input, |flags| Form::Legacy {
        signed: flags & 8 != 0,
    });
}

fn legacy_form(signed: bool) -> LegacyForm {
    let source = EntityName::new(EntityType::OSD, 3);
    match signed {
        true => {
            let key = key(KeyType::Aes);
            LegacyForm::new(source, features::MSG_AUTH, Some(key))
        }
        false => LegacyForm::new(source, 0, None),
    }
}
