//! What is fuzzed of the protocol: see [`crate::fuzzing`] for the list.

mod cephx;
mod fields;
mod frames;
mod keys;
mod machine;
mod meter;
mod peer;
mod program;
mod unpack;
mod v1;
mod wire;

pub use cephx::{cephx_client, cephx_fields, cephx_monitor, cephx_service, keyring};
pub use fields::{addresses, banner, control, preamble};
pub use frames::{frames_crc, frames_secure, v1_messages};
pub use machine::{acceptor, dialler};
pub use meter::{Heap, set_meter};
pub use unpack::compression;
pub use v1::v1_opening;
pub use wire::wire;
