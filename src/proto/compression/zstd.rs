//! Zstandard: the unpacked length, then one frame.

use zstd::bulk::Compressor;
use zstd::stream::raw::{DParameter, Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::compress_bound;

use crate::proto::codec::{DecodeError, Field, Reader, count, length};

/// Ceph's default.
const LEVEL: i32 = 1;
/// A frame whose sender did not say how long it gets may ask for a window of so
/// many bytes (as a power of two) whatever its length.
const WINDOW_LOG: u32 = 22;
/// The largest window of any frame.
const MAX_WINDOW_LOG: u32 = 27;

const CORRUPT: DecodeError = DecodeError("zstd: corrupt frame");
const SHORT: DecodeError = DecodeError("zstd: it ends inside the frame");
const EXCESS: DecodeError = DecodeError("zstd: there are bytes after the frame");
const WRONG: DecodeError = DecodeError("zstd: it unpacks to another length than it says");

/// Appends the frame that says `segment`. False if there is none.
pub fn compress(segment: &[u8], out: &mut Vec<u8>) -> bool {
    let Ok(mut compressor) = Compressor::new(LEVEL) else {
        return false;
    };
    count(segment.len()).encode(out);
    let start = out.len();
    out.resize(start + compress_bound(segment.len()), 0);
    let room = out.get_mut(start..).unwrap_or_default();
    let written = compressor.compress_to_buffer(segment, room).ok();
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

/// What the frame claims to unpack to.
pub fn measure(container: &[u8]) -> Result<usize, DecodeError> {
    length(&mut Reader::new(container)).map_err(|_| SHORT)
}

/// Appends the `len` bytes that the frame says. A few bytes can claim any
/// length, so the room for them grows as they come.
pub fn decompress(container: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let mut from = Reader::new(container);
    length(&mut from).map_err(|_| SHORT)?;
    let mut decoder = decoder(len).map_err(|_| CORRUPT)?;
    let mut input = InBuffer::around(from.rest());
    let start = out.len();
    loop {
        let before = (input.pos(), out.len());
        grow(out, start, len);
        let at = out.len();
        let wants = decoder
            .run(&mut input, &mut OutBuffer::around_pos(out, at))
            .map_err(|_| CORRUPT)?;
        let made = out.len() - start;
        if made > len {
            return Err(WRONG);
        }
        match wants {
            0 if input.pos() < from.rest().len() => return Err(EXCESS),
            0 if made < len => return Err(WRONG),
            0 => return Ok(()),
            _ if before == (input.pos(), out.len()) && made == len => return Err(WRONG),
            _ if before == (input.pos(), out.len()) => return Err(SHORT),
            _ => {}
        }
    }
}

fn decoder(len: usize) -> std::io::Result<Decoder<'static>> {
    let fitting = len.checked_next_power_of_two().map_or(0, usize::ilog2);
    let mut decoder = Decoder::new()?;
    let log = fitting.clamp(WINDOW_LOG, MAX_WINDOW_LOG);
    decoder.set_parameter(DParameter::WindowLogMax(log))?;
    Ok(decoder)
}

/// Makes room if there is none, for what is missing at most.
fn grow(out: &mut Vec<u8>, start: usize, len: usize) {
    let made = out.len() - start;
    if out.len() == out.capacity() && made < len {
        out.reserve_exact((len - made).min(made.max(super::UNPACKED_START)));
    }
}
