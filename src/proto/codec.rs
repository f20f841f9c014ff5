//! Little-endian fields in and out of bytes.

use std::fmt;

use bytes::BufMut;

use crate::types::{EntityType, WallTime};

/// Why bytes do not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecodeError(pub &'static str);

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const SHORT: DecodeError = DecodeError("it ends inside a field");

/// Takes fields from the front of a slice.
#[derive(Clone, Copy)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Reads from the first byte of `bytes` on.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// The next `N` bytes.
    #[inline]
    pub fn array<const N: usize>(&mut self) -> Result<&'a [u8; N], DecodeError> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(SHORT)?;
        self.rest = rest;
        Ok(head)
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (head, rest) = self.rest.split_at_checked(len).ok_or(SHORT)?;
        self.rest = rest;
        Ok(head)
    }

    /// The bytes behind a length.
    pub fn blob(&mut self) -> Result<&'a [u8], DecodeError> {
        let len = length(self)?;
        self.take(len)
    }

    /// One field.
    #[inline]
    pub fn field<F: Field>(&mut self) -> Result<F, DecodeError> {
        F::decode(self)
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }
}

/// A type with one wire form.
pub trait Field: Sized {
    /// Appends its bytes.
    fn encode(&self, out: &mut Vec<u8>);
    /// Takes it from the front of the bytes.
    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError>;
}

macro_rules! number {
    ($($kind:ty)*) => {$(
        impl Field for $kind {
            #[inline]
            fn encode(&self, out: &mut Vec<u8>) {
                out.put_slice(&self.to_le_bytes());
            }
            #[inline]
            fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
                Ok(Self::from_le_bytes(*from.array()?))
            }
        }
    )*};
}

number!(u8 u16 u32 u64 i32 i64);

impl Field for bool {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(u8::from(*self));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(from.field::<u8>()? != 0)
    }
}

impl<const N: usize> Field for [u8; N] {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_slice(self);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.array().copied()
    }
}

/// Bytes behind their length. They come from one bounded frame, so the copy is
/// bounded too.
impl Field for Vec<u8> {
    fn encode(&self, out: &mut Vec<u8>) {
        count(self.len()).encode(out);
        out.put_slice(self);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.blob().map(<[u8]>::to_vec)
    }
}

/// Numbers behind their count. The bytes are taken before anything is
/// allocated, so a count alone costs nothing.
impl Field for Vec<u32> {
    fn encode(&self, out: &mut Vec<u8>) {
        count(self.len()).encode(out);
        self.iter().for_each(|item| item.encode(out));
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        let len = length(from)?;
        let bytes = from.take(len.checked_mul(4).ok_or(SHORT)?)?;
        let mut items = Reader::new(bytes);
        std::iter::repeat_with(|| items.field()).take(len).collect()
    }
}

impl Field for WallTime {
    fn encode(&self, out: &mut Vec<u8>) {
        self.sec.encode(out);
        self.nsec.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            sec: from.field()?,
            nsec: from.field()?,
        })
    }
}

impl Field for EntityType {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(self.0);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        from.field().map(Self)
    }
}

/// A length field.
pub fn length(from: &mut Reader<'_>) -> Result<usize, DecodeError> {
    let len: u32 = from.field()?;
    usize::try_from(len).map_err(|_| SHORT)
}

/// A count as the wire carries it. Counts here belong to lists that this
/// library made itself, none of which comes near the limit.
pub fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_that_claims_more_than_there_is_does_not_decode() {
        for claimed in [1_u32, 2, 0x4000_0000, u32::MAX] {
            let mut bytes = Vec::new();
            claimed.encode(&mut bytes);
            bytes.extend([0; 3]);
            assert_eq!(
                Reader::new(&bytes).field::<Vec<u32>>(),
                Err(SHORT),
                "{claimed}"
            );
        }
    }

    #[test]
    fn fields_come_back_as_they_went() {
        let mut bytes = Vec::new();
        0x1122_u16.encode(&mut bytes);
        (-5_i64).encode(&mut bytes);
        vec![7_u8, 8].encode(&mut bytes);
        vec![1_u32, 2].encode(&mut bytes);
        let mut from = Reader::new(&bytes);
        assert_eq!(from.field(), Ok(0x1122_u16));
        assert_eq!(from.field(), Ok(-5_i64));
        assert_eq!(from.field(), Ok(vec![7_u8, 8]));
        assert_eq!(from.field(), Ok(vec![1_u32, 2]));
        assert!(from.rest().is_empty());
    }
}
