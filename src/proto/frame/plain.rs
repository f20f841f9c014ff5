//! Frames in the open, with a crc for each segment.

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Reader};
use crate::proto::fault::Fault;

use super::crc;
use super::preamble::{EPILOGUE_REV1_LEN, MAX_SEGMENTS, Preamble, Revision};

/// Status of a msgr2.1 frame whose sender stands by it.
pub const STATUS_COMPLETE: u8 = 0x0e;
const STATUS_MASK: u8 = 0x0f;
const STATUS_ABORTED: u8 = 0x01;
const FLAG_ABORTED: u8 = 0x01;

/// Where the second segment of a body starts, and whether its sender gave it up,
/// if the body is sound. Without `crcs` those of its segments are ignored.
#[inline(always)]
pub fn check(
    revision: Revision,
    crcs: bool,
    preamble: &Preamble,
    body: &[u8],
) -> Result<(usize, bool), Fault> {
    let lens = preamble.lens.map(|len| len as usize);
    match revision {
        Revision::Rev1 => check_rev1(crcs, preamble.count, lens, body),
        Revision::Rev0 => check_rev0(crcs, preamble.count, lens, body),
    }
}

/// How much of a message's body stands before its data.
pub fn head_len(revision: Revision, preamble: &Preamble) -> usize {
    let [first, front, middle, _] = preamble.lens.map(|len| len as usize);
    let crc = match revision {
        Revision::Rev1 if first > 0 => 4,
        _ => 0,
    };
    first + crc + front + middle
}

/// The same for a message with data whose body is in three parts: what stands before
/// the data, the data, and what follows them.
pub fn check_parts(
    revision: Revision,
    crcs: bool,
    preamble: &Preamble,
    [head, data, tail]: [&[u8]; 3],
) -> Result<(usize, bool), Fault> {
    let lens = preamble.lens.map(|len| len as usize);
    let (mut from, mut epilogue) = (Reader::new(head), Reader::new(tail));
    let first = from.take(lens[0]).map_err(Fault::Frame)?;
    let status: u8 = epilogue.field().map_err(Fault::Frame)?;
    let aborted = is_aborted(revision, status).ok_or(Fault::LateStatus(status))?;
    if !first.is_empty() || revision == Revision::Rev0 {
        let beside = match revision {
            Revision::Rev1 => &mut from,
            Revision::Rev0 => &mut epilogue,
        };
        let crc = beside.field().map_err(Fault::Frame)?;
        compare(crcs, first, crc)?;
    }
    let second = head.len() - from.rest().len();
    for len in [lens[1], lens[2]] {
        let segment = from.take(len).map_err(Fault::Frame)?;
        let crc = epilogue.field().map_err(Fault::Frame)?;
        compare(crcs, segment, crc)?;
    }
    let crc = epilogue.field().map_err(Fault::Frame)?;
    compare(crcs, data, crc)?;
    Ok((second, aborted))
}

/// Was the frame with that status given up, whatever guards it? `None`: the status
/// means nothing.
#[inline]
pub fn is_aborted(revision: Revision, status: u8) -> Option<bool> {
    match (revision, status & STATUS_MASK) {
        (Revision::Rev0, _) => Some(status & FLAG_ABORTED != 0),
        (Revision::Rev1, STATUS_COMPLETE) => Some(false),
        (Revision::Rev1, STATUS_ABORTED) => Some(true),
        (Revision::Rev1, _) => None,
    }
}

/// Appends what follows the segments of a message.
#[inline(always)]
pub fn epilogue(revision: Revision, count: u8, crcs: [u32; MAX_SEGMENTS], out: &mut Vec<u8>) {
    match revision {
        Revision::Rev1 if count > 1 => {
            let mut bytes = [STATUS_COMPLETE; EPILOGUE_REV1_LEN];
            bytes[1..5].copy_from_slice(&crcs[1].to_le_bytes());
            bytes[5..9].copy_from_slice(&crcs[2].to_le_bytes());
            bytes[9..13].copy_from_slice(&crcs[3].to_le_bytes());
            out.put_slice(&bytes);
        }
        Revision::Rev1 => {}
        Revision::Rev0 => {
            out.put_u8(0);
            crcs.iter().for_each(|crc| out.put_u32_le(*crc));
        }
    }
}

#[inline(always)]
fn check_rev1(
    crcs: bool,
    count: u8,
    lens: [usize; MAX_SEGMENTS],
    body: &[u8],
) -> Result<(usize, bool), Fault> {
    let mut from = Reader::new(body);
    let first = from.take(lens[0]).map_err(Fault::Frame)?;
    if !first.is_empty() {
        let crc = from.field().map_err(Fault::Frame)?;
        compare(crcs, first, crc)?;
    }
    let second = body.len() - from.rest().len();
    if count == 1 {
        return Ok((second, false));
    }
    let segments = from.rest().len().checked_sub(EPILOGUE_REV1_LEN);
    let segments = segments.ok_or(Fault::Frame(DecodeError("it has no epilogue")))?;
    let mut epilogue = Reader::new(from.rest().get(segments..).unwrap_or_default());
    let status: u8 = epilogue.field().map_err(Fault::Frame)?;
    let aborted = is_aborted(Revision::Rev1, status).ok_or(Fault::LateStatus(status))?;
    for len in lens.iter().take(usize::from(count)).skip(1) {
        let segment = from.take(*len).map_err(Fault::Frame)?;
        let crc = epilogue.field().map_err(Fault::Frame)?;
        compare(crcs, segment, crc)?;
    }
    Ok((second, aborted))
}

fn check_rev0(
    crcs: bool,
    count: u8,
    lens: [usize; MAX_SEGMENTS],
    body: &[u8],
) -> Result<(usize, bool), Fault> {
    let mut from = Reader::new(body);
    let mut epilogue = Reader::new(body);
    epilogue.take(lens.iter().sum()).map_err(Fault::Frame)?;
    let flags: u8 = epilogue.field().map_err(Fault::Frame)?;
    for len in lens.iter().take(usize::from(count)) {
        let segment = from.take(*len).map_err(Fault::Frame)?;
        let crc = epilogue.field().map_err(Fault::Frame)?;
        compare(crcs, segment, crc)?;
    }
    Ok((lens[0], is_aborted(Revision::Rev0, flags) == Some(true)))
}

#[inline]
fn compare(crcs: bool, segment: &[u8], crc: u32) -> Result<(), Fault> {
    if crcs && crc::segment(segment) != crc {
        return Err(Fault::SegmentCrc);
    }
    Ok(())
}
