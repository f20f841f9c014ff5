//! The keys and tickets of one messenger.

use std::collections::BTreeMap;
use std::fs;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use zeroize::Zeroizing;

use super::conf::Conf;
use super::error::{Error, Result};
use crate::proto::{
    CryptoKey, KeyStore, KeyType, Keyring, KeyringEntry, PERMANENT, RotatingSecrets, Ticket,
    TicketBlob, Tickets,
};
use crate::types::{AuthName, EntityType, Entropy, WallTime};

/// The first number that a monitor gives to a client (Ceph's).
const FIRST_GLOBAL_ID: u64 = 4096;

/// What options say of keys, what monitors have given, and what a messenger that
/// is itself a monitor gives.
#[derive(Debug)]
pub(crate) struct Keys {
    keyring: Mutex<Keyring>,
    tickets: Mutex<Tickets>,
    /// Of our own service, from the monitors.
    rotating: Mutex<RotatingSecrets>,
    /// Of every service, if this is a monitor itself.
    issuing: Mutex<BTreeMap<EntityType, RotatingSecrets>>,
    auth_validity: Duration,
    service_validity: Duration,
    entropy: Entropy,
    /// The last number given to a client.
    given: AtomicU64,
}

impl Keys {
    /// What the options `keyring`, `keyfile` and `key` say. The latter two are the
    /// key of `name`.
    pub(crate) fn read(conf: &Conf, name: &AuthName, entropy: &Entropy) -> Result<Self> {
        let mut keyring = keyring(&conf.get("keyring")?)?;
        let own = match keyfile(&conf.get("keyfile")?)? {
            Some(key) => Some(key),
            None => conf.key("key"),
        };
        if let Some(key) = own {
            let caps = keyring.get(name).map(|entry| entry.caps.clone());
            let caps = caps.unwrap_or_default();
            keyring.insert(name.clone(), KeyringEntry { key, caps });
        }
        Ok(Self {
            keyring: Mutex::new(keyring),
            tickets: Mutex::default(),
            rotating: Mutex::default(),
            issuing: Mutex::default(),
            auth_validity: conf.seconds("auth_mon_ticket_ttl"),
            service_validity: conf.seconds("auth_service_ticket_ttl"),
            entropy: entropy.clone(),
            given: AtomicU64::new(FIRST_GLOBAL_ID),
        })
    }

    /// True if there is no key at all.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.keyring).iter().next().is_none()
    }

    /// How long until the keys of our own service should be asked for anew; none if
    /// there are none.
    pub(crate) fn rotating_left(&self, now: WallTime) -> Option<Duration> {
        let rotating = lock(&self.rotating);
        let (_, current) = rotating.current()?;
        Some(since_1970(current.expiration).saturating_sub(since_1970(now)))
    }

    /// The second one, unless it may be that a daemon does not know it: then its own key
    /// is of the first.
    fn issued_type(&self) -> KeyType {
        let keyring = lock(&self.keyring);
        let mut types = keyring.iter().map(|(_, entry)| entry.key.kind());
        let has_first = types.any(|kind| kind == KeyType::Aes);
        if has_first {
            KeyType::Aes
        } else {
            KeyType::Aes256Krb5
        }
    }

    /// Adds keys, or replaces them.
    pub(crate) fn add(&self, keys: &Keyring) {
        let mut keyring = lock(&self.keyring);
        for (name, entry) in keys.iter() {
            keyring.insert(name.clone(), entry.clone());
        }
    }
}

impl KeyStore for Keys {
    fn secret(&self, name: &AuthName) -> Option<CryptoKey> {
        lock(&self.keyring).get(name).map(|entry| entry.key.clone())
    }

    fn entity(&self, name: &AuthName) -> Option<KeyringEntry> {
        lock(&self.keyring).get(name).cloned()
    }

    fn service_secret(&self, service: EntityType, secret_id: u64) -> Option<CryptoKey> {
        match secret_id {
            PERMANENT => self.secret(&AuthName::of_all(service)),
            id => lock(&self.rotating).get(id).cloned(),
        }
    }

    fn issuing(&self, service: EntityType, now: WallTime) -> Option<RotatingSecrets> {
        let life = match service {
            EntityType::AUTH => self.auth_validity,
            _ => self.service_validity,
        };
        let kind = self.issued_type();
        let mut issuing = lock(&self.issuing);
        let secrets = issuing.entry(service).or_default();
        // Without randomness there are no new keys, and those there are run out.
        let _ = secrets.rotate(kind, life, now, &self.entropy);
        Some(secrets.clone()).filter(|secrets| secrets.current().is_some())
    }

    fn validity(&self) -> (Duration, Duration) {
        (self.auth_validity, self.service_validity)
    }

    fn set_rotating(&self, secrets: RotatingSecrets) {
        *lock(&self.rotating) = secrets;
    }

    fn ticket(&self, service: EntityType) -> Option<Ticket> {
        lock(&self.tickets).by_service.get(&service).cloned()
    }

    fn keep(&self, tickets: Tickets) {
        let mut kept = lock(&self.tickets);
        if kept.global_id != tickets.global_id {
            // They name their owner by it.
            kept.by_service.clear();
        }
        kept.global_id = tickets.global_id;
        kept.by_service.extend(tickets.by_service);
    }

