//! What a program has of a message in place of bytes.

use std::any::Any;
use std::fmt;

use super::message::Message;

/// An object of the program's behind a message, which writes the message's front
/// and middle when they are needed (what derives from Ceph's `Message`).
///
/// All copies of a message share it. It is dropped with the last of them: once it
/// was sent and, on a lossless connection, acknowledged, or else dropped. That may
/// be on any thread.
pub trait Body: Send + Sync {
    /// False: the message has its bytes already, and [`Body::encode`] is never
    /// called.
    fn encodes(&self) -> bool {
        true
    }

    /// Writes front and middle of the message, which are empty, and may set its
    /// versions (Ceph's `encode_payload`). What is in data stays.
    ///
    /// It is called on a worker, where it must not block, before the message first
    /// goes out, and again before it goes out once more to a peer with which other
    /// `features` are in common by then. The message is without its body
    /// meanwhile. One that is sent on several connections is encoded for each of
    /// them, perhaps at the same time. What a messenger sends to itself is not
    /// encoded.
    ///
    /// # Errors
    /// An errno: this message is dropped, and the log says so.
    fn encode(&self, message: &mut Message, features: u64) -> Result<(), i32> {
        let _ = (message, features);
        Ok(())
    }

    /// Itself, for those who know what it is.
    fn as_any(&self) -> &dyn Any;
}

/// Two bodies are equal if they are the same object: nobody else knows.
impl PartialEq for dyn Body {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::addr_eq(self, other)
    }
}

impl Eq for dyn Body {}

impl fmt::Debug for dyn Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Body")
    }
}
