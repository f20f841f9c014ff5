//! What a messenger counts, and how it tells.

use std::sync::atomic::{AtomicU64, Ordering};

use super::dump::Dump;
use crate::proto::{Fault, LinkDown};

/// A number that any thread may add to.
#[derive(Default, Debug)]
pub(crate) struct Counter(AtomicU64);

/// Everything that one messenger counts.
#[derive(Default)]
pub(crate) struct Counters {
    /// Sockets accepted.
    pub(crate) accepted: Counter,
    /// Those of them that came by a local socket, and dialled ones that went by one.
    pub(crate) accepted_locally: Counter,
    pub(crate) connected_locally: Counter,
    /// Times that accepting had to pause, for want of descriptors or memory.
    pub(crate) accept_pauses: Counter,
    /// Half-open connections that had to go for a newcomer: for all there are too
    /// many, or for those of its source.
    pub(crate) evicted: Counter,
    pub(crate) evicted_of_source: Counter,
    /// Times that a peer's authentication was turned down.
    pub(crate) denied: Counter,
    /// By [`FAULTS`].
    faults: [Counter; FAULTS.len()],
    /// By [`STAGES`].
    ready_timeouts: [Counter; STAGES.len()],
    workers: Box<[Traffic]>,
}

/// What one worker has done for the messenger. On cache lines of its own: only
/// that worker writes them, with every message.
#[repr(align(128))]
#[derive(Default)]
pub(crate) struct Traffic {
    pub(crate) received_messages: Counter,
    pub(crate) received_bytes: Counter,
    pub(crate) sent_messages: Counter,
    pub(crate) sent_bytes: Counter,
    pub(crate) created: Counter,
    pub(crate) ended: Counter,
}

/// Why links end, in kinds.
const FAULTS: [&str; 18] = [
    "peer_closed",
    "refused",
    "socket",
    "ready_timeout",
    "idle_timeout",
    "no_progress",
    "half_frame",
    "keepalive_timeout",
    "banner",
    "features",
    "auth",
    "auth_attempts",
    "handshake_too_long",
    "frame_too_large",
    "message_too_large",
    "address",
    "declined",
    "protocol",
];

