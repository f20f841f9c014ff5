//! The dialler's part at a monitor: a proof for tickets.

use crate::proto::codec::{Field, Reader};
use crate::types::{AuthName, Entropy, Secret, WallTime};

use super::authenticate::{Authenticate, MODE_MONITOR, proof};
use super::error::CephxError;
use super::key::CryptoKey;
use super::op::Op;
use super::seal::Usage;
use super::ticket::{AUTH_SERVICE, Ticket, TicketBlob, Tickets, secret, version};
use super::ticket_reply::TicketReply;

/// A login: [`Login::request`], the monitor's challenge, [`Login::respond`], the
/// monitor's answer, [`Login::finish`].
#[derive(Debug, PartialEq, Eq)]
pub struct Login {
    name: AuthName,
    key: CryptoKey,
    global_id: u64,
    /// Proves that the global id is ours.
    old: Option<Ticket>,
    services: u32,
    server_challenge: Option<u64>,
}

/// What a login brings.
#[derive(Debug)]
pub struct LoggedIn {
    /// Signs the handshake.
    pub session_key: CryptoKey,
    /// Where mode secure takes its keys from; none in mode crc.
    pub connection_secret: Option<Secret>,
    /// For other connections.
    pub tickets: Tickets,
}

impl Login {
    /// Of an entity with that key. To keep a global id, the auth ticket that
    /// came with it must be shown. `services` is a mask of entity types.
    pub fn new(
        name: AuthName,
        key: CryptoKey,
        known: Option<(u64, Option<Ticket>)>,
        services: u32,
    ) -> Self {
        let (global_id, old) = known.unwrap_or_default();
        Self {
            name,
            key,
            global_id,
            // Nothing is proved by a ticket for no id, and it is not allowed.
            old: old.filter(|_| global_id != 0),
            services,
            server_challenge: None,
        }
    }

    /// The first payload. msgr1 has another in its place, a
    /// [`Hello`](super::messages::Hello).
    pub fn request(&self) -> Vec<u8> {
        let mut out = vec![MODE_MONITOR];
        self.name.encode(&mut out);
        self.global_id.encode(&mut out);
        out
    }

    /// The answer to the monitor's challenge.
    pub fn respond(&mut self, reply_more: &[u8], entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        let mut from = Reader::new(reply_more);
        version(&mut from, 1)?;
        self.server_challenge = Some(from.field()?);
        self.authenticate(entropy)
    }

    /// Asks for another auth ticket on the same connection, in the way of
    /// [`Login::respond`]: the first challenge still stands.
    pub fn renew(&mut self, old: Ticket, entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        self.old = Some(old);
        self.authenticate(entropy)
    }

    /// Opens the tickets. Only the owner of our key could have sealed them.
    pub fn finish(
        &mut self,
        global_id: u64,
        auth_done: &[u8],
        now: WallTime,
    ) -> Result<LoggedIn, CephxError> {
        let mut from = Op::AuthTicket.answered(auth_done)?;
        let old = self.old.as_ref().map(|ticket| &ticket.session_key);
        let mut by_service = TicketReply::open(&mut from, &self.key, old)?.received(now);
        let auth = by_service.get(&AUTH_SERVICE);
        let auth = auth.ok_or(CephxError::NoTicket(AUTH_SERVICE))?;
        let session_key = auth.session_key.clone();
        let mut connection_secret = None;
        // Nothing more comes if nothing more was asked for.
        if !from.rest().is_empty() {
            connection_secret = open_secret(from.blob()?, &session_key)?;
            let extra = from.blob()?;
            if !extra.is_empty() {
                let extra = TicketReply::open(&mut Reader::new(extra), &session_key, None)?;
                by_service.extend(extra.received(now));
            }
        }
        self.global_id = global_id;
        Ok(LoggedIn {
            session_key,
            connection_secret,
            tickets: Tickets {
                global_id,
                by_service,
            },
        })
    }

    /// The ticket that it shows to keep its number.
    pub fn shown(&self) -> Option<&TicketBlob> {
        self.old.as_ref().map(|ticket| &ticket.blob)
    }

    fn authenticate(&self, entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        let server_challenge = self.server_challenge.ok_or(CephxError::OutOfTurn)?;
        let client_challenge = entropy.number()?;
        let old_ticket = match &self.old {
            Some(ticket) => ticket.blob.clone(),
            None => TicketBlob::default(),
        };
        let mut out = Op::AuthTicket.request();
        Authenticate {
            client_challenge,
            key: proof(&self.key, server_challenge, client_challenge, entropy)?,
            old_ticket,
            other_keys: self.services,
        }
        .encode(&mut out);
        Ok(out)
    }
}

/// The secret is wrapped twice; nothing at all stands for none on msgr1, an
/// empty string in mode crc.
fn open_secret(wrapped: &[u8], key: &CryptoKey) -> Result<Option<Secret>, CephxError> {
    if wrapped.is_empty() {
        return Ok(None);
    }
    let sealed = Reader::new(wrapped).blob()?;
    let opened = key.open(Usage::ConnectionSecret, sealed)?;
    Ok(secret(&mut Reader::new(opened.expose()))?)
}
