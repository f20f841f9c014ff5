//! Why cephx refuses.

use std::fmt;

use crate::proto::codec::DecodeError;
use crate::types::NoEntropy;

/// Why a key, a ticket or a step of authentication is no good. `Display` gives
/// one clause for people; a peer is only ever told [`CephxError::errno`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CephxError {
    /// Bytes of the peer's do not decode.
    Malformed(DecodeError),
    /// A key is of no type known here, or too long or too short for its type.
    BadKey(&'static str),
    /// Sealed bytes do not open with the key that they should open with.
    DoesNotOpen,
    /// There is no randomness.
    NoEntropy,
}

// Linux numbers, as Ceph puts them on the wire.
const EIO: i32 = 5;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;

impl CephxError {
    /// The errno that stands for it, positive.
    pub const fn errno(&self) -> i32 {
        match self {
            Self::Malformed(_) | Self::BadKey(_) => EINVAL,
            Self::DoesNotOpen => EACCES,
            Self::NoEntropy => EIO,
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
        }
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
