//! The keys of a kind of service, which change as time goes by.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BufMut;

use crate::proto::codec::{DecodeError, Field, Reader, count};
use crate::types::{Entropy, WallTime};

use super::error::CephxError;
use super::key::{CryptoKey, KeyType};
use super::op::Op;
use super::seal::Usage;
use super::ticket::{since_1970, version, wall_time};

/// A previous, a current and a next key.
const KEYS: usize = 3;

/// Ceph's `ExpiringCryptoKey`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExpiringKey {
    /// The key.
    pub key: CryptoKey,
    /// Until when tickets are made with it.
    pub expiration: WallTime,
}

/// Ceph's `RotatingSecrets`: the keys that all daemons of a type share. Tickets
/// are made with the current one; a daemon takes any, so it may learn of a new
/// one late, and of an old ticket late too.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RotatingSecrets {
    /// By secret id.
    pub secrets: BTreeMap<u64, ExpiringKey>,
    /// The highest id ever given.
    pub highest: u64,
}

impl RotatingSecrets {
    /// What a daemon asks for.
    pub fn request() -> Vec<u8> {
        Op::RotatingSecrets.request()
    }

    /// A monitor's answer, to be opened with the daemon's own key.
    pub fn answered(payload: &[u8], own: &CryptoKey) -> Result<Self, CephxError> {
        let mut from = Op::RotatingSecrets.answered(payload)?;
        let opened = own.open(Usage::RotatingSecrets, from.blob()?)?;
        Ok(Reader::new(opened.expose()).field()?)
    }

    /// The answer to a daemon with that key.
    pub fn answer(&self, daemon: &CryptoKey, entropy: &Entropy) -> Result<Vec<u8>, CephxError> {
        let mut out = Op::RotatingSecrets.answer();
        daemon
            .seal_field(Usage::RotatingSecrets, self, entropy)?
            .encode(&mut out);
        Ok(out)
    }

    /// The key of that id.
    pub fn get(&self, id: u64) -> Option<&CryptoKey> {
        self.secrets.get(&id).map(|secret| &secret.key)
    }

    /// The key that tickets are made with: the second, for the last is news to
    /// the daemons.
    pub fn current(&self) -> Option<(u64, &ExpiringKey)> {
        let mut secrets = self.secrets.iter();
        let first = secrets.next();
        let current = secrets.next().or(first);
        current.map(|(id, secret)| (*id, secret))
    }

    /// True if a daemon should ask again: the key that was current is not any
    /// more.
    pub fn is_stale(&self, now: WallTime) -> bool {
        let current = self.current();
        current.is_none_or(|(_, secret)| since_1970(secret.expiration) <= since_1970(now))
    }

    /// What a monitor does from time to time: makes the keys that are due, each
    /// to be current for `life`, and drops those whose time has passed.
    pub fn rotate(
        &mut self,
        kind: KeyType,
        life: Duration,
        now: WallTime,
        entropy: &Entropy,
    ) -> Result<(), CephxError> {
        // After a long pause all of them are due, and no more than that.
        for _ in 0..KEYS * 2 {
            if self.secrets.len() >= KEYS && !self.is_stale(now) {
                break;
            }
            let last = self.secrets.values().next_back();
            // The first one is current at once, to be the previous one soon.
            let begins = match last {
                None => since_1970(now),
                Some(last) => since_1970(last.expiration).max(since_1970(now)),
            };
            let secret = ExpiringKey {
                key: CryptoKey::generate(kind, entropy)?.created_at(now),
                expiration: wall_time(begins.saturating_add(life)),
            };
            self.highest = self.highest.wrapping_add(1);
            self.secrets.insert(self.highest, secret);
            while self.secrets.len() > KEYS {
                self.secrets.pop_first();
            }
        }
        Ok(())
    }
}

impl Field for ExpiringKey {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        self.key.encode(out);
        self.expiration.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        Ok(Self {
            key: from.field()?,
            expiration: from.field()?,
        })
    }
}

impl Field for RotatingSecrets {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u8(1);
        count(self.secrets.len()).encode(out);
        for (id, secret) in &self.secrets {
            id.encode(out);
            secret.encode(out);
        }
        self.highest.encode(out);
    }

    fn decode(from: &mut Reader<'_>) -> Result<Self, DecodeError> {
        version(from, 1)?;
        let count: u32 = from.field()?;
        let mut secrets = BTreeMap::new();
        for _ in 0..count {
            let id = from.field()?;
            secrets.insert(id, from.field()?);
        }
        Ok(Self {
            secrets,
            highest: from.field()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Secret;

    const HOUR: Duration = Duration::from_secs(3600);

    fn sec(sec: u32) -> WallTime {
        WallTime { sec, nsec: 0 }
    }

    fn rotate(secrets: &mut RotatingSecrets, now: u32) {
        let zeros = Entropy::new(|bytes| {
            bytes.fill(0);
            Ok(())
        });
        secrets
            .rotate(KeyType::Aes, HOUR, sec(now), &zeros)
            .unwrap();
    }

    #[test]
    fn a_key_is_next_then_current_then_previous() {
        let mut secrets = RotatingSecrets::default();
        assert!(secrets.is_stale(sec(0)));
        rotate(&mut secrets, 10_000);
        let ids = |secrets: &RotatingSecrets| secrets.secrets.keys().copied().collect::<Vec<_>>();
        assert_eq!(ids(&secrets), [1, 2, 3]);
        let (id, current) = secrets.current().unwrap();
        let expiration = current.expiration;
        assert_eq!(id, 2);
        assert!(expiration > sec(10_000));
        rotate(&mut secrets, expiration.sec - 1);
        assert_eq!(ids(&secrets), [1, 2, 3]);
        rotate(&mut secrets, expiration.sec);
        assert_eq!(ids(&secrets), [2, 3, 4]);
        assert_eq!(secrets.current().unwrap().0, 3);
        assert!(secrets.get(1).is_none() && secrets.get(4).is_some());
    }

    #[test]
    fn after_a_long_pause_no_key_is_out_of_date() {
        let mut secrets = RotatingSecrets::default();
        rotate(&mut secrets, 10_000);
        rotate(&mut secrets, 10_000_000);
        assert!(!secrets.is_stale(sec(10_000_000)));
        assert_eq!(secrets.secrets.len(), KEYS);
        rotate(&mut secrets, u32::MAX);
        assert_eq!(secrets.secrets.len(), KEYS);
    }

    #[test]
    fn a_count_beyond_what_is_there_does_not_decode() {
        let key = CryptoKey::new(KeyType::Aes, Secret::new(vec![1; 16])).unwrap();
        let expiration = sec(5);
        let mut secrets = RotatingSecrets::default();
        secrets.secrets.insert(7, ExpiringKey { key, expiration });
        let mut bytes = Vec::new();
        secrets.encode(&mut bytes);
        assert_eq!(Reader::new(&bytes).field(), Ok(secrets));
        for claimed in [2, u32::MAX] {
            bytes[1..5].copy_from_slice(&claimed.to_le_bytes());
            assert!(Reader::new(&bytes).field::<RotatingSecrets>().is_err());
        }
    }
}
