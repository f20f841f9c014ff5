//! Tests over several modules: the layering, two protocols against each other on
//! a virtual clock, and whole clusters of messengers in a simulated world.

mod bodies;
mod captured_cephx;
mod captured_legacy;
mod captured_sessions;
mod captures;
#[cfg(all(
    feature = "snappy",
    feature = "zlib",
    feature = "zstd",
    feature = "lz4"
))]
mod compression;
mod corpus;
mod exchange;
mod fallback;
mod faults;
mod handshake;
mod hosts;
mod keys;
mod layering;
mod legacy;
mod liveness;
mod mark_down;
mod matrix;
mod meter;
mod mon_auth;
mod nonces;
mod owners;
pub mod pair;
mod seeds;
mod sessions;
mod signatures;
mod sim;
mod throttles;
mod tickets;
