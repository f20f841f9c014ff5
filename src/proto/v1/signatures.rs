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
        if method != METHOD_CEPHX {
            return 0;
        }
        // Without it an authorizer could be sent again by anybody who has seen it, and
        // a signature would cover a part of the header alone. Nothing guards what the
        // ends say of their features.
        let challenged = features::CEPHX_V2;
        match self.required(local, peer) {
            true => challenged | features::MSG_AUTH,
            false => challenged,
        }
    }

    /// Has authentication brought no key, though messages have to be signed?
    pub fn lacks_key(
        self,
        method: u32,
        (local, peer): (EntityType, EntityType),
        agreed: &Agreed,
    ) -> bool {
        let required = self.required(local, peer) && method == METHOD_CEPHX;
        required && signing_key(agreed).is_none()
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
        Some(agreed).filter(|_| signs).and_then(signing_key)
    }

    fn required(self, local: EntityType, peer: EntityType) -> bool {
        match local.is_daemon() && peer.is_daemon() {
            true => self.cluster,
            false => self.service,
        }
    }
}

/// A key of the host's has no type: its length tells.
fn signing_key(agreed: &Agreed) -> Option<CryptoKey> {
    match agreed.session_key.as_ref()? {
        SessionKey::Cephx(key) => Some(key.clone()),
        SessionKey::Host(secret) => [KeyType::Aes, KeyType::Aes256Krb5]
            .into_iter()
            .find_map(|kind| CryptoKey::new(kind, secret.clone()).ok()),
    }
}
