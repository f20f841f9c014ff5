//! Where keys and tickets are kept.

use std::fmt;

/// Keys and tickets that the connections of a messenger share.
pub trait KeyStore: Send + Sync + fmt::Debug {
    /// Our number in the cluster, as far as a monitor has given us one.
    fn global_id(&self) -> u64;

    /// A number for a client that has none yet: what a monitor gives.
    fn next_global_id(&self) -> u64;
}

/// Nothing to keep.
#[derive(Debug)]
pub struct NoKeys;

impl KeyStore for NoKeys {
    fn global_id(&self) -> u64 {
        0
    }

    fn next_global_id(&self) -> u64 {
        0
    }
}
