//! Memory of the program's for what comes.

use bytes::Bytes;

/// What memory is wanted for: the data of a message that is being received. In mode
/// crc these are what the peer says, before a checksum has been looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RxRequest {
    /// The message's type.
    pub kind: u16,
    /// The message's transaction id.
    pub tid: u64,
    /// Low bits of the data's offset: where in its page the sender would like it to
    /// begin.
    pub data_off: u16,
    /// Bytes of data, never 0.
    pub len: usize,
}

/// Memory that a program lends for the data of one message, of just the length that
/// was wanted. It is dropped with the last reference to the data, on any thread.
///
/// Both methods give the same bytes each time.
pub trait RxBuffer: Send + Sync {
    /// To read.
    fn bytes(&self) -> &[u8];

    /// To receive into.
    fn bytes_mut(&mut self) -> &mut [u8];
}

/// A box of one as the owner of bytes.
struct Received(Box<dyn RxBuffer>);

impl AsRef<[u8]> for Received {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
}

/// The bytes of a buffer in which all is received.
pub fn received(buffer: Box<dyn RxBuffer>) -> Bytes {
    Bytes::from_owner(Received(buffer))
}