/// How far a handshake was that took too long, and how Ceph's names of such
/// states begin.
const STAGES: [(&str, &[&str]); 7] = [
    ("dialling", &["START_CONNECT"]),
    ("banner", &["BANNER", "CONNECTING_WAIT_BANNER"]),
    ("hello", &["HELLO"]),
    ("auth", &["AUTH"]),
    ("session", &["SESSION"]),
    ("v1", &["CONNECTING", "ACCEPTING"]),
    ("other", &[""]),
];

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.fetch_add(n, Ordering::Relaxed);
    }

    /// For a number that only one thread writes.
    #[inline]
    pub(crate) fn add_alone(&self, n: u64) {
        let before = self.0.load(Ordering::Relaxed);
        self.0.store(before.wrapping_add(n), Ordering::Relaxed);
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

impl Counters {
    pub(crate) fn new(workers: usize) -> Self {
        Self {
            workers: (0..workers).map(|_| Traffic::default()).collect(),
            ..Self::default()
        }
    }

    /// A link has ended, in a state of that name.
    pub(crate) fn note_fault(&self, fault: &Fault, during: &str) {
        if let Some(counter) = self.faults.get(kind_of(fault)) {
            counter.add(1);
        }
        if *fault == Fault::ReadyTimeout {
            let is_it =
                |(_, begins): &(&str, &[&str])| begins.iter().any(|b| during.starts_with(b));
            let stage = STAGES.iter().position(is_it);
            if let Some(counter) = stage.and_then(|stage| self.ready_timeouts.get(stage)) {
                counter.add(1);
            }
        }
    }

    /// What the worker of that number counts.
    #[inline]
    pub(crate) fn worker(&self, number: usize) -> Option<&Traffic> {
        self.workers.get(number)
    }

    /// Puts it all into a dump: what is the messenger's, then what is each worker's.
    pub(crate) fn tell(&self, dump: &mut Dump) {
        dump.number("msgr_accepted", self.accepted.get());
        dump.number("msgr_accepted_locally", self.accepted_locally.get());
        dump.number("msgr_connected_locally", self.connected_locally.get());
        dump.number("msgr_accept_pauses", self.accept_pauses.get());
        dump.number("msgr_half_open_evicted", self.evicted.get());
        let of_source = self.evicted_of_source.get();
        dump.number("msgr_half_open_evicted_per_source", of_source);
        dump.number("msgr_auth_denied", self.denied.get());
        for (name, counter) in FAULTS.iter().zip(&self.faults) {
            dump.number(&format!("msgr_faults_{name}"), counter.get());
        }
        for ((name, _), counter) in STAGES.iter().zip(&self.ready_timeouts) {
            dump.number(&format!("msgr_ready_timeouts_{name}"), counter.get());
        }
        for (number, worker) in self.workers.iter().enumerate() {
            dump.group(&format!("AsyncMessenger::Worker-{number}"));
            worker.tell(dump);
        }
    }
}

impl Traffic {
    fn tell(&self, dump: &mut Dump) {
        // Those that have ended first: what comes between makes the level too high,
        // never negative.
        let ended = self.ended.get();
        let created = self.created.get();
        dump.number("msgr_recv_messages", self.received_messages.get());
        dump.number("msgr_send_messages", self.sent_messages.get());
        dump.number("msgr_recv_bytes", self.received_bytes.get());
        dump.number("msgr_send_bytes", self.sent_bytes.get());
        dump.number("msgr_created_connections", created);
        dump.number("msgr_active_connections", created.saturating_sub(ended));
    }
}

/// Which of [`FAULTS`] it is; what has no kind of its own is a peer's mistake.
fn kind_of(fault: &Fault) -> usize {
    match fault {
        Fault::Link(LinkDown::Eof) => 0,
        Fault::Link(LinkDown::Refused) => 1,
        Fault::Link(LinkDown::Io(_)) => 2,
        Fault::ReadyTimeout => 3,
        Fault::IdleTimeout => 4,
        Fault::NoProgress => 5,
        Fault::HalfFrame => 6,
        Fault::KeepaliveTimeout => 7,
        Fault::SpeaksV1 | Fault::SpeaksV2 | Fault::NotMsgr(..) | Fault::BannerLength(_) => 8,
        Fault::PeerLacksBannerFeatures(_)
        | Fault::WeLackBannerFeatures(_)
        | Fault::MissingFeatures(_) => 9,
        Fault::Auth(_) | Fault::WrongMode(_) | Fault::Signature => 10,
        Fault::TooManyAuthRequests => 11,
        Fault::HandshakeTooLong => 12,
        Fault::ControlTooLarge(..) => 13,
        Fault::MessageTooLarge(_) => 14,
        Fault::NothingToDial
        | Fault::WrongPeerType(..)
        | Fault::NoAddress
        | Fault::WrongTarget(_)
        | Fault::WrongAcceptor(_) => 15,
        Fault::Wait | Fault::TooManyRetries => 16,
        _ => 17,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_counted_by_kind_and_late_handshakes_by_how_far_they_came() {
        let counters = Counters::new(1);
        let faults = [
            (Fault::Link(LinkDown::Refused), "START_CONNECT"),
            (Fault::ReadyTimeout, "START_CONNECT"),
            (Fault::ReadyTimeout, "AUTH_ACCEPTING_SIGN"),
            (Fault::ReadyTimeout, "A_LATER_STATE"),
            (Fault::ReadyTimeout, "ACCEPTING_WAIT_CONNECT_MSG_AUTH"),
            (Fault::AckAhead(3), "READY"),
        ];
        for (fault, during) in &faults {
            counters.note_fault(fault, during);
        }
        let mut dump = Dump::new("m");
        counters.tell(&mut dump);
        let text = dump.json().to_string();
        for expected in [
            "msgr_faults_refused\":1,",
            "msgr_faults_ready_timeout\":4,",
            "msgr_faults_protocol\":1,",
            "msgr_ready_timeouts_dialling\":1,",
            "msgr_ready_timeouts_auth\":1,",
            "msgr_ready_timeouts_v1\":1,",
            "msgr_ready_timeouts_other\":1}",
        ] {
            assert!(text.contains(expected), "{expected} in {text}");
        }
    }
}