    fn discard(&self, service: EntityType, shown: &TicketBlob) {
        let mut kept = lock(&self.tickets);
        let is_it = |ticket: &Ticket| ticket.blob == *shown;
        if kept.by_service.get(&service).is_some_and(is_it) {
            kept.by_service.remove(&service);
        }
    }

    fn global_id(&self) -> u64 {
        lock(&self.tickets).global_id
    }

    fn next_global_id(&self) -> u64 {
        self.given.fetch_add(1, Ordering::Relaxed) + 1
    }
}

/// The first of the files that there is, as Ceph looks for them.
fn keyring(paths: &str) -> Result<Keyring> {
    let mut missing = None;
    for path in paths.split([' ', ',', ';']).filter(|path| !path.is_empty()) {
        match fs::read_to_string(path).map(Zeroizing::new) {
            Ok(text) => {
                let keyring = Keyring::parse(&text);
                return keyring.map_err(|why| Error::invalid(format!("keyring {path}: {why}")));
            }
            Err(error) => missing = Some(Error::io(format_args!("keyring {path}"), &error)),
        }
    }
    missing.map_or_else(|| Ok(Keyring::default()), Err)
}

fn keyfile(path: &str) -> Result<Option<CryptoKey>> {
    if path.is_empty() {
        return Ok(None);
    }
    let text = fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|why| Error::io(format_args!("keyfile {path}"), &why))?;
    let key = CryptoKey::parse(text.trim());
    key.map(Some)
        .map_err(|why| Error::invalid(format!("keyfile {path}: {why}")))
}

pub(crate) fn since_1970(time: WallTime) -> Duration {
    Duration::new(time.sec.into(), time.nsec)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Random, Secret};

    const NOW: WallTime = WallTime {
        sec: 1_800_000_000,
        nsec: 0,
    };

    fn keys(kinds: &[KeyType]) -> Keys {
        let random = Mutex::new(Random::new(1));
        let entropy = Entropy::new(move |bytes| {
            let mut random = lock(&random);
            bytes.fill_with(|| random.next() as u8);
            Ok(())
        });
        let name = "mon.a".parse().unwrap();
        let keys = Keys::read(&Conf::default(), &name, &entropy).unwrap();
        let mut keyring = Keyring::default();
        for (kind, at) in kinds.iter().zip(0..) {
            let entry = KeyringEntry {
                key: CryptoKey::generate(*kind, &entropy).unwrap(),
                caps: BTreeMap::new(),
            };
            keyring.insert(format!("osd.{at}").parse().unwrap(), entry);
        }
        keys.add(&keyring);
        keys
    }

    #[test]
    fn keys_of_the_second_type_are_issued_where_everybody_has_one() {
        use KeyType::{Aes, Aes256Krb5};
        for (kinds, expected) in [
            (&[Aes][..], Aes),
            (&[Aes256Krb5, Aes], Aes),
            (&[Aes, Aes256Krb5], Aes),
            (&[Aes256Krb5, Aes256Krb5], Aes256Krb5),
        ] {
            let keys = keys(kinds);
            for service in [EntityType::AUTH, EntityType::OSD] {
                let issued = keys.issuing(service, NOW).unwrap();
                let issued = issued.secrets.values().map(|secret| secret.key.kind());
                assert_eq!(issued.collect::<Vec<_>>(), [expected; 3], "{kinds:?}");
            }
        }
    }

    #[test]
    fn rotating_keys_are_good_until_the_current_one_expires_whatever_peers_show() {
        let of_monitor = keys(&[KeyType::Aes]);
        let rotating = of_monitor.issuing(EntityType::OSD, NOW).unwrap();
        let (_, secret) = rotating.current().unwrap();
        let expires = secret.expiration;
        let sooner = |secs: u32| WallTime {
            sec: expires.sec - secs,
            ..expires
        };
        let keys = keys(&[KeyType::Aes]);
        assert_eq!(keys.rotating_left(NOW), None);
        keys.set_rotating(rotating.clone());
        let left = Duration::from_secs(60);
        assert_eq!(keys.rotating_left(sooner(60)), Some(left));
        assert_eq!(keys.rotating_left(sooner(0)), Some(Duration::ZERO));
        // A key that a stranger claims to know of is no reason to bother a monitor.
        let newer = rotating.highest + 1;
        assert!(keys.service_secret(EntityType::OSD, newer).is_none());
        assert_eq!(keys.rotating_left(sooner(60)), Some(left));
    }

    #[test]
    fn a_ticket_is_discarded_by_what_was_shown_of_it() {
        let keys = keys(&[]);
        let blob = |byte| TicketBlob {
            secret_id: 1,
            blob: vec![byte; 40],
        };
        let ticket = Ticket {
            session_key: CryptoKey::new(KeyType::Aes, Secret::new(vec![1; 16])).unwrap(),
            blob: blob(1),
            expires: NOW,
            renew_after: NOW,
        };
        keys.keep(Tickets {
            global_id: 4100,
            by_service: BTreeMap::from([(EntityType::OSD, ticket.clone())]),
        });
        keys.discard(EntityType::OSD, &blob(2));
        keys.discard(EntityType::MDS, &blob(1));
        assert_eq!(keys.ticket(EntityType::OSD), Some(ticket));
        keys.discard(EntityType::OSD, &blob(1));
        assert_eq!(keys.ticket(EntityType::OSD), None);
    }
}
