//! What keys of the second type encrypt with: aes256-cts-hmac-sha384-192, the
//! encryption that RFC 8009 defines for Kerberos.
//!
//! Every purpose has keys of its own, derived from the secret. A ciphertext
//! that somebody altered, or that was made for another purpose, is noticed.

use aes::Aes256;
use cbc::cipher::generic_array::GenericArray;
use cbc::cipher::{BlockDecrypt, BlockDecryptMut, BlockEncryptMut, KeyInit, KeyIvInit};
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_LEN: usize = 32;
/// Random bytes in front of every plaintext, so that equal ones differ.
pub const CONFOUNDER_LEN: usize = 16;

const BLOCK: usize = 16;
const TAG_LEN: usize = 24;
const NO_IV: [u8; BLOCK] = [0; BLOCK];

// What a key is derived for.
const FOR_ENCRYPTION: u8 = 0xaa;
const FOR_INTEGRITY: u8 = 0x55;

/// The ciphertext of some pieces that follow one another, and its tag.
pub fn encrypt(
    secret: &[u8; KEY_LEN],
    usage: u32,
    confounder: &[u8; CONFOUNDER_LEN],
    pieces: &[&[u8]],
) -> Vec<u8> {
    let len: usize = CONFOUNDER_LEN + pieces.iter().map(|piece| piece.len()).sum::<usize>();
    // As long as it will get: a vector that moves leaves plaintext behind.
    let mut bytes = Vec::with_capacity(len.next_multiple_of(BLOCK) + TAG_LEN);
    bytes.extend_from_slice(confounder);
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    encrypt_stealing(&derive(secret, usage, FOR_ENCRYPTION), &mut bytes);
    let tag = tag(secret, usage, &bytes);
    bytes.extend_from_slice(&tag);
    bytes
}

/// The plaintext; none if the tag is wrong.
pub fn decrypt(secret: &[u8; KEY_LEN], usage: u32, sealed: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let (ciphertext, stated) = sealed.split_last_chunk::<TAG_LEN>()?;
    if ciphertext.len() < CONFOUNDER_LEN {
        return None;
    }
    if !bool::from(tag(secret, usage, ciphertext).ct_eq(stated)) {
        return None;
    }
    let mut bytes = Zeroizing::new(ciphertext.to_vec());
    decrypt_stolen(&derive(secret, usage, FOR_ENCRYPTION), &mut bytes);
    bytes.drain(..CONFOUNDER_LEN);
    Some(bytes)
}

/// A key for one purpose.
fn derive<const N: usize>(secret: &[u8; KEY_LEN], usage: u32, label: u8) -> Zeroizing<[u8; N]> {
    #[expect(clippy::cast_possible_truncation, reason = "24 or 32")]
    let bits = (N * 8) as u32;
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA384, secret));
    context.update(&1_u32.to_be_bytes());
    context.update(&usage.to_be_bytes());
    context.update(&[label, 0]);
    context.update(&bits.to_be_bytes());
    let digest = context.sign();
    let mut key = Zeroizing::new([0; N]);
    for (byte, derived) in key.iter_mut().zip(digest.as_ref()) {
        *byte = *derived;
    }
    key
}

fn tag(secret: &[u8; KEY_LEN], usage: u32, ciphertext: &[u8]) -> [u8; TAG_LEN] {
    let key = derive::<TAG_LEN>(secret, usage, FOR_INTEGRITY);
    let mut context = hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA384, &*key));
    context.update(&NO_IV);
    context.update(ciphertext);
    let digest = context.sign();
    let mut tag = [0; TAG_LEN];
    for (byte, computed) in tag.iter_mut().zip(digest.as_ref()) {
        *byte = *computed;
    }
    tag
}

/// CBC in which the last block gives up its place and as many of its bytes as
/// the one before it lacks. There is at least one whole block.
fn encrypt_stealing(key: &[u8; KEY_LEN], bytes: &mut Vec<u8>) {
    let len = bytes.len();
    bytes.resize(len.next_multiple_of(BLOCK), 0);
    let mut cipher = cbc::Encryptor::<Aes256>::new(key.into(), &NO_IV.into());
    for block in bytes.chunks_exact_mut(BLOCK) {
        cipher.encrypt_block_mut(GenericArray::from_mut_slice(block));
    }
    let mut from_the_end = bytes.rchunks_exact_mut(BLOCK);
    if let (Some(last), Some(before)) = (from_the_end.next(), from_the_end.next()) {
        last.swap_with_slice(before);
    }
    bytes.truncate(len);
}

/// The reverse: gives the two last blocks their places and bytes back, and what
/// is then plain CBC is decrypted as such.
fn decrypt_stolen(key: &[u8; KEY_LEN], bytes: &mut Vec<u8>) {
    let len = bytes.len();
    if len > BLOCK {
        let short = bytes.split_off((len - 1) / BLOCK * BLOCK);
        let last = bytes.split_off(bytes.len() - BLOCK);
        let mut stolen = Zeroizing::new([0; BLOCK]);
        stolen.copy_from_slice(&last);
        Aes256::new(key.into()).decrypt_block(GenericArray::from_mut_slice(&mut *stolen));
        bytes.extend_from_slice(&short);
        bytes.extend(stolen.iter().skip(short.len()));
        bytes.extend_from_slice(&last);
    }
    let mut cipher = cbc::Decryptor::<Aes256>::new(key.into(), &NO_IV.into());
    for block in bytes.chunks_exact_mut(BLOCK) {
        cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
    }
    bytes.truncate(len);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::captured::{hex, records};

    #[test]
    fn the_published_keys_are_derived() {
        let mut found = records("cephx-aes256krb5");
        found.retain(|record| record.contains_key("Ke"));
        assert_eq!(found.len(), 1);
        let record = &found[0];
        let secret = hex(&record["secret"]).try_into().unwrap();
        let encryption = derive::<KEY_LEN>(&secret, 2, FOR_ENCRYPTION);
        assert_eq!(encryption.as_slice(), hex(&record["Ke"]));
        let integrity = derive::<TAG_LEN>(&secret, 2, FOR_INTEGRITY);
        assert_eq!(integrity.as_slice(), hex(&record["Ki"]));
    }
}
