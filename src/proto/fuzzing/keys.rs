//! Keys that both ends of a fuzzed authentication have, and randomness that
//! repeats.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::proto::auth::cephx::rotating::RotatingSecrets;
use crate::proto::auth::cephx::ticket::TicketBlob;
use crate::proto::auth::cephx::{CryptoKey, Entry, KeyType, Ticket, Tickets};
use crate::proto::auth::{KeyStore, PERMANENT};
use crate::types::{AuthName, EntityType, Entropy, Random, Secret, WallTime};

/// The time of all fuzzing.
pub const NOW: WallTime = WallTime {
    sec: 1_700_000_000,
    nsec: 0,
};

/// A key of either type, always the same.
pub fn key(kind: KeyType) -> CryptoKey {
    let secret = match kind {
        KeyType::Aes => vec![3; 16],
        KeyType::Aes256Krb5 => vec![4; 32],
    };
    CryptoKey::new(kind, Secret::new(secret)).expect("a key of that length")
}

/// Bytes that look random and repeat.
pub fn entropy(seed: u64) -> Entropy {
    let draws = AtomicU64::new(seed);
    Entropy::new(move |wanted| {
        let mut random = Random::new(draws.fetch_add(1, Ordering::Relaxed).rotate_left(17));
        for chunk in wanted.chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}

/// One key for everybody, the permanent key of each service among them.
#[derive(Debug)]
pub struct OneKey(CryptoKey);

impl OneKey {
    pub fn new(kind: KeyType) -> Arc<Self> {
        Arc::new(Self(key(kind)))
    }
}

impl KeyStore for OneKey {
    fn secret(&self, _: &AuthName) -> Option<CryptoKey> {
        Some(self.0.clone())
    }

    fn entity(&self, _: &AuthName) -> Option<Entry> {
        Some(Entry {
            key: self.0.clone(),
            caps: [("osd".to_owned(), "allow *".to_owned())].into(),
        })
    }

    fn service_secret(&self, _: EntityType, secret_id: u64) -> Option<CryptoKey> {
        (secret_id == PERMANENT).then(|| self.0.clone())
    }

    fn issuing(&self, _: EntityType, now: WallTime) -> Option<RotatingSecrets> {
        let mut secrets = RotatingSecrets::default();
        let kind = self.0.kind();
        secrets
            .rotate(kind, Duration::from_secs(3600), now, &entropy(5))
            .ok()?;
        Some(secrets)
    }

    fn validity(&self) -> (Duration, Duration) {
        (Duration::from_secs(7200), Duration::from_secs(3600))
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
        4711
    }
}
