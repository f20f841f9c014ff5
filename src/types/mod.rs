//! Plain data that every layer shares: addresses, names, features, messages, time.
//!
//! Nothing here does I/O, reads a clock or knows a wire format.

mod addr;
mod body;
mod crc32c;
pub mod features;
mod message;
mod name;
mod payload;
mod policy;
mod random;
mod rx_buffer;
mod secret;
mod spares;
mod stamps;
mod time;

pub use addr::{AddrType, EntityAddr, EntityAddrVec, ParseAddrError};
pub use body::Body;
pub use crc32c::crc32c;
pub use message::{Hold, Message, PRIO_DEFAULT, PRIO_HIGH, PRIO_HIGHEST, PRIO_LOW};
pub use name::{AuthName, EntityName, EntityType, ParseNameError};
pub use payload::Payload;
pub use policy::{Policy, PolicySet};
pub use random::Random;
pub use rx_buffer::{RxBuffer, RxRequest, received};

pub use secret::{Entropy, NoEntropy, Secret};
pub use spares::{
    BUFFER_LEN, buffer as spare_buffer, large as large_buffer, put_buffer as spent_buffer,
    share_large,
};
pub use stamps::Stamps;
pub use time::{Time, WallTime};
