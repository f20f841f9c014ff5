//! How a monitor hands tickets over.

use std::collections::BTreeMap;

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader, count};
use crate::types::{EntityType, Entropy, WallTime};

use super::error::CephxError;
use super::key::CryptoKey;
use super::seal::{Usage, plain};
use super::ticket::{ServiceTicket, Ticket, TicketBlob, service, version};

/// One ticket on its way to its owner.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Issued {
    /// Whom it is for.
    pub service: EntityType,
    /// What the owner learns.
    pub ticket: ServiceTicket,
    /// What the service learns.
    pub blob: TicketBlob,
}

/// Tickets on their way to their owner.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TicketReply(pub Vec<Issued>);

// Whether the blob is wrapped once more.
const BARE: u8 = 0;
const WRAPPED: u8 = 1;

impl TicketReply {
    /// Seals the session keys for the owner. An auth ticket that follows
    /// another is wrapped with that one's session key.
    pub fn seal(
        &self,
        owner: &CryptoKey,
        old: Option<&CryptoKey>,
        entropy: &Entropy,
    ) -> Result<Vec<u8>, CephxError> {
        let mut out = vec![1];
        count(self.0.len()).encode(&mut out);
        for issued in &self.0 {
            u32::from(issued.service.0).encode(&mut out);
            out.put_u8(1);
            owner
                .seal_field(Usage::TicketSessionKey, &issued.ticket, entropy)?
                .encode(&mut out);
            let blob = plain(&issued.blob);
            match old {
                None => {
                    out.put_u8(BARE);
                    blob.encode(&mut out);
                }
                Some(old) => {
                    let mut framed = Vec::with_capacity(blob.len() + 4);
                    blob.encode(&mut framed);
                    out.put_u8(WRAPPED);
                    old.seal(Usage::TicketBlob, &framed, entropy)?
                        .encode(&mut out);
                }
            }
        }
        Ok(out)
    }

    /// Opens what [`TicketReply::seal`] made. Each ticket needs bytes of its
    /// own, so a count alone costs nothing.
    pub fn open(
        from: &mut Reader<'_>,
        owner: &CryptoKey,
        old: Option<&CryptoKey>,
    ) -> Result<Self, CephxError> {
        version(from, 1)?;
        let count: u32 = from.field()?;
        let mut tickets = Vec::new();
        for _ in 0..count {
            let service = service(from)?;
            version(from, 1)?;
            let sealed = owner.open(Usage::TicketSessionKey, from.blob()?)?;
            let ticket = Reader::new(sealed.expose()).field()?;
            let blob = open_blob(from, old)?;
            tickets.push(Issued {
                service,
                ticket,
                blob,
            });
        }
        Ok(Self(tickets))
    }

    /// The tickets as their owner, who has just received them, keeps them.
    pub fn received(self, now: WallTime) -> BTreeMap<EntityType, Ticket> {
        let kept = self.0.into_iter().map(|issued| {
            let ticket = Ticket::new(issued.ticket, issued.blob, now);
            (issued.service, ticket)
        });
        kept.collect()
    }
}

fn open_blob(from: &mut Reader<'_>, old: Option<&CryptoKey>) -> Result<TicketBlob, CephxError> {
    let wrapping: u8 = from.field()?;
    let bytes = from.blob()?;
    if wrapping == BARE {
        return Ok(Reader::new(bytes).field()?);
    }
    let old = old.ok_or(DecodeError("a ticket follows one that was not shown"))?;
    let opened = old.open(Usage::TicketBlob, bytes)?;
    let framed = Reader::new(opened.expose()).blob()?;
    Ok(Reader::new(framed).field()?)
}
