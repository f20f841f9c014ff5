//! What a monitor is asked for: the headers of requests and answers.

use crate::proto::codec::{DecodeError, Field, Reader};

use super::error::CephxError;

/// What is asked for, as the wire numbers it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The auth ticket, for a proof.
    AuthTicket = 0x0100,
    /// Tickets for services, for the auth ticket.
    ServiceTickets = 0x0200,
    /// The keys of the daemon's own kind of service.
    RotatingSecrets = 0x0400,
}

impl Op {
    /// Begins a request.
    pub fn request(self) -> Vec<u8> {
        let mut out = Vec::with_capacity(256);
        self.encode(&mut out);
        out
    }

    /// Begins an answer that brings what was asked for.
    pub fn answer(self) -> Vec<u8> {
        let mut out = self.request();
        0_i32.encode(&mut out);
        out
    }

    /// What follows the header of an answer, if it is one to this and good.
    pub fn answered(self, payload: &[u8]) -> Result<Reader<'_>, CephxError> {
        let mut from = Reader::new(payload);
        let op: Self = from.field()?;
        let status: i32 = from.field()?;
        if op != self {
            return Err(CephxError::WrongOp(op as u16));
        }
        if status != 0 {
            return Err(CephxError::Status(status));
        }
        Ok(from)
    }
}

impl Field for Op {
    fn encode(&self, out: &mut Vec<u8>) {
        (*self as u16).encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        match from.field::<u16>()? {
            0x0100 => Ok(Self::AuthTicket),
            0x0200 => Ok(Self::ServiceTickets),
            0x0400 => Ok(Self::RotatingSecrets),
            _ => Err(DecodeError("no cephx operation has that number")),
        }
    }
}
