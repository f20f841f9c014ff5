//! Keys that two parties share.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::BufMut;
use ring::hmac;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::{Entropy, Secret, WallTime};

use super::error::CephxError;
use super::{aes128, krb5};

/// What a key encrypts with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyType {
    /// AES-128, which every Ceph knows.
    Aes,
    /// AES-256 with an integrity check, known to Ceph from 19.2.6 on.
    Aes256Krb5,
}

impl KeyType {
    /// Its number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::Aes => 1,
            Self::Aes256Krb5 => 2,
        }
    }

    /// How many bytes its keys have.
    pub const fn secret_len(self) -> usize {
        match self {
            Self::Aes => aes128::KEY_LEN,
            Self::Aes256Krb5 => krb5::KEY_LEN,
        }
    }

    fn from_code(code: u16) -> Result<Self, DecodeError> {
        match code {
            1 => Ok(Self::Aes),
            2 => Ok(Self::Aes256Krb5),
            _ => Err(DecodeError("a key is of a type not understood")),
        }
    }
}

/// Ceph's `CryptoKey`: a shared key. It is wiped when it goes, has no text form
/// but [`CryptoKey::to_base64`], and is compared in constant time.
#[derive(Clone)]
pub struct CryptoKey {
    /// When it was made, as its maker says. Nobody relies on it.
    created: WallTime,
    material: Material,
}

/// The secret, of the length that goes with the type. In a box, so that it
/// stays where it is when the key moves.
#[derive(Clone)]
pub(super) enum Material {
    Aes(Box<Zeroizing<[u8; aes128::KEY_LEN]>>),
    Aes256Krb5(Box<Zeroizing<[u8; krb5::KEY_LEN]>>),
}

const WRONG_LENGTH: DecodeError = DecodeError("a key has not the length of its type");

impl CryptoKey {
    /// A key made of bytes that somebody else chose.
    pub fn new(kind: KeyType, secret: Secret) -> Result<Self, CephxError> {
        let material = Material::new(kind, secret.expose());
        Ok(Self {
            created: WallTime::default(),
            material: material.map_err(|why| CephxError::BadKey(why.0))?,
        })
    }

    /// A key that nobody knows yet.
    pub fn generate(kind: KeyType, entropy: &Entropy) -> Result<Self, CephxError> {
        Self::new(kind, entropy.secret(kind.secret_len())?)
    }

    /// The same key, said to be made at that time.
    pub const fn created_at(mut self, when: WallTime) -> Self {
        self.created = when;
        self
    }

    /// From the text that keyrings hold.
    pub fn parse(text: &str) -> Result<Self, CephxError> {
        let bytes = STANDARD.decode(text.trim()).map(Zeroizing::new);
        let bytes = bytes.map_err(|_| CephxError::BadKey("it is not base64"))?;
        let mut from = Reader::new(&bytes);
        let key: Self = from.field().map_err(|why| CephxError::BadKey(why.0))?;
        if !from.rest().is_empty() {
            return Err(CephxError::BadKey("something follows it"));
        }
        Ok(key)
    }

    /// The text that keyrings hold.
    pub fn to_base64(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new(Vec::with_capacity(64));
        self.encode(&mut bytes);
        Zeroizing::new(STANDARD.encode(&*bytes))
    }

    /// What it encrypts with.
    pub const fn kind(&self) -> KeyType {
        match self.material {
            Material::Aes(_) => KeyType::Aes,
            Material::Aes256Krb5(_) => KeyType::Aes256Krb5,
        }
    }

    /// The bytes that make it secret.
    pub fn secret(&self) -> &[u8] {
        match &self.material {
            Material::Aes(key) => &***key,
            Material::Aes256Krb5(key) => &***key,
        }
    }

    pub(super) const fn material(&self) -> &Material {
        &self.material
    }

    /// HMAC-SHA256 over pieces that follow one another. Over all bytes of a
    /// handshake it is msgr2's AUTH_SIGNATURE.
    pub fn hmac(&self, pieces: &[&[u8]]) -> [u8; 32] {
        let mut context =
            hmac::Context::with_key(&hmac::Key::new(hmac::HMAC_SHA256, self.secret()));
        for piece in pieces {
            context.update(piece);
        }
        let digest = context.sign();
        let mut bytes = [0; 32];
        for (byte, computed) in bytes.iter_mut().zip(digest.as_ref()) {
            *byte = *computed;
        }
        bytes
    }

    /// True if [`CryptoKey::hmac`] gives that, in constant time.
    pub fn verify_hmac(&self, pieces: &[&[u8]], stated: &[u8; 32]) -> bool {
        self.hmac(pieces).ct_eq(stated).into()
    }

    /// The signature of a msgr1 message, of the block that stands for it.
    pub fn sign_v1(&self, block: &[u8; 32]) -> u64 {
        match &self.material {
            Material::Aes(key) => {
                // What padding would follow has no influence on these blocks.
                let mut blocks = *block;
                aes128::encrypt_blocks(key, &mut blocks);
                fold(&blocks)
            }
            Material::Aes256Krb5(_) => fold(&self.hmac(&[block])),
        }
    }
}

impl Material {
    fn new(kind: KeyType, secret: &[u8]) -> Result<Self, DecodeError> {
        if secret.len() != kind.secret_len() {
            return Err(WRONG_LENGTH);
        }
        Ok(match kind {
            KeyType::Aes => {
                let mut key = Box::new(Zeroizing::new([0; aes128::KEY_LEN]));
                key.copy_from_slice(secret);
                Self::Aes(key)
            }
            KeyType::Aes256Krb5 => {
                let mut key = Box::new(Zeroizing::new([0; krb5::KEY_LEN]));
                key.copy_from_slice(secret);
                Self::Aes256Krb5(key)
            }
        })
    }
}

/// All complete little-endian words of some bytes, combined by XOR.
pub(super) fn fold(bytes: &[u8]) -> u64 {
    let words = bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk);
    words.fold(0, |folded, word| folded ^ u64::from_le_bytes(*word))
}

impl Field for CryptoKey {
    fn encode(&self, out: &mut Vec<u8>) {
        self.kind().code().encode(out);
        self.created.encode(out);
        #[expect(clippy::cast_possible_truncation, reason = "16 or 32")]
        out.put_u16_le(self.secret().len() as u16);
        out.put_slice(self.secret());
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let kind = KeyType::from_code(from.field()?)?;
        let created = from.field()?;
        let len: u16 = from.field()?;
        Ok(Self {
            created,
            material: Material::new(kind, from.take(usize::from(len))?)?,
        })
    }
}

/// The same type and secret; when they were made makes no difference.
impl PartialEq for CryptoKey {
    fn eq(&self, other: &Self) -> bool {
        self.secret().ct_eq(other.secret()).into()
    }
}

impl Eq for CryptoKey {}

impl fmt::Debug for CryptoKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CryptoKey({:?})", self.kind())
    }
}
