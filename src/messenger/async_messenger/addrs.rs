//! The addresses of a messenger that peers are told.

use std::net::{IpAddr, SocketAddr};
use std::sync::PoisonError;

use super::AsyncMessenger;
use crate::messenger::bind;
use crate::messenger::error::Result;
use crate::types::EntityAddrVec;

impl AsyncMessenger {
    pub(crate) fn set_myaddrs(&self, addrs: EntityAddrVec) {
        *self.myaddrs.write().unwrap_or_else(PoisonError::into_inner) = addrs;
    }

    /// Replaces the addresses that peers are told.
    pub(crate) fn set_addrs(&self, addrs: &EntityAddrVec) -> Result<()> {
        let mut mine = self.myaddrs.write().unwrap_or_else(PoisonError::into_inner);
        *mine = bind::advertised(addrs, &mine, self.nonce())?;
        Ok(())
    }

    /// Changes the addresses that peers are told.
    pub(crate) fn change_myaddrs<R>(&self, change: impl FnOnce(&mut EntityAddrVec) -> R) -> R {
        change(&mut self.myaddrs.write().unwrap_or_else(PoisonError::into_inner))
    }

    /// Takes over our IP as a peer sees it, where it is still unknown.
    pub(crate) fn learned_addr(&self, seen: IpAddr) {
        let mut addrs = self.myaddrs.write().unwrap_or_else(PoisonError::into_inner);
        addrs.fill_blank_ips(seen);
    }

    pub(crate) fn myaddrs(&self) -> EntityAddrVec {
        self.myaddrs
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Our own IP of the family of `like`, if one is known.
    pub(crate) fn own_ip(&self, like: SocketAddr) -> Option<IpAddr> {
        let mine = self.myaddrs.read().unwrap_or_else(PoisonError::into_inner);
        let sockets = mine.0.iter().filter_map(|addr| addr.socket);
        let mut ips = sockets.map(|socket| socket.ip());
        ips.find(|ip| ip.is_ipv4() == like.is_ipv4() && !ip.is_unspecified())
    }

    /// True for our own addresses, all of them or one of them alone.
    pub(super) fn is_me(&self, addrs: &EntityAddrVec) -> bool {
        let mine = self.myaddrs.read().unwrap_or_else(PoisonError::into_inner);
        *mine == *addrs || matches!(addrs.0.as_slice(), [one] if mine.0.contains(one))
    }
}
