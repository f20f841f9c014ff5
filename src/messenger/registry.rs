//! Which connection serves which peer.

use std::sync::{Mutex, MutexGuard, PoisonError};

use rustc_hash::FxHashMap;

use super::connection::{Connection, ConnectionRef};
use super::error::Result;
use crate::types::EntityAddrVec;

/// A messenger's connections by their peer's addresses, dialled and accepted
/// ones alike: the one thing that workers share of their connections. It is
/// asked when connections begin and end, never by a message.
#[derive(Default)]
pub(crate) struct Registry(Mutex<FxHashMap<EntityAddrVec, ConnectionRef>>);

impl Registry {
    /// The connection to that peer. One that has ended does not count, though
    /// it may still stand here.
    pub(crate) fn get(&self, peer: &EntityAddrVec) -> Option<ConnectionRef> {
        let known = self.lock();
        known.get(peer).filter(|con| !con.is_closed()).cloned()
    }

    /// The connection to that peer, or the one that `make` makes. It runs under
    /// the lock: what it does comes before anything that others do with it.
    pub(crate) fn get_or_make(
        &self,
        peer: &EntityAddrVec,
        make: impl FnOnce() -> Result<ConnectionRef>,
    ) -> Result<ConnectionRef> {
        let mut known = self.lock();
        if let Some(con) = known.get(peer).filter(|con| !con.is_closed()) {
            return Ok(ConnectionRef::clone(con));
        }
        let con = make()?;
        con.set_registered_as(peer);
        let ended = known.insert(peer.clone(), ConnectionRef::clone(&con));
        drop(known);
        // With it may go data of the application's: run its code unlocked.
        drop(ended);
        Ok(con)
    }

    /// Makes `con` the connection to that peer, unless there is one, or the end
    /// of the messenger has begun.
    pub(crate) fn claim(&self, peer: &EntityAddrVec, con: &ConnectionRef) -> bool {
        let mut known = self.lock();
        // Asked under the lock that shutdown takes to empty the table: what came
        // after it would stay, and hold the messenger that holds the table.
        let ending = con.messenger().is_shut_down();
        if ending || known.get(peer).is_some_and(|other| !other.is_closed()) {
            return false;
        }
        con.set_registered_as(peer);
        let ended = known.insert(peer.clone(), ConnectionRef::clone(con));
        drop(known);
        drop(ended);
        true
    }

    /// Takes out a connection that has ended, unless another has its place.
    pub(crate) fn remove(&self, con: &Connection) {
        let Some(peer) = con.registered_as() else {
            return;
        };
        let mut known = self.lock();
        let removed = match known.get(peer) {
            Some(other) if other.id() == con.id() => known.remove(peer),
            _ => None,
        };
        drop(known);
        drop(removed);
    }

    /// Takes out all.
    pub(crate) fn take_all(&self) -> Vec<ConnectionRef> {
        let known = std::mem::take(&mut *self.lock());
        known.into_values().collect()
    }

    /// How many stand here though they have ended.
    #[cfg(test)]
    pub(crate) fn closed(&self) -> usize {
        let known = self.lock();
        known.values().filter(|con| con.is_closed()).count()
    }

    /// How many stand here.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, FxHashMap<EntityAddrVec, ConnectionRef>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
