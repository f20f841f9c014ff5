//! Sealing: encryption with a known beginning, by which the reader sees that
//! it had the right key.

use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use crate::proto::codec::Field;
use crate::types::{Entropy, Secret};

use super::error::CephxError;
use super::key::{CryptoKey, Material};
use super::{aes128, krb5};

/// What something is sealed for. Keys of the second type open it for that
/// purpose alone; those of the first make no difference.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Usage {
    /// The connection secret that a monitor gives.
    ConnectionSecret = 0x03,
    /// A ticket's session key, for the ticket's owner.
    TicketSessionKey = 0x04,
    /// A new auth ticket, wrapped with the old one's session key.
    TicketBlob = 0x05,
    /// The proof within an authorizer.
    Authorize = 0x10,
    /// A service's challenge.
    Challenge = 0x11,
    /// A service's answer.
    AuthorizeReply = 0x12,
    /// Service keys, for a daemon.
    RotatingSecrets = 0x20,
    /// A ticket, for the service.
    TicketInfo = 0x30,
}

/// A version and a number that every sealed thing begins with.
pub const HEADER: [u8; 9] = [1, 0x55, 0xaa, 0x26, 0x88, 0xad, 0x9c, 0x00, 0xff];
/// How much of [`HEADER`] is the version, which nobody compares.
const VERSION_LEN: usize = 1;

impl CryptoKey {
    /// Seals bytes, without a length in front.
    pub fn seal(
        &self,
        usage: Usage,
        plaintext: &[u8],
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        Ok(match self.material() {
            Material::Aes(key) => aes128::encrypt(key, &[&HEADER, plaintext]),
            Material::Aes256Krb5(key) => {
                let confounder = entropy.bytes()?;
                krb5::encrypt(key, usage as u32, &confounder, &[&HEADER, plaintext])
            }
        })
    }

    /// Opens what [`CryptoKey::seal`] made.
    pub fn open(&self, usage: Usage, sealed: &[u8]) -> Result<Secret, CephxError> {
        let opened = match self.material() {
            Material::Aes(key) => aes128::decrypt(key, sealed),
            Material::Aes256Krb5(key) => krb5::decrypt(key, usage as u32, sealed),
        };
        let mut plaintext = opened.ok_or(CephxError::DoesNotOpen)?;
        let (header, _) = plaintext
            .split_first_chunk::<{ HEADER.len() }>()
            .ok_or(CephxError::DoesNotOpen)?;
        let (_, magic) = header.split_at(VERSION_LEN);
        let (_, expected) = HEADER.split_at(VERSION_LEN);
        if !bool::from(magic.ct_eq(expected)) {
            return Err(CephxError::DoesNotOpen);
        }
        plaintext.drain(..HEADER.len());
        Ok(Secret::new(std::mem::take(&mut *plaintext)))
    }

    /// Seals a value, which is wiped wherever it was written to.
    pub(super) fn seal_field(
        &self,
        usage: Usage,
        value: &impl Field,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        self.seal(usage, &plain(value), entropy)
    }
}

/// A value's bytes, for sealing.
pub(super) fn plain(value: &impl Field) -> Zeroizing<Vec<u8>> {
    // More than any value here has but rotating secrets and long caps: a
    // vector that moves leaves plaintext behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(1024));
    value.encode(&mut bytes);
    bytes
}
