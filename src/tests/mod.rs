//! Tests over several modules: the layering, and two protocols against each
//! other on a virtual clock.

mod captures;
mod exchange;
mod faults;
mod handshake;
mod layering;
pub mod pair;
mod sessions;
