//! Who signs messages in v1, and who must.

use crate::proto::auth::cephx::{CryptoKey, KeyType};
use crate::proto::auth::{Agreed, METHOD_CEPHX, SessionKey};
use crate::types::{EntityType, features};

/// What is asked of links that cephx has proved. Without cephx there is no key to
/// sign by.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Signatures {
    /// Messages are signed and checked where both ends can. Both ends must want
    /// the same.
    pub wanted: bool,
    /// A daemon that cannot is turned away by another.
    pub cluster: bool,
    /// So is whoever cannot, where one of the ends is no daemon.
    pub service: bool,
}

impl Default for Signatures {
    fn default() -> Self {
        Self {
            wanted: true,
            cluster: false,
            service: false,
        }
    }
}

impl Signatures {
    /// What the other end has to have if such a method is used with it.
    pub fn required_features(self, method: u32, local: EntityType, peer: EntityType) -> u64 {
        match method == METHOD_CEPHX && self.required(local, peer) {
            true => features::MSG_AUTH,
            false => 0,
        }
    }

    /// What messages are signed with: by cephx alone there is a key that both ends
    /// know to be of use for that.
    pub fn key(
        self,
        method: u32,
        common: u64,
        (local, peer): (EntityType, EntityType),
        agreed: &Agreed,
    ) -> Option<CryptoKey> {
        // Nobody who insists on signatures wants them unchecked.
        let wanted = self.wanted || self.required(local, peer);
        let signs = wanted && method == METHOD_CEPHX && common & features::MSG_AUTH != 0;
        match agreed.session_key.as_ref().filter(|_| signs)? {
            SessionKey::Cephx(key) => Some(key.clone()),
            SessionKey::Host(secret) => CryptoKey::new(KeyType::Aes, secret.clone()).ok(),
        }
    }

    fn required(self, local: EntityType, peer: EntityType) -> bool {
        match local.is_daemon() && peer.is_daemon() {
            true => self.cluster,
            false => self.service,
        }
    }
}
