//! Compression of frames: which algorithms there are, what they make of a
//! segment, and how two ends agree on one.
//!
//! What Ceph sends is a container around a stream, another one for each
//! algorithm; the file of the algorithm says which. A segment is unpacked in two
//! steps, [`Algorithm::measure`] and [`Algorithm::decompress`]: between them its
//! receiver looks whether there is room for so much. No length is believed that
//! the bytes could not possibly stand for, and memory follows what was unpacked.

mod agreement;
#[cfg(feature = "lz4")]
mod lz4;
#[cfg(feature = "snappy")]
mod snappy;
#[cfg(test)]
mod tests;
#[cfg(feature = "zlib")]
mod zlib;
#[cfg(feature = "zstd")]
mod zstd;

pub use agreement::{Compression, CompressionSettings, LinkCompression};

use super::codec::DecodeError;

/// Room for a segment before anything of it is unpacked, where its length is
/// no more than a claim.
#[cfg(feature = "zstd")]
const UNPACKED_START: usize = 64 << 10;

const NOT_HERE: DecodeError = DecodeError("there is no such compression here");
const TOO_LARGE: DecodeError = DecodeError("it unpacks to more than is allowed");

/// What a segment is compressed with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u32)]
pub enum Algorithm {
    /// Nothing.
    None = 0,
    /// Snappy: fast.
    Snappy = 1,
    /// Deflate.
    Zlib = 2,
    /// Zstandard: smaller and still fast.
    Zstd = 3,
    /// LZ4: fastest.
    Lz4 = 4,
}

impl Algorithm {
    const ALL: [Self; 5] = [Self::None, Self::Snappy, Self::Zlib, Self::Zstd, Self::Lz4];

    /// Its number on the wire.
    pub const fn code(self) -> u32 {
        self as u32
    }

    /// The one with that number, unless it is unknown here.
    pub fn from_code(code: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.code() == code)
    }

    /// Ceph's name for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Snappy => "snappy",
            Self::Zlib => "zlib",
            Self::Zstd => "zstd",
            Self::Lz4 => "lz4",
        }
    }

    /// The one with that name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.name() == name)
    }

    /// False if this build of the library was made without it.
    pub const fn is_available(self) -> bool {
        match self {
            Self::None => true,
            Self::Snappy => cfg!(feature = "snappy"),
            Self::Zlib => cfg!(feature = "zlib"),
            Self::Zstd => cfg!(feature = "zstd"),
            Self::Lz4 => cfg!(feature = "lz4"),
        }
    }

    /// True if there is any to be had.
    pub fn is_any_available() -> bool {
        Self::ALL
            .into_iter()
            .any(|known| known != Self::None && known.is_available())
    }

    /// Appends what it makes of `segment`; an empty one stays empty. False, and
    /// nothing appended, if it cannot.
    pub fn compress(self, segment: &[u8], out: &mut Vec<u8>) -> bool {
        let start = out.len();
        let done = segment.is_empty()
            || match self {
                #[cfg(feature = "snappy")]
                Self::Snappy => snappy::compress(segment, out),
                #[cfg(feature = "zlib")]
                Self::Zlib => zlib::compress(segment, out),
                #[cfg(feature = "zstd")]
                Self::Zstd => zstd::compress(segment, out),
                #[cfg(feature = "lz4")]
                Self::Lz4 => lz4::compress(segment, out),
                _ => false,
            };
        if !done {
            out.truncate(start);
        }
        done
    }

    /// How many bytes `packed` stands for, or claims to; an error if they are
    /// more than `limit`. Takes no memory.
    pub fn measure(self, packed: &[u8], limit: usize) -> Result<usize, DecodeError> {
        if packed.is_empty() {
            return Ok(0);
        }
        let measured = match self {
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::measure(packed),
            #[cfg(feature = "zlib")]
            Self::Zlib => zlib::measure(packed, limit),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::measure(packed),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::measure(packed),
            _ => Err(NOT_HERE),
        };
        measured.and_then(|len| match len > limit {
            true => Err(TOO_LARGE),
            false => Ok(len),
        })
    }

    /// Appends the `len` bytes for which `packed` stands: exactly as many as
    /// [`Self::measure`] has said, or it is an error and nothing is appended.
    pub fn decompress(
        self,
        packed: &[u8],
        len: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), DecodeError> {
        if packed.is_empty() && len == 0 {
            return Ok(());
        }
        let start = out.len();
        let done = match self {
            #[cfg(feature = "snappy")]
            Self::Snappy => snappy::decompress(packed, len, out),
            #[cfg(feature = "zlib")]
            Self::Zlib => zlib::decompress(packed, len, out),
            #[cfg(feature = "zstd")]
            Self::Zstd => zstd::decompress(packed, len, out),
            #[cfg(feature = "lz4")]
            Self::Lz4 => lz4::decompress(packed, len, out),
            _ => Err(NOT_HERE),
        };
        if done.is_err() {
            out.truncate(start);
        }
        done
    }
}
