//! Where keys and tickets are kept.

use std::fmt;

use super::cephx::CryptoKey;
use super::cephx::ticket::{Ticket, Tickets};
use crate::types::{AuthName, EntityType};

/// Keys and tickets that the connections of a messenger share (Ceph's `KeyStore`
/// and `CephXTicketManager`).
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// The key of that entity: our own, or, for a monitor, of whoever comes.
    fn secret(&self, name: &AuthName) -> Option<CryptoKey>;

    /// What that entity may do at such a service, in the service's words; none if
    /// it may do nothing there.
    fn caps(&self, name: &AuthName, service: EntityType) -> Option<String>;

    /// The key that opens tickets for a service under that number;
    /// [`PERMANENT`] stands for the one that does not rotate.
    fn service_secret(&self, service: EntityType, secret_id: u64) -> Option<CryptoKey>;

    /// The key to seal tickets for a service with, and its number.
    fn issuing_secret(&self, service: EntityType) -> Option<(u64, CryptoKey)>;

    /// Our ticket for a service.
    fn ticket(&self, service: EntityType) -> Option<Ticket>;

    /// Tickets that a monitor has given us, in place of former ones for the same
    /// services.
    fn keep(&self, tickets: Tickets);

    /// The service does not take our ticket: another is to be had.
    fn discard(&self, service: EntityType);

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

    fn caps(&self, _: &AuthName, _: EntityType) -> Option<String> {
        None
    }

    fn service_secret(&self, _: EntityType, _: u64) -> Option<CryptoKey> {
        None
    }

    fn issuing_secret(&self, _: EntityType) -> Option<(u64, CryptoKey)> {
        None
    }

    fn ticket(&self, _: EntityType) -> Option<Ticket> {
        None
    }

    fn keep(&self, _: Tickets) {}

    fn discard(&self, _: EntityType) {}

    fn global_id(&self) -> u64 {
        0
    }

    fn next_global_id(&self) -> u64 {
        0
    }
}
