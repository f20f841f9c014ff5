//! Whose session it is. Addresses are claimed, and so are a session's name and its
//! counts: who has proved to be somebody else gets nothing of it.

use crate::proto::auth::{Identity, METHOD_NONE};
use crate::proto::config::ProtocolConfig;
use crate::types::{AuthName, EntityName, EntityType};

/// The peer of a session, or whoever asks for it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Owner {
    /// What it is, or says it is.
    pub kind: EntityType,
    /// Its number, or -1.
    pub num: i64,
    /// The name that it has proved.
    pub proved: Option<AuthName>,
}

impl Owner {
    /// Nothing is known of it yet but what it is to be.
    pub const fn unknown(kind: EntityType) -> Self {
        Self {
            kind,
            num: -1,
            proved: None,
        }
    }

    /// As the handshake has told.
    pub fn of(name: EntityName, identity: &Identity) -> Self {
        let proved = identity.name.clone().filter(|_| identity.is_proved);
        Self {
            kind: name.kind,
            num: name.num,
            proved,
        }
    }

    /// Is `newcomer` somebody else? One that we have dialled has not told its name
    /// by a key, so that its number has to do.
    pub fn is_other(&self, newcomer: &Self) -> bool {
        let numbers_differ = |name: &AuthName| {
            let num = name.entity_name().num;
            self.num >= 0 && num >= 0 && self.num != num
        };
        self.kind != newcomer.kind
            || match (&self.proved, &newcomer.proved) {
                (Some(known), Some(new)) => known != new,
                (Some(_), None) => true,
                (None, Some(new)) => numbers_differ(new),
                (None, None) => false,
            }
    }

    /// Has it proved nothing where it will have to, by messages? Until then it has
    /// no part in anybody's session.
    pub fn is_to_prove_itself(&self, config: &ProtocolConfig) -> bool {
        let methods = config.auth.methods(config.name.kind, self.kind);
        self.proved.is_none() && !config.auth.by_host && !methods.contains(&METHOD_NONE)
    }
}
