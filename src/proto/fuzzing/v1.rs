//! What the two ends of the first protocol say before their link is open.

use crate::proto::config::HandshakeLimits;
use crate::proto::v1::{Expected, Record};

use super::meter::Watch;
use super::program::Program;

/// Bytes of an authorizer.
const MOST: usize = HandshakeLimits::MAX_FRAME;

const EXPECTED: [Expected; 6] = [
    Expected::Opening,
    Expected::Banner,
    Expected::Address,
    Expected::Connect,
    Expected::Reply,
    Expected::Seq,
];

/// Records of a handshake, whole and byte by byte.
pub fn v1_opening(input: &[u8]) {
    let mut program = Program::new(input);
    let mut expected = EXPECTED[usize::from(program.byte()) % EXPECTED.len()];
    let mut input = program.rest();
    for _ in 0..8 {
        let watch = Watch::begin();
        let mut rest = input;
        let Ok(whole) = expected.take(&mut rest, MOST) else {
            return;
        };
        watch.expect_at_most((4 << 10) + 2 * input.len());
        let used = input.len() - rest.len();
        for end in (0..input.len().min(used)).rev().take(400) {
            let mut prefix = &input[..end];
            let early = expected.take(&mut prefix, MOST);
            assert_eq!(early, Ok(None), "before it was whole");
            assert_eq!(prefix.len(), end, "taken before it was whole");
        }
        let Some(record) = whole else {
            return assert_eq!(used, 0);
        };
        again(expected, &record, &input[..used]);
        input = rest;
        expected = match expected {
            Expected::Banner => Expected::Address,
            Expected::Address | Expected::Connect => Expected::Connect,
            Expected::Opening | Expected::Reply => Expected::Reply,
            Expected::Seq => return,
        };
    }
}

/// What was taken says the same when we say it.
fn again(expected: Expected, record: &Record, taken: &[u8]) {
    let encoded = match record {
        Record::Opening(opening) => opening.encode(),
        Record::Connect(connect) => connect.encode(),
        Record::Reply(reply) => reply.encode(),
        Record::Seq(seq) => seq.to_le_bytes().to_vec(),
        Record::Banner | Record::Address(_) => return,
    };
    assert_eq!(encoded.len(), taken.len());
    // Addresses have bytes without a meaning.
    if !matches!(record, Record::Opening(_)) {
        assert_eq!(encoded, taken);
    }
    let decoded = expected.take(&mut &encoded[..], MOST);
    assert_eq!(decoded, Ok(Some(record.clone())));
}
