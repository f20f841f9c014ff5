//! The bytes of one message segment, in as many pieces as they were given.

use bytes::{Bytes, BytesMut};

use super::crc32c;

/// A segment's bytes: zero, one or several pieces, never copied to be sent.
///
/// Clones share the bytes, but for a short copy, which is copied again.
#[derive(Clone, Debug)]
pub struct Payload(Pieces);

#[derive(Clone, Debug)]
enum Pieces {
    /// A short copy, whose room is used again: see [`super::spares`].
    Short(Vec<u8>),
    /// Bytes that others may share.
    One(Bytes),
    /// Never empty pieces.
    Many(Vec<Bytes>),
}

/// The most bytes of a short copy.
const SHORT: usize = 4096;

impl Default for Payload {
    fn default() -> Self {
        Self::new()
    }
}

impl Payload {
    /// An empty segment.
    pub const fn new() -> Self {
        Self(Pieces::Short(Vec::new()))
    }

    /// Adds a piece at the end without copying it.
    pub fn append(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.is_empty() {
            self.0 = Pieces::One(piece);
            return;
        }
        self.share();
        match &mut self.0 {
            Pieces::Many(pieces) => pieces.push(piece),
            Pieces::One(first) => {
                self.0 = Pieces::Many(vec![std::mem::take(first), piece]);
            }
            Pieces::Short(_) => unreachable!("shared above"),
        }
    }

    /// Adds a copy of `bytes` at the end, growing the last piece in place where
    /// nobody else holds it.
    pub fn append_copy(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        if let Pieces::Short(short) = &mut self.0 {
            if short.len() + bytes.len() <= SHORT {
                if short.capacity() - short.len() < bytes.len() {
                    make_room(short, bytes.len());
                }
                return short.extend_from_slice(bytes);
            }
        }
        self.share();
        let last = match &mut self.0 {
            Pieces::One(first) => first,
            Pieces::Many(pieces) => match pieces.last_mut() {
                Some(last) => last,
                None => return self.append(Bytes::copy_from_slice(bytes)),
            },
            Pieces::Short(_) => unreachable!("shared above"),
        };
        if last.is_empty() {
            *last = Bytes::copy_from_slice(bytes);
            return;
        }
        match std::mem::take(last).try_into_mut() {
            Ok(mut grown) => {
                grown.extend_from_slice(bytes);
                *last = grown.freeze();
            }
            Err(shared) => {
                *last = shared;
                self.append(Bytes::copy_from_slice(bytes));
            }
        }
    }

    /// Drops what is more than a short copy.
    #[inline]
    pub(super) fn strip(&mut self) {
        if !matches!(self.0, Pieces::Short(_)) {
            *self = Self::new();
        }
    }

    /// Takes all bytes out, and keeps the room of a short copy.
    #[inline]
    pub fn clear(&mut self) {
        match &mut self.0 {
            Pieces::Short(short) => short.clear(),
            others => *others = Pieces::Short(Vec::new()),
        }
    }

    /// Joins the pieces into one, copying only if there are several, and
    /// returns them.
    pub fn contiguous(&mut self) -> &[u8] {
        if let Pieces::Many(pieces) = &self.0 {
            let mut joined = BytesMut::with_capacity(self.len());
            pieces
                .iter()
                .for_each(|piece| joined.extend_from_slice(piece));
            self.0 = Pieces::One(joined.freeze());
        }
        match &self.0 {
            Pieces::Short(short) => short,
            Pieces::One(whole) => whole,
            Pieces::Many(_) => unreachable!("joined above"),
        }
    }

    /// The pieces in order, empty ones left out.
    #[inline]
    pub fn pieces(&self) -> impl Iterator<Item = &[u8]> {
        let (short, pieces) = match &self.0 {
            Pieces::Short(short) => (&short[..], &[][..]),
            Pieces::One(whole) => (&[][..], std::slice::from_ref(whole)),
            Pieces::Many(pieces) => (&[][..], pieces.as_slice()),
        };
        std::iter::once(short)
            .chain(pieces.iter().map(|piece| &piece[..]))
            .filter(|piece| !piece.is_empty())
    }

    /// The same, to be kept: the bytes are shared from now on.
    pub fn shared_pieces(&mut self) -> impl Iterator<Item = &Bytes> {
        self.share();
        self.lasting_pieces()
    }

