//! What all connections of one messenger share.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use crate::types::{AuthName, EntityType, PolicySet};

use super::auth::{AuthConfig, ConMode};
use super::banner::{COMPRESSION, REVISION_1};
use super::compression::{Algorithm, CompressionSettings};
use super::frame::MAX_CONTROL_LEN;
use super::v1::Signatures;

/// The settings of a messenger's connections. Pure data.
#[derive(Clone, Debug)]
pub struct ProtocolConfig {
    /// Who we are.
    pub name: AuthName,
    /// The number that goes with it in sessions, where the program says one.
    pub number: Arc<SaidNumber>,
    /// The version of v1 that two ends of our type must both speak; without it
    /// that of Ceph's releases.
    pub cluster_protocol: Option<u32>,
    /// What is promised to whom.
    pub policies: PolicySet,
    /// From dialling or accepting until open.
    pub ready_timeout: Duration,
    /// Without a byte read or written while open.
    pub idle_timeout: Duration,
    /// While open, and the peer takes or acknowledges nothing of what is sent;
    /// zero for no limit.
    pub progress_timeout: Duration,
    /// While open, a keepalive goes out when nothing came for that long; zero
    /// for never.
    pub keepalive_interval: Duration,
    /// How long to wait for the answer to such a keepalive.
    pub keepalive_timeout: Duration,
    /// Pause after the first failed attempt; each further one doubles it.
    pub initial_backoff: Duration,
    /// Longest pause between attempts.
    pub max_backoff: Duration,
    /// False: segment crcs are sent as 0 and none is checked. Both ends must
    /// agree.
    pub crc_data: bool,
    /// Take our IP from what the first peer says it is, while it is unknown.
    pub learn_addr: bool,
    /// Banner features offered.
    pub msgr2_supported: u64,
    /// Banner features without which a peer is turned away.
    pub msgr2_required: u64,
    /// Which connection modes are allowed with whom.
    pub modes: ConnectionModes,
    /// Which frames are compressed.
    pub compression: CompressionSettings,
    /// Who authenticates how.
    pub auth: AuthConfig,
    /// Which links of v1 sign their messages.
    pub signatures: Signatures,
    /// What a peer may send before its session.
    pub handshake: HandshakeLimits,
    /// Largest sum of front, middle and data that is accepted.
    pub max_message: u64,
    /// Numbers the messenger's connection attempts.
    pub global_seq: Arc<GlobalSeq>,
}

impl ProtocolConfig {
    /// Ceph's defaults.
    pub fn new(name: AuthName, policies: PolicySet) -> Self {
        Self {
            name,
            number: Arc::default(),
            cluster_protocol: None,
            policies,
            ready_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(900),
            progress_timeout: Duration::from_secs(120),
            keepalive_interval: Duration::ZERO,
            keepalive_timeout: Duration::from_secs(10),
            initial_backoff: Duration::from_millis(200),
            max_backoff: Duration::from_secs(15),
            crc_data: true,
            learn_addr: true,
            msgr2_supported: msgr2_features(),
            msgr2_required: 0,
            modes: ConnectionModes::default(),
            compression: CompressionSettings::default(),
            auth: AuthConfig::default(),
            signatures: Signatures::default(),
            handshake: HandshakeLimits::default(),
            max_message: 1 << 30,
            global_seq: Arc::default(),
        }
    }
}

impl ProtocolConfig {
    /// The number that peers know us by among our type. A client's is the one that
    /// a monitor gave it; before that it has none. What the program says comes
    /// before both.
    pub fn own_number(&self) -> i64 {
        if let Some(said) = self.number.get() {
            return said;
        }
        let named = self.name.entity_name().num;
        match i64::try_from(self.auth.keys.global_id()) {
            Ok(given) if given > 0 && self.name.kind == EntityType::CLIENT => given,
            _ => named,
        }
    }
}

/// A number that the program may say, and change: the next handshake tells it.
#[derive(Debug)]
pub struct SaidNumber(AtomicI64);

impl SaidNumber {
    /// The number, if there is one.
    pub fn get(&self) -> Option<i64> {
        let said = self.0.load(Ordering::Relaxed);
        (said >= 0).then_some(said)
    }

    /// From now on it is this; none if that is negative.
    pub fn set(&self, number: i64) {
        self.0.store(number, Ordering::Relaxed);
    }
}

impl Default for SaidNumber {
    fn default() -> Self {
        Self(AtomicI64::new(-1))
    }
}

/// What a peer that is not known yet may make this end read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HandshakeLimits {
    /// Bytes in all.
    pub bytes: usize,
    /// Payload bytes of one frame.
    pub frame: usize,
    /// Requests to be authenticated.
    pub auth_requests: u32,
}

impl HandshakeLimits {
    /// No frame that is not a message may be larger, whatever is set.
    pub const MAX_FRAME: usize = MAX_CONTROL_LEN as usize;
}

impl Default for HandshakeLimits {
    fn default() -> Self {
        Self {
            bytes: 64 << 10,
            frame: Self::MAX_FRAME,
            auth_requests: 8,
        }
    }
}

/// As Ceph, which speaks of compression even where it wants none.
fn msgr2_features() -> u64 {
    if Algorithm::is_any_available() {
        REVISION_1 | COMPRESSION
    } else {
        REVISION_1
    }
}

/// The connection modes allowed on each kind of link, the preferred one first.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionModes {
    /// Between daemons.
    pub cluster: Vec<ConMode>,
    /// A daemon towards its clients.
    pub service: Vec<ConMode>,
    /// A client towards daemons.
    pub client: Vec<ConMode>,
    /// Between a monitor or manager and a daemon.
    pub mon_cluster: Vec<ConMode>,
    /// A monitor or manager towards its clients.
    pub mon_service: Vec<ConMode>,
    /// A client towards monitors and managers.
    pub mon_client: Vec<ConMode>,
}

