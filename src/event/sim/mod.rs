//! A world in one thread: hosts, a network between them and the workers of their
//! processes, on a virtual clock. One seed decides everything that is left to
//! chance, so a run can be had again.
//!
//! [`Simulation`] holds it all. Whoever drives it asks which workers have
//! something to do ([`Simulation::runnable`]), lets one of them take its turn, and
//! moves the clock on once nobody has ([`Simulation::advance`]).

mod faults;
mod network;
mod poller;
mod rng;
mod simulation;
mod stream;
mod tap;
mod tests;
mod trace;

pub use faults::{Death, Silence};
pub use network::Weather;
pub use rng::Rng;
pub use simulation::{Process, Simulation};
pub use stream::StreamId;
pub use tap::{Passage, Tap};

pub(super) use poller::{Endpoint, Poller};
pub(super) use simulation::Turn;
