//! Large data of a message in the open, in memory that the program lends for it.
//!
//! What stands before the data is collected first, since it says what they are. The
//! socket is then read straight into what was lent, and what follows the data comes
//! by the caller's input again.

use bytes::Bytes;

use crate::proto::codec::DecodeError;
use crate::proto::fault::Fault;
use crate::types::{RxBuffer, RxRequest, received};

use super::header::MessageHeader;
use super::preamble::{MAX_CONTROL_LEN, Preamble};

/// Fewer data come by the caller's input, and are copied from there.
const MIN: usize = 64 << 10;
/// With more than this before them the data are copied, too: it would have to be
/// collected in a buffer of its own.
const MAX_HEAD: usize = MAX_CONTROL_LEN as usize;

/// Whether the program lends memory, and what of a body is there in such.
#[derive(Default)]
pub struct Lending {
    /// It does, if it is asked.
    on: bool,
    /// It was, for the frame that is being read.
    asked: bool,
    begun: Option<Box<Begun>>,
}

/// A body in parts.
struct Begun {
    /// What stands before the data.
    head: Vec<u8>,
    request: RxRequest,
    /// Once it was lent.
    data: Option<Box<dyn RxBuffer>>,
    /// Bytes of the data that are there.
    filled: usize,
}

/// How far a body has come.
pub enum Progress {
    /// Its data are nothing for lent memory.
    Ordinary,
    /// It is not whole. Perhaps memory is [wanted](Lending::wanted).
    More,
    /// It is.
    Whole(Parts),
}

/// A whole body, unchecked.
pub struct Parts {
    /// What stands before the data.
    pub head: Bytes,
    /// The data.
    pub data: Bytes,
    /// What follows them.
    pub tail: Vec<u8>,
}

impl Lending {
    /// From now on the program is asked, or not.
    #[inline]
    pub fn set(&mut self, on: bool) {
        self.on = on;
    }

    #[inline]
    pub const fn is_on(&self) -> bool {
        self.on
    }

    /// The frame that is being read came to nothing.
    pub fn forget(&mut self) {
        self.asked = false;
    }

    /// True once if the program was asked for the frame that has come whole.
    pub fn take_asked(&mut self) -> bool {
        std::mem::take(&mut self.asked)
    }

    /// Takes off the front of `input` what there is of a body of `len` bytes, of
    /// which `head` stand before the data.
    pub fn collect(
        &mut self,
        preamble: &Preamble,
        head: usize,
        len: usize,
        input: &mut &[u8],
    ) -> Result<Progress, Fault> {
        let data = preamble.lens[3] as usize;
        let Some(begun) = &mut self.begun else {
            if self.asked || data < MIN || head > MAX_HEAD {
                return Ok(Progress::Ordinary);
            }
            return self.begin(preamble, head, data, input);
        };
        let Some(buffer) = &mut begun.data else {
            return Ok(Progress::More);
        };
        let room = buffer.bytes_mut().get_mut(begun.filled..);
        let room = room.unwrap_or_default();
        let (ours, rest) = input.split_at(room.len().min(input.len()));
        if let Some(to) = room.get_mut(..ours.len()) {
            to.copy_from_slice(ours);
        }
        begun.filled += ours.len();
        *input = rest;
        let tail = len.saturating_sub(head + data);
        if begun.filled < data || rest.len() < tail {
            return Ok(Progress::More);
        }
        let (tail, rest) = rest.split_at(tail);
        *input = rest;
        let parts = self.begun.take().and_then(|begun| begun.into_parts(tail));
        Ok(parts.map_or(Progress::More, Progress::Whole))
    }

