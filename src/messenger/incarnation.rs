//! Ending all connections of a messenger at once, and going on as another
//! incarnation: under another nonce, perhaps at other ports.

use std::sync::Arc;

use super::async_messenger::{AsyncMessenger, lock};
use super::bind::{self, Bound, bind};
use super::connection::ConnectionRef;
use super::dispatch_queue::Item;
use super::error::{Error, Result};
use super::external::External;
use crate::types::{EntityAddr, EntityAddrVec};

/// What the nonces of one messenger's incarnations differ by: more than there
/// will be processes with neighbouring nonces (Ceph's number).
const NONCE_STEP: u32 = 1_000_000;

impl AsyncMessenger {
    /// Ends every connection there is, but for the one to itself. Of each that
    /// the application knows it is told by a reset.
    pub(crate) fn mark_down_all(self: &Arc<Self>) {
        let registered = self.registry().take_all();
        for con in &registered {
            self.mark_down_with_reset(con);
        }
        // The others are known to their workers alone. What is dialled from now
        // on comes to them behind this.
        for worker in self.stack().workers() {
            worker.dispatch_event_external(External::MarkDownAll(Arc::clone(self)));
        }
    }

    /// Ends the connection to the peer with these addresses, if there is one.
    pub(crate) fn mark_down_addrs(self: &Arc<Self>, peer: &EntityAddrVec) {
        if let Some(con) = self.registry().get(peer) {
            self.mark_down_with_reset(&con);
        }
    }

    fn mark_down_with_reset(self: &Arc<Self>, con: &ConnectionRef) {
        if !con.close() {
            return;
        }
        self.forget(con);
        self.dispatch_queue().enqueue_event(con, Item::Reset);
        con.worker()
            .dispatch_event_external(External::MarkDown(con.id()));
    }

    /// Takes over sockets that were bound.
    pub(crate) fn set_bound(&self, bound: Bound) {
        self.set_myaddrs(bound.addrs.clone());
        *lock(self.processors()) = bound.processors;
        *lock(self.bound_to()) = bound.addrs;
    }

    /// Binds to other ports than now and than those in `avoid`, and goes on there
    /// as another incarnation. If that fails nothing has changed.
    pub(crate) fn rebind(self: &Arc<Self>, avoid: &[u16]) -> Result<()> {
        // Held until it is bound: of two at once, one is first.
        let mut bound_to = lock(self.bound_to());
        self.lifecycle().check_not_ending()?;
        if bound_to.0.is_empty() {
            return Err(Error::invalid("the messenger is not bound"));
        }
        // The old sockets are open until there are new ones, so that nobody
        // else, and not even the search for a port, gets the old ports.
        let ports = bound_to.0.iter().map(EntityAddr::port);
        let avoid: Vec<u16> = avoid.iter().copied().chain(ports).collect();
        let mut bound = bind(self, &at_any_port(&bound_to), &avoid)?;
        let nonce = self.next_nonce();
        for addr in &mut bound.addrs.0 {
            addr.nonce = nonce;
        }
        let former = std::mem::replace(&mut *lock(self.processors()), bound.processors);
        bind::release(&former);
        self.set_myaddrs(renewed(&self.myaddrs(), &bound.addrs));
        *bound_to = bound.addrs;
        // With the connections may go data of the application's, whose
        // destructors are its code.
        drop(bound_to);
        self.mark_down_all();
        if !self.dispatchers().snapshot().is_empty() {
            self.start_accepting();
        }
        Ok(())
    }

    /// Ends all connections of a messenger that is not bound, and goes on as
    /// another incarnation.
    pub(crate) fn client_reset(self: &Arc<Self>) -> Result<()> {
        self.lifecycle().check_not_ending()?;
        // Asked before the lock: a rebind that holds it may wait for the very worker
        // that asks.
        if self.lifecycle().is_bound() {
            return Err(Error::new(libc::EALREADY, "the messenger is bound: rebind"));
        }
        let bound_to = lock(self.bound_to());
        let nonce = self.next_nonce();
        let mut addrs = self.myaddrs();
        for addr in &mut addrs.0 {
            addr.nonce = nonce;
        }
        self.set_myaddrs(addrs);
        drop(bound_to);
        self.mark_down_all();
        Ok(())
    }

    fn next_nonce(&self) -> u32 {
        let nonce = self.nonce().wrapping_add(NONCE_STEP);
        self.set_nonce(nonce);
        nonce
    }
}

fn at_any_port(addrs: &EntityAddrVec) -> EntityAddrVec {
    let mut addrs = addrs.clone();
    for addr in &mut addrs.0 {
        if let Some(socket) = &mut addr.socket {
            socket.set_port(0);
        }
    }
    addrs
}

/// The addresses that peers are told, once the messenger is bound elsewhere: IPs
/// that it was told or has learned are still the right ones.
fn renewed(told: &EntityAddrVec, bound: &EntityAddrVec) -> EntityAddrVec {
    let mut renewed = bound.clone();
    for (addr, former) in renewed.0.iter_mut().zip(&told.0) {
        if let (Some(socket), Some(former)) = (&mut addr.socket, former.socket) {
            socket.set_ip(former.ip());
        }
    }
    renewed
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Context, Messenger};

    #[test]
    fn a_reset_of_a_bound_messenger_is_refused_without_waiting_for_its_rebind() {
        let context = Context::new();
        let messenger = Messenger::create(&context, "osd.0", "test", 1).unwrap();
        messenger.bind(&"v2:127.0.0.1:0".parse().unwrap()).unwrap();
        let rebinding = lock(messenger.inner().bound_to());
        let refused = messenger.client_reset().unwrap_err();
        assert_eq!(refused.errno(), libc::EALREADY);
        drop(rebinding);
    }
}
