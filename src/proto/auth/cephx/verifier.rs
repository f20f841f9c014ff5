//! The service's part: whether a dialler's ticket is good and its own.

use std::time::Duration;

use subtle::ConstantTimeEq;

use crate::proto::codec::Reader;
use crate::types::{AuthName, EntityType, Entropy, Secret, WallTime};

use super::authorizer::{Authorize, AuthorizeReply, Challenge, MODE_AUTHORIZER, Shown};
use super::error::CephxError;
use super::key::CryptoKey;
use super::seal::Usage;
use super::ticket::{AuthCaps, AuthTicket, ServiceTicketInfo, since_1970};

/// How far the clocks of a monitor, which dates tickets, and of a service may be
/// apart.
///
/// An honest client does not need it: it counts a ticket's life from when the
/// ticket came, so it gives one up when, by the monitor's clock, it expires.
/// Kerberos hosts live with the same five minutes. Much less would lock clients
/// out for a clock that Ceph itself only warns of, on a host that has just
/// booted for instance; much more would stretch the hour that a stolen session
/// key is good for.
pub const CLOCK_SKEW: Duration = Duration::from_secs(300);

/// The key of a service with that secret id. The id
/// [`PERMANENT`](super::ticket::PERMANENT) asks for the service's permanent key.
pub type Keys<'a> = &'a dyn Fn(EntityType, u64) -> Option<CryptoKey>;

/// The service's part of one authentication: [`Verifier::request`] for each
/// payload, until it is done. There is always a challenge, so an authorizer that
/// somebody recorded is worth nothing.
#[derive(Debug)]
pub struct Verifier {
    own: EntityType,
    /// Set once it was given out, until somebody answers it.
    challenge: Option<u64>,
}

/// What an acceptor says to a payload.
#[derive(Debug)]
pub enum Verdict {
    /// It wants to hear more, and says this.
    More(Vec<u8>),
    /// It is satisfied.
    Done(Box<Verified>),
}

/// Who a dialler is.
#[derive(Debug)]
pub struct Verified {
    /// Its name.
    pub name: AuthName,
    /// Its number.
    pub global_id: u64,
    /// What it may do.
    pub caps: AuthCaps,
    /// Signs the handshake, and msgr1's messages.
    pub session_key: CryptoKey,
    /// Where mode secure takes its keys from, if one was asked for.
    pub connection_secret: Option<Secret>,
    /// The last word.
    pub payload: Vec<u8>,
}

impl Verifier {
    /// For a service of that type.
    pub const fn new(own: EntityType) -> Self {
        Self {
            own,
            challenge: None,
        }
    }

    /// Judges an authorizer. The connection secret is to have `secret_len`
    /// bytes; zero in mode crc and on msgr1.
    pub fn request(
        &mut self,
        payload: &[u8],
        secret_len: usize,
        keys: Keys<'_>,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<Verdict, CephxError> {
        let mut from = Reader::new(payload);
        let (info, authorize) = open_authorizer(&mut from, self.own, keys, now)?;
        let session_key = info.session_key;
        let (Some(challenge), Some(answer)) = (self.challenge, authorize.challenge_plus_one) else {
            let challenge = entropy.number()?;
            self.challenge = Some(challenge);
            let challenge = Challenge(challenge);
            let sealed = session_key.seal_field(Usage::Challenge, &challenge, entropy)?;
            return Ok(Verdict::More(sealed));
        };
        // One answer per challenge.
        self.challenge = None;
        if !bool::from(answer.ct_eq(&challenge.wrapping_add(1))) {
            return Err(CephxError::WrongChallenge);
        }
        let connection_secret = match secret_len {
            0 => None,
            len => Some(entropy.secret(len)?),
        };
        let reply = AuthorizeReply {
            nonce_plus_one: authorize.nonce.wrapping_add(1),
            connection_secret,
        };
        let payload = reply.seal(&session_key, entropy)?;
        Ok(Verdict::Done(Box::new(Verified {
            name: info.ticket.name,
            global_id: info.ticket.global_id,
            caps: info.ticket.caps,
            session_key,
            connection_secret: reply.connection_secret,
            payload,
        })))
    }
}

/// Opens an authorizer with one of our keys, and its proof with the session key
/// that comes to light.
pub(super) fn open_authorizer(
    from: &mut Reader<'_>,
    own: EntityType,
    keys: Keys<'_>,
    now: WallTime,
) -> Result<(ServiceTicketInfo, Authorize), CephxError> {
    if let Some(mode) = from.rest().first().filter(|mode| **mode != MODE_AUTHORIZER) {
        return Err(CephxError::WrongMode(*mode));
    }
    let shown: Shown = from.field()?;
    let sealed = from.blob()?;
    if shown.service != own {
        return Err(CephxError::WrongService(shown.service));
    }
    let id = shown.blob.secret_id;
    let service_key = keys(own, id).ok_or(CephxError::UnknownSecretId(own, id))?;
    let info = shown.blob.open(&service_key)?;
    if info.ticket.global_id != shown.global_id {
        return Err(CephxError::ForeignTicket);
    }
    check_age(&info.ticket, now)?;
    let opened = info.session_key.open(Usage::Authorize, sealed)?;
    let authorize = Reader::new(opened.expose()).field()?;
    Ok((info, authorize))
}

fn check_age(ticket: &AuthTicket, now: WallTime) -> Result<(), CephxError> {
    let now = since_1970(now);
    if now > since_1970(ticket.expires) + CLOCK_SKEW {
        return Err(CephxError::TicketExpired);
    }
    if now + CLOCK_SKEW < since_1970(ticket.created) {
        return Err(CephxError::TicketFromFuture);
    }
    Ok(())
}
