//! What a messenger promises about a connection to one kind of peer.

use super::features;
use super::name::EntityType;

/// The rules of a connection, chosen by the peer's entity type (Ceph's
/// `Messenger::Policy`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Policy {
    /// A fault after the handshake ends the connection; nothing is sent twice.
    pub lossy: bool,
    /// This end never dials; it waits for the peer to come back.
    pub server: bool,
    /// With nothing to send after a fault, rest instead of dialling.
    pub standby: bool,
    /// Act on signs that the peer lost its session.
    pub resetcheck: bool,
    /// A new connection from the same peer displaces the old one.
    pub register: bool,
    /// Feature bits offered to the peer.
    pub features_supported: u64,
    /// Feature bits without which a peer is turned away.
    pub features_required: u64,
}

impl Policy {
    const fn preset(
        lossy: bool,
        server: bool,
        standby: bool,
        resetcheck: bool,
        register: bool,
    ) -> Self {
        Self {
            lossy,
            server,
            standby,
            resetcheck,
            register,
            features_supported: features::SUPPORTED_DEFAULT,
            features_required: 0,
        }
    }

    /// Dials; loses what was under way when the connection breaks.
    pub const fn lossy_client() -> Self {
        Self::preset(true, false, false, false, true)
    }

    /// Dials; keeps its session over broken connections.
    pub const fn lossless_client() -> Self {
        Self::preset(false, false, false, true, true)
    }

    /// Is dialled; keeps sessions over broken connections.
    pub const fn stateful_server() -> Self {
        Self::preset(false, true, true, true, true)
    }

    /// Is dialled; forgets a peer with its connection.
    pub const fn stateless_server() -> Self {
        Self::preset(true, true, false, false, false)
    }

    /// The same, and one connection per peer at a time.
    pub const fn stateless_registered_server() -> Self {
        Self::preset(true, true, false, false, true)
    }

    /// Either end dials; one session between the two.
    pub const fn lossless_peer() -> Self {
        Self::preset(false, false, true, false, true)
    }

    /// The same, for peers that restart under the same address.
    pub const fn lossless_peer_reuse() -> Self {
        Self::preset(false, false, true, true, true)
    }
}

/// The policies of one messenger: a default and one per peer type.
#[derive(Clone, Debug)]
pub struct PolicySet {
    default: Policy,
    by_type: Vec<(EntityType, Policy)>,
}

impl PolicySet {
    /// The same policy for every peer.
    pub const fn new(default: Policy) -> Self {
        Self {
            default,
            by_type: Vec::new(),
        }
    }

    /// Sets the policy for peers without one of their own.
    pub fn set_default(&mut self, policy: Policy) {
        self.default = policy;
    }

    /// Sets the policy for peers of one type.
    pub fn set(&mut self, kind: EntityType, policy: Policy) {
        match self.by_type.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, slot)) => *slot = policy,
            None => self.by_type.push((kind, policy)),
        }
    }

    /// The policy for peers without one of their own.
    pub const fn default_policy(&self) -> &Policy {
        &self.default
    }

    /// The policy that holds for peers of that type.
    pub fn get(&self, kind: EntityType) -> &Policy {
        let own = self.by_type.iter().find(|(known, _)| *known == kind);
        own.map_or(&self.default, |(_, policy)| policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_type_without_a_policy_of_its_own_gets_the_default() {
        let mut set = PolicySet::new(Policy::lossy_client());
        set.set(EntityType::OSD, Policy::lossless_peer());
        set.set(EntityType::OSD, Policy::stateless_server());
        assert_eq!(*set.get(EntityType::OSD), Policy::stateless_server());
        assert_eq!(*set.get(EntityType::MON), Policy::lossy_client());
    }
}
