//! Containers of compressed segments.

use crate::proto::compression::Algorithm;

use super::meter::Watch;
use super::program::Program;

/// What an algorithm needs besides what it makes.
const WORKSPACE: usize = 512 << 10;

/// A container of some algorithm, or a segment to make one of.
pub fn compression(input: &[u8]) {
    let mut program = Program::new(input);
    let algorithm = Algorithm::from_code(u32::from(program.byte() % 5));
    let algorithm = algorithm.expect("one of five");
    let limit = usize::from(program.short()) * 16;
    let packs = program.byte() % 2 == 1;
    let bytes = program.rest();
    match packs {
        true => pack(algorithm, bytes),
        false => unpack(algorithm, bytes, limit),
    }
}

fn unpack(algorithm: Algorithm, packed: &[u8], limit: usize) {
    let watch = Watch::begin();
    let measured = algorithm.measure(packed, limit);
    watch.expect_at_most(WORKSPACE);
    let Ok(len) = measured else {
        return;
    };
    assert!(len <= limit, "{len} bytes where {limit} are allowed");
    let mut out = Vec::new();
    let unpacked = algorithm.decompress(packed, len, &mut out);
    watch.expect_at_most(WORKSPACE + 3 * len);
    match unpacked {
        Ok(()) => assert_eq!(out.len(), len),
        Err(_) => assert!(out.len() <= len, "more than was measured"),
    }
}

fn pack(algorithm: Algorithm, segment: &[u8]) {
    let mut packed = b"before".to_vec();
    if !algorithm.compress(segment, &mut packed) {
        assert_eq!(packed, b"before");
        return;
    }
    let packed = packed.strip_prefix(b"before").expect("what was there");
    let len = algorithm.measure(packed, segment.len());
    assert_eq!(len, Ok(segment.len()));
    let mut out = Vec::new();
    let unpacked = algorithm.decompress(packed, segment.len(), &mut out);
    assert_eq!(unpacked, Ok(()));
    assert_eq!(out, segment);
}
