//! How an entity proves that it has its key.

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::Entropy;

use super::error::CephxError;
use super::key::{CryptoKey, KeyType, fold};
use super::seal::Usage;
use super::ticket::{TicketBlob, version};

/// The first byte of what a monitor is shown.
pub const MODE_MONITOR: u8 = 10;

/// Ceph's `CephXAuthenticate`: the answer to a monitor's challenge.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Authenticate {
    /// The challenger is challenged too.
    pub client_challenge: u64,
    /// [`proof`] of both.
    pub key: u64,
    /// The auth ticket of a global id to be kept; empty for a new one.
    pub old_ticket: TicketBlob,
    /// Services that tickets are wanted for, as a mask. The auth ticket comes
    /// in any case.
    pub other_keys: u32,
}

impl Field for Authenticate {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(3);
        self.client_challenge.encode(out);
        self.key.encode(out);
        self.old_ticket.encode(out);
        self.other_keys.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = version(from, 1)?;
        Ok(Self {
            client_challenge: from.field()?,
            key: from.field()?,
            old_ticket: from.field()?,
            other_keys: if version >= 2 { from.field()? } else { 0 },
        })
    }
}

/// What only somebody with the key can make of two challenges.
pub fn proof(
    key: &CryptoKey,
    server_challenge: u64,
    client_challenge: u64,
    entropy: &Entropy,
) -> Result<u64, CephxError> {
    let mut challenges = Vec::with_capacity(16);
    server_challenge.encode(&mut challenges);
    client_challenge.encode(&mut challenges);
    Ok(match key.kind() {
        KeyType::Aes => {
            // The length takes part, and pushes the last four bytes out of the
            // last whole word.
            let mut sealed = Vec::with_capacity(64);
            key.seal(Usage::Challenge, &challenges, entropy)?
                .encode(&mut sealed);
            fold(&sealed)
        }
        KeyType::Aes256Krb5 => fold(&key.hmac(&[&challenges])),
    })
}