    fn begin(
        &mut self,
        preamble: &Preamble,
        head: usize,
        len: usize,
        input: &mut &[u8],
    ) -> Result<Progress, Fault> {
        let Some((head, rest)) = input.split_at_checked(head) else {
            return Ok(Progress::More);
        };
        let malformed = |why: DecodeError| Fault::Payload(preamble.tag, why);
        let header = MessageHeader::decode(head).map_err(malformed)?;
        *input = rest;
        self.asked = true;
        self.begun = Some(Box::new(Begun {
            head: head.to_vec(),
            request: RxRequest {
                kind: header.kind,
                tid: header.tid,
                data_off: header.data_off,
                len,
            },
            data: None,
            filled: 0,
        }));
        Ok(Progress::More)
    }

    /// What memory is wanted for.
    pub fn wanted(&self) -> Option<RxRequest> {
        let begun = self.begun.as_ref()?;
        begun.data.is_none().then_some(begun.request)
    }

    /// Answers that. Without memory of the length that is wanted, what was collected
    /// comes back.
    pub fn lend(&mut self, buffer: Option<Box<dyn RxBuffer>>) -> Option<Vec<u8>> {
        let begun = self.begun.as_mut()?;
        begun.data = fitting(buffer, begun.request.len);
        match begun.data {
            Some(_) => None,
            None => self.begun.take().map(|begun| begun.head),
        }
    }

    /// Where the next bytes of the data belong.
    pub fn room(&mut self) -> Option<&mut [u8]> {
        let begun = self.begun.as_mut()?;
        let room = begun.data.as_mut()?.bytes_mut().get_mut(begun.filled..)?;
        (!room.is_empty()).then_some(room)
    }

    /// So many were read into that.
    pub fn handle_read(&mut self, n: usize) {
        if let Some(begun) = &mut self.begun {
            begun.filled += n;
        }
    }
}

impl Begun {
    fn into_parts(self, tail: &[u8]) -> Option<Parts> {
        Some(Parts {
            head: self.head.into(),
            data: received(self.data?),
            tail: tail.to_vec(),
        })
    }
}

