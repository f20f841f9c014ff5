//! What the worker of a connection notes of it.

use std::sync::atomic::Ordering;

use super::{CLOSED, CONNECTING, Connection, OPEN};
use crate::proto::{ConMode, Fault, Identity, MonAuth, Peer};
use crate::types::{EntityAddr, WallTime};

impl Connection {
    pub(crate) fn note_identity(&self, identity: Identity) {
        self.facts().identity = Some(identity);
    }

    /// What authentication by messages remembers goes with its link.
    pub(crate) fn take_mon_auth(&self) -> MonAuth {
        std::mem::take(&mut self.facts().mon_auth)
    }

    /// What authentication by messages remembers of it.
    pub(crate) fn mon_auth<R>(&self, act: impl FnOnce(&mut MonAuth) -> R) -> R {
        act(&mut self.facts().mon_auth)
    }

    /// Marks it open with what the handshake told of the peer; false if it was
    /// closed meanwhile.
    pub(crate) fn open(&self, peer: Peer) -> bool {
        self.peer_type.store(peer.name.kind.0, Ordering::Release);
        let mut facts = self.facts();
        facts.num = peer.name.num;
        facts.addrs = peer.addrs;
        facts.features = peer.features;
        drop(facts);
        self.reopen(peer.identity)
    }

    /// Marks it open again, to a peer that has proved to be that; false if it was
    /// closed meanwhile.
    pub(crate) fn reopen(&self, identity: Identity) -> bool {
        let sealed = identity.mode == ConMode::Secure;
        self.sealed.store(sealed, Ordering::Relaxed);
        self.note_identity(identity);
        let opened =
            self.state
                .compare_exchange(CONNECTING, OPEN, Ordering::AcqRel, Ordering::Acquire);
        opened.is_ok()
    }

    /// Marks it without a link but not given up.
    pub(crate) fn lose(&self) {
        // Fails if it is closed, which stays.
        let _ = self
            .state
            .compare_exchange(OPEN, CONNECTING, Ordering::AcqRel, Ordering::Acquire);
    }

    /// Marks it closed; false if it was closed before.
    pub(crate) fn close(&self) -> bool {
        self.state.fetch_max(CLOSED, Ordering::AcqRel) < CLOSED
    }

    pub(crate) fn note_fault(&self, fault: Fault) {
        self.facts().last_fault = Some(fault);
    }

    pub(crate) fn note_keepalive(&self, now: WallTime) {
        self.facts().last_keepalive = now;
    }

    pub(crate) fn note_socket_addr(&self, addr: EntityAddr) {
        self.facts().socket_addr = addr;
    }

    pub(crate) fn note_keepalive_ack(&self, stamp: WallTime) {
        self.facts().last_keepalive_ack = stamp;
    }

    /// Counts payload bytes that are no longer kept; fewer than none, if what is
    /// kept has grown. For its worker only, so that no other thread writes the
    /// number.
    pub(crate) fn note_released(&self, bytes: i64) {
        if bytes != 0 {
            let before = self.released.load(Ordering::Relaxed);
            let after = before.wrapping_add_signed(bytes);
            self.released.store(after, Ordering::Release);
        }
    }
}
