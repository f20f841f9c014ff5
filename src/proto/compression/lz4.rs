//! LZ4: a table of piece lengths, then one raw block per piece. A block may copy
//! from the pieces before it.

use lz4_flex::block::{
    compress_into, decompress_into, decompress_into_with_dict, get_maximum_output_size,
};

use crate::proto::codec::{DecodeError, Field, Reader, count, length};

/// Each further byte of a match's length stands for 255 bytes.
const MAX_RATIO: usize = 255;
/// The longest block that the format allows.
const MAX_BLOCK: usize = 0x7e00_0000;
/// How far back a block can refer.
const WINDOW: usize = 64 << 10;
/// Bytes of the table for each piece.
const ENTRY_LEN: usize = 8;

const SHORT: DecodeError = DecodeError("lz4: it ends inside a piece");
const CORRUPT: DecodeError = DecodeError("lz4: corrupt block");

/// Appends `segment` as one piece. False if it is too long.
pub fn compress(segment: &[u8], out: &mut Vec<u8>) -> bool {
    if segment.len() > MAX_BLOCK {
        return false;
    }
    let table = out.len();
    1_u32.encode(out);
    count(segment.len()).encode(out);
    0_u32.encode(out);
    let block = out.len();
    out.resize(block + get_maximum_output_size(segment.len()), 0);
    let room = out.get_mut(block..).unwrap_or_default();
    let Ok(written) = compress_into(segment, room) else {
        out.truncate(table);
        return false;
    };
    out.truncate(block + written);
    if let Some(entry) = out.get_mut(block - 4..block) {
        entry.copy_from_slice(&count(written).to_le_bytes());
    }
    true
}

/// What all pieces together claim to unpack to.
pub fn measure(container: &[u8]) -> Result<usize, DecodeError> {
    let (mut table, mut blocks) = split(container)?;
    let mut total = 0_usize;
    while let Some((len, block)) = next(&mut table, &mut blocks)? {
        if len > block.len().saturating_mul(MAX_RATIO) {
            return Err(DecodeError("lz4: a piece claims more than it can hold"));
        }
        total = total.saturating_add(len);
    }
    if !blocks.rest().is_empty() {
        return Err(DecodeError("lz4: there are bytes after the last piece"));
    }
    Ok(total)
}

/// Appends the `len` bytes of all pieces.
pub fn decompress(container: &[u8], len: usize, out: &mut Vec<u8>) -> Result<(), DecodeError> {
    let start = out.len();
    out.resize(start + len, 0);
    let mut done = 0_usize;
    let unpacked = out.get_mut(start..).unwrap_or_default();
    let (mut table, mut blocks) = split(container)?;
    while let Some((piece, block)) = next(&mut table, &mut blocks)? {
        let (before, rest) = unpacked.split_at_mut_checked(done).ok_or(CORRUPT)?;
        let room = rest.get_mut(..piece).ok_or(CORRUPT)?;
        let window = before.get(before.len().saturating_sub(WINDOW)..);
        let written = match window {
            None | Some([]) => decompress_into(block, room),
            Some(window) => decompress_into_with_dict(block, room, window),
        };
        if written.ok() != Some(piece) {
            return Err(CORRUPT);
        }
        done += piece;
    }
    if done == len { Ok(()) } else { Err(CORRUPT) }
}

/// The table and the blocks behind it.
fn split(container: &[u8]) -> Result<(Reader<'_>, Reader<'_>), DecodeError> {
    let mut blocks = Reader::new(container);
    let pieces = length(&mut blocks).map_err(|_| SHORT)?;
    let table = pieces.checked_mul(ENTRY_LEN).ok_or(SHORT)?;
    let table = blocks.take(table).map_err(|_| SHORT)?;
    Ok((Reader::new(table), blocks))
}

/// The next piece's unpacked length and its block.
fn next<'a>(
    table: &mut Reader<'a>,
    blocks: &mut Reader<'a>,
) -> Result<Option<(usize, &'a [u8])>, DecodeError> {
    if table.rest().is_empty() {
        return Ok(None);
    }
    let len = length(table).map_err(|_| SHORT)?;
    let packed = length(table).map_err(|_| SHORT)?;
    let block = blocks.take(packed).map_err(|_| SHORT)?;
    Ok(Some((len, block)))
}
