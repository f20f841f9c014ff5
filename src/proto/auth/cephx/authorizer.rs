//! The dialler's part at a service: a ticket, and the proof that it is ours.

use bytes::BufMut;
use subtle::ConstantTimeEq;

use crate::proto::codec::{DecodeError, Field, Reader, count};
use crate::types::{EntityType, Entropy, Secret};

use super::error::CephxError;
use super::key::CryptoKey;
use super::seal::Usage;
use super::ticket::{
    AuthTicket, PERMANENT, ServiceTicketInfo, Ticket, TicketBlob, secret, service, version,
};

/// The first byte of what a service is shown.
pub const MODE_AUTHORIZER: u8 = 1;

/// An authorizer: [`Authorizer::request`], the service's challenge,
/// [`Authorizer::respond`], the service's answer, [`Authorizer::finish`]. Good
/// for one attempt.
#[derive(Debug)]
pub struct Authorizer {
    shown: Shown,
    session_key: CryptoKey,
    nonce: u64,
    request: Vec<u8>,
}

/// What comes before the proof.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Shown {
    pub global_id: u64,
    pub service: EntityType,
    pub blob: TicketBlob,
}

/// Ceph's `CephXAuthorize`, the proof: nobody could seal it without the session
/// key, nor know the challenge in advance.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Authorize {
    pub nonce: u64,
    /// One more than the challenge that is answered.
    pub challenge_plus_one: Option<u64>,
}

/// Ceph's `CephXAuthorizeChallenge`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Challenge(pub u64);

/// Ceph's `CephXAuthorizeReply`.
#[derive(Debug)]
pub(super) struct AuthorizeReply {
    pub nonce_plus_one: u64,
    pub connection_secret: Option<Secret>,
}

impl Authorizer {
    /// Shows a ticket that a monitor gave.
    pub fn new(
        ticket: &Ticket,
        service: EntityType,
        global_id: u64,
        entropy: &Entropy,
    ) -> Result<Self, CephxError> {
        let shown = Shown {
            global_id,
            service,
            blob: ticket.blob.clone(),
        };
        Self::begin(shown, ticket.session_key.clone(), entropy)
    }

    /// Shows a ticket of our own making. Who has a service's permanent key can
    /// do without a monitor: monitors themselves, and deployments in which both
    /// ends have the key.
    pub fn self_made(
        service_key: &CryptoKey,
        service: EntityType,
        ticket: AuthTicket,
        entropy: &Entropy,
    ) -> Result<Self, CephxError> {
        let session_key = CryptoKey::generate(service_key.kind(), entropy)?;
        let global_id = ticket.global_id;
        let info = ServiceTicketInfo {
            session_key: session_key.created_at(ticket.created),
            ticket,
        };
        let shown = Shown {
            global_id,
            service,
            blob: TicketBlob::seal(&info, service_key, PERMANENT, entropy)?,
        };
        Self::begin(shown, info.session_key, entropy)
    }

    /// The ticket that it shows.
    pub const fn shown(&self) -> &TicketBlob {
        &self.shown.blob
    }

    fn begin(shown: Shown, session_key: CryptoKey, entropy: &Entropy) -> Result<Self, CephxError> {
        let nonce = entropy.number()?;
        let authorize = Authorize {
            nonce,
            challenge_plus_one: None,
        };
        let request = shown.with_proof(authorize, &session_key, entropy)?;
        Ok(Self {
            shown,
            session_key,
            nonce,
            request,
        })
    }

    /// The first payload.
    pub fn request(&self) -> Vec<u8> {
        self.request.clone()
    }

    /// The answer to the service's challenge.
    pub fn respond(&mut self, challenge: &[u8], entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        let opened = self.session_key.open(Usage::Challenge, challenge)?;
        let Challenge(challenge) = Reader::new(opened.expose()).field()?;
        let authorize = Authorize {
            nonce: self.nonce,
            challenge_plus_one: Some(challenge.wrapping_add(1)),
        };
        self.shown.with_proof(authorize, &self.session_key, entropy)
    }

    /// Whether the service could open the ticket; if so, the session key, and
    /// the connection secret of mode secure.
    pub fn finish(&self, reply: &[u8]) -> Result<(CryptoKey, Option<Secret>), CephxError> {
        let sealed = Reader::new(reply).blob()?;
        let opened = self.session_key.open(Usage::AuthorizeReply, sealed)?;
        let reply: AuthorizeReply = Reader::new(opened.expose()).field()?;
        let expected = self.nonce.wrapping_add(1);
        if !bool::from(reply.nonce_plus_one.ct_eq(&expected)) {
            return Err(CephxError::WrongReply);
        }
        Ok((self.session_key.clone(), reply.connection_secret))
    }
}

impl AuthorizeReply {
    pub fn seal(&self, session_key: &CryptoKey, entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        let sealed = session_key.seal_field(Usage::AuthorizeReply, self, entropy)?;
        let mut out = Vec::with_capacity(sealed.len() + 4);
        sealed.encode(&mut out);
        Ok(out)
    }
}

impl Shown {
    fn with_proof(
        &self,
        authorize: Authorize,
        session_key: &CryptoKey,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        let sealed = session_key.seal_field(Usage::Authorize, &authorize, entropy)?;
        let mut out = Vec::with_capacity(64 + self.blob.blob.len() + sealed.len());
        self.encode(&mut out);
        sealed.encode(&mut out);
        Ok(out)
    }
}

impl Field for Shown {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(MODE_AUTHORIZER);
        self.global_id.encode(out);
        u32::from(self.service.0).encode(out);
        self.blob.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        if from.field::<u8>()? != MODE_AUTHORIZER {
            return Err(DecodeError("it is no authorizer"));
        }
        Ok(Self {
            global_id: from.field()?,
            service: service(from)?,
            blob: from.field()?,
        })
    }
}

impl Field for Authorize {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(2);
        self.nonce.encode(out);
        self.challenge_plus_one.is_some().encode(out);
        self.challenge_plus_one.unwrap_or(0).encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = version(from, 1)?;
        let nonce = from.field()?;
        // The first version knew no challenges.
        let (answers, plus_one) = match version {
            1 => (false, 0),
            _ => (from.field()?, from.field()?),
        };
        Ok(Self {
            nonce,
            challenge_plus_one: answers.then_some(plus_one),
        })
    }
}

impl Field for Challenge {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.0.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        from.field().map(Self)
    }
}

impl Field for AuthorizeReply {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(if self.connection_secret.is_some() {
            2
        } else {
            1
        });
        self.nonce_plus_one.encode(out);
        if let Some(secret) = &self.connection_secret {
            count(secret.expose().len()).encode(out);
            out.put_slice(secret.expose());
        }
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let version = version(from, 1)?;
        Ok(Self {
            nonce_plus_one: from.field()?,
            connection_secret: match version {
                1 => None,
                _ => secret(from)?,
            },
        })
    }
}
