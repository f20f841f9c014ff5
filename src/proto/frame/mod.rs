//! Frames: a preamble, up to four segments, and what guards them. [`plain`]
//! frames have crcs; those that are [`secure`] are sealed.
//!
//! ```text
//! msgr2.1  preamble 32 | segment 0 | crc 4 | segments 1..3 | status 1, crcs 3 x 4
//!                        `-- if not empty -´  `-- if there are two or more segments -´
//! msgr2.0  preamble 32 | segments 0..3 | flags 1, crcs 4 x 4
//! ```

mod batch;
mod body;
mod bulk;
pub mod control;
mod crc;
mod entity;
mod header;
mod legacy;
mod lent;
mod nonces;
mod packed;
mod plain;
mod preamble;
mod reader;
mod secure;
#[cfg(test)]
mod tests;
mod writer;

pub use batch::FrameBatch;
pub use body::Frame;
pub use bulk::Bulk;
pub use crc::segment_crcs;
#[cfg(test)]
pub use crc::update as crc_update;
pub use entity::{LEGACY_ADDR_LEN, decode_legacy, encode_legacy};
pub use header::MessageHeader;
pub use legacy::{LegacyForm, decode_header as decode_legacy_header};
pub use lent::fitting;
#[cfg(test)]
pub use nonces::record::{nonces_used, secrets_used, twice_used};
#[cfg(any(test, feature = "fuzzing"))]
pub use preamble::Preamble;
pub use preamble::{MAX_CONTROL_LEN, Revision, Tag};
pub use reader::FrameReader;
pub use secure::{Side, keys};
pub use writer::FrameWriter;