    /// Those of the pieces that are more than a short copy.
    #[inline]
    pub(crate) fn lasting_pieces(&self) -> impl Iterator<Item = &Bytes> {
        let pieces = match &self.0 {
            Pieces::Short(_) => &[],
            Pieces::One(whole) => std::slice::from_ref(whole),
            Pieces::Many(pieces) => pieces.as_slice(),
        };
        pieces.iter().filter(|piece| !piece.is_empty())
    }

    /// Its bytes, if they are a short copy.
    #[inline]
    pub(crate) fn as_short(&self) -> Option<&[u8]> {
        match &self.0 {
            Pieces::Short(short) => Some(short),
            _ => None,
        }
    }

    /// Makes a short copy bytes that can be shared, where they are.
    fn share(&mut self) {
        if let Pieces::Short(short) = &mut self.0 {
            self.0 = Pieces::One(std::mem::take(short).into());
        }
    }

    /// The crc32c of its bytes in the register that begins with `seed`, without the
    /// final inversion (Ceph's `bufferlist::crc32c`).
    #[inline]
    pub fn crc32c(&self, seed: u32) -> u32 {
        match self.as_short() {
            Some([]) => seed,
            Some(short) => crc32c(seed, short),
            None => self.pieces().fold(seed, crc32c),
        }
    }

    /// Its length in bytes.
    #[inline]
    pub fn len(&self) -> usize {
        match &self.0 {
            Pieces::Short(short) => short.len(),
            Pieces::One(whole) => whole.len(),
            Pieces::Many(pieces) => pieces.iter().map(Bytes::len).sum(),
        }
    }

    /// True without a single byte.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Room for so many more bytes, and for what others will put there who use it again:
/// room that is just enough for one grows with every other one.
#[cold]
fn make_room(short: &mut Vec<u8>, more: usize) {
    let room = (short.len() + more).next_power_of_two().max(SHORT / 16);
    let mut larger = Vec::with_capacity(room);
    larger.extend_from_slice(short);
    *short = larger;
}

impl From<Bytes> for Payload {
    fn from(whole: Bytes) -> Self {
        Self(Pieces::One(whole))
    }
}

impl PartialEq for Payload {
    /// Equal bytes, however they are cut.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len() && self.pieces().flatten().eq(other.pieces().flatten())
    }
}

impl Eq for Payload {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_are_kept_apart_until_they_are_joined() {
        let mut payload = Payload::new();
        payload.append(Bytes::from_static(b"ab"));
        payload.append(Bytes::new());
        payload.append(Bytes::from_static(b"cde"));
        assert_eq!(payload.pieces().count(), 2);
        assert_eq!(payload.len(), 5);
        assert_eq!(payload.contiguous(), b"abcde");
        assert_eq!(payload.pieces().count(), 1);
    }

    #[test]
    fn a_crc_is_that_of_the_bytes_however_they_are_cut() {
        let mut cut = Payload::from(Bytes::from_static(b"1234"));
        cut.append(Bytes::from_static(b"56789"));
        // The check value of crc32c, e3069283, with its inversions taken away.
        assert_eq!(cut.crc32c(u32::MAX), !0xe306_9283);
        assert_eq!(cut.crc32c(0), 0x58e3_fa20);
        assert_eq!(Payload::new().crc32c(7), 7);
    }

    #[test]
    fn copies_grow_one_piece() {
        let mut payload = Payload::new();
        for chunk in [&b"a"[..], b"", b"bc", b"def"] {
            payload.append_copy(chunk);
        }
        assert_eq!(payload.pieces().count(), 1);
        assert_eq!(payload.contiguous(), b"abcdef");
    }

    #[test]
    fn a_copy_never_writes_to_bytes_that_another_payload_shares() {
        let mut first = Payload::new();
        first.append_copy(b"shared");
        let second = first.clone();
        first.append_copy(b"!");
        assert_eq!(first, Payload::from(Bytes::from_static(b"shared!")));
        assert_eq!(second, Payload::from(Bytes::from_static(b"shared")));
    }

    #[test]
    fn copies_after_a_borrowed_piece_keep_the_order() {
        let mut payload = Payload::from(Bytes::from_static(b"lent"));
        payload.append_copy(b"-own");
        payload.append(Bytes::from_static(b"-lent"));
        payload.append_copy(b"-own");
        assert_eq!(payload.contiguous(), b"lent-own-lent-own");
    }
}
