//! Messages whose bytes are not written before they go out.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::types::{Message, Payload};

/// A message that was dropped on its way out, since its body did not encode.
/// `Display` gives one clause for the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Unencoded {
    kind: u16,
    tid: u64,
    why: Failure,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Failure {
    /// The program said so, by that errno.
    Refused(i32),
    /// So many bytes, more than a message may carry.
    TooLarge(u64),
    Panicked,
}

/// Lets the body of a message write it, for a peer with these features in common.
/// It may come to `max` bytes.
pub fn encode(message: &mut Message, features: u64, max: u64) -> Result<(), Unencoded> {
    let Some(body) = message.body.take() else {
        return Ok(());
    };
    let (kind, tid, seq) = (message.kind, message.tid, message.seq);
    (message.front, message.middle) = (Payload::new(), Payload::new());
    // Unwind safety: of a message that is half written nothing is looked at.
    let encoded = catch_unwind(AssertUnwindSafe(|| body.encode(message, features)));
    // The program may have set another.
    message.body.get_or_insert(body);
    message.seq = seq;
    let bytes = message.payload_len() as u64;
    let why = match encoded {
        Ok(Ok(())) if bytes <= max => return Ok(()),
        Ok(Ok(())) => Failure::TooLarge(bytes),
        Ok(Err(errno)) => Failure::Refused(errno),
        Err(_) => Failure::Panicked,
    };
    Err(Unencoded { kind, tid, why })
}

impl fmt::Display for Unencoded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { kind, tid, why } = self;
        write!(f, "message of type {kind} with tid {tid} is dropped: ")?;
        match why {
            Failure::Refused(errno) => write!(f, "it does not encode (error {errno})"),
            Failure::TooLarge(bytes) => write!(f, "it is encoded in {bytes} bytes, too many"),
            Failure::Panicked => f.write_str("the program panicked in encode"),
        }
    }
}