impl Default for ConnectionModes {
    fn default() -> Self {
        let bulk = vec![ConMode::Crc, ConMode::Secure];
        let control = vec![ConMode::Secure, ConMode::Crc];
        Self {
            cluster: bulk.clone(),
            service: bulk.clone(),
            client: bulk,
            mon_cluster: control.clone(),
            mon_service: control.clone(),
            mon_client: control,
        }
    }
}

impl ConnectionModes {
    /// The same everywhere.
    pub fn all(modes: &[ConMode]) -> Self {
        Self {
            cluster: modes.to_vec(),
            service: modes.to_vec(),
            client: modes.to_vec(),
            mon_cluster: modes.to_vec(),
            mon_service: modes.to_vec(),
            mon_client: modes.to_vec(),
        }
    }

    /// The list that holds between us and a peer, whoever dials.
    pub fn allowed(&self, local: EntityType, peer: EntityType) -> &[ConMode] {
        let is_mon = |kind| kind == EntityType::MON || kind == EntityType::MGR;
        match (local.is_daemon(), peer.is_daemon()) {
            (false, _) if is_mon(peer) => &self.mon_client,
            (false, _) => &self.client,
            (true, true) if is_mon(local) || is_mon(peer) => &self.mon_cluster,
            (true, true) => &self.cluster,
            (true, false) if is_mon(local) => &self.mon_service,
            (true, false) => &self.service,
        }
    }
}

/// The messenger-wide count of connection attempts: once in 64 bits, once in the
/// 32 that v1 has.
#[derive(Debug, Default)]
pub struct GlobalSeq {
    wide: AtomicU64,
    narrow: AtomicU32,
}

impl GlobalSeq {
    /// A count that begins above `last`, an amount of microseconds.
    ///
    /// In 32 bits it begins with as many seconds: of the clock that says how many
    /// have gone by since 1970, they last until 2106. So it rises over restarts
    /// unless a life attempts more than once in each of its seconds. One that does
    /// gets ahead of the clock, and the next life may begin below it. In v1, that
    /// costs no more than a round trip: an acceptor that has seen a higher number
    /// says so, and the dialler counts on from there.
    pub const fn above(last: u64) -> Self {
        let seconds = last / 1_000_000;
        let narrow = if seconds < MAX_NARROW as u64 {
            seconds as u32
        } else {
            MAX_NARROW
        };
        Self {
            wide: AtomicU64::new(last),
            narrow: AtomicU32::new(narrow),
        }
    }

    /// A fresh number, above all before. Ceph begins there with a higher one if a peer
    /// asks for that; here a peer must not use up the numbers that all others see.
    pub fn next(&self) -> u64 {
        // Only the numbers matter, nothing is published by them.
        self.wide.fetch_add(1, Ordering::Relaxed).wrapping_add(1)
    }

    /// A fresh number of 32 bits, above all before. The last one stays the last:
    /// equal numbers are as good as rising ones, if not beside each other.
    pub fn next_narrow(&self) -> u32 {
        let last = self
            .narrow
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |n| {
                Some(n.saturating_add(1))
            });
        last.unwrap_or_else(|last| last).saturating_add(1)
    }
}

/// The last number of 32 bits that has one above it.
const MAX_NARROW: u32 = u32::MAX - 1;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_follow_the_kinds_of_both_ends() {
        let one = |mode: &str| {
            vec![if mode == "crc" {
                ConMode::Crc
            } else {
                ConMode::Secure
            }]
        };
        let modes = ConnectionModes {
            cluster: one("crc"),
            service: vec![],
            client: one("secure"),
            ..ConnectionModes::default()
        };
        let of = |local, peer| modes.allowed(local, peer).to_vec();
        assert_eq!(of(EntityType::OSD, EntityType::MDS), modes.cluster);
        assert_eq!(of(EntityType::OSD, EntityType::CLIENT), modes.service);
        assert_eq!(of(EntityType::CLIENT, EntityType::OSD), modes.client);
        assert_eq!(of(EntityType::CLIENT, EntityType::CLIENT), modes.client);
        assert_eq!(of(EntityType::OSD, EntityType::MON), modes.mon_cluster);
        assert_eq!(of(EntityType::MGR, EntityType::OSD), modes.mon_cluster);
        assert_eq!(of(EntityType::MON, EntityType::CLIENT), modes.mon_service);
        assert_eq!(of(EntityType::CLIENT, EntityType::MGR), modes.mon_client);
    }

    #[test]
    fn global_seqs_rise_above_all_before() {
        let seq = GlobalSeq::default();
        assert_eq!([seq.next(), seq.next()], [1, 2]);
        assert_eq!(GlobalSeq::above(7).next(), 8);
    }

    #[test]
    fn narrow_seqs_begin_with_the_seconds_and_end_without_a_turn() {
        let of = |micros| GlobalSeq::above(micros);
        let restarted = of(1_800_000_003_000_000);
        let former = of(1_800_000_000_999_999);
        assert_eq!(former.next_narrow(), 1_800_000_001);
        assert_eq!(former.next_narrow(), 1_800_000_002);
        assert_eq!(restarted.next_narrow(), 1_800_000_004);
        let late = of(u64::MAX);
        assert_eq!([late.next_narrow(), late.next_narrow()], [u32::MAX; 2]);
        assert_eq!(GlobalSeq::default().next_narrow(), 1);
    }
}