/// Only memory of that length is of use.
pub fn fitting(buffer: Option<Box<dyn RxBuffer>>, len: usize) -> Option<Box<dyn RxBuffer>> {
    buffer.filter(|buffer| buffer.bytes().len() == len)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::super::{Frame, FrameReader, FrameWriter, Revision};
    use super::*;
    use crate::proto::captured::staged;
    use crate::proto::output::Admission;
    use crate::types::{Hold, Message, Payload};

    struct Lent {
        bytes: Vec<u8>,
        dropped: Arc<AtomicUsize>,
    }

    impl RxBuffer for Lent {
        fn bytes(&self) -> &[u8] {
            &self.bytes
        }

        fn bytes_mut(&mut self) -> &mut [u8] {
            &mut self.bytes
        }
    }

    impl Drop for Lent {
        fn drop(&mut self) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A program that lends memory longer by so much than is wanted.
    #[derive(Default)]
    struct Program {
        excess: usize,
        asked: Vec<RxRequest>,
        dropped: Arc<AtomicUsize>,
        /// Where its memory is.
        at: Vec<*const u8>,
    }

    impl Program {
        fn alloc(&mut self, request: RxRequest) -> Option<Box<dyn RxBuffer>> {
            self.asked.push(request);
            let bytes = vec![0; request.len + self.excess];
            self.at.push(bytes.as_ptr());
            Some(Box::new(Lent {
                bytes,
                dropped: Arc::clone(&self.dropped),
            }))
        }
    }

    const LEN: usize = 100_000;

    fn reader(revision: Revision) -> FrameReader {
        let mut reader = FrameReader::new(true);
        reader.set_revision(revision);
        reader.allow_messages(1 << 20);
        reader.set_lending(true);
        reader
    }

    /// Two messages as they travel.
    fn wire(revision: Revision) -> Vec<u8> {
        let mut writer = FrameWriter::new(true);
        writer.set_revision(revision);
        let mut wire = Vec::new();
        for seq in 1..=2 {
            let mut message = Message::new(42);
            (message.tid, message.data_off) = (7, 512);
            message.front.append_copy(b"front");
            message.data.append_copy(&vec![seq; LEN]);
            writer.message(&message.into(), seq.into(), 0);
            let bytes = staged(&writer);
            writer.handle_sent(bytes.len());
            wire.extend(bytes);
        }
        wire
    }

    /// What comes of `wire`, of which `step` bytes come at a time.
    fn read(
        reader: &mut FrameReader,
        wire: &[u8],
        step: usize,
        program: &mut Program,
    ) -> Result<Vec<[Payload; 3]>, Fault> {
        let (mut held, mut got) = (Vec::new(), Vec::new());
        for mut chunk in wire.chunks(step) {
            if let Some(room) = reader.lent() {
                let (ours, rest) = chunk.split_at(room.len().min(chunk.len()));
                room[..ours.len()].copy_from_slice(ours);
                reader.handle_lent(ours.len());
                chunk = rest;
            }
            held.extend_from_slice(chunk);
            loop {
                let mut rest = &held[..];
                let next = reader.next(&mut rest, &mut |_| Admission::Granted(Hold::NONE))?;
                let frame = next.map(|frame: Frame<'_>| frame.payloads());
                let used = held.len() - rest.len();
                held.drain(..used);
                match (frame, reader.wanted()) {
                    (Some(payloads), _) => {
                        reader.take_asked();
                        got.push(payloads);
                    }
                    (None, Some(wanted)) => reader.lend(program.alloc(wanted)),
                    (None, None) => break,
                }
            }
        }
        assert!(held.is_empty());
        Ok(got)
    }

    #[test]
    fn large_data_come_in_memory_that_was_lent_however_they_are_cut() {
        for revision in [Revision::Rev0, Revision::Rev1] {
            for step in [13, 1000, 65_536, 120_000] {
                let mut program = Program::default();
                let got = read(&mut reader(revision), &wire(revision), step, &mut program);
                let request = RxRequest {
                    kind: 42,
                    tid: 7,
                    data_off: 512,
                    len: LEN,
                };
                // The first comes whole, if so much comes at once.
                let first = usize::from(step > LEN);
                let asked = 2 - first;
                assert_eq!(program.asked, vec![request; asked], "{step}");
                let got = got.unwrap();
                for ([front, _, data], byte) in got.iter().zip([1, 2]) {
                    assert_eq!(front.clone().contiguous(), b"front");
                    assert!(data.pieces().eq([&vec![byte; LEN]]), "{revision:?} {step}");
                }
                let at = got[first][2].pieces().next().unwrap().as_ptr();
                assert_eq!(at, program.at[0]);
                assert_eq!(program.dropped.load(Ordering::Relaxed), 0);
                drop(got);
                assert_eq!(program.dropped.load(Ordering::Relaxed), asked);
            }
        }
    }

    #[test]
    fn memory_of_another_length_is_not_used() {
        let mut program = Program {
            excess: 1,
            ..Program::default()
        };
        let wire = wire(Revision::Rev1);
        let got = read(&mut reader(Revision::Rev1), &wire, 1000, &mut program).unwrap();
        assert_eq!(program.dropped.load(Ordering::Relaxed), 2);
        let lens: Vec<usize> = got.iter().map(|[_, _, data]| data.len()).collect();
        assert_eq!(lens, [LEN, LEN]);
    }

    #[test]
    fn a_flipped_bit_anywhere_is_found_and_the_memory_given_back() {
        for revision in [Revision::Rev0, Revision::Rev1] {
            let mut wire = wire(revision);
            wire.truncate(wire.len() / 2);
            let at = [32, 40, 73, 77, 82, LEN / 2, wire.len() - 14, wire.len() - 1];
            for at in at {
                wire[at] ^= 1;
                let mut program = Program::default();
                let mut reader = reader(revision);
                let got = read(&mut reader, &wire, 1000, &mut program);
                assert_eq!(got.err(), Some(Fault::SegmentCrc), "{revision:?} {at}");
                reader.reset();
                let dropped = program.dropped.load(Ordering::Relaxed);
                assert_eq!(dropped, program.asked.len());
                wire[at] ^= 1;
            }
        }
    }
}
