//! Where keys and tickets are kept.

use std::fmt;
use std::time::Duration;

use super::cephx::rotating::RotatingSecrets;
use super::cephx::ticket::TicketBlob;
use super::cephx::{CryptoKey, Entry, Ticket, Tickets};
use crate::types::{AuthName, EntityType, WallTime};

/// Keys and tickets that the connections of a messenger share (Ceph's `KeyStore`
/// and `CephXTicketManager`).
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// The key of that entity: our own, or, for a monitor, of whoever comes.
    fn secret(&self, name: &AuthName) -> Option<CryptoKey>;

    /// The same with what it may do.
    fn entity(&self, name: &AuthName) -> Option<Entry>;

    /// The key that opens tickets for a service under that number;
    /// [`PERMANENT`] stands for the one that does not rotate.
    fn service_secret(&self, service: EntityType, secret_id: u64) -> Option<CryptoKey>;

    /// For a monitor: the keys that tickets for a service are sealed with, as
    /// they are to be now.
    fn issuing(&self, service: EntityType, now: WallTime) -> Option<RotatingSecrets>;

    /// How long the tickets of a monitor are good, those for itself and those for
    /// others.
    fn validity(&self) -> (Duration, Duration);

    /// The keys that open tickets for our own service, from the monitors.
    fn set_rotating(&self, secrets: RotatingSecrets);

    /// Our ticket for a service.
    fn ticket(&self, service: EntityType) -> Option<Ticket>;

    /// Tickets that a monitor has given us, in place of former ones for the same
    /// services, and of all that go with another number.
    fn keep(&self, tickets: Tickets);

    /// The service does not take that ticket: if it is the one there is, another is
    /// to be had.
    fn discard(&self, service: EntityType, shown: &TicketBlob);

    /// Our number in the cluster, as far as a monitor has given us one.
    fn global_id(&self) -> u64;

    /// A number for a client that has none yet: what a monitor gives.
    fn next_global_id(&self) -> u64;
}

/// The number of a service's key that does not rotate: whoever has it makes
/// tickets for himself.
pub const PERMANENT: u64 = u64::MAX;

/// Nothing to keep.
#[derive(Debug)]
pub struct NoKeys;

impl KeyStore for NoKeys {
    fn secret(&self, _: &AuthName) -> Option<CryptoKey> {
        None
    }

    fn entity(&self, _: &AuthName) -> Option<Entry> {
        None
    }

    fn service_secret(&self, _: EntityType, _: u64) -> Option<CryptoKey> {
        None
    }

    fn issuing(&self, _: EntityType, _: WallTime) -> Option<RotatingSecrets> {
        None
    }

    fn validity(&self) -> (Duration, Duration) {
        (Duration::ZERO, Duration::ZERO)
    }

    fn set_rotating(&self, _: RotatingSecrets) {}

    fn ticket(&self, _: EntityType) -> Option<Ticket> {
        None
    }

    fn keep(&self, _: Tickets) {}

    fn discard(&self, _: EntityType, _: &TicketBlob) {}

    fn global_id(&self) -> u64 {
        0
    }

    fn next_global_id(&self) -> u64 {
        0
    }
}
