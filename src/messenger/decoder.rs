//! Messages become the program's objects before anybody sees them.

use std::sync::Arc;

use super::async_messenger::AsyncMessenger;
use super::connection::ConnectionRef;
use super::dispatcher::guarded;
use crate::types::Message;

/// What a program makes of the bytes of each message (Ceph's `decode_message`).
pub trait Decoder: Send + Sync {
    /// A message that has come, on the worker that read it and before any
    /// dispatcher is asked. It may hang an object of the program's on it, as its
    /// [`body`](Message::body). It must not block.
    ///
    /// A message that a messenger sent to itself comes here only if it has no body.
    ///
    /// # Errors
    /// An errno, for bytes that are none of such a message: as with a broken frame,
    /// the link ends, and the message counts as not received.
    fn decode(&self, con: &ConnectionRef, message: &mut Message) -> Result<(), i32>;
}

impl AsyncMessenger {
    /// Lets the program decode what comes, if it wants to.
    #[inline]
    pub(crate) fn decode(&self, con: &ConnectionRef, message: &mut Message) -> Result<(), i32> {
        match self.decoder() {
            Some(decoder) => decode(decoder, con, message),
            None => Ok(()),
        }
    }
}

pub(crate) fn decode(
    decoder: &Arc<dyn Decoder>,
    con: &ConnectionRef,
    message: &mut Message,
) -> Result<(), i32> {
    guarded("decode", || decoder.decode(con, message)).unwrap_or(Err(libc::ENOTRECOVERABLE))
}
