//! Keys and tickets of an end, as tests give them to it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::proto::{
    ALL_SERVICES, AuthConfig, ConMode, ConnectionModes, CryptoKey, KeyStore, Keyring, KeyringEntry,
    METHOD_CEPHX, PERMANENT, ProtocolConfig, RotatingSecrets, Ticket, TicketBlob, Tickets,
};
use crate::types::{AuthName, EntityType, Entropy, Random, WallTime};

/// What an end knows.
#[derive(Debug, Default)]
pub struct Known {
    pub secrets: BTreeMap<String, CryptoKey>,
    /// By service and number.
    pub services: BTreeMap<(EntityType, u64), CryptoKey>,
    pub tickets: Mutex<Tickets>,
    /// Whatever number a monitor gives.
    pub global_id: u64,
}

impl Known {
    fn tickets(&self) -> MutexGuard<'_, Tickets> {
        self.tickets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl KeyStore for Known {
    fn secret(&self, name: &AuthName) -> Option<CryptoKey> {
        self.secrets.get(&name.to_string()).cloned()
    }

    fn entity(&self, name: &AuthName) -> Option<KeyringEntry> {
        let key = self.secret(name)?;
        let caps = BTreeMap::new();
        Some(KeyringEntry { key, caps })
    }

    fn service_secret(&self, service: EntityType, secret_id: u64) -> Option<CryptoKey> {
        self.services.get(&(service, secret_id)).cloned()
    }

    fn issuing(&self, _: EntityType, _: WallTime) -> Option<RotatingSecrets> {
        None
    }

    fn validity(&self) -> (Duration, Duration) {
        (Duration::ZERO, Duration::ZERO)
    }

    fn set_rotating(&self, _: RotatingSecrets) {}

    fn ticket(&self, service: EntityType) -> Option<Ticket> {
        self.tickets().by_service.get(&service).cloned()
    }

    fn keep(&self, tickets: Tickets) {
        self.tickets().by_service.extend(tickets.by_service);
    }

    fn discard(&self, service: EntityType, shown: &TicketBlob) {
        let kept = &mut self.tickets().by_service;
        if kept.get(&service).is_some_and(|it| it.blob == *shown) {
            kept.remove(&service);
        }
    }

    fn global_id(&self) -> u64 {
        self.global_id
    }

    fn next_global_id(&self) -> u64 {
        0
    }
}

/// Authenticates by cephx with what is known, by these random bytes, in one mode.
pub fn authenticate(config: &mut ProtocolConfig, known: Known, entropy: Entropy, mode: ConMode) {
    let cephx = vec![METHOD_CEPHX];
    config.modes = ConnectionModes::all(&[mode]);
    config.auth = AuthConfig {
        cluster: cephx.clone(),
        service: cephx.clone(),
        client: cephx,
        keys: Arc::new(known),
        services: ALL_SERVICES,
        entropy,
        by_host: false,
        takes_anonymous: false,
    };
}

/// The key of all daemons, by which anybody gets in.
pub const KEYRING: &str = "[osd.]\n\tkey = AQBBt2tpAAAAABAAmcBfnfGkLkKWlJzTBqGKCg==\n";

/// Everything is sealed, by the key of all daemons.
pub fn seal(config: &mut ProtocolConfig, seed: u64) {
    prove(config, seed, ConMode::Secure);
}

/// Everybody proves who he is, by the key of all daemons.
pub fn prove(config: &mut ProtocolConfig, seed: u64, mode: ConMode) {
    let keyring = Keyring::parse(KEYRING).unwrap();
    let daemons = keyring.get(&AuthName::of_all(EntityType::OSD)).unwrap();
    let key = daemons.key.clone();
    let known = Known {
        services: BTreeMap::from([((EntityType::OSD, PERMANENT), key)]),
        ..Known::default()
    };
    authenticate(config, known, entropy(seed), mode);
}

/// Bytes that follow from a seed.
pub fn entropy(seed: u64) -> Entropy {
    let random = Mutex::new(Random::new(seed));
    Entropy::new(move |bytes| {
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&random.next().to_le_bytes()[..chunk.len()]);
        }
        Ok(())
    })
}
