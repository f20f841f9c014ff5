//! The body of a large frame, in a buffer of its own.

use crate::proto::mutation::{self, Mutation};
use crate::types::large_buffer;

use super::preamble::MAX_CONTROL_LEN;

/// An incomplete frame body above this is collected in a buffer of its own. No
/// control frame is: all that is signed passes through the caller's input.
const MIN: usize = (MAX_CONTROL_LEN as usize) + 64;
/// What such a buffer may hold before the bytes are there.
const START: usize = 64 << 10;
/// As much of the size of earlier frames as is believed of the next.
const TRUST: usize = 4 << 20;

/// Where the next bytes of a large frame belong.
pub struct Bulk<'a> {
    /// To be read into behind what it holds; it has spare capacity.
    pub buffer: &'a mut Vec<u8>,
    /// Bytes of the frame that are not there yet: more must not be read.
    pub missing: usize,
}

/// Collects such bodies, one after the other. Memory follows the bytes that came,
/// not those that were announced.
#[derive(Default)]
pub struct BulkBuffer {
    /// What is there of a body.
    begun: Option<Vec<u8>>,
    /// Length of the largest body so far, at most [`TRUST`].
    largest: usize,
}

impl BulkBuffer {
    /// There is part of a body.
    #[inline]
    pub const fn is_begun(&self) -> bool {
        self.begun.is_some()
    }

    /// That much of a body is there.
    pub fn begin(&mut self, head: Vec<u8>) {
        self.begun = Some(head);
    }

    /// Room for the rest of a body that has `len` bytes in all.
    pub fn room(&mut self, len: usize) -> Option<Bulk<'_>> {
        let received = self.begun.as_ref().map_or(0, Vec::len);
        let capacity = self.capacity_after(received, len);
        let buffer = self.begun.as_mut()?;
        if buffer.len() == buffer.capacity() {
            buffer.reserve_exact(capacity.saturating_sub(buffer.len()));
        }
        let missing = len.saturating_sub(buffer.len());
        Some(Bulk { buffer, missing })
    }

    /// Moves here what `input` has of a body of `len` bytes, which is to stand behind
    /// `lead`; the whole of it, once it is there. Of a small one `input` keeps what
    /// there is.
    pub fn collect(&mut self, lead: &[u8], len: usize, input: &mut &[u8]) -> Option<Vec<u8>> {
        if len <= MIN {
            return None;
        }
        let len = lead.len() + len;
        let (mut buffer, lead) = match self.begun.take() {
            Some(buffer) => (buffer, &[][..]),
            None => (Vec::new(), lead),
        };
        let missing = len.saturating_sub(buffer.len() + lead.len());
        let (ours, rest) = input.split_at(missing.min(input.len()));
        *input = rest;
        let received = buffer.len() + lead.len() + ours.len();
        if buffer.capacity() == 0 {
            buffer = large_buffer(self.capacity_after(received, len));
        } else if buffer.capacity() < received {
            let capacity = self.capacity_after(received, len);
            buffer.reserve_exact(capacity - buffer.len());
        }
        buffer.extend_from_slice(lead);
        buffer.extend_from_slice(ours);
        if buffer.len() < len {
            self.begun = Some(buffer);
            return None;
        }
        Some(buffer)
    }

    /// So large a body has come: another may follow.
    #[inline]
    pub fn believe(&mut self, len: usize) {
        if len > self.largest {
            self.largest = len.min(TRUST);
        }
    }

    fn capacity_after(&self, received: usize, len: usize) -> usize {
        let believed = START.max(self.largest).max(received.saturating_mul(2));
        let exact = len.min(believed);
        match mutation::is(Mutation::RoomyBuffers) {
            true => exact + 1000,
            false => exact,
        }
    }
}
