//! Authentication method none.
//!
//! It proves nothing: the dialler states a name. There is no session key, so
//! signatures are zeros and only mode crc is possible.

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::{AuthName, EntityType};

// First byte of the payload: who is asked for what.
const TO_MONITOR: u8 = 10;
const TO_SERVICE: u8 = 1;

/// Is that a connection on which a monitor gives identities? It is for all but
/// its own kind; every other service is shown one.
pub fn is_login(local: EntityType, peer: EntityType) -> bool {
    peer == EntityType::MON && local != EntityType::MON
}

/// The dialler's payload.
pub fn request(name: &AuthName, peer: EntityType, global_id: u64) -> Vec<u8> {
    let login = is_login(name.kind, peer);
    let mut payload = vec![if login { TO_MONITOR } else { TO_SERVICE }];
    name.encode(&mut payload);
    global_id.encode(&mut payload);
    payload
}

/// The name and global id that a dialler's payload claims. An empty payload
/// claims nothing.
pub fn claim(payload: &[u8]) -> Result<(Option<AuthName>, u64), DecodeError> {
    if payload.is_empty() {
        return Ok((None, 0));
    }
    let mut from = Reader::new(payload);
    let asked: u8 = from.field()?;
    if asked != TO_MONITOR && asked != TO_SERVICE {
        return Err(DecodeError("its first byte asks for nothing known"));
    }
    Ok((Some(from.field()?), from.field()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_claim_in_either_form_gives_its_name_and_global_id() {
        let name: AuthName = "client.admin".parse().unwrap();
        for peer in [EntityType::MON, EntityType::OSD] {
            let payload = request(&name, peer, 4100);
            assert_eq!(claim(&payload), Ok((Some(name.clone()), 4100)));
            assert!(claim(&payload[..payload.len() - 8]).is_err());
        }
        assert_eq!(claim(b""), Ok((None, 0)));
        assert!(claim(b"\x02").is_err());
    }
}
