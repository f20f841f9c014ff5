//! Banners, preambles, payloads of control frames, addresses and names.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use crate::proto::banner::Banner;
use crate::proto::codec::{Field, Reader};
use crate::proto::frame::control::{
    Ack, AuthBadMethod, AuthDone, AuthReplyMore, AuthRequest, AuthRequestMore, AuthSignature,
    ClientIdent, CompressionDone, CompressionRequest, Control, Hello, IdentMissingFeatures,
    Keepalive2, Keepalive2Ack, ServerIdent, SessionReconnect, SessionReconnectOk, SessionReset,
    SessionRetry, SessionRetryGlobal, Wait,
};
use crate::proto::frame::{Preamble, Revision};
use crate::types::{AuthName, EntityAddr, EntityAddrVec};

use super::frames::raw_crc;
use super::meter::Watch;
use super::program::Program;

/// Memory for anything decoded from so many bytes: what they stand for is a few
/// times as large as they are.
const fn decoded_limit(len: usize) -> usize {
    (8 * len) + (4 << 10)
}

/// A banner, whole and byte by byte.
pub fn banner(input: &[u8]) {
    let watch = Watch::begin();
    let mut rest = input;
    let whole = Banner::decode(&mut rest);
    let by_bytes = (0..=input.len()).find_map(|end| {
        let mut prefix = &input[..end];
        match Banner::decode(&mut prefix) {
            Ok(None) => None,
            done => Some((done.ok(), end - prefix.len())),
        }
    });
    watch.expect_at_most(4 << 10);
    match (whole, by_bytes) {
        (Ok(None), by_bytes) => assert!(by_bytes.is_none(), "earlier than it was there"),
        (Err(_), by_bytes) => assert_eq!(by_bytes.map(|(banner, _)| banner), Some(None)),
        (Ok(banner), by_bytes) => {
            let used = input.len() - rest.len();
            assert_eq!(by_bytes, Some((Some(banner), used)));
            let encoded = banner.map(|banner| banner.encode()).unwrap_or_default();
            assert_eq!(&encoded[10..], &input[10..26]);
            assert!(used > 26 || encoded == input[..26]);
        }
    }
}

/// Preambles, with the crc that they need and with the one they have.
pub fn preamble(input: &[u8]) {
    for bytes in input.chunks_exact(32) {
        let Ok(bytes) = <&[u8; 32]>::try_from(bytes) else {
            continue;
        };
        let mut sound = *bytes;
        let crc = raw_crc(0, &sound[..28]);
        sound[28..].copy_from_slice(&crc.to_le_bytes());
        assert!(Preamble::decode(bytes).is_err() || sound == *bytes);
        let Ok(preamble) = Preamble::decode(&sound) else {
            continue;
        };
        let used = usize::from(preamble.count);
        assert!((1..=4).contains(&used));
        assert!(preamble.lens.iter().skip(used).all(|len| *len == 0));
        let again = Preamble::decode(&preamble.encode()).expect("our own preamble");
        assert_eq!(again, preamble);
        let sum: u64 = preamble.lens.iter().map(|len| u64::from(*len)).sum();
        for revision in [Revision::Rev0, Revision::Rev1] {
            let body = preamble.body_len(revision);
            assert!((sum..=sum + 17).contains(&body), "{body} for {sum}");
        }
    }
}

/// One control payload: decoded, encoded, decoded.
fn check<C: Control + PartialEq + Debug>(payload: &[u8], canonical: bool) {
    let watch = Watch::begin();
    let Ok(control) = C::decode(payload) else {
        return watch.expect_at_most(decoded_limit(payload.len()));
    };
    watch.expect_at_most(decoded_limit(payload.len()));
    let mut encoded = Vec::new();
    control.encode(&mut encoded);
    if canonical {
        assert!(payload.starts_with(&encoded), "{control:?}");
        assert!(C::EXTENSIBLE || payload.len() == encoded.len());
    }
    assert_eq!(C::decode(&encoded), Ok(control));
}

/// The payload of a control frame.
pub fn control(input: &[u8]) {
    let Some((tag, payload)) = input.split_first() else {
        return;
    };
    // Addresses and truth values have more than one form.
    match tag % 22 {
        1 => check::<Hello>(payload, false),
        2 => check::<AuthRequest>(payload, true),
        3 => check::<AuthBadMethod>(payload, true),
        4 => check::<AuthReplyMore>(payload, true),
        5 => check::<AuthRequestMore>(payload, true),
        6 => check::<AuthDone>(payload, true),
        7 => check::<AuthSignature>(payload, true),
        8 => check::<ClientIdent>(payload, false),
        9 => check::<ServerIdent>(payload, false),
        10 => check::<IdentMissingFeatures>(payload, true),
        11 => check::<SessionReconnect>(payload, false),
        12 => check::<SessionReset>(payload, false),
        13 => check::<SessionRetry>(payload, true),
        14 => check::<SessionRetryGlobal>(payload, true),
        15 => check::<SessionReconnectOk>(payload, true),
        16 => check::<Wait>(payload, true),
        17 => check::<CompressionDone>(payload, false),
        18 => check::<Keepalive2>(payload, true),
        19 => check::<Keepalive2Ack>(payload, true),
        20 => check::<Ack>(payload, true),
        _ => check::<CompressionRequest>(payload, false),
    }
}

/// A field with several forms: what it decodes to is encoded in one that decodes
/// to the same.
pub fn settles<F: Field>(input: &[u8]) -> Option<Vec<u8>> {
    let watch = Watch::begin();
    let decoded = Reader::new(input).field::<F>();
    watch.expect_at_most(decoded_limit(input.len()));
    let mut once = Vec::new();
    decoded.ok()?.encode(&mut once);
    let mut from = Reader::new(&once);
    let again = from.field::<F>().expect("what was encoded decodes");
    assert!(from.rest().is_empty(), "bytes behind what was encoded");
    let mut twice = Vec::new();
    again.encode(&mut twice);
    assert_eq!(once, twice);
    Some(once)
}

fn text<T: FromStr + Display + PartialEq + Debug>(text: &str)
where
    T::Err: Debug,
{
    if let Ok(parsed) = text.parse::<T>() {
        let shown = parsed.to_string();
        assert_eq!(shown.parse::<T>().expect("our own text"), parsed, "{shown}");
    }
}

/// Addresses and names, from the wire and from text.
pub fn addresses(input: &[u8]) {
    let mut program = Program::new(input);
    let kind = program.byte();
    let bytes = program.rest();
    match kind % 4 {
        0 => {
            settles::<EntityAddr>(bytes);
        }
        1 => {
            settles::<EntityAddrVec>(bytes);
        }
        2 => {
            if let Some(encoded) = settles::<AuthName>(bytes) {
                assert!(bytes.starts_with(&encoded));
            }
        }
        _ => {
            let Ok(words) = std::str::from_utf8(bytes) else {
                return;
            };
            text::<EntityAddr>(words);
            text::<EntityAddrVec>(words);
            text::<AuthName>(words);
        }
    }
}
