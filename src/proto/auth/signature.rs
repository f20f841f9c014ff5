//! Proof that nobody changed what was said before a connection was safe.

use ring::hmac;
use subtle::ConstantTimeEq;

use super::SessionKey;

/// Length of a signature.
pub const SIGNATURE_LEN: usize = 32;

/// Signs all that was heard, or said. Without a key there is nothing to sign
/// with, and zeros stand for that.
pub fn signature(key: Option<&SessionKey>, transcript: &[u8]) -> [u8; SIGNATURE_LEN] {
    let mut signature = [0; SIGNATURE_LEN];
    if let Some(key) = key {
        let key = hmac::Key::new(hmac::HMAC_SHA256, key.expose());
        let tag = hmac::sign(&key, transcript);
        let bytes = signature.iter_mut().zip(tag.as_ref());
        bytes.for_each(|(byte, signed)| *byte = *signed);
    }
    signature
}

/// Is it the one expected? How long that takes tells nothing of where they differ.
pub fn is_signature(expected: &[u8; SIGNATURE_LEN], given: &[u8; SIGNATURE_LEN]) -> bool {
    expected.ct_eq(given).into()
}
