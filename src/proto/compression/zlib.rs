//! Deflate: a byte that says which encoder was at work and that nobody reads,
//! then a raw stream. No length: it has to be found out by unpacking.

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

use crate::proto::codec::DecodeError;

/// Ceph's default.
const LEVEL: u32 = 5;
/// Ours is the plain encoder.
const VARIANT: u8 = 0;

const CORRUPT: DecodeError = DecodeError("zlib: corrupt stream");
const SHORT: DecodeError = DecodeError("zlib: the stream has no end");
const EXCESS: DecodeError = DecodeError("zlib: there are bytes after the stream");

/// Appends the stream that says `segment`, unless it gets longer than that.
pub fn compress(segment: &[u8], out: &mut Vec<u8>) -> bool {
    out.push(VARIANT);
    out.reserve(segment.len() + 64);
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    let done = deflate.compress_vec(segment, out, FlushCompress::Finish);
    matches!(done, Ok(Status::StreamEnd))
}

/// What the stream unpacks to, or an error once that is more than `limit`. It is
/// unpacked into a small buffer, over and over: a bomb takes time that its limit
/// bounds, and no memory.
pub fn measure(stream: &[u8], limit: usize) -> Result<usize, DecodeError> {
    let mut window = [0; 8 << 10];
    let mut inflate = Decompress::new(false);
    let mut rest = body(stream)?;
    let mut len = 0_usize;
    loop {
        let (before_in, before_out) = (inflate.total_in(), inflate.total_out());
        let status = inflate
            .decompress(rest, &mut window, FlushDecompress::None)
            .map_err(|_| CORRUPT)?;
        let taken = usize::try_from(inflate.total_in() - before_in).unwrap_or(usize::MAX);
        let made = usize::try_from(inflate.total_out() - before_out).unwrap_or(usize::MAX);
        rest = rest.get(taken..).unwrap_or_default();
        len = len.saturating_add(made);
        if len > limit {
            return Err(super::TOO_LARGE);
        }
        match status {
            Status::StreamEnd if rest.is_empty() => return Ok(len),
            Status::StreamEnd => return Err(EXCESS),
            _ if taken == 0 && made == 0 => return Err(SHORT),
            _ => {}
        }
    }
}

/// Appends the `len` bytes that the stream has been found to say.
pub fn decompress(stream: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.reserve_exact(len);
    let mut inflate = Decompress::new(false);
    // All of the output has room, so one call unpacks it.
    let done = inflate.decompress_vec(body(stream)?, out, FlushDecompress::Finish);
    match done {
        Ok(Status::StreamEnd) if out.len() - start == len => Ok(()),
        _ => Err(CORRUPT),
    }
}

fn body(stream: &[u8]) -> Result<&[u8], DecodeError> {
    match stream.split_first() {
        Some((_variant, body)) => Ok(body),
        None => Err(SHORT),
    }
}
