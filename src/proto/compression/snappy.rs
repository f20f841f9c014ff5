//! Snappy: one raw block per segment, its unpacked length in front.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use crate::proto::codec::DecodeError;

/// A block says more than it has itself by copies, the best of which put 64
/// bytes in the place of three.
const MAX_RATIO: usize = 22;

/// Appends the block that says `segment`. False if there is none.
pub fn compress(segment: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    // Zero stands for a length that a block cannot state.
    let most = max_compress_len(segment.len());
    out.resize(start + most, 0);
    let written = match out.get_mut(start..) {
        Some(room) if most > 0 => Encoder::new().compress(segment, room).ok(),
        _ => None,
    };
    out.truncate(start + written.unwrap_or(0));
    written.is_some()
}

/// What the block claims to unpack to.
pub fn measure(block: &[u8]) -> Result<usize, DecodeError> {
    let len = decompress_len(block).map_err(|_| DecodeError("snappy: no length"))?;
    if len > block.len().saturating_mul(MAX_RATIO) {
        return Err(DecodeError("snappy: it claims more than it can hold"));
    }
    Ok(len)
}

/// Appends the `len` bytes that the block says.
pub fn decompress(block: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.resize(start + len, 0);
    let room = out.get_mut(start..).unwrap_or_default();
    match Decoder::new().decompress(block, room) {
        Ok(written) if written == len => Ok(()),
        _ => Err(DecodeError("snappy: corrupt block")),
    }
}
