//! More tickets for the auth ticket, without another proof.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader};
use crate::types::{EntityType, Entropy, WallTime};

use super::authorizer::Authorizer;
use super::error::CephxError;
use super::key::CryptoKey;
use super::op::Op;
use super::ticket::{AUTH_SERVICE, Ticket, version};
use super::ticket_reply::TicketReply;

/// What tickets are asked for, as a mask of services.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Wanted(pub u32);

/// Asks for tickets for some services, as a mask. The auth ticket is shown in an
/// authorizer, which is not challenged here.
pub fn request(
    auth: &Ticket,
    global_id: u64,
    services: u32,
    entropy: &Entropy,
) -> Result<Vec<u8>, CephxError> {
    let authorizer = Authorizer::new(auth, AUTH_SERVICE, global_id, entropy)?;
    let mut out = Op::ServiceTickets.request();
    out.put_slice(&authorizer.request());
    Wanted(services).encode(&mut out);
    Ok(out)
}

/// The tickets that a monitor answers with, to be opened with the auth ticket's
/// session key.
pub fn answered(
    payload: &[u8],
    auth_session_key: &CryptoKey,
    now: WallTime,
) -> Result<BTreeMap<EntityType, Ticket>, CephxError> {
    let mut from = Op::ServiceTickets.answered(payload)?;
    Ok(TicketReply::open(&mut from, auth_session_key, None)?.received(now))
}

impl Field for Wanted {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.0.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        from.field().map(Self)
    }
}
