//! Frames: a preamble, up to four segments, and crcs.
//!
//! ```text
//! msgr2.1  preamble 32 | segment 0 | crc 4 | segments 1..3 | status 1, crcs 3 x 4
//!                        `-- if not empty -´  `-- if there are two or more segments -´
//! msgr2.0  preamble 32 | segments 0..3 | flags 1, crcs 4 x 4
//! ```

pub mod control;
mod crc;
mod entity;
mod header;
mod preamble;
mod reader;
mod writer;

pub use crc::segment_crcs;
#[cfg(test)]
pub use crc::update as crc_update;
pub use header::MessageHeader;
pub use preamble::{Revision, Tag};
pub use reader::{Bulk, Frame, FrameReader};
pub use writer::FrameWriter;
