//! Why cephx refuses.

use std::fmt;

use crate::proto::codec::DecodeError;
use crate::types::{EntityType, NoEntropy};

/// Why a key, a ticket or a step of authentication is no good. `Display` gives
/// one clause for people; a peer is only ever told [`CephxError::errno`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CephxError {
    /// Bytes of the peer's do not decode.
    Malformed(DecodeError),
    /// A key is of no type known here, or too long or too short for its type.
    BadKey(&'static str),
    /// Sealed bytes do not open with the key that they should open with.
    DoesNotOpen,
    /// There is no randomness.
    NoEntropy,
    /// The first byte asks for something that is not done here.
    WrongMode(u8),
    /// A request or an answer of another kind than the one expected.
    WrongOp(u16),
    /// The monitor answers with that status.
    Status(i32),
    /// Something was said before what has to come first.
    OutOfTurn,
    /// The monitors know no such entity.
    UnknownEntity,
    /// The entity has another key.
    WrongKey,
    /// The entity may not come to monitors at all.
    NoMonCaps,
    /// A ticket for that service was expected.
    NoTicket(EntityType),
    /// A ticket for that service was shown to another one.
    WrongService(EntityType),
    /// The service has no key of that id, or no longer.
    UnknownSecretId(EntityType, u64),
    /// A ticket belongs to another global id, or another entity.
    ForeignTicket,
    /// A ticket is shown by somebody who claims no global id.
    TicketWithoutId,
    /// A global id is claimed and no ticket is shown for it.
    IdWithoutTicket,
    /// A ticket is past its time.
    TicketExpired,
    /// A ticket is from the future.
    TicketFromFuture,
    /// The challenge was not answered, or another one was.
    WrongChallenge,
    /// The service did not show that it could open the ticket.
    WrongReply,
}

// Linux numbers, as Ceph puts them on the wire.
const EIO: i32 = 5;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;

impl CephxError {
    /// The errno that stands for it, positive. What has to do with who somebody
    /// is has one for all, so that nobody learns from it.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Malformed(_)
            | Self::BadKey(_)
            | Self::WrongOp(_)
            | Self::OutOfTurn
            | Self::TicketWithoutId => EINVAL,
            Self::NoEntropy => EIO,
            Self::Status(status) => status.saturating_abs(),
            _ => EACCES,
        }
    }
}

impl fmt::Display for CephxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(why) => write!(f, "malformed cephx payload: {why}"),
            Self::BadKey(why) => write!(f, "not a key: {why}"),
            Self::DoesNotOpen => f.write_str("sealed with another key than expected, or damaged"),
            Self::NoEntropy => NoEntropy.fmt(f),
            Self::WrongMode(mode) => write!(f, "cephx payload that begins with {mode}"),
            Self::WrongOp(op) => write!(f, "cephx operation {op:#06x} was not expected"),
            Self::Status(status) => write!(f, "monitor answered with error {status}"),
            Self::OutOfTurn => f.write_str("cephx payload out of turn"),
            Self::UnknownEntity => f.write_str("no such entity"),
            Self::WrongKey => f.write_str("entity does not have the key known for it"),
            Self::NoMonCaps => f.write_str("entity has no caps for monitors"),
            Self::NoTicket(service) => write!(f, "no ticket for {}", Service(*service)),
            Self::WrongService(service) => write!(f, "ticket is for {}", Service(*service)),
            Self::UnknownSecretId(service, id) => {
                write!(f, "no key {id} of {}, or no longer", Service(*service))
            }
            Self::ForeignTicket => f.write_str("ticket belongs to somebody else"),
            Self::TicketWithoutId => f.write_str("ticket shown without a global id"),
            Self::IdWithoutTicket => f.write_str("global id claimed without a ticket"),
            Self::TicketExpired => f.write_str("ticket has expired"),
            Self::TicketFromFuture => f.write_str("ticket is from the future: compare the clocks"),
            Self::WrongChallenge => f.write_str("challenge was not answered"),
            Self::WrongReply => f.write_str("service could not open the ticket"),
        }
    }
}

/// A service's name; the monitors as givers of tickets have none of their own
/// among entity types.
struct Service(EntityType);

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == super::ticket::AUTH_SERVICE {
            return f.write_str("auth");
        }
        self.0.fmt(f)
    }
}

impl std::error::Error for CephxError {}

impl From<DecodeError> for CephxError {
    fn from(why: DecodeError) -> Self {
        Self::Malformed(why)
    }
}

impl From<NoEntropy> for CephxError {
    fn from(NoEntropy: NoEntropy) -> Self {
        Self::NoEntropy
    }
}
