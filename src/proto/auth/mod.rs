//! Authentication method none, and what it agrees on.
//!
//! Method none proves nothing: the dialler states a name. There is no session
//! key, so signatures are zeros and only mode crc is possible.

use crate::types::{AuthName, EntityType};

use super::codec::{DecodeError, Field, Reader};

/// How frames travel after authentication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ConMode {
    /// Readable, guarded against accidents.
    Crc,
    /// Encrypted.
    Secure,
}

impl ConMode {
    /// Its number on the wire.
    pub const fn code(self) -> u32 {
        match self {
            Self::Crc => 1,
            Self::Secure => 2,
        }
    }
}

/// The number of authentication method none.
pub const METHOD_NONE: u32 = 1;
/// What stands for a proof without a session key.
pub const NO_SIGNATURE: [u8; 32] = [0; 32];

// First byte of the payload: who is asked for what.
const TO_MONITOR: u8 = 10;
const TO_SERVICE: u8 = 1;

/// The modes that method none can run in, of those allowed.
pub fn modes_for_none(allowed: &[ConMode]) -> Vec<u32> {
    allowed
        .iter()
        .filter(|mode| **mode == ConMode::Crc)
        .map(|mode| mode.code())
        .collect()
}

/// The dialler's payload. A monitor is asked for an identity, by all but its
/// own kind; every other service is shown one.
pub fn none_request(name: &AuthName, peer: EntityType) -> Vec<u8> {
    let to_monitor = peer == EntityType::MON && name.kind != EntityType::MON;
    let mut payload = vec![if to_monitor { TO_MONITOR } else { TO_SERVICE }];
    name.encode(&mut payload);
    0_u64.encode(&mut payload);
    payload
}

/// The global id that a dialler's payload claims. An empty payload claims none.
pub fn none_claim(payload: &[u8]) -> Result<u64, DecodeError> {
    if payload.is_empty() {
        return Ok(0);
    }
    let mut from = Reader::new(payload);
    let asked: u8 = from.field()?;
    if asked != TO_MONITOR && asked != TO_SERVICE {
        return Err(DecodeError("its first byte asks for nothing known"));
    }
    let _name: AuthName = from.field()?;
    from.field()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_in_either_form_gives_its_global_id() {
        let name: AuthName = "client.admin".parse().unwrap();
        for peer in [EntityType::MON, EntityType::OSD] {
            let mut payload = none_request(&name, peer);
            let id = payload.len() - 8;
            payload[id..].copy_from_slice(&4100_u64.to_le_bytes());
            assert_eq!(none_claim(&payload), Ok(4100));
            assert!(none_claim(&payload[..id]).is_err());
        }
        assert_eq!(none_claim(b""), Ok(0));
        assert!(none_claim(b"\x02").is_err());
    }
}
