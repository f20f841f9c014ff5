//! What keys of the first type encrypt with: AES-128-CBC with a constant IV.
//!
//! Equal plaintexts give equal ciphertexts, and nothing tells whether a
//! ciphertext was altered. That is how Ceph defines it.

use aes::Aes128;
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::generic_array::GenericArray;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use zeroize::Zeroizing;

/// Bytes of a key.
pub const KEY_LEN: usize = 16;

const BLOCK: usize = 16;
const IV: [u8; BLOCK] = *b"cephsageyudagreg";

/// The ciphertext of some pieces that follow one another.
pub fn encrypt(key: &[u8; KEY_LEN], pieces: &[&[u8]]) -> Vec<u8> {
    let len: usize = pieces.iter().map(|piece| piece.len()).sum();
    let padding = BLOCK - len % BLOCK;
    // As long as it will get: a vector that moves leaves plaintext behind.
    let mut bytes = Vec::with_capacity(len + padding);
    for piece in pieces {
        bytes.extend_from_slice(piece);
    }
    #[expect(clippy::cast_possible_truncation, reason = "from 1 to 16")]
    bytes.resize(len + padding, padding as u8);
    encrypt_blocks(key, &mut bytes);
    bytes
}

/// Encrypts whole blocks where they are.
pub fn encrypt_blocks(key: &[u8; KEY_LEN], blocks: &mut [u8]) {
    let mut cipher = cbc::Encryptor::<Aes128>::new(key.into(), &IV.into());
    for block in blocks.chunks_exact_mut(BLOCK) {
        cipher.encrypt_block_mut(GenericArray::from_mut_slice(block));
    }
}

/// The plaintext; none if the length or the padding is not one that
/// [`encrypt`] gives.
pub fn decrypt(key: &[u8; KEY_LEN], ciphertext: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(ciphertext.to_vec());
    let cipher = cbc::Decryptor::<Aes128>::new(key.into(), &IV.into());
    let len = cipher.decrypt_padded_mut::<Pkcs7>(&mut bytes).ok()?.len();
    bytes.truncate(len);
    Some(bytes)
}
